//! A client's connection, shared by the task that answers on it and by the body of the request that it reads.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use crate::{
    base::body::{BodyError, Source},
    http1::Connection,
};

/// One lock, never contended: one task polls all who hold it.
#[derive(Debug)]
pub struct Shared(Mutex<Connection>);

impl Shared {
    /// Takes a connection over.
    pub fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self(Mutex::new(connection)))
    }

    /// For one poll; never held over an await.
    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection itself, once nobody else holds it.
    pub fn into_inner(self: Arc<Self>) -> Option<Connection> {
        Arc::into_inner(self).map(|it| it.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for Shared {
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lock().poll_body(cx)
    }

    fn end(self: Arc<Self>) {}
}
