//! A P-256 key as rcgen wants it, without the second copy of the private half that rcgen's own type keeps.

use std::fmt;

use aws_lc_rs::{
    pkcs8::Document,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};

use crate::ca::error::CaError;

/// Signs certificates, or is what a certificate is for.
pub struct EcKey(EcdsaKeyPair);

impl EcKey {
    /// A new key, and its PKCS#8 form, which is wiped when dropped.
    pub fn generate() -> Result<(Self, Document), CaError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())?;
        Ok((Self::from_pkcs8(pkcs8.as_ref())?, pkcs8))
    }

    /// Reads what [`EcKey::generate`] wrote.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CaError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).map(Self).map_err(CaError::Key)
    }
}

impl PublicKeyData for EcKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for EcKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        // The cause says nothing more: its type is `Unspecified`.
        let signature = self.0.sign(&SystemRandom::new(), message).or(Err(rcgen::Error::RingUnspecified))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for EcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcKey")
    }
}
