//! Changes that are made here: the audit trail is opened for them and closed behind them.

use std::sync::Arc;

use crate::{
    app::trail::{close_audit, open_single_audit},
    cli::{context::Opened, failure::Failure},
    manage::{Caller, Desk, ManageError},
};

impl Opened {
    /// Lets `work` make changes, as the person who has shown the storage password. A record that could be opened but not
    /// be brought into the log yet does not undo them: it waits in the journal.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&Desk, &Caller<'_>) -> Result<T, ManageError>,
    ) -> Result<T, Failure> {
        let (audit, recorder) = open_single_audit(&self.config, &self.store)?;
        let desk = Desk::new(Arc::clone(&self.store), recorder, self.clock);
        let done = work(&desk, &Caller::local());
        let closed = close_audit(audit, &self.store);
        let done = done?;
        if let Err(error) = closed {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the change was made, but its record could not be written to the audit log");
        }
        Ok(done)
    }
}
