//! Changes that are made here are written into the audit log, as requests are: no record, no change.

use crate::{
    app::{AppError, parts::open_single_audit},
    audit::{Door, Outcome},
    cli::failure::Failure,
    config::Config,
    identity::Principal,
    manage::ManageError,
    store::FileStore,
};

/// Runs `work` between the opening and the closing of its record.
pub(crate) fn recorded<T>(
    config: &Config,
    store: &FileStore,
    action: &'static str,
    credential: Option<&str>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (audit, recorder) = open_single_audit(config, store)?;
    let mut entry = recorder.open(Door::Admin, action)?;
    entry.record.credential = credential.map(Into::into);
    entry.record.name = Some(Principal::Local.name());
    entry.arm();
    let done = work();
    let outcome = match &done {
        Ok(_) => Outcome::Ok,
        Err(failure) => {
            let (outcome, reason) = told(failure);
            entry.record.reason = Some(reason);
            outcome
        }
    };
    entry.close(outcome);
    audit.close().map_err(AppError::from)?;
    done
}

/// With the codes of the API.
fn told(failure: &Failure) -> (Outcome, &'static str) {
    match failure {
        Failure::NotFound(_) => (Outcome::Denied, "not_found"),
        Failure::Manage(ManageError::AliasTaken(_)) => (Outcome::Denied, "conflict"),
        Failure::Manage(ManageError::Store(_)) => (Outcome::Error, "internal_error"),
        Failure::Manage(_) | Failure::Usage { .. } => (Outcome::Denied, "invalid_request"),
        _ => (Outcome::Error, "internal_error"),
    }
}
