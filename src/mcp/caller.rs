//! Who calls. It is settled outside of messages: no argument of a tool says it.

use http::request::Parts;
use rmcp::model::Extensions;

use crate::{
    base::service::Arrival,
    exchange::{Caller, Refusal, Visitor},
    identity::{Presented, PresentedKey},
    mcp::Mcp,
};

/// Who speaks over standard input and output: whoever started the program, with what was shown to it.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    key: Option<PresentedKey>,
    keyless: bool,
}

/// Where it is found out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Callers {
    /// Every request over HTTP brings its own, which was looked at before its message.
    OfEach,
    /// One for all messages, and looked at anew for each: keys are revoked.
    One(Identity),
}

impl Identity {
    /// Whoever holds this key; `keyless` says whether callers of this process need none.
    pub fn of_key(key: PresentedKey, keyless: bool) -> Self {
        Self { key: Some(key), keyless }
    }

    /// The person who has shown the storage password.
    pub fn local() -> Self {
        Self { key: None, keyless: true }
    }
}

impl Callers {
    /// The key that is shown for all messages, if there is one.
    pub(crate) fn key(&self) -> Option<PresentedKey> {
        match self {
            Self::OfEach => None,
            Self::One(identity) => identity.key,
        }
    }

    /// Who sent the message with these extensions.
    ///
    /// # Errors
    /// A key that is not valid, or not any more.
    pub(crate) fn find(&self, mcp: &Mcp, extensions: &Extensions) -> Result<Visitor, Refusal> {
        match self {
            Self::OfEach => {
                let request = extensions.get::<Parts>().ok_or(Refusal::Internal)?;
                request.extensions.get::<Visitor>().cloned().ok_or(Refusal::Internal)
            }
            Self::One(Identity { key, keyless }) => {
                let presented = Presented { key: *key, alias: None };
                let caller = Caller { presented: &presented, keyless: *keyless, source: None };
                let principal = mcp.exchange().caller(&caller)?;
                Ok(Visitor { principal, key: *key, arrival: Arrival { source: None, keyless: *keyless } })
            }
        }
    }
}
