//! What a process that keeps records in memory polls, to see that another one has changed them.

use std::{
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use crate::store::{
    StoreError,
    file::{disk, header},
};

/// Two stamps of one path differ if the file was written in between. The revision stands in it because a file system
/// may give the next file the same inode within one tick of its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Also changed by a rename or a link, which keep the other times.
    changed: (i64, i64),
    revision: [u8; 8],
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Result<Self, StoreError> {
        let error = |source| StoreError::io("look at", path, source);
        let file = disk::open(path)?;
        let status = file.metadata().map_err(error)?;
        let mut revision = [0; 8];
        // A file that is too short has none: the one who loads it will say what is wrong with it.
        let at = u64::try_from(header::REVISION).unwrap_or(u64::MAX);
        if status.size() >= at + 8 {
            file.read_exact_at(&mut revision, at).map_err(error)?;
        }
        Ok(Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            modified: (status.mtime(), status.mtime_nsec()),
            changed: (status.ctime(), status.ctime_nsec()),
            revision,
        })
    }
}
