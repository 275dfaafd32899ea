//! The log file: whole lines at its end, whoever else rotates, fills or removes it meanwhile.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use memchr::memrchr;

use crate::{
    audit::{line, rotated::folder_of},
    base::trusted::{self, hand_over},
};

/// How far back the begin of a line is looked for.
const FURTHEST: u64 = 64 * 1024;

/// How often the log may be rotated in the moment in which it is opened.
const RACES: usize = 10;

/// A place in a file that was a log at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// The file's device.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
    /// Bytes before the place.
    pub offset: u64,
}

impl Mark {
    /// Whether the place is in this file.
    pub(crate) fn is_in(&self, file: &fs::Metadata) -> bool {
        file.is_file() && (file.dev(), file.ino()) == (self.device, self.inode)
    }
}

/// The file that had the log's name when it was opened.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) file: File,
    /// Not a device or a pipe, which have neither an end to look at nor a name to lose.
    pub(crate) regular: bool,
}

impl Log {
    /// Opens the log, and makes it if there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Made by another process and rotated away again between two of our calls, it is there and is not.
        for _ in 0..RACES {
            match Self::open_once(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder_of(path).is_dir() => (),
                opened => return opened,
            }
        }
        Self::open_once(path)
    }

    fn open_once(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        let file = match options.clone().create_new(true).open(path) {
            Ok(file) => {
                // Whatever the umask took away.
                file.set_permissions(fs::Permissions::from_mode(0o600))?;
                hand_over(&file, path)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_existing(&mut options, path)?,
            Err(error) => return Err(error),
        };
        let regular = file.metadata()?.is_file();
        Ok(Self { file, regular })
    }

    /// Whether it still has the log's name.
    pub(crate) fn is_named(&self, path: &Path) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where it ends now.
    pub(crate) fn end(&self) -> io::Result<Mark> {
        if !self.regular {
            return Ok(Mark::default());
        }
        let now = self.file.metadata()?;
        Ok(Mark { device: now.dev(), inode: now.ino(), offset: now.len() })
    }

    /// Appends text that begins where a line may begin, at `start`. Returns how many bytes of it are there; after an
    /// error the text may end in half a line, which is then taken away.
    pub(crate) fn append(&self, text: &[u8], start: Mark) -> (usize, io::Result<()>) {
        let (length, result) = write(&self.file, text);
        if !self.regular {
            return (length, result);
        }
        match result.and_then(|()| self.expect_name()) {
            Ok(()) => (length, Ok(())),
            Err(error) => {
                let removed = error.kind() == io::ErrorKind::NotFound;
                let whole = if removed { 0 } else { memrchr(b'\n', &text[..length]).map_or(0, |at| at + 1) };
                self.cut_back(start.offset + whole as u64);
                (whole, Err(error))
            }
        }
    }

    /// A process that was killed while it wrote, or had no space left, may have left half a line. Its whole is in that
    /// process's journal, so the half is removed; a half that is none of ours is ended.
    pub(crate) fn mend(&self) -> io::Result<()> {
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
}

/// A link is followed only to a device or a pipe, such as `/dev/stdout`: another user could have us write elsewhere.
fn open_existing(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
        let file = options.open(path)?;
        // It may have been replaced since.
        if !file.metadata()?.is_file() {
            return Ok(file);
        }
    }
    trusted::open_own(options, path)
}

/// Returns how many bytes were written.
fn write(mut file: &File, text: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < text.len() {
        match file.write(&text[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}
