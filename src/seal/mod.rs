//! Sealed bytes: AES-256-GCM envelopes under a random data key, which a key from the password wraps.
//!
//! Not here: what the bytes mean and where they lie (`store`). Nothing is remembered of a password.

pub mod envelope;
pub mod kdf;
pub mod key;

use aws_lc_rs::rand;
use thiserror::Error;

pub use envelope::DataKey;
pub use kdf::{KdfError, KdfParams};
pub use key::{KeyEncryptionKey, WrappedKey};

/// Why sealing or opening failed.
#[derive(Debug, Error)]
pub enum SealError {
    /// Another key, other associated data, or other bytes: the cipher cannot tell which.
    #[error("decryption error")]
    Open,
    /// More than AES-GCM can seal at once.
    #[error("too long to be sealed")]
    TooLong,
    /// Without random numbers nothing can be sealed.
    #[error("the system gave no random numbers")]
    Random,
    /// The password could not be turned into a key.
    #[error(transparent)]
    Kdf(#[from] KdfError),
}

/// `N` bytes from the system's random numbers.
pub fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).or(Err(SealError::Random))?;
    Ok(bytes)
}
