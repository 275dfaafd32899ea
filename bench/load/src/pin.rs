//! Which core the proxy has to itself, and which one the clients and the origin share. Done by `taskset`, where there is one.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the programs run.
#[derive(Debug)]
pub(crate) enum Pins {
    Cores {
        proxy: u32,
        load: u32,
    },
    /// Wherever the system puts them, and why.
    Off(String),
}

impl Pins {
    /// Pins this process, and what it starts from now on, to the second core that it may use.
    pub(crate) fn take() -> Self {
        match take() {
            Ok(Some((proxy, load))) => Self::Cores { proxy, load },
            Ok(None) => Self::Off("fewer than two cores".to_owned()),
            Err(error) => Self::Off(error.to_string()),
        }
    }

    pub(crate) fn proxy_core(&self) -> Option<u32> {
        match self {
            Self::Cores { proxy, .. } => Some(*proxy),
            Self::Off(_) => None,
        }
    }

    /// A command that runs `program` on the proxy's core. It replaces `taskset`, so the child's id is the program's.
    pub(crate) fn on_proxy_core(&self, program: &Path) -> Command {
        let Some(core) = self.proxy_core() else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string()]).arg(program);
        command
    }
}

/// Pins a thread of this process; a process is pinned by its first thread, before there are others.
pub(crate) fn pin(thread: &str, core: u32) -> io::Result<()> {
    let output = Command::new("taskset")
        .args(["--pid", "--cpu-list", &core.to_string(), thread])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("taskset: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn take() -> io::Result<Option<(u32, u32)>> {
    let cores = first_two(&fs::read_to_string("/proc/self/status")?);
    if let Some((_, load)) = cores {
        pin(&std::process::id().to_string(), load)?;
    }
    Ok(cores)
}

/// The first two cores of the line `Cpus_allowed_list:`, which reads like `0-3,8`.
fn first_two(status: &str) -> Option<(u32, u32)> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = list.trim().split(',').filter_map(range).flatten();
    Some((cores.next()?, cores.next()?))
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use crate::pin::first_two;

    #[test]
    fn the_first_two_allowed_cores_are_taken() {
        for (list, expected) in [
            ("0-3", Some((0, 1))),
            ("2,5-7", Some((2, 5))),
            ("4-4,9", Some((4, 9))),
            ("0", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(first_two(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n")), expected, "{list}");
        }
    }
}
