//! What the system says about this process. What it does not say is left out.

use std::{fs, io};

use rustix::process::{Resource, getrlimit};

/// Read when somebody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    /// Bytes of memory that are not swapped out.
    pub(crate) resident: Option<u64>,
    /// Files, sockets and pipes.
    pub(crate) descriptors: Option<u64>,
    /// As many as there may be.
    pub(crate) most_descriptors: Option<u64>,
}

impl Process {
    /// As it is now.
    pub(crate) fn now() -> Self {
        let most_descriptors = getrlimit(Resource::Nofile).current;
        Self { resident: told(resident()), descriptors: told(descriptors()), most_descriptors }
    }
}

fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status.lines().find_map(|it| it.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    let kibibytes: u64 = kibibytes.ok_or(io::ErrorKind::InvalidData)?;
    Ok(kibibytes * 1024)
}

/// The folder tells how many it holds since Linux 6.2; before, they are counted, without the one that this takes.
fn descriptors() -> io::Result<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder)?.len() {
        0 => Ok(fs::read_dir(folder)?.count().saturating_sub(1) as u64),
        count => Ok(count),
    }
}

fn told(result: io::Result<u64>) -> Option<u64> {
    result.inspect_err(|error| tracing::debug!(%error, "the system does not tell all about this process")).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use crate::app::process::Process;

    #[test]
    fn the_system_tells() {
        let before = Process::now();
        let file = File::open("/dev/null").unwrap();
        let after = Process::now();
        drop(file);
        assert!((1 << 20..1 << 40).contains(&before.resident.unwrap()), "{before:?}");
        assert!((3..1 << 20).contains(&before.descriptors.unwrap()), "{before:?}");
        assert!(after.descriptors <= after.most_descriptors, "{after:?}");
    }
}
