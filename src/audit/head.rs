//! Where the chain ends: a small file beside the journals, which every process that appends to the chain locks, reads
//! and writes once a batch. It remembers the newest store that was seen, too.
//!
//! It holds two copies, each with a MAC, and the older one is written over: a process may be killed at any instruction
//! and one whole copy is there. What it says may lie a batch behind the log, never before it.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::{
    audit::{
        anchor::{Anchor, MAC},
        chain::ChainKey,
        log::Mark,
        scan,
    },
    base::trusted::{self, hand_over},
};

/// Its name in the folder of the journals.
const NAME: &str = "chain";

/// How long another process may be in the middle of a batch.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says the version of all this, too. Its zeros are what no line has, so its MAC is never one of a line.
const MAGIC: &[u8; 32] = b"vultrino audit chain 1\0\0\0\0\0\0\0\0\0\0";

/// Bytes of a copy, and of what its MAC covers.
const COPY: usize = 128;
const COVERED: usize = MAGIC.len() + 8 + 8 + MAC + 3 * 8 + 8;

/// What the chain has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// The last record.
    pub anchor: Anchor,
    /// Where the log ended after it.
    pub mark: Mark,
    /// The highest revision of the store that a process has seen.
    pub revision: u64,
}

/// The file. Each thread and process has its own.
#[derive(Debug)]
pub struct Head {
    path: PathBuf,
    key: ChainKey,
    file: Option<File>,
    /// The file's bytes when this process last read or wrote them, and what they mean.
    seen: [u8; COPY * 2],
    turn: u64,
    state: Option<State>,
    /// Whether a copy is there that is not as it was written.
    is_damaged: bool,
}

impl Head {
    /// Of the chain whose journals are in `folder`.
    pub fn new(folder: &Path, key: ChainKey) -> Self {
        Self { path: folder.join(NAME), key, file: None, seen: [0; COPY * 2], turn: 0, state: None, is_damaged: false }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its MACs are made with.
    pub(crate) fn key(&self) -> &ChainKey {
        &self.key
    }

    /// What it says, for who only looks. `None` if there is none, or none of this key.
    pub fn look(&mut self) -> io::Result<Option<State>> {
        match trusted::open_own(OpenOptions::new().read(true), &self.path) {
            Ok(file) => self.read(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (self.state, self.is_damaged) = (None, false),
            Err(error) => return Err(error),
        }
        Ok(self.state)
    }

    /// Whether a copy that it had when it was read last was not as it was written: changed, or of another key.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Keeps every other process from the chain until what this gives is dropped.
    pub fn lock(&mut self) -> io::Result<Locked<'_>> {
        let begin = Instant::now();
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            match file.try_lock() {
                // Removed meanwhile: who opens it now gets another file and another lock.
                Ok(()) if file.metadata()?.nlink() == 0 => (),
                Ok(()) => {
                    self.read(&file)?;
                    self.file = Some(file);
                    return Ok(Locked(self));
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds the audit chain"));
                }
                Err(TryLockError::WouldBlock) => {
                    self.file = Some(file);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    fn read(&mut self, file: &File) -> io::Result<()> {
        let mut bytes = [0; COPY * 2];
        scan::read(file, &mut bytes, 0)?;
        if self.state.is_none() || bytes != self.seen {
            let copies = bytes.chunks_exact(COPY);
            let mut written = copies.clone().filter(|it| it.iter().any(|b| *b != 0));
            self.is_damaged = written.any(|it| decode(it, &self.key).is_none());
            let newest = copies.filter_map(|it| decode(it, &self.key)).max_by_key(|(turn, _)| *turn);
            (self.turn, self.state) = newest.map_or((0, None), |(turn, state)| (turn, Some(state)));
            self.seen = bytes;
        }
        Ok(())
    }
}

/// The right to append to the chain.
#[derive(Debug)]
pub struct Locked<'a>(&'a mut Head);

impl Locked<'_> {
    /// What it says; `None` if it is new, damaged, or of another key.
    pub fn state(&self) -> Option<State> {
        self.0.state
    }

    /// As [`Head::is_damaged`].
    pub fn is_damaged(&self) -> bool {
        self.0.is_damaged
    }

    /// Remembers `state`. This process goes on from it even if it cannot be written down.
    pub fn set(&mut self, state: State) -> io::Result<()> {
        let head = &mut *self.0;
        if head.state == Some(state) && !head.is_damaged {
            return Ok(());
        }
        if head.state.is_none()
            && head.is_damaged
            && let Some(file) = &head.file
        {
            file.write_all_at(&[0; COPY * 2], 0)?;
            head.seen = [0; COPY * 2];
        }
        head.state = Some(state);
        // What is damaged is not the newest copy, and so it is the one that is written over.
        head.is_damaged = false;
        let turn = head.turn + 1;
        let copy = encode(turn, &state, &head.key);
        let at = if turn.is_multiple_of(2) { 0 } else { COPY };
        if let Some(file) = &head.file {
            file.write_all_at(&copy, at as u64)?;
        }
        head.turn = turn;
        head.seen[at..at + COPY].copy_from_slice(&copy);
        Ok(())
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Closing the file gives the lock back, if nothing else does.
        let file = self.0.file.take();
        self.0.file = file.filter(|it| it.unlock().is_ok());
    }
}

/// Makes it if it is missing, with all the space it will ever need.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let made = match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return trusted::open_own(&mut options, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            options.create_new(true).open(path)
        }
        made => made,
    };
    let file = made?;
    let prepared = hand_over(&file, path).and_then(|()| file.write_all_at(&[0; COPY * 2], 0));
    if let Err(error) = prepared {
        // Empty, it is worth nothing, and the next one makes it anew.
        drop(std::fs::remove_file(path));
        return Err(error);
    }
    Ok(file)
}

fn encode(turn: u64, state: &State, key: &ChainKey) -> [u8; COPY] {
    let State { anchor, mark, revision } = state;
    let mut copy = Vec::with_capacity(COPY);
    copy.extend_from_slice(MAGIC);
    copy.extend_from_slice(&turn.to_le_bytes());
    copy.extend_from_slice(&anchor.sequence.to_le_bytes());
    copy.extend_from_slice(&anchor.mac);
    for number in [mark.device, mark.inode, mark.offset, *revision] {
        copy.extend_from_slice(&number.to_le_bytes());
    }
    copy.extend_from_slice(&key.mac(&copy));
    let mut padded = [0; COPY];
    padded[..copy.len()].copy_from_slice(&copy);
    padded
}

fn decode(copy: &[u8], key: &ChainKey) -> Option<(u64, State)> {
    let (covered, rest) = copy.split_at_checked(COVERED)?;
    let mut fields = covered.strip_prefix(MAGIC)?;
    if verify_slices_are_equal(&key.mac(covered), rest.get(..MAC)?).is_err() {
        return None;
    }
    let (turn, sequence, mac) = (number(&mut fields)?, number(&mut fields)?, take(&mut fields)?);
    let mark = Mark { device: number(&mut fields)?, inode: number(&mut fields)?, offset: number(&mut fields)? };
    Some((turn, State { anchor: Anchor { sequence, mac }, mark, revision: number(&mut fields)? }))
}

fn number(fields: &mut &[u8]) -> Option<u64> {
    take(fields).map(u64::from_le_bytes)
}

fn take<const N: usize>(fields: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = fields.split_first_chunk()?;
    *fields = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::audit::{
        anchor::Anchor,
        chain::ChainKey,
        head::{COPY, Head, State},
        log::Mark,
    };

    fn state(sequence: u64) -> State {
        let mark = Mark { device: 1, inode: 2, offset: 3 };
        State { anchor: Anchor { sequence, mac: [9; 16] }, mark, revision: 4 }
    }

    fn key() -> ChainKey {
        ChainKey::new(&[1; 32])
    }

    #[test]
    fn two_processes_see_what_the_other_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let mut heads = [Head::new(folder.path(), key()), Head::new(folder.path(), key())];
        assert_eq!(heads[0].lock().unwrap().state(), None);
        for n in 1..6 {
            heads[n % 2].lock().unwrap().set(state(n as u64)).unwrap();
            assert_eq!(heads[(n + 1) % 2].look().unwrap(), Some(state(n as u64)));
        }
        assert_eq!(Head::new(folder.path(), ChainKey::new(&[2; 32])).look().unwrap(), None, "another store's");
    }

    #[test]
    fn a_copy_that_was_half_written_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut head = Head::new(folder.path(), key());
        for n in 1..3 {
            head.lock().unwrap().set(state(n)).unwrap();
        }
        let whole = fs::read(head.path()).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(head.path(), &damaged).unwrap();
            let mut damaged = Head::new(folder.path(), key());
            let found = damaged.look().unwrap().unwrap();
            // The second round is in the first copy.
            let is_padding = at % COPY >= 112;
            assert_eq!(found, state(if at < COPY && !is_padding { 1 } else { 2 }), "{at}");
            assert_eq!(damaged.is_damaged(), !is_padding, "{at}");
            damaged.lock().unwrap().set(found).unwrap();
            let mut mended = Head::new(folder.path(), key());
            assert_eq!((mended.look().unwrap(), mended.is_damaged()), (Some(found), false), "{at}");
        }
        fs::write(head.path(), "").unwrap();
        assert_eq!((head.look().unwrap(), head.is_damaged()), (None, false));
        fs::write(head.path(), [0xff; COPY * 2]).unwrap();
        assert_eq!((head.look().unwrap(), head.is_damaged()), (None, true));
        head.lock().unwrap().set(state(3)).unwrap();
        assert_eq!((head.look().unwrap(), head.is_damaged()), (Some(state(3)), false));
    }

    #[test]
    fn one_that_was_removed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut head = Head::new(&path, key());
        head.lock().unwrap().set(state(1)).unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(head.lock().unwrap().state(), None);
        head.lock().unwrap().set(state(2)).unwrap();
        assert_eq!(Head::new(&path, key()).look().unwrap(), Some(state(2)));
    }

    #[test]
    fn it_is_one_processs_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut head = Head::new(folder.path(), key());
        let held = head.lock().unwrap();
        let mut other = Head::new(folder.path(), key());
        assert_eq!(other.lock().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(held);
        other.lock().unwrap();
    }
}
