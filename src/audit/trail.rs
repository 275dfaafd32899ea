//! The beginning and the end of the trail: opened before the first door, closed after the last.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use crate::{
    audit::{
        anchor::Anchor,
        config::Config,
        error::AuditError,
        head::Head,
        journal::Journal,
        memory::Memory,
        observer::Observer,
        recorder::{Lane, Recorder, Signals},
        recover,
        sink::Sink,
        writer::Writer,
    },
    base::trusted,
};

/// Records that may be open at once, or closed and not yet written, of a process that does one thing and ends.
const FEW_SLOTS: u16 = 4;

/// The writer gives up earlier, unless the system holds it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Owns the writer. Dropping it closes it, too.
#[derive(Debug)]
pub struct Audit {
    journal: Arc<Journal>,
    lanes: Vec<Arc<Lane>>,
    signals: Arc<Signals>,
    memory: Memory,
    /// Disconnected when the writer has ended; `None` after this was closed.
    writer: Option<Receiver<()>>,
}

impl Audit {
    /// Brings what dead processes left into the log, makes this process's journal, and gives each worker its recorder, with
    /// so many slots: the records that may be open at once, or closed and not yet written.
    ///
    /// # Errors
    /// There is no log or no journal, so no credential may be used.
    pub fn open(config: Config, workers: usize, slots: u16) -> Result<(Self, Vec<Recorder>), AuditError> {
        Self::begin(config, workers, slots)
    }

    /// The same for a process that does one thing and ends, such as a command: its journal is small.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn open_single(config: Config) -> Result<(Self, Recorder), AuditError> {
        let (audit, _) = Self::begin(config, 1, FEW_SLOTS)?;
        let recorder = Recorder::new(Arc::clone(&audit.lanes[0]));
        Ok((audit, recorder))
    }

    fn begin(config: Config, workers: usize, slots: u16) -> Result<(Self, Vec<Recorder>), AuditError> {
        let Config { file, journal_dir, chain, anchor, revision } = config;
        let head = Head::new(&journal_dir, chain.clone());
        let mut sink = Sink::open(file.clone(), head, chain.clone(), anchor.unwrap_or_default(), revision)
            .map_err(|source| AuditError::Log { path: file.clone(), source })?;
        let log: Arc<Path> = file.as_path().into();
        let memory = Memory::new(Head::new(&journal_dir, chain.clone()), file);
        let (journal, shares) = {
            let _alone = lock(&journal_dir)?;
            sink.settle().map_err(|source| AuditError::Chain { path: memory.path(), source })?;
            recover::recover(&journal_dir, &mut sink)?;
            Journal::create(&journal_dir, workers.max(1), slots)?
        };
        let (journal, signals) = (Arc::new(journal), Arc::new(Signals::default()));
        let lane = |slots| Lane::new(slots, Arc::clone(&signals), chain.clone(), Arc::clone(&log)).map(Arc::new);
        let lanes = shares.into_iter().map(lane).collect::<Result<Vec<_>, _>>()?;
        let (done, writer) = mpsc::sync_channel::<()>(0);
        let work = Writer::new(sink, Arc::clone(&journal), lanes.clone(), Arc::clone(&signals));
        let thread = thread::Builder::new().name(String::from("audit")).spawn(move || {
            work.run();
            drop(done);
        });
        signals.set_writer(thread.map_err(AuditError::Thread)?.thread().clone());
        let recorders = lanes.iter().map(|lane| Recorder::new(Arc::clone(lane))).collect();
        Ok((Self { journal, lanes, signals, memory, writer: Some(writer) }, recorders))
    }

    /// Shows every record that ends from now on. The first observer stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.signals.set_observer(observer);
    }

    /// Whether a line could not be written and still waits, so that no record can be opened.
    pub fn is_failing(&self) -> bool {
        self.signals.expect_healthy().is_err()
    }

    /// What the trail remembers; stays usable when the trail is closed.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The last record that is in the log, and on the disk.
    ///
    /// # Errors
    /// As [`Memory::head`].
    pub fn head(&self) -> io::Result<Anchor> {
        self.memory.head()
    }

    /// Writes what was closed, and removes the journal. Waits some seconds at most.
    ///
    /// # Errors
    /// Records are still open, or cannot be written: the journal stays, and with it all of them.
    pub fn close(mut self) -> Result<(), AuditError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), AuditError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        self.signals.close();
        // Nothing is ever sent: it is disconnected, or it takes too long.
        let ended = writer.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Disconnected);
        let path = self.journal.path().to_owned();
        if !ended || !self.lanes.iter().all(|lane| lane.is_idle()) {
            return Err(AuditError::LeftBehind { journal: path });
        }
        self.journal.remove().map_err(|source| AuditError::Journal { path, source })
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(%error, "the audit log was not closed completely");
        }
    }
}

/// Makes the folder if it is missing, and keeps others from looking for dead processes while ours is being born.
fn lock(folder: &Path) -> Result<File, AuditError> {
    let make = || -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let opened = trusted::open_own(OpenOptions::new().read(true), folder)?;
        opened.lock()?;
        trusted::hand_over(&opened, folder)?;
        Ok(opened)
    };
    make().map_err(|source| AuditError::Folder { path: folder.to_owned(), source })
}
