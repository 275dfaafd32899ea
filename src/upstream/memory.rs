//! Memory for what origin servers send.

use std::sync::Arc;

use crate::base::{
    capacity::{Capacity, Client, Full, Resource, Share},
    head_memory,
};

/// Of all workers: for what is not read yet, and for the heads of answers.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) windows: Arc<Capacity>,
    pub(crate) receiving: Arc<Capacity>,
    heads: Arc<Capacity>,
}

impl Memory {
    /// `heads` counts those of requests too.
    pub fn new(heads: Arc<Capacity>) -> Self {
        let [windows, receiving] = [Resource::Windows, Resource::Receiving].map(Capacity::new);
        Self { windows, receiving, heads }
    }

    /// Grows a share for this client to so many bytes of one head, if they are many.
    ///
    /// # Errors
    /// As much is in use as there may be.
    pub(crate) fn hold(&self, held: &mut Option<Share>, bytes: usize, client: &Client) -> Result<(), Full> {
        if bytes <= head_memory::SHORT {
            return Ok(());
        }
        head_memory::hold(held.get_or_insert_with(|| self.heads.share(client.clone())), bytes)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Capacity::new(Resource::Heads))
    }
}
