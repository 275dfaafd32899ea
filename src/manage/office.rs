//! A desk whose work may wait for a disk, and so is done on another thread than the one that serves.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::{
    audit::Door,
    exchange::Visitor,
    manage::{Caller, Desk, ManageError},
    store::Records,
};

/// A [`Desk`] for those who must not wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Office(Arc<Desk>);

impl Office {
    /// Around this desk.
    pub fn new(desk: Desk) -> Self {
        Self(Arc::new(desk))
    }

    /// Looks at the records as they are now.
    ///
    /// # Errors
    /// What `look` says; the store cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Records) -> Result<T, ManageError> + Send + 'static,
    ) -> Result<T, ManageError> {
        let desk = Arc::clone(&self.0);
        aside(move || look(&desk.store().load()?)).await
    }

    /// Makes a change in the visitor's name. Once begun it is ended, also when the visitor has gone.
    ///
    /// # Errors
    /// What `make` says.
    pub async fn change<T: Send + 'static>(
        &self,
        visitor: Visitor,
        door: Door,
        make: impl FnOnce(&Desk, &Caller<'_>) -> Result<T, ManageError> + Send + 'static,
    ) -> Result<T, ManageError> {
        let desk = Arc::clone(&self.0);
        let work = move || make(&desk, &Caller { principal: &visitor.principal, door, source: visitor.arrival.source });
        aside(work).await
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ManageError> + Send + 'static,
) -> Result<T, ManageError> {
    // A panic in there ends this request alone.
    spawn_blocking(work).await.unwrap_or(Err(ManageError::Internal))
}
