//! Why there is nothing measured.

use std::{io, net::SocketAddr, time::Duration};

use rustls::pki_types::{InvalidDnsNameError, pem};
use thiserror::Error;

use crate::{
    app::stage::StageError,
    base::{body::BodyError, target::TargetError},
    http1::{Refused, connection::HeadError},
    upstream::{DialError, tls::TlsError},
};

/// Each text says which side it was.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The proxy and the origin server of our own.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Its URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Whom direct requests trust.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// Whom requests through the proxy trust.
    #[error("the certificate of the certificate authority cannot be read")]
    Certificate(#[from] pem::Error),
    /// The same.
    #[error("the certificate of the certificate authority cannot be used")]
    Authority(#[from] rustls::Error),
    /// A host that no certificate can name.
    #[error("the host cannot be named in TLS")]
    Name(#[from] InvalidDnsNameError),
    /// Nobody listens.
    #[error("no server listens on {address}")]
    Unreachable {
        /// The proxy's.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another server, or another store than the one that it serves.
    #[error("the TLS handshake with the proxy failed")]
    Handshake(#[source] io::Error),
    /// The origin server, directly.
    #[error("the origin server cannot be reached directly")]
    Direct(#[from] DialError),
    /// The proxy says no.
    #[error("the proxy refused the request with status {status}: {message}")]
    Refused {
        /// Of its answer.
        status: u16,
        /// Its own text.
        message: String,
    },
    /// The origin server of our own got a request without the credential.
    #[error("the proxy did not add the credential")]
    NotAdded,
    /// An answer that is none.
    #[error("an answer is not valid: {0}")]
    Answer(#[from] Refused),
    /// A connection ended before its answer did.
    #[error("a connection ended in the middle of an answer")]
    Cut(#[source] BodyError),
    /// A connection ended before its answer began.
    #[error("a connection ended before an answer came")]
    Gone(#[source] Option<io::Error>),
    /// No answer.
    #[error("a request was not answered in {0:?}")]
    Silent(Duration),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// A runtime or a signal handler.
    #[error("the system refused what the measurement needs")]
    System(#[from] io::Error),
}

impl From<HeadError> for BenchError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Refused(refused) => Self::Answer(refused),
            HeadError::Gone(source) => Self::Gone(source),
        }
    }
}
