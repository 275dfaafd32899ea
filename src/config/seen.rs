//! The files that a configuration was read from, so that a running server notices when they change.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// A file or folder as it was before it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    path: PathBuf,
    stamp: Stamp,
}

/// Differs after every change that is worth reading. A name that leads elsewhere now is one.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stamp {
    There {
        file: (u64, u64),
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    /// A pipe or a socket: its times tell nothing, and what came out of it is gone.
    Stream {
        file: (u64, u64),
    },
    Missing,
    Unreadable(io::ErrorKind),
}

impl Seen {
    /// How it is now. A file that is missing is seen, too: it may come.
    pub fn now(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: Stamp::of(path) }
    }

    /// What it is about, if that can be read but once.
    pub fn stream(&self) -> Option<&Path> {
        matches!(self.stamp, Stamp::Stream { .. }).then_some(&self.path)
    }

    /// The same file or folder as it is now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::now(&self.path)
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(it) if it.file_type().is_fifo() || it.file_type().is_socket() => {
                Self::Stream { file: (it.dev(), it.ino()) }
            }
            Ok(it) => Self::There {
                file: (it.dev(), it.ino()),
                size: it.size(),
                modified: (it.mtime(), it.mtime_nsec()),
                changed: (it.ctime(), it.ctime_nsec()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::seen::Seen;

    #[test]
    fn a_file_that_comes_changes_or_is_replaced_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let missing = Seen::now(&file);
        assert_eq!(missing, missing.again());
        fs::write(&file, "a").unwrap();
        let first = missing.again();
        assert_ne!(first, missing);
        assert_eq!(first, first.again());
        fs::write(folder.path().join("new"), "b").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        assert_ne!(first, first.again());
    }
}
