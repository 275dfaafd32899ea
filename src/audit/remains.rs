//! A journal as its process left it when it died.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::{
    audit::{
        error::AuditError,
        journal::{self, HEADER, MAGIC, MARK, SLOT, Word},
        log::Mark,
    },
    base::trusted,
};

/// What is in it. The file is locked for as long as this lives.
#[derive(Debug)]
pub struct Remains {
    file: File,
    /// Where the log stood before the last batch.
    pub mark: Mark,
    /// The texts that count, each with the place of its word.
    pub texts: Vec<(u64, Vec<u8>)>,
}

impl Remains {
    /// Reads a journal; `None` if its process lives, or has just removed it. One that died before it had finished making
    /// the file left nothing.
    pub fn open(path: &Path) -> Result<Option<Self>, AuditError> {
        let failed = |source| AuditError::Journal { path: path.to_owned(), source };
        let mut file = match trusted::open_own(OpenOptions::new().read(true).write(true), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => (),
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (header, slots) = bytes.split_at_checked(HEADER).unwrap_or((&bytes, &[]));
        if !header.starts_with(MAGIC) && header.iter().any(|b| *b != 0) {
            return Err(AuditError::Foreign { path: path.to_owned() });
        }
        let word = |n: usize| header.get(MARK + n * 8..).and_then(|it| it.first_chunk()).copied();
        let [device, inode, offset] = [0, 1, 2].map(|n| word(n).map_or(0, u64::from_le_bytes));
        let texts = slots.chunks_exact(SLOT).enumerate().filter_map(|(n, slot)| {
            let word = Word(u32::from_le_bytes(*slot.first_chunk()?));
            let start = word.start();
            (word.0 != 0).then(|| ((HEADER + n * SLOT) as u64, slot[start..start + word.length()].to_vec()))
        });
        Ok(Some(Self { mark: Mark { device, inode, offset }, texts: texts.collect(), file }))
    }

    /// Forgets one text.
    pub fn clear(&self, place: u64) -> io::Result<()> {
        self.file.write_all_at(&[0; 4], place)
    }

    /// As [`journal::Journal::note`].
    pub fn note(&self, mark: Mark) -> io::Result<()> {
        journal::note(&self.file, mark)
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{error::AuditError, remains::Remains};

    #[test]
    fn a_journal_that_was_never_finished_is_empty_and_a_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1-1.journal");
        for begun in [&[][..], &[0; 100], &[0; 10_000]] {
            std::fs::write(&path, begun).unwrap();
            assert!(Remains::open(&path).unwrap().unwrap().texts.is_empty());
        }
        std::fs::write(&path, "vultrino audit journal 1").unwrap();
        assert!(matches!(Remains::open(&path), Err(AuditError::Foreign { .. })));
    }
}
