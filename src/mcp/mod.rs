//! The Model Context Protocol: tools, resources and a prompt with which an agent sees what it may use, and uses it.
//!
//! The protocol itself is the official SDK's (`rmcp`): its revisions, its handshake, its envelopes. Here is what stands
//! around it: what is read as a message at all, the two ways in (lines of standard input, `POST /mcp`), who calls, and the
//! tools. Not here: what is allowed (`manage`, `exchange`), and bytes and connections (`proxy`). Main type: [`Mcp`].

mod caller;
mod catalogue;
mod credentials;
mod failure;
mod guide;
pub mod http;
pub mod lines;
pub mod message;
mod requests;
mod resources;
mod server;
pub mod stdio;
mod tools;

use std::{fmt, sync::Arc};

use crate::{
    exchange::{Exchange, budget::Budget},
    manage::Office,
};

pub use caller::Identity;

/// What one worker serves the protocol with. Cheap to clone.
#[derive(Clone)]
pub struct Mcp(Arc<Parts>);

struct Parts {
    exchange: Arc<Exchange>,
    office: Office,
    budget: Budget,
}

impl Mcp {
    /// Over the exchange of the same worker, an office for what is no exchange, and the memory of all workers.
    pub fn new(exchange: Arc<Exchange>, office: Office, budget: Budget) -> Self {
        Self(Arc::new(Parts { exchange, office, budget }))
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.0.exchange
    }

    pub(crate) fn office(&self) -> &Office {
        &self.0.office
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }
}

impl fmt::Debug for Mcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mcp").finish_non_exhaustive()
    }
}
