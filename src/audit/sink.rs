//! The log file: whole lines are appended to it, whoever else appends, rotates, fills or removes it meanwhile.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use memchr::memrchr;

use crate::audit::{line, owner::hand_over};

/// How long another process may be in the middle of a batch.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far back the begin of a line is looked for.
const FURTHEST: u64 = 64 * 1024;

/// A place in a file that was a log at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The file's device.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
    /// Bytes before the place.
    pub offset: u64,
}

/// What of a batch is in the log, and why not the rest.
#[derive(Debug)]
pub struct Appended {
    /// Bytes of whole lines.
    pub length: usize,
    /// An error means that the rest must be written again.
    pub result: io::Result<()>,
}

/// The end of the log.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    file: File,
    /// Not a device or a pipe, which have neither an end to look at nor a name to lose.
    regular: bool,
}

impl Sink {
    /// Opens the log, and makes it if there is none.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let log = open(&path)?;
        Ok(Self { path, log: Some(log) })
    }

    /// Where the log lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines. `note` is told, before the first byte, where the batch will begin.
    pub fn append(&mut self, lines: &[u8], note: impl FnOnce(Mark) -> io::Result<()>) -> Appended {
        let appended = match self.current() {
            Ok(log) => log.append(lines, note),
            Err(error) => Appended { length: 0, result: Err(error) },
        };
        if appended.result.is_err() {
            self.log = None;
        }
        appended
    }

    /// What was written is on the disk when this returns.
    pub fn sync(&mut self) -> io::Result<()> {
        let log = self.current()?;
        if log.regular { log.file.sync_data() } else { Ok(()) }
    }

    /// The file that has the log's name now.
    fn current(&mut self) -> io::Result<&Log> {
        let stale = match &self.log {
            Some(log) => log.regular && !is_named(&log.file, &self.path)?,
            None => true,
        };
        if stale {
            self.log = None;
        }
        match &mut self.log {
            Some(log) => Ok(log),
            none => Ok(none.insert(open(&self.path)?)),
        }
    }
}

/// Takes away half a line at the end of what was the log before it was rotated.
pub fn mend(path: &Path) -> io::Result<()> {
    let log = Log { file: OpenOptions::new().read(true).append(true).open(path)?, regular: true };
    log.lock()?;
    let mended = log.mend();
    log.unlock();
    mended
}

fn open(path: &Path) -> io::Result<Log> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    let file = match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // Whatever the umask took away.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            hand_over(&file, path)?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path)?,
        Err(error) => return Err(error),
    };
    let regular = file.metadata()?.is_file();
    Ok(Log { file, regular })
}

fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Log {
    fn append(&self, lines: &[u8], note: impl FnOnce(Mark) -> io::Result<()>) -> Appended {
        if !self.regular {
            let (length, result) = write(&self.file, lines);
            return Appended { length, result };
        }
        let start = match self.lock().and_then(|()| self.prepare(note)) {
            Ok(start) => start,
            Err(error) => {
                self.unlock();
                return Appended { length: 0, result: Err(error) };
            }
        };
        let (length, result) = write(&self.file, lines);
        let result = result.and_then(|()| self.expect_name());
        let length = match &result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            _ => length,
        };
        if result.is_err() {
            self.cut_back(start + length as u64);
        }
        self.unlock();
        Appended { length, result }
    }

    /// Returns where the batch begins, which is where a line may begin.
    fn prepare(&self, note: impl FnOnce(Mark) -> io::Result<()>) -> io::Result<u64> {
        self.mend()?;
        let now = self.file.metadata()?;
        note(Mark { device: now.dev(), inode: now.ino(), offset: now.len() })?;
        Ok(now.len())
    }

    /// A process that was killed while it wrote, or had no space left, may have left half a line. Its whole is in that
    /// process's journal, so the half is removed; a half that is none of ours is ended.
    fn mend(&self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let mut tail = vec![0; usize::from(length > 0)];
        self.file.read_exact_at(&mut tail, length.saturating_sub(1))?;
        if tail.is_empty() || tail == b"\n" {
            return Ok(());
        }
        let start = length.saturating_sub(FURTHEST);
        tail.resize(usize::try_from(length - start).map_err(io::Error::other)?, 0);
        self.file.read_exact_at(&mut tail, start)?;
        let begin = memrchr(b'\n', &tail).map_or(0, |at| at + 1);
        let whole = begin > 0 || start == 0;
        let torn = (tail.len() - begin) as u64;
        if whole && line::is_begin(&tail[begin..]) && self.file.set_len(length - torn).is_ok() {
            return Ok(());
        }
        (&self.file).write_all(b"\n")
    }

    /// The log may have been removed while the batch was on its way.
    fn expect_name(&self) -> io::Result<()> {
        if self.file.metadata()?.nlink() > 0 {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the log was removed while it was written"))
    }

    /// Takes away the half line at the end of a batch that did not fit. If that fails, too, the next batch mends it.
    fn cut_back(&self, length: u64) {
        if let Err(error) = self.file.set_len(length) {
            tracing::debug!(%error, "half a line stays at the end of the audit log until the next batch mends it");
        }
    }

    /// Between processes that append to the same log, so that none appends to another's half line.
    fn lock(&self) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds the log"));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn unlock(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the audit log stays locked until it is opened again");
        }
    }
}

/// Returns the length of the whole lines that were written.
fn write(mut file: &File, lines: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < lines.len() {
        let error = match file.write(&lines[done..]) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(more) => {
                done += more;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        let whole = memrchr(b'\n', &lines[..done]).map_or(0, |at| at + 1);
        return (whole, Err(error));
    }
    (done, Ok(()))
}
