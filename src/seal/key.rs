//! The key that a password gives, and the data key wrapped under it.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    base::secret::Secret,
    seal::{
        DataKey, KdfParams, SealError,
        envelope::{EnvelopeKey, OVERHEAD},
        kdf::SALT,
        random,
    },
};

const KEY: usize = 32;

/// A data key under a password: what lies in a file. Worth nothing without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(pub [u8; Self::LEN]);

impl WrappedKey {
    /// Nonce, key, tag.
    pub const LEN: usize = KEY + OVERHEAD;
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[wrapped key]")
    }
}

/// What a password gives: opens and wraps data keys, and nothing else.
pub struct KeyEncryptionKey(EnvelopeKey);

/// A data key in the open, on its way from one wrapping to another or into a [`DataKey`].
pub struct OpenKey(Zeroizing<[u8; KEY]>);

impl KeyEncryptionKey {
    /// Always costs what `params` say.
    pub fn derive(password: &Secret, salt: &[u8; SALT], params: KdfParams) -> Result<Self, SealError> {
        let key = params.derive(password, salt)?;
        EnvelopeKey::new(&key).map(Self)
    }

    /// Wraps `key`; `header` is authenticated with it.
    pub fn wrap(&self, key: &OpenKey, header: &[u8]) -> Result<WrappedKey, SealError> {
        let sealed = self.0.seal(key.0.as_slice(), header)?;
        sealed.try_into().map(WrappedKey).or(Err(SealError::TooLong))
    }

    /// Opens what was wrapped under the same password and beside the same header.
    pub fn unwrap(&self, wrapped: &WrappedKey, header: &[u8]) -> Result<OpenKey, SealError> {
        let opened = self.0.open(&wrapped.0, header)?;
        let key = <[u8; KEY]>::try_from(opened.as_slice()).or(Err(SealError::Open))?;
        Ok(OpenKey(Zeroizing::new(key)))
    }
}

impl OpenKey {
    /// A new one from the system's random numbers.
    pub fn random() -> Result<Self, SealError> {
        random().map(Zeroizing::new).map(Self)
    }

    /// Ready to seal and open.
    pub fn into_data_key(self) -> Result<DataKey, SealError> {
        DataKey::new(&self.0)
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key encryption key]")
    }
}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::secret::Secret,
        seal::{
            KdfParams,
            key::{KeyEncryptionKey, OpenKey, WrappedKey},
        },
    };

    #[test]
    fn a_wrapped_key_opens_under_its_password_and_header_only() {
        let kek = |password: &str| {
            KeyEncryptionKey::derive(&Secret::from(password.to_owned()), &[7; 16], KdfParams::floor()).unwrap()
        };
        let (right, wrong) = (kek("right"), kek("wrong"));
        let key = OpenKey::random().unwrap();
        let wrapped = right.wrap(&key, b"header").unwrap();
        assert_eq!(*right.unwrap(&wrapped, b"header").unwrap().0, *key.0);
        assert!(wrong.unwrap(&wrapped, b"header").is_err());
        assert!(right.unwrap(&wrapped, b"heades").is_err());
        for at in 0..WrappedKey::LEN {
            let mut damaged = wrapped.clone();
            damaged.0[at] ^= 1;
            assert!(right.unwrap(&damaged, b"header").is_err(), "{at}");
        }
    }
}
