//! Where every change passes: the caller's rights are looked at, a record is opened, and only then it is made.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use crate::{
    audit::{Door, Entry, Outcome, Record, Recorder},
    base::{clock::Clock, peer::Peer},
    identity::{Author, Permission, Principal, presented},
    manage::{ManageError, rights::Rights},
    store::{Change, FileStore, Records, StoreError},
};

/// Who wants a change, and where they came in.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// [`Door::Admin`] for the command line.
    pub door: Door,
    /// From where, if over the network.
    pub source: Option<Peer>,
}

impl Caller<'static> {
    /// The person at the command line who has shown the storage password.
    pub fn local() -> Self {
        Self { principal: &Principal::Local, door: Door::Admin, source: None }
    }
}

impl Caller<'_> {
    /// The caller, as the author of a record.
    pub(crate) fn author(&self) -> Author {
        match self.principal {
            Principal::Local if self.door == Door::Admin => Author::Owner,
            Principal::Key(holder) if !holder.key.is_keyless() => Author::Key(holder.key.id),
            Principal::Local | Principal::Key(_) => Author::Keyless,
        }
    }
}

/// What changes are made with. One a process, or one a worker: they find each other through the store.
pub struct Desk {
    pub(crate) store: Arc<FileStore>,
    pub(crate) clock: Clock,
    recorder: Recorder,
    hook: Box<dyn Fn() + Send + Sync>,
}

impl Desk {
    /// A desk over an open store.
    pub fn new(store: Arc<FileStore>, recorder: Recorder, clock: Clock) -> Self {
        Self { store, clock, recorder, hook: Box::new(|| ()) }
    }

    /// Calls `hook` after every change of the store, before the change returns: what it publishes, the caller can read.
    #[must_use]
    pub fn on_change(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hook = Box::new(hook);
        self
    }

    /// The store, to be read.
    pub fn store(&self) -> &FileStore {
        &self.store
    }

    /// Applies what `decide` makes of the records, again and again until nobody else changed them meanwhile. Every
    /// conflict means that another change got through, so all of them end. No record, no change; a refusal is recorded
    /// too.
    pub(crate) fn change<T>(
        &self,
        caller: &Caller<'_>,
        deed: &Deed<'_>,
        mut decide: impl FnMut(&mut Case<'_>) -> Result<(Vec<Change>, T), ManageError>,
    ) -> Result<T, ManageError> {
        let outcome = self.recorded(caller, deed, |entry| {
            loop {
                let records = self.store.load()?;
                entry.record.revision = records.revision;
                let (changes, outcome) =
                    decide(&mut deed.case(self.clock.now(), caller, &records, &mut entry.record)?)?;
                entry.arm();
                match self.store.apply(changes, records.revision) {
                    Ok(revision) => {
                        entry.record.revision = revision;
                        return Ok(outcome);
                    }
                    Err(StoreError::Conflict { .. }) => (),
                    Err(error) => return Err(error.into()),
                }
            }
        })?;
        (self.hook)();
        Ok(outcome)
    }

    /// Does what is no change of records, but has to be on the record all the same.
    pub(crate) fn once<T>(
        &self,
        caller: &Caller<'_>,
        deed: &Deed<'_>,
        work: impl FnOnce(&Records) -> Result<T, ManageError>,
    ) -> Result<T, ManageError> {
        self.recorded(caller, deed, |entry| {
            let records = self.store.load()?;
            deed.case(self.clock.now(), caller, &records, &mut entry.record)?;
            entry.record.revision = records.revision;
            entry.arm();
            work(&records)
        })
    }

    fn recorded<T>(
        &self,
        caller: &Caller<'_>,
        deed: &Deed<'_>,
        work: impl FnOnce(&mut Entry) -> Result<T, ManageError>,
    ) -> Result<T, ManageError> {
        let mut entry = self.recorder.open(caller.door, deed.action)?;
        describe(&mut entry.record, caller, deed);
        let done = work(&mut entry);
        let outcome = match &done {
            Ok(_) => Outcome::Ok,
            Err(error) => {
                entry.record.reason = Some(error.reason().unwrap_or(error.code()));
                error.outcome()
            }
        };
        if caller.door == Door::Api {
            entry.record.status = done.as_ref().map_or_else(ManageError::status, |_| 200);
        }
        entry.close(outcome);
        done
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'a> {
    /// As the audit log names it.
    pub(crate) action: &'static str,
    /// What it takes.
    pub(crate) needs: Permission,
    /// With what. As the caller says it, so it may be any text.
    pub(crate) about: About<'a>,
}

/// What a deed is done with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// The credential with this alias, which must be in the caller's scope.
    Credential(&'a str),
    /// Something else; [`Case::names`] says which.
    Other,
}

/// One deed and the records as they are at this moment.
pub(crate) struct Case<'a> {
    pub(crate) records: &'a Records,
    pub(crate) rights: Rights<'a>,
    record: &'a mut Record,
}

impl Deed<'_> {
    /// The rights come first: whoever lacks them does not learn what there is.
    fn case<'a>(
        &self,
        now: Timestamp,
        caller: &Caller<'_>,
        records: &'a Records,
        record: &'a mut Record,
    ) -> Result<Case<'a>, ManageError> {
        let rights = Rights::at(now, caller.principal, records)?;
        rights.may(self.needs)?;
        if let About::Credential(alias) = self.about {
            rights.reach(alias)?;
        }
        Ok(Case { records, rights, record })
    }
}

impl Case<'_> {
    /// Says in the record what the deed is about: `role:NAME`, `key:PREFIX`.
    pub(crate) fn names(&mut self, what: &str, name: &str) {
        self.record.object = Some(format!("{what}:{name}").into());
    }
}

fn describe(record: &mut Record, caller: &Caller<'_>, deed: &Deed<'_>) {
    record.set_name(caller.principal.name());
    record.set_key(caller.principal.prefix());
    record.set_source(caller.source.and_then(Peer::address));
    if let About::Credential(alias) = deed.about {
        record.set_credential(presented::unless_key(alias));
    }
}
