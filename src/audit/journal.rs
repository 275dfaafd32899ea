//! The memory of running processes that outlives them: a preallocated file, mapped, one slot an open record.
//!
//! A slot has room for two texts and one word that says which of them counts. A new text is put where the old one is
//! not, then the word is switched over: a process may be killed at any instruction and one whole text is there.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process, slice,
    sync::atomic::{AtomicU32, Ordering},
};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};

use crate::{
    audit::{error::AuditError, log::Mark},
    base::trusted::hand_over,
};

/// Bytes of a slot: the word, four spare bytes, two texts.
pub(crate) const SLOT: usize = 1536;

/// Bytes of one text.
pub const ROOM: usize = (SLOT - 8) / 2;

/// Bytes in front of the slots: [`MAGIC`], then, from [`MARK`] on, where the log stood before the last batch.
pub(crate) const HEADER: usize = 4096;
pub(crate) const MARK: usize = 64;

/// Says the version of all this, too.
pub(crate) const MAGIC: &[u8; 32] = b"vultrino audit journal 2\0\0\0\0\0\0\0\0";

/// The name ends in this.
pub const EXTENSION: &str = "journal";

/// What a text means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The line as it is to read if the process dies now.
    Armed,
    /// The final line, not yet in the log.
    Closed,
}

/// The journal of this process. While it or a map of it lives, the file is locked, and others leave it alone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Makes the file with all the disk space it will ever need, and `shares` maps of `slots` slots each.
    pub fn create(folder: &Path, shares: usize, slots: u16) -> Result<(Self, Vec<Slots>), AuditError> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)?;
        let path = folder.join(format!("{}-{:016x}.{EXTENSION}", process::id(), u64::from_be_bytes(random)));
        match Self::prepare(&path, shares, slots) {
            Ok((file, maps)) => Ok((Self { file, path }, maps)),
            Err(source) => {
                // Half a journal is worth nothing; if it cannot be removed either, the next start does it.
                drop(std::fs::remove_file(&path));
                Err(AuditError::Journal { path, source })
            }
        }
    }

    fn prepare(path: &Path, shares: usize, slots: u16) -> io::Result<(File, Vec<Slots>)> {
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.lock()?;
        hand_over(&file, path)?;
        let share = usize::from(slots) * SLOT;
        reserve(&mut file, HEADER + shares * share)?;
        file.write_all_at(MAGIC, 0)?;
        let map = |n: usize| {
            let offset = (HEADER + n * share) as u64;
            MmapOptions::new().offset(offset).len(share).map_raw(&file).map(|map| Slots { map, count: slots })
        };
        let maps = (0..shares).map(map).collect::<io::Result<_>>()?;
        Ok((file, maps))
    }

    /// Remembers where the log stood before a batch: what follows there may be in the log already.
    pub fn note(&self, mark: Mark) -> io::Result<()> {
        note(&self.file, mark)
    }

    /// Removes the file; nobody needs it any more.
    pub fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Space that the file system may never deny later: a write through the map could not report that.
fn reserve(file: &mut File, length: usize) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, length as u64) {
        Err(rustix::io::Errno::OPNOTSUPP) => file.write_all(&vec![0; length]),
        done => Ok(done?),
    }
}

/// As [`Journal::note`], in any journal.
pub(crate) fn note(file: &File, mark: Mark) -> io::Result<()> {
    let words = [mark.device, mark.inode, mark.offset];
    file.write_all_at(words.map(u64::to_le_bytes).as_flattened(), MARK as u64)
}

/// The right to write one slot of one [`Slots`]. There is one for each slot and it cannot be copied, so whoever has it
/// is alone there.
#[derive(Debug)]
pub struct Slot(u16);

/// The slots of one share, mapped.
#[derive(Debug)]
pub struct Slots {
    map: MmapRaw,
    count: u16,
}

impl Slots {
    /// The rights to all slots; to be called once.
    pub fn take_all(&mut self) -> Vec<Slot> {
        (0..self.count).rev().map(Slot).collect()
    }

    /// Puts a text, which `write` makes out of the one that was there and whose length it returns, in its place.
    pub fn put(&self, slot: &mut Slot, kind: Kind, write: impl FnOnce(&mut [u8], &[u8]) -> usize) {
        let old = Word(self.word(slot).load(Ordering::Relaxed));
        let second_half = old.0 != 0 && !old.is_second_half();
        let start = self.start(slot).wrapping_add(half_start(second_half));
        let before = self.text(slot);
        #[expect(unsafe_code, reason = "the map gives raw pointers only")]
        // SAFETY: `start` is in the map, since a slot is and its halves are in the slot; the one `Slot` of this number
        // is borrowed mutably, so no one in this process reads or writes there, and other processes leave a locked
        // journal alone; the text that was there is in the other half.
        let text = unsafe { slice::from_raw_parts_mut(start, ROOM) };
        let length = write(text, before);
        self.word(slot).store(Word::new(kind, second_half, length).0, Ordering::Release);
    }

    /// The text that counts.
    pub fn text<'a>(&'a self, slot: &'a Slot) -> &'a [u8] {
        let word = Word(self.word(slot).load(Ordering::Relaxed));
        let start = self.start(slot).wrapping_add(word.start());
        #[expect(unsafe_code, reason = "the map gives raw pointers only")]
        // SAFETY: as in `put`; the slot is borrowed for as long as the text, so it is not written meanwhile.
        unsafe {
            slice::from_raw_parts(start, word.length())
        }
    }

    /// Forgets the text: it is in the log, or there never was one.
    pub fn clear(&self, slot: &Slot) {
        self.word(slot).store(0, Ordering::Release);
    }

    fn word(&self, slot: &Slot) -> &AtomicU32 {
        #[expect(unsafe_code, reason = "the map gives raw pointers only")]
        // SAFETY: the pointer is in the map, which lives as long as `self`; slots begin at multiples of 1536 of a
        // page, so it is aligned; the word is never accessed but as an atomic.
        unsafe {
            AtomicU32::from_ptr(self.start(slot).cast())
        }
    }

    fn start(&self, slot: &Slot) -> *mut u8 {
        assert!(slot.0 < self.count, "a slot is used with the map it was taken from");
        self.map.as_mut_ptr().wrapping_add(usize::from(slot.0) * SLOT)
    }
}

/// Which text counts, and how long it is: 0 is neither.
#[derive(Clone, Copy)]
pub(crate) struct Word(pub(crate) u32);

impl Word {
    fn new(kind: Kind, second_half: bool, length: usize) -> Self {
        let kind = match kind {
            Kind::Armed => 1,
            Kind::Closed => 2,
        };
        // A length is at most `ROOM`, so it always fits.
        let length = u16::try_from(length.min(ROOM)).unwrap_or_default();
        Self(kind << 24 | u32::from(second_half) << 16 | u32::from(length))
    }

    fn is_second_half(self) -> bool {
        self.0 >> 16 & 1 == 1
    }

    pub(crate) fn start(self) -> usize {
        half_start(self.is_second_half())
    }

    pub(crate) fn length(self) -> usize {
        let [low, high, ..] = self.0.to_le_bytes();
        usize::from(u16::from_le_bytes([low, high])).min(ROOM)
    }
}

fn half_start(second: bool) -> usize {
    8 + usize::from(second) * ROOM
}

#[cfg(test)]
mod tests {
    use crate::audit::{
        journal::{Journal, Kind, ROOM},
        log::Mark,
        remains::Remains,
    };

    fn write(text: &[u8]) -> impl FnOnce(&mut [u8], &[u8]) -> usize {
        |space, _| {
            space[..text.len()].copy_from_slice(text);
            text.len()
        }
    }

    #[test]
    fn what_a_process_left_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, mut shares) = Journal::create(folder.path(), 2, 8).unwrap();
        let mark = Mark { device: 1, inode: 2, offset: 3 };
        journal.note(mark).unwrap();
        for slots in &mut shares {
            let mut all = slots.take_all();
            slots.put(&mut all[0], Kind::Armed, write(b"armed"));
            slots.put(&mut all[1], Kind::Armed, write(b"armed, then longer"));
            slots.put(&mut all[1], Kind::Closed, write(b"closed"));
            slots.put(&mut all[2], Kind::Closed, write(&[b'x'; ROOM]));
            slots.put(&mut all[3], Kind::Closed, write(b"written"));
            assert_eq!(slots.text(&all[1]), b"closed");
            slots.clear(&all[3]);
        }
        let path = journal.path().to_owned();
        assert!(Remains::open(&path).unwrap().is_none(), "its process lives");
        drop(journal);
        assert!(Remains::open(&path).unwrap().is_none(), "a slot may still be written");
        drop(shares);
        let remains = Remains::open(&path).unwrap().unwrap();
        assert_eq!(remains.mark, mark);
        let texts: Vec<&[u8]> = remains.texts.iter().map(|it| &*it.1).collect();
        let long = [b'x'; ROOM];
        let once: [&[u8]; 3] = [&long, b"closed", b"armed"];
        assert_eq!(texts, [once, once].concat());
        remains.clear(remains.texts[0].0).unwrap();
        drop(remains);
        assert_eq!(Remains::open(&path).unwrap().unwrap().texts.len(), 5);
    }

    #[test]
    fn a_slot_keeps_one_whole_text_while_the_next_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, mut shares) = Journal::create(folder.path(), 1, 8).unwrap();
        let mut slot = shares[0].take_all().remove(0);
        shares[0].put(&mut slot, Kind::Armed, write(b"armed"));
        let path = journal.path().to_owned();
        shares[0].put(&mut slot, Kind::Closed, |space, before| {
            assert_eq!(before, b"armed");
            space.fill(b'y');
            // What a process would leave that died here.
            let left = std::fs::read(&path).unwrap();
            let copy = path.with_file_name("copy.journal");
            std::fs::write(&copy, left).unwrap();
            assert_eq!(Remains::open(&copy).unwrap().unwrap().texts[0].1, b"armed");
            6
        });
        assert_eq!(shares[0].text(&slot), b"yyyyyy");
    }
}
