//! What can be wrong with the certificate authority, in words for the person who starts Vultrino.

use jiff::Timestamp;
use thiserror::Error;
use x509_parser::{error::X509Error, nom};

/// Why there is no certificate authority, or why it made no certificate.
#[derive(Debug, Error)]
pub enum CaError {
    /// The stored bytes are no certificate.
    #[error("the certificate authority's certificate cannot be read; restore the store from a backup")]
    Certificate(#[source] nom::Err<X509Error>),
    /// A certificate, but not one that may sign others.
    #[error("the stored certificate is no certificate authority: {lacks}; restore the store from a backup")]
    NotAuthority {
        /// What it would need.
        lacks: &'static str,
    },
    /// Clients would refuse every certificate that it signs.
    #[error("the certificate authority expired at {at}; a new one must be made, and trusted by the clients")]
    Expired {
        /// The end of its validity.
        at: Timestamp,
    },
    /// The clock is wrong, or the certificate is.
    #[error("the certificate authority is not valid before {at}; check this machine's clock")]
    NotYetValid {
        /// The begin of its validity.
        at: Timestamp,
    },
    /// The stored key is no P-256 key in PKCS#8.
    #[error("the certificate authority's key cannot be read; restore the store from a backup")]
    Key(#[source] aws_lc_rs::error::KeyRejected),
    /// Key and certificate are not a pair.
    #[error("the certificate authority's key belongs to another certificate; restore the store from a backup")]
    KeyMismatch,
    /// The host cannot stand in a certificate.
    #[error("no certificate can be made for the host `{host}`")]
    Host {
        /// As it was asked for.
        host: Box<str>,
    },
    /// The certificate could not be written or signed.
    #[error("a certificate could not be made")]
    Sign(#[from] rcgen::Error),
    /// rustls took the key or the settings not.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// The system gave no random numbers, or the key could not be generated.
    #[error("no key or random number could be generated")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// A time outside the calendar.
    #[error("the certificate authority's validity is no time of this calendar")]
    Time(#[from] jiff::Error),
}
