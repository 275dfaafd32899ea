//! The only place that touches the disk for a store: read, lock, and replace so that a crash leaves the old or the new.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::{base::trusted, store::StoreError};

/// Other users may pass through to `ca.pem`, and see no names.
const FOLDER_MODE: u32 = 0o711;
const FILE_MODE: u32 = 0o600;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Proof that this process is the only writer. The kernel takes the lock back when its holder dies.
pub(crate) struct Locked(#[expect(dead_code, reason = "its only use is to be dropped")] File);

/// Whether there is anything at `path`. What cannot be looked at is taken to be there: nothing is written over it.
pub(crate) fn exists(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// The path with the links on its way resolved: two names of one store must share one lock.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let name = path.file_name().ok_or_else(|| StoreError::NotFound { path: path.to_owned() })?;
    match fs::canonicalize(folder_of(path)) {
        Ok(folder) => Ok(folder.join(name)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::NotFound { path: path.to_owned() }),
        Err(source) => Err(StoreError::io("look at", folder_of(path), source)),
    }
}

/// Makes the folder that `path` lies in, open to nobody but its owner except to pass. One that is there stays as it is.
pub(crate) fn make_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    if let Ok(there) = fs::metadata(folder) {
        if there.mode() & OTHERS_WRITE != 0 && there.mode() & STICKY == 0 {
            warn!(folder = %folder.display(), "Other users can write to the folder of the store and so replace it");
        }
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)))
        .map_err(|source| StoreError::io("create the folder", folder, source))
}

/// The whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|source| StoreError::io("read", path, source))?;
    Ok(bytes)
}

/// Opens a regular file of our own: a pipe would keep us waiting.
pub(crate) fn open(path: &Path) -> Result<File, StoreError> {
    let error = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => StoreError::NotFound { path: path.to_owned() },
        _ => StoreError::io("read", path, source),
    };
    let found = fs::symlink_metadata(path).map_err(error)?;
    if !found.is_file() && !found.is_symlink() {
        return Err(StoreError::ForeignFile { path: path.to_owned(), what: "not a regular file".to_owned() });
    }
    trusted::open_own(OpenOptions::new().read(true), path).map_err(error)
}

/// Waits until no other writer is at work.
pub(crate) fn lock(path: &Path) -> Result<Locked, StoreError> {
    let file = open_lock(path)?;
    file.lock().map_err(|source| StoreError::io("lock", &beside(path, "lock"), source))?;
    Ok(Locked(file))
}

/// Refuses a lock that another user could hold or replace, before anything is written under it.
pub(crate) fn expect_own_lock(path: &Path) -> Result<(), StoreError> {
    let name = beside(path, "lock");
    match trusted::open_own(OpenOptions::new().read(true), &name) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("open", &name, error)),
        _ => Ok(()),
    }
}

/// Puts `bytes` in the place of what `path` holds, and returns when the disk has confirmed it. On an error `path` is as
/// it was, except that after [`StoreError::NotDurable`] it may be either.
pub(crate) fn replace(_lock: &Locked, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = beside(path, "tmp");
    remove(&temporary)?;
    let done = write_new(&temporary, path, bytes)
        .and_then(|()| fs::rename(&temporary, path).map_err(|source| StoreError::io("replace", path, source)));
    if done.is_err() {
        forget(&temporary, remove(&temporary));
        return done;
    }
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::NotDurable { path: path.to_owned(), source })
}

/// Removes what a writer left behind that died at work, unless one is alive. Whoever cannot leaves it to the next writer.
pub(crate) fn sweep(path: &Path) {
    let temporary = beside(path, "tmp");
    if !exists(&temporary) {
        return;
    }
    let swept = open_lock(path).and_then(|lock| match lock.try_lock() {
        Ok(()) => remove(&temporary),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(source)) => Err(StoreError::io("lock", path, source)),
    });
    forget(&temporary, swept);
}

/// The next writer tries again, so this is not the error that matters.
fn forget(temporary: &Path, removed: Result<(), StoreError>) {
    if let Err(error) = removed {
        warn!(path = %temporary.display(), ?error, "An unfinished write could not be removed");
    }
}

/// Makes it if it is missing.
fn open_lock(path: &Path) -> Result<File, StoreError> {
    let name = beside(path, "lock");
    let mut options = OpenOptions::new();
    options.write(true).mode(FILE_MODE);
    let opened = match options.clone().create_new(true).open(&name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => trusted::open_own(&mut options, &name),
        created => created.and_then(|file| make_private(&file, path).map(|()| file)),
    };
    opened.map_err(|source| StoreError::io("open", &name, source))
}

fn write_new(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(temporary)?;
        make_private(&file, path)?;
        file.write_all(bytes)?;
        Ok(file)
    };
    let file = write().map_err(|source| StoreError::io("write", temporary, source))?;
    file.sync_all().map_err(|source| StoreError::NotDurable { path: temporary.to_owned(), source })
}

/// Whatever the umask: for the owner alone. And whoever writes as root leaves it to the owner of the store, so that
/// `sudo vultrino add` does not lock the server out.
fn make_private(file: &File, path: &Path) -> io::Result<()> {
    let now = file.metadata()?;
    if now.mode() & 0o777 != FILE_MODE {
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    let owner = fs::metadata(path).or_else(|_| fs::metadata(folder_of(path)))?;
    if now.uid() == 0 && owner.uid() != 0 { fchown(file, Some(owner.uid()), Some(owner.gid())) } else { Ok(()) }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path, source)),
        _ => Ok(()),
    }
}

/// `credentials.enc` and `lock` give `credentials.enc.lock`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
