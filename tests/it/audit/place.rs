//! Where the tests of the trail put it, and how they use it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vultrino::audit::{
    Audit, ChainKey, Config, Door, Entry, Outcome, Recorder, Unavailable,
    head::Head,
    verify::{Expected, Finding, Verified, verify},
};

/// A folder with a log and a journal.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn config(&self) -> Config {
        Self::at(self.0.path()).config()
    }

    pub(crate) fn open(&self) -> (Audit, Recorder) {
        Self::at(self.0.path()).open()
    }

    pub(crate) fn at(path: impl AsRef<Path>) -> At {
        At(path.as_ref().to_owned())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.config().file).unwrap()
    }

    pub(crate) fn lines(&self) -> BTreeMap<String, String> {
        by_id(&self.log())
    }

    /// Any of them.
    pub(crate) fn journal(&self) -> PathBuf {
        let mut files = fs::read_dir(self.config().journal_dir).unwrap().map(|it| it.unwrap().path());
        files.find(|it| it.extension().is_some_and(|it| it == "journal")).unwrap()
    }

    /// What the trail knows of itself; no store is asked.
    pub(crate) fn expected(&self) -> Expected {
        let Config { journal_dir, chain, .. } = self.config();
        let head = Head::new(&journal_dir, chain.clone()).look().unwrap().map(|it| it.anchor);
        Expected { key: chain, head, anchor: None, is_head_whole: head.is_some(), from: 0 }
    }

    #[track_caller]
    pub(crate) fn verified(&self) -> Verified {
        self.verify().unwrap_or_else(|finding| panic!("{finding} {finding:?}"))
    }

    pub(crate) fn verify(&self) -> Result<Verified, Finding> {
        verify(&self.config().file, &self.expected(), |_, _| ()).unwrap()
    }

    pub(crate) fn journals(&self) -> usize {
        let files = fs::read_dir(self.config().journal_dir).unwrap();
        files.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "journal")).count()
    }
}

pub(crate) struct At(PathBuf);

impl At {
    pub(crate) fn config(&self) -> Config {
        let chain = ChainKey::new(&[7; 32]);
        Config { file: self.0.join("audit.log"), journal_dir: self.0.join("journal"), chain, anchor: None, revision: 0 }
    }

    pub(crate) fn open(&self) -> (Audit, Recorder) {
        let (audit, recorders) = Audit::open(self.config(), 1, 2048).unwrap();
        (audit, recorders.into_iter().next().unwrap())
    }
}

pub(crate) fn by_id(text: &str) -> BTreeMap<String, String> {
    let id = |line: &str| {
        let (_, after) = line.rsplit_once(" id=").unwrap_or_else(|| panic!("no id: {line}"));
        after.split(' ').next().unwrap_or_default().to_owned()
    };
    text.lines().map(|line| (id(line), line.to_owned())).collect()
}

pub(crate) fn use_once(recorder: &Recorder) {
    let mut entry = recorder.open(Door::Path, "http_request").unwrap();
    entry.arm();
    entry.close(Outcome::Ok);
}

/// Waits while all slots are on their way to the log: these loops are faster than any proxy.
pub(crate) fn patiently(recorder: &Recorder) -> Entry {
    loop {
        match recorder.open(Door::Path, "http_request") {
            Ok(entry) => return entry,
            Err(Unavailable::NoSlot) => thread::yield_now(),
            Err(refused) => panic!("{refused}"),
        }
    }
}

pub(crate) fn until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A file system of 1 MiB, unmounted at the end.
pub(crate) struct Tmpfs(pub(crate) TempDir);

impl Tmpfs {
    /// `None`, with a note, where this user may not mount.
    pub(crate) fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|it| it.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a tmpfs cannot be mounted here");
        None
    }

    /// Leaves no page free; returns the file that takes them.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut filler = File::create(&path).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        assert!(fs::metadata(&path).unwrap().size() > 0);
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}
