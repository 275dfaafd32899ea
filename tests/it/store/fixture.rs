//! A store in a folder of its own, cheap to derive, and child processes of this test binary that work on it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use vultrino::{
    audit::{self, Audit},
    base::{clock::Clock, id::Id, secret::Secret},
    credential::{Alias, Credential, Kind, Material, Metadata},
    identity::Principal,
    manage::{
        Caller, Desk, ManageError,
        credentials::{self, Added, New},
        setup::{self, Setup},
    },
    store::{Change, FileStore, KdfParams, Records, StoreError},
};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ADMIN_PASSWORD: &str = "hunter2 but longer";
pub(crate) const CA_KEY: &[u8] = b"not really PKCS#8 but secret";

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) store: Arc<FileStore>,
    pub(crate) office: Office,
}

/// A desk over a store, and its audit trail in a folder of its own.
pub(crate) struct Office {
    pub(crate) desk: Desk,
    /// Threads share the fixture.
    audit: Mutex<Audit>,
    trail: TempDir,
}

impl Office {
    pub(crate) fn over(store: &Arc<FileStore>) -> Self {
        let trail = tempfile::tempdir().unwrap();
        let (file, journal_dir) = (trail.path().join("audit.log"), trail.path().join("journal"));
        let config = audit::Config { file, journal_dir, chain: store.opener().audit_key(), anchor: None, revision: 0 };
        let (audit, recorders) = Audit::open(config, 1, 2048).unwrap();
        let desk = Desk::new(Arc::clone(store), recorders.into_iter().next().unwrap(), Clock);
        Self { desk, audit: Mutex::new(audit), trail }
    }

    /// What the trail remembers of the store.
    pub(crate) fn memory(&self) -> audit::Memory {
        self.audit.lock().unwrap().memory().clone()
    }

    /// Closes the trail, and gives what is in it.
    pub(crate) fn log(self) -> String {
        self.audit.into_inner().unwrap().close().unwrap();
        std::fs::read_to_string(self.trail.path().join("audit.log")).unwrap()
    }
}

impl Fixture {
    /// A store as `vultrino init` makes it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(initialise(&folder.path().join("data/credentials.enc")).unwrap());
        let office = Office::over(&store);
        Self { folder, store, office }
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.office.desk
    }

    pub(crate) fn path(&self) -> &Path {
        self.store.path()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    pub(crate) fn load(&self) -> Records {
        self.store.load().unwrap()
    }

    pub(crate) fn add(&self, alias: &str, key: &str) -> Credential {
        add(self.desk(), alias, key).unwrap().credential
    }

    /// The names of all files beside the store.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Opens the one credential with this alias.
    pub(crate) fn key_of(&self, alias: &str) -> String {
        let records = self.load();
        let stored = credentials::get(&Principal::Local, &records, alias).unwrap();
        match self.store.opener().open_credential(stored).unwrap() {
            Material::ApiKey { key } => String::from_utf8(key.expose().to_vec()).unwrap(),
            Material::BasicAuth { .. } => panic!("`{alias}` is no key"),
        }
    }
}

pub(crate) fn initialise(path: &Path) -> Result<FileStore, ManageError> {
    setup::initialise(
        Clock,
        Setup {
            path,
            password: &secret(PASSWORD),
            kdf: KdfParams::floor(),
            admin: Some(("admin", &secret(ADMIN_PASSWORD))),
            ca_certificate: b"a certificate".to_vec(),
            ca_pem: "-----BEGIN CERTIFICATE-----\n",
            ca_key: Secret::new(CA_KEY.to_vec()),
        },
    )
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(crate) fn new_key(alias: &str, key: &str) -> New {
    New {
        alias: alias.parse().unwrap(),
        material: Material::api_key(secret(key)).unwrap(),
        description: None,
        metadata: Metadata::default(),
        bindings: Vec::new(),
        auto: true,
    }
}

pub(crate) fn add(desk: &Desk, alias: &str, key: &str) -> Result<Added, ManageError> {
    credentials::add(desk, &Caller::local(), new_key(alias, key))
}

/// Writes a credential straight into the store, for tests of the store alone.
pub(crate) fn put(store: &FileStore, alias: &str, key: &str) -> Result<(), StoreError> {
    let now = Clock.now();
    loop {
        let facts = Credential {
            id: Id::random(),
            alias: alias.parse().unwrap(),
            kind: Kind::ApiKey,
            description: None,
            metadata: Metadata::default(),
            bindings: Vec::new(),
            auto: true,
            placed_by: None,
            created_at: now,
            updated_at: now,
        };
        let material = Some(Material::api_key(secret(key)).unwrap());
        let change = Change::PutCredential { facts, material };
        match store.apply(vec![change], store.load()?.revision) {
            Err(StoreError::Conflict { .. }) => (),
            other => return other.map(drop),
        }
    }
}

pub(crate) fn aliases(records: &Records) -> Vec<String> {
    records.credentials.iter().map(|it| Alias::to_string(&it.facts.alias)).collect()
}

/// This test binary again, running only the test `name` of `children.rs`, which reads its orders from its input.
pub(crate) fn child(name: &str, orders: &str) -> Child {
    start(Command::new(this()), name, orders).0
}

/// The same under `tracer`; gives back its input, open, so that the child can wait for more.
pub(crate) fn start(mut command: Command, name: &str, orders: &str) -> (Child, ChildStdin) {
    command
        .args(["--exact", &format!("store::children::{name}"), "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{orders}").unwrap();
    (child, input)
}

pub(crate) fn this() -> PathBuf {
    std::env::current_exe().unwrap()
}
