//! CPU time and memory of a process, as the kernel counts them under `/proc`.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One tick of the kernel's counters for programs (`USER_HZ`), the same on every Linux that we build for.
const TICK_MS: u64 = 10;

/// A process to watch.
#[derive(Debug, Clone)]
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn this() -> Self {
        Self("/proc/self".into())
    }

    pub(crate) fn of(id: u32) -> Self {
        Self(format!("/proc/{id}").into())
    }

    /// CPU time of all threads so far, those that have ended too.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(self.0.join("stat"))?;
        // The name, in brackets, may hold anything: count from behind it. utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = sum(fields.split_ascii_whitespace().skip(11).take(2));
        ticks.map(time).ok_or_else(|| odd("stat"))
    }

    /// Lets the peak start anew from what is in use now. False when the kernel does not let us.
    pub(crate) fn forget_peak(&self) -> bool {
        fs::write(self.0.join("clear_refs"), "5").is_ok()
    }

    /// Most resident memory since the start or since `forget_peak`, in KiB.
    pub(crate) fn peak_kib(&self) -> io::Result<u32> {
        self.kib("status", "VmHWM:")
    }

    /// Memory that is its own, and its share of what it has in common with others, in KiB.
    pub(crate) fn memory_kib(&self) -> io::Result<u32> {
        self.kib("smaps_rollup", "Pss:")
    }

    fn kib(&self, file: &str, name: &str) -> io::Result<u32> {
        let text = fs::read_to_string(self.0.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok()).ok_or_else(|| odd(file))
    }
}

/// Lets this process have as many open files as it may: each connection of clients and origin is one.
pub(crate) fn raise_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).map_err(io::Error::from)
}

/// CPU time that all programs on this machine have used, on all cores.
pub(crate) fn machine_cpu() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields: Vec<&str> = stat.lines().next().unwrap_or("").split_ascii_whitespace().collect();
    // user nice system, and irq softirq steal; between them are idle and iowait
    let busy = fields.get(1..4).into_iter().chain(fields.get(6..9)).flatten().copied();
    sum(busy).map(time).ok_or_else(|| odd("/proc/stat"))
}

fn sum<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<u64> {
    fields.try_fold(0_u64, |total, field| total.checked_add(field.parse().ok()?))
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(TICK_MS))
}

fn odd(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot read the figures in {file}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::process::{Process, machine_cpu};

    #[test]
    fn work_shows_in_the_figures() {
        let (ours, all) = (Process::this().cpu().unwrap(), machine_cpu().unwrap());
        let memory = vec![1_u8; 8 << 20];
        let give_up = Instant::now() + Duration::from_mins(1);
        while Process::this().cpu().unwrap() < ours + Duration::from_millis(30) {
            assert!(Instant::now() < give_up);
        }
        assert!(machine_cpu().unwrap() > all);
        assert!(Process::this().peak_kib().unwrap() >= 8 << 10, "{}", memory.len());
        assert!(Process::this().memory_kib().unwrap() >= 8 << 10, "{}", memory.len());
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Process::of(u32::MAX).cpu().is_err());
    }
}
