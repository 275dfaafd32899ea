//! One envelope: a random nonce, AES-256-GCM, a tag; and the key that makes, opens and lists them.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use zeroize::Zeroizing;

use crate::{
    base::secret::Secret,
    seal::{SealError, random},
};

const TAG: usize = 16;
/// How much longer an envelope is than what is in it.
pub const OVERHEAD: usize = NONCE_LEN + TAG;
/// Length of what [`DataKey::authenticate`] gives.
pub const MAC: usize = 32;

/// The key that all records of a store are sealed with. Holds three keys that HKDF makes of the wrapped one: for the
/// envelopes, to authenticate the list of them, and for the audit trail. All are wiped when they are dropped.
pub struct DataKey {
    envelopes: EnvelopeKey,
    list: hmac::Key,
    audit: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
        let envelopes = derived.expand(&[b"vultrino envelopes v1"], &AES_256_GCM).or(Err(SealError::TooLong))?;
        let list = derived.expand(&[b"vultrino list v1"], hmac::HMAC_SHA256).or(Err(SealError::TooLong))?;
        let envelopes = EnvelopeKey(LessSafeKey::new(UnboundKey::from(envelopes)));
        let mut audit = Zeroizing::new([0; 32]);
        let okm = derived.expand(&[b"vultrino audit v1"], hkdf::HKDF_SHA256).or(Err(SealError::TooLong))?;
        okm.fill(&mut *audit).or(Err(SealError::TooLong))?;
        Ok(Self { envelopes, list: list.into(), audit })
    }

    /// What the audit records of the store are chained with.
    pub fn audit_key(&self) -> &[u8; 32] {
        &self.audit
    }

    /// An envelope that opens beside the same `aad` only. Its nonce is fresh.
    pub fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        self.envelopes.seal(plaintext, aad)
    }

    /// As [`DataKey::seal`], for what may not be exposed elsewhere.
    pub fn seal_secret(&self, secret: &Secret, aad: &[u8]) -> Result<Vec<u8>, SealError> {
        self.envelopes.seal(secret.expose(), aad)
    }

    /// What is in the envelope, if it is whole and `aad` is what it was sealed with.
    pub fn open(&self, envelope: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.envelopes.open(envelope, aad)
    }

    /// As [`DataKey::open`], for what must stay a secret.
    pub fn open_secret(&self, envelope: &[u8], aad: &[u8]) -> Result<Secret, SealError> {
        let mut opened = self.envelopes.open(envelope, aad)?;
        Ok(Secret::new(std::mem::take(&mut *opened)))
    }

    /// HMAC-SHA256 over `bytes`.
    pub fn authenticate(&self, bytes: &[u8]) -> [u8; MAC] {
        let mut mac = [0; MAC];
        mac.copy_from_slice(hmac::sign(&self.list, bytes).as_ref());
        mac
    }

    /// Whether `mac` is what [`DataKey::authenticate`] gave for `bytes`; in constant time.
    pub fn is_authentic(&self, bytes: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.list, bytes, mac).is_ok()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[data key]")
    }
}

/// AES-256-GCM with random 96-bit nonces: good for 2^32 envelopes under one key (NIST SP 800-38D section 8.3).
pub(crate) struct EnvelopeKey(LessSafeKey);

impl EnvelopeKey {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, key).or(Err(SealError::TooLong))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    pub(crate) fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut envelope = Vec::with_capacity(plaintext.len() + OVERHEAD);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(plaintext);
        let body = &mut envelope[NONCE_LEN..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), body).or(Err(SealError::TooLong))?;
        envelope.extend_from_slice(tag.as_ref());
        Ok(envelope)
    }

    pub(crate) fn open(&self, envelope: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = envelope.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Open)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut text).or(Err(SealError::Open))?.len();
        text.truncate(length);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::seal::{DataKey, envelope::OVERHEAD};

    #[test]
    fn an_envelope_opens_whole_and_in_its_place_only() {
        let key = DataKey::new(&[1; 32]).unwrap();
        let envelope = key.seal(b"plain", b"place").unwrap();
        assert_eq!(envelope.len(), 5 + OVERHEAD);
        assert_eq!(&**key.open(&envelope, b"place").unwrap(), b"plain");
        assert!(key.open(&envelope, b"other").is_err());
        assert!(DataKey::new(&[2; 32]).unwrap().open(&envelope, b"place").is_err());
        for at in 0..envelope.len() {
            let mut damaged = envelope.clone();
            damaged[at] ^= 0x80;
            assert!(key.open(&damaged, b"place").is_err(), "{at}");
            assert!(key.open(&envelope[..at], b"place").is_err(), "{at}");
        }
    }

    #[test]
    fn nonces_are_fresh() {
        let key = DataKey::new(&[1; 32]).unwrap();
        let mut seen = HashSet::new();
        for _ in 0..1 << 20 {
            let nonce: [u8; 12] = *key.seal(b"", b"").unwrap().first_chunk().unwrap();
            assert!(seen.insert(nonce));
        }
    }

    #[test]
    fn the_list_is_authenticated_under_a_key_of_its_own() {
        let key = DataKey::new(&[1; 32]).unwrap();
        let mac = key.authenticate(b"list");
        assert!(key.is_authentic(b"list", &mac));
        assert!(!key.is_authentic(b"lisu", &mac));
        assert!(!key.is_authentic(b"list", &mac[..31]));
        assert!(!DataKey::new(&[2; 32]).unwrap().is_authentic(b"list", &mac));
    }
}
