//! A new store with all that it needs, and the certificate where other users can read it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    base::{clock::Clock, secret::Secret, trusted},
    identity::Admin,
    manage::ManageError,
    store::{CaCertificate, Change, FileStore, KdfParams, StoreError},
};

const CERTIFICATE_MODE: u32 = 0o644;

/// Said of a `ca.pem` that held something else than the store's certificate.
pub const DIFFERENT: &str = "this file did not hold the CA certificate of the store, and has been replaced by it; if a \
                             client trusts what was there, have it trust the new one only";

/// What a store begins with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where `credentials.enc` goes; its folder is made if it is missing.
    pub path: &'a Path,
    /// Opens the store from now on.
    pub password: &'a Secret,
    /// What opening costs.
    pub kdf: KdfParams,
    /// Name and password of who may enter the web pages; may be set later.
    pub admin: Option<(&'a str, &'a Secret)>,
    /// The certificate authority, DER.
    pub ca_certificate: Vec<u8>,
    /// The same as PEM text.
    pub ca_pem: &'a str,
    /// Its key, PKCS#8.
    pub ca_key: Secret,
}

/// Makes a store with its certificate authority, and an administrator if one is named, and puts `ca.pem` beside it.
///
/// # Errors
/// [`StoreError::Exists`] if there is one; it stays as it is.
pub fn initialise(clock: Clock, setup: Setup<'_>) -> Result<FileStore, ManageError> {
    let certificate = CaCertificate { der: setup.ca_certificate };
    let admin = setup.admin.map(|(username, password)| Admin::new(username, password, clock.now())).transpose()?;
    let ca = Change::PutCa { certificate, key: setup.ca_key };
    let first = admin.map(Change::PutAdmin).into_iter().chain([ca]).collect();
    let store = FileStore::create(setup.path, setup.password, setup.kdf, first)?;
    publish_certificate(store.path(), setup.ca_pem)?;
    Ok(store)
}

/// Where the certificate of the store at `path` lies in the open.
pub fn certificate_path(path: &Path) -> PathBuf {
    path.with_file_name("ca.pem")
}

/// Makes `ca.pem` beside the store hold `pem`; says whether something else was there in its place.
///
/// # Errors
/// It cannot be written.
pub fn restore_certificate(path: &Path, pem: &str) -> Result<bool, ManageError> {
    let found = trusted::open_own(OpenOptions::new().read(true), &certificate_path(path)).and_then(io::read_to_string);
    if found.as_ref().is_ok_and(|it| it == pem) {
        return Ok(false);
    }
    publish_certificate(path, pem)?;
    Ok(found.map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true))
}

/// Writes `ca.pem` beside the store, readable by everybody whatever the umask, whole or not at all.
pub fn publish_certificate(path: &Path, pem: &str) -> Result<(), ManageError> {
    let target = certificate_path(path);
    let temporary = target.with_extension("pem.tmp");
    write(&temporary, pem).and_then(|()| fs::rename(&temporary, &target)).map_err(|source| StoreError::Io {
        action: "write",
        path: target,
        source,
    })?;
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(CERTIFICATE_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(CERTIFICATE_MODE))?;
    trusted::hand_over(&file, path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
