//! The origin's own certificate for `localhost` and what lies below it, and the authority that vouches for it, made anew for each run.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// All names below it are the origin's too. They are this machine's own for Vultrino, whatever DNS says.
pub(crate) const DOMAIN: &str = "bench.localhost";

/// What the origin shows and what a client must trust.
pub(crate) struct Certified {
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) authority_pem: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// ECDSA P-256 throughout, as most public sites have.
pub(crate) fn for_localhost() -> Result<Certified, rcgen::Error> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    root.distinguished_name.push(DnType::CommonName, "vultrino-load authority");
    let root_key = KeyPair::generate()?;
    let authority = root.self_signed(&root_key)?;

    let mut leaf = CertificateParams::new(vec!["localhost".to_owned(), format!("*.{DOMAIN}")])?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &Issuer::new(root, root_key))?;

    Ok(Certified {
        authority_pem: authority.pem(),
        authority: authority.into(),
        certificate: certificate.into(),
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    })
}
