//! The store in one file, `credentials.enc`: written whole, never in place.
//!
//! Not here: other backends. A reader needs no lock, since a rename is all that it can see of a write.

pub mod disk;
pub mod edit;
pub mod foreign;
pub mod format;
pub mod header;
pub mod stamp;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    audit::{Memory, RolledBack},
    base::secret::Secret,
    seal::DataKey,
    store::{
        Change, KdfParams, Opener, Records, StoreError, Stored,
        file::{
            disk::Locked,
            edit::{edited, open_facts},
            foreign::Stranger,
            format::{Image, Record},
            header::Header,
        },
        keys::{Keys, RecordKind},
    },
};

pub use stamp::Stamp;

/// One open store. Holds its data key and where it lies, and nothing of what is in it: every call reads the file.
pub struct FileStore {
    path: PathBuf,
    keys: Arc<Keys>,
    /// What opening it cost.
    kdf: KdfParams,
    /// What deriving a key for it may cost at most.
    ceiling: KdfParams,
    /// Set when the disk did not confirm a write: what it holds is then unknown until somebody reads it anew.
    unsure: AtomicBool,
    /// The highest revision that was read or written here.
    seen: AtomicU64,
    /// The highest revision that any process has seen; unset until the audit trail is open.
    memory: OnceLock<Memory>,
}

impl FileStore {
    /// Makes a store where there is none, with its folder if that is missing too.
    ///
    /// # Errors
    /// [`StoreError::Exists`] and an empty password, beside what the disk refuses.
    pub fn create(path: &Path, password: &Secret, kdf: KdfParams, first: Vec<Change>) -> Result<Self, StoreError> {
        if password.is_empty() {
            return Err(StoreError::EmptyPassword);
        }
        disk::make_folder_of(path)?;
        let path = disk::resolve(path)?;
        let lock = disk::lock(&path)?;
        if Self::exists(&path) {
            return Err(StoreError::Exists { path });
        }
        let (header, data) = Header::create(password, kdf)?;
        let store = Self::of(path, &header, data);
        let records = edited(Vec::new(), first, &store.keys)?;
        store.write(&lock, Image { header, records })?;
        Ok(store)
    }

    /// [`FileStore::open_configured`] under the default configuration.
    pub fn open(path: &Path, password: &Secret) -> Result<Self, StoreError> {
        Self::open_configured(path, password, KdfParams::default())
    }

    /// Opens a store; takes as long as its key derivation says, whether or not the password is right. That may cost as
    /// much as `configured`, or else up to 1 GiB and 16 iterations.
    pub fn open_configured(path: &Path, password: &Secret, configured: KdfParams) -> Result<Self, StoreError> {
        let path = disk::resolve(path)?;
        disk::expect_own_lock(&path)?;
        let file = disk::read(&path)?;
        let header = match Header::parse(&file) {
            Ok(header) => header,
            Err(Stranger::Foreign(what)) => return Err(StoreError::ForeignFile { path, what }),
            Err(Stranger::Damaged) => {
                // Whoever measures the time learns nothing from a damaged head either.
                Header::create(password, KdfParams::default())?;
                return Err(StoreError::WrongPasswordOrDamaged);
            }
        };
        header.kdf.check_below(configured.ceiling())?;
        let data = header.unwrap(password)?.into_data_key()?;
        let store = Self { ceiling: configured.ceiling(), ..Self::of(path, &header, data) };
        store.parse(&file)?;
        store.seen.store(header.revision, Ordering::Release);
        disk::sweep(&store.path);
        Ok(store)
    }

    /// Has every later read and write refuse a store older than `memory` has seen, in whichever process, and every write
    /// remembered there. The first call counts.
    pub fn guard(&self, memory: Memory) {
        let _: &Memory = self.memory.get_or_init(|| memory);
    }

    /// Whether something lies there, be it a store or not.
    pub fn exists(path: &Path) -> bool {
        disk::exists(path)
    }

    /// Everything in it, as it is on disk now.
    ///
    /// # Errors
    /// [`StoreError::RolledBack`] if a newer revision has been seen.
    pub fn load(&self) -> Result<Records, StoreError> {
        let image = self.read()?;
        let mut records = Records {
            store_id: image.header.store_id,
            revision: image.header.revision,
            credentials: Vec::with_capacity(image.records.len()),
            admin: None,
            ca: None,
            roles: Vec::new(),
            keys: Vec::new(),
            anchor: None,
        };
        for record in image.records {
            match record.place.kind {
                RecordKind::Credential => records.credentials.push(Arc::new(self.stored(record)?)),
                RecordKind::Admin => records.admin = Some(self.stored(record)?),
                RecordKind::Ca => records.ca = Some(self.stored(record)?),
                RecordKind::Role => records.roles.push(Arc::new(self.stored(record)?)),
                RecordKind::ApiKey => records.keys.push(Arc::new(self.stored(record)?)),
                RecordKind::Anchor => records.anchor = Some(self.stored(record)?),
            }
        }
        Ok(records)
    }

    /// Applies all of `changes` or none, if the store is still at revision `expected`, and gives the new revision.
    /// When it returns, the disk has confirmed it.
    ///
    /// # Errors
    /// As [`FileStore::load`], and [`StoreError::Conflict`].
    pub fn apply(&self, changes: Vec<Change>, expected: u64) -> Result<u64, StoreError> {
        let lock = disk::lock(&self.path)?;
        let image = self.read()?;
        let found = image.header.revision;
        if found != expected {
            return Err(StoreError::Conflict { expected, found });
        }
        let records = edited(image.records, changes, &self.keys)?;
        self.write(&lock, Image { header: image.header, records })
    }

    /// Wraps the same data key under another password; no record is touched.
    pub fn change_password(&self, old: &Secret, new: &Secret) -> Result<(), StoreError> {
        if new.is_empty() {
            return Err(StoreError::EmptyPassword);
        }
        self.rewrap(old, new, Some).map(|_| ())
    }

    /// Makes the key derivation as costly as `wanted` if it is cheaper; says whether it was. Costs nothing where it is
    /// not.
    pub fn raise_kdf(&self, password: &Secret, wanted: KdfParams) -> Result<bool, StoreError> {
        if self.kdf == self.kdf.raised_to(wanted) {
            return Ok(false);
        }
        self.rewrap(password, password, |kdf| (kdf != kdf.raised_to(wanted)).then(|| kdf.raised_to(wanted)))
    }

    /// Opens single secrets of this store.
    pub fn opener(&self) -> Opener {
        Opener(Arc::clone(&self.keys))
    }

    /// Differs after every change by any process; costs four system calls.
    pub fn stamp(&self) -> Result<Stamp, StoreError> {
        Stamp::of(&self.path)
    }

    /// Where it lies, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn of(path: PathBuf, header: &Header, data: DataKey) -> Self {
        let keys = Keys { store_id: header.store_id, data };
        let ceiling = header.kdf.ceiling();
        Self {
            path,
            keys: Arc::new(keys),
            kdf: header.kdf,
            ceiling,
            unsure: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            memory: OnceLock::new(),
        }
    }

    /// Says whether it did: where `cost` asks for none, everything stays.
    fn rewrap(
        &self,
        old: &Secret,
        new: &Secret,
        cost: impl Fn(KdfParams) -> Option<KdfParams>,
    ) -> Result<bool, StoreError> {
        let lock = disk::lock(&self.path)?;
        let image = self.read()?;
        image.header.kdf.check_below(self.ceiling)?;
        let Some(kdf) = cost(image.header.kdf) else { return Ok(false) };
        let key = image.header.unwrap(old)?;
        let header = image.header.wrapped_for(new, kdf, &key)?;
        self.write(&lock, Image { header, records: image.records }).map(|_| true)
    }

    fn read(&self) -> Result<Image, StoreError> {
        // Taken before the file is opened: a writer may make both newer in between, and only a rollback makes the file older.
        let remembered = self.memory.get().map_or(Ok(0), Memory::seen_revision);
        let remembered =
            remembered.map_err(|source| StoreError::io("compare the audit chain with", &self.path, source))?;
        let seen = self.seen.load(Ordering::Acquire).max(remembered);
        let image = self.parse(&disk::read(&self.path)?)?;
        let found = image.header.revision;
        if found < seen {
            return Err(RolledBack::Older { found, seen }.into());
        }
        self.seen.fetch_max(found, Ordering::AcqRel);
        Ok(image)
    }

    fn parse(&self, file: &[u8]) -> Result<Image, StoreError> {
        match Image::parse(file, &self.keys.data) {
            Ok(image) => Ok(image),
            Err(Stranger::Damaged) => Err(StoreError::WrongPasswordOrDamaged),
            Err(Stranger::Foreign(what)) => Err(StoreError::ForeignFile { path: self.path.clone(), what }),
        }
    }

    fn stored<T: serde::de::DeserializeOwned>(&self, record: Record) -> Result<Stored<T>, StoreError> {
        let facts = open_facts(&record, &self.keys)?;
        Ok(Stored { facts, version: record.place.version, sealed: record.secret })
    }

    fn write(&self, lock: &Locked, mut image: Image) -> Result<u64, StoreError> {
        if self.unsure.load(Ordering::Acquire) {
            return Err(StoreError::NeedsReopen { path: self.path.clone() });
        }
        image.header.revision += 1;
        let revision = image.header.revision;
        let written = disk::replace(lock, &self.path, &image.encode(&self.keys.data)?);
        if matches!(written, Err(StoreError::NotDurable { .. })) {
            self.unsure.store(true, Ordering::Release);
        }
        written?;
        self.seen.fetch_max(revision, Ordering::AcqRel);
        if let Some(Err(error)) = self.memory.get().map(|it| it.see_revision(revision)) {
            tracing::warn!(%error, revision, "could not remember the revision of the store: a later rollback to an older one may go unnoticed");
        }
        Ok(revision)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("path", &self.path).finish_non_exhaustive()
    }
}
