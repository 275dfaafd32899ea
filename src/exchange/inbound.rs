//! A request as a door hands it over: parsed, and not yet trusted.

use std::fmt;

use http::Method;

pub use crate::audit::Door;
use crate::{
    base::{
        body::Body,
        fields::Fields,
        head::{Framing, Interim, LONGEST_METHOD},
        peer::Peer,
        target::Target,
    },
    exchange::{Refusal, identify::Leave},
    identity::Presented,
};

/// One request, whatever way it came.
pub struct Inbound<'a> {
    /// Which way.
    pub door: Door,
    /// Who seems to call.
    pub presented: Presented,
    /// Whether it came by a listener whose callers need no key.
    pub keyless: bool,
    /// What for.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// As the client sent them.
    pub fields: Fields,
    /// Body framing.
    pub framing: Framing,
    /// Streams.
    pub body: Body,
    /// Where from; none at the command line.
    pub source: Option<Peer>,
    /// What was settled before the request was read; without it, that is settled now.
    pub leave: Option<Leave>,
    /// Where interim answers go; without it they are dropped.
    pub interim: Option<&'a mut (dyn Interim + 'a)>,
    /// Whether it asks to go on with WebSocket, on a connection that can.
    pub upgrade: bool,
}

/// Who asks for something, as far as is known without looking.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// What was shown.
    pub presented: &'a Presented,
    /// See [`Inbound::keyless`].
    pub keyless: bool,
    /// See [`Inbound::source`].
    pub source: Option<Peer>,
}

/// Refuses methods that are not forwarded, in whatever case: origin servers differ about it. TRACE returns the request as
/// the origin server got it, injected secret included; CONNECT would open a tunnel behind us.
///
/// # Errors
/// CONNECT, TRACE, TRACK, and methods of more than [`LONGEST_METHOD`] bytes.
pub fn check_method(method: &Method) -> Result<(), Refusal> {
    if method.as_str().len() > LONGEST_METHOD {
        return Err(Refusal::Invalid("the method is longer than 32 bytes"));
    }
    let refused = ["CONNECT", "TRACE", "TRACK"].iter().any(|it| method.as_str().eq_ignore_ascii_case(it));
    if refused { Err(Refusal::Method) } else { Ok(()) }
}

impl Inbound<'_> {
    /// Whether it was sent to a proxy: then the host alone may choose the credential.
    pub fn is_proxy_style(&self) -> bool {
        matches!(self.door, Door::Forward | Door::Connect)
    }
}

impl fmt::Debug for Inbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("door", &self.door).field("method", &self.method).finish_non_exhaustive()
    }
}
