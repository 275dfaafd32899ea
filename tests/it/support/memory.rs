//! How much memory and time a process has taken, from the kernel's own books.

use std::fs;

use crate::support::wait::until;

/// The peak of a process's resident memory since this was made.
pub(crate) struct Peak {
    pid: u32,
    /// Whether the kernel could be told to begin anew; otherwise what is seen now and then must do.
    exact: bool,
    seen: u64,
}

impl Peak {
    /// Begins to count, once the process has given back what its start took.
    pub(crate) fn of(pid: u32) -> Self {
        until("the memory of the start is given back", || (kib(pid, "VmRSS:") < 40 << 10).then_some(()));
        let exact = fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok();
        Self { pid, exact, seen: 0 }
    }

    /// Looks, where the kernel does not look for us.
    pub(crate) fn look(&mut self) {
        if !self.exact {
            self.seen = self.seen.max(kib(self.pid, "VmRSS:"));
        }
    }

    /// The peak, in MiB.
    pub(crate) fn mib(self) -> u64 {
        self.kib() / 1024
    }

    /// The same in KiB.
    pub(crate) fn kib(mut self) -> u64 {
        self.look();
        if self.exact { kib(self.pid, "VmHWM:") } else { self.seen }
    }
}

/// Resident memory now.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    kib(pid, "VmRSS:")
}

fn kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Processor time that a process has used so far, in milliseconds.
pub(crate) fn cpu_ms(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    // A hundred a second, on every Linux.
    ticks * 10
}
