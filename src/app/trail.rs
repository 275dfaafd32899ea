//! The audit trail of one store: opened after a look at whether that is the store of today, closed with a note in it of
//! how far the trail has come.

use std::io;

use crate::{
    app::AppError,
    audit::{self, Anchor, Audit, AuditError, Door, Memory, Outcome, Recorder, RolledBack, witness::ACCEPTED},
    config::Config,
    identity::Principal,
    manage::upkeep::set_anchor,
    store::{FileStore, Records, StoreError},
};

/// Records of a worker that have ended and may still be unwritten.
const UNWRITTEN: u16 = 1024;

/// What to do when the store has been rolled back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rollback {
    /// Nothing starts with it.
    #[default]
    Refuse,
    /// Somebody put it there on purpose; the trail tells it.
    Accept,
}

/// Opens the audit log, and one recorder a worker.
///
/// # Errors
/// The log or its journal cannot be written: nothing starts that could not be recorded. Or the store is one of an
/// earlier day.
pub fn open_audit(
    config: &Config,
    store: &FileStore,
    rollback: Rollback,
    workers: usize,
) -> Result<(Audit, Vec<Recorder>), AppError> {
    let records = store.load()?;
    let settings = of_audit(config, store, &records);
    let compared = compare(&Memory::of(&settings), store, &records)?;
    if let (Err(error), Rollback::Refuse) = (compared, rollback) {
        return Err(StoreError::from(error).into());
    }
    let (audit, recorders) = Audit::open(settings, workers, slots(config))?;
    match (compared, recorders.first()) {
        (Err(error), Some(recorder)) => accept(&audit, recorder, error, records.revision)?,
        _ => see(audit.memory(), records.revision)?,
    }
    store.guard(audit.memory().clone());
    Ok((audit, recorders))
}

/// Each worker may have all the requests there are, and lines of others to write.
fn slots(config: &Config) -> u16 {
    u16::try_from(config.limits.requests).unwrap_or(u16::MAX).saturating_add(UNWRITTEN)
}

/// The same for a command, which does one thing and refuses a store of an earlier day.
///
/// # Errors
/// As [`open_audit`].
pub fn open_single_audit(config: &Config, store: &FileStore) -> Result<(Audit, Recorder), AppError> {
    let records = store.load()?;
    expect_current(config, store, &records)?;
    let (audit, recorder) = Audit::open_single(of_audit(config, store, &records))?;
    store.guard(audit.memory().clone());
    Ok((audit, recorder))
}

/// Closes the trail of a command that changed the store, and notes in both how far the other has come.
///
/// # Errors
/// The last line cannot be written. That the note cannot be is only logged: the change is made.
pub fn close_audit(audit: Audit, store: &FileStore) -> Result<(), AppError> {
    let memory = audit.memory().clone();
    audit.close()?;
    if let Err(error) = remember(&memory, store) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "cannot store the position of the audit log");
    }
    Ok(())
}

/// Whether the store is none of an earlier day.
///
/// # Errors
/// It is one, or that cannot be told.
pub fn expect_current(config: &Config, store: &FileStore, records: &Records) -> Result<(), AppError> {
    let memory = Memory::of(&of_audit(config, store, records));
    Ok(compare(&memory, store, records)?.map_err(StoreError::from)?)
}

/// The trail of a store.
pub fn of_audit(config: &Config, store: &FileStore, records: &Records) -> audit::Config {
    audit::Config {
        file: config.logging.audit_file.clone(),
        journal_dir: config.data_dir.join("journal"),
        chain: store.opener().audit_key(),
        anchor: anchor_of(records),
        revision: records.revision,
    }
}

fn anchor_of(records: &Records) -> Option<Anchor> {
    records.anchor.as_ref().map(|it| it.facts)
}

fn compare(memory: &Memory, store: &FileStore, records: &Records) -> Result<Result<(), RolledBack>, AppError> {
    let known = anchor_of(records).unwrap_or_default();
    let newest = memory.newest_revision(known).map_err(failed(memory))?;
    let Some(seen) = newest else { return Ok(Err(RolledBack::Untold { known })) };
    if records.revision >= seen {
        return Ok(Ok(()));
    }
    // Somebody may have changed it after it was loaded here.
    let found = store.load()?.revision;
    Ok(if found < seen { Err(RolledBack::Older { found, seen }) } else { Ok(()) })
}

/// On the record, which says from which revision to which.
fn accept(audit: &Audit, recorder: &Recorder, error: RolledBack, found: u64) -> Result<(), AppError> {
    let memory = audit.memory();
    let mut entry = recorder.open(Door::Admin, ACCEPTED)?;
    entry.record.set_name(Principal::Local.name());
    let object = match error {
        RolledBack::Older { seen, .. } => format!("store:{seen}-{found}"),
        RolledBack::Untold { .. } => format!("store:{found}"),
    };
    entry.record.object = Some(object.into());
    entry.record.revision = found;
    entry.arm();
    memory.accept_revision(found).map_err(failed(memory))?;
    entry.close(Outcome::Ok);
    tracing::warn!(%error, "the store was accepted all the same");
    Ok(())
}

fn see(memory: &Memory, revision: u64) -> Result<(), AppError> {
    // That it is not older was looked at before; who changed it since only made it newer.
    memory.see_revision(revision).map(drop).map_err(|error| failed(memory)(error).into())
}

fn remember(memory: &Memory, store: &FileStore) -> Result<(), AppError> {
    Ok(set_anchor(store, memory.head().map_err(failed(memory))?)?)
}

fn failed(memory: &Memory) -> impl FnOnce(io::Error) -> AuditError {
    let path = memory.path();
    |source| AuditError::Chain { path, source }
}
