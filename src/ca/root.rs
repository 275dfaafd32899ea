//! The root of trust that clients install: made once an installation, read back at each start.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose, PublicKeyData as _,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use crate::{
    base::secret::Secret,
    ca::{error::CaError, key::EcKey},
};

/// How long before it is made a certificate begins to be valid: the clocks of virtual machines and laptops that were asleep are
/// slow by hours.
pub const BACKDATED: SignedDuration = SignedDuration::from_hours(24);

/// Whoever has to install a new root has to do it on every machine. The key lies sealed in the store.
const LIFETIME: SignedDuration = SignedDuration::from_hours(3650 * 24);

/// The root, ready to sign.
#[derive(Debug)]
pub struct Root {
    issuer: Issuer<'static, EcKey>,
    not_after: Timestamp,
}

/// What [`Root::generate`] gives to the store.
#[derive(Debug)]
pub struct NewRoot {
    /// The certificate, for everybody.
    pub certificate_der: Vec<u8>,
    /// The key in PKCS#8, for the store's secret envelope.
    pub key_pkcs8: Secret,
}

impl Root {
    /// Makes a new root under a name of its own.
    pub fn generate(now: Timestamp) -> Result<NewRoot, CaError> {
        let (key, pkcs8) = EcKey::generate()?;
        let not_before = now - BACKDATED;
        let mut params = CertificateParams::default();
        params.distinguished_name = unique_name()?;
        params.serial_number = Some(serial()?);
        params.not_before = std::time::SystemTime::from(not_before).into();
        params.not_after = std::time::SystemTime::from(now + LIFETIME).into();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(NewRoot { certificate_der: certificate.der().to_vec(), key_pkcs8: Secret::new(pkcs8.as_ref().to_vec()) })
    }

    /// Reads a root back and refuses what clients would not trust, or what does not belong together.
    pub fn open(certificate_der: &[u8], key: &Secret, now: Timestamp) -> Result<Self, CaError> {
        let certificate = parse(certificate_der)?;
        may_sign(&certificate)?;
        let key = EcKey::from_pkcs8(key.expose())?;
        if *certificate.public_key().subject_public_key.data != *key.der_bytes() {
            return Err(CaError::KeyMismatch);
        }
        let not_before = Timestamp::from_second(certificate.validity().not_before.timestamp())?;
        if now < not_before {
            return Err(CaError::NotYetValid { at: not_before });
        }
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(certificate_der), key)?;
        let root = Self { issuer, not_after };
        root.expect_valid(now)?;
        Ok(root)
    }

    /// What signs.
    pub fn issuer(&self) -> &Issuer<'static, EcKey> {
        &self.issuer
    }

    /// Nothing that it signs is worth anything after this.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// A daemon may outlive its root.
    pub fn expect_valid(&self, now: Timestamp) -> Result<(), CaError> {
        if now < self.not_after { Ok(()) } else { Err(CaError::Expired { at: self.not_after }) }
    }
}

/// The text form of a certificate (RFC 7468), as clients read it.
pub fn to_pem(der: &[u8]) -> String {
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut text = STANDARD.encode(der);
    while !text.is_empty() {
        let rest = text.split_off(text.len().min(64));
        pem.push_str(&text);
        pem.push('\n');
        text = rest;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// 128 random bits: rcgen's own choice is a hash of the key, which would be the same for every leaf.
pub fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)?;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Two installations on one machine must not look the same in a trust store.
fn unique_name() -> Result<DistinguishedName, CaError> {
    let mut random = [0; 4];
    rand::fill(&mut random)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("Vultrino CA {:08x}", u32::from_be_bytes(random)));
    Ok(name)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CaError> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).map_err(CaError::Certificate)?;
    if rest.is_empty() { Ok(certificate) } else { Err(CaError::NotAuthority { lacks: "bytes follow it" }) }
}

fn may_sign(certificate: &X509Certificate<'_>) -> Result<(), CaError> {
    let usage = certificate.key_usage().map_err(|error| CaError::Certificate(error.into()))?;
    if !certificate.is_ca() {
        return Err(CaError::NotAuthority { lacks: "its basic constraints do not say CA:TRUE" });
    }
    if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
        return Err(CaError::NotAuthority { lacks: "its key usage does not include signing certificates" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use jiff::{SignedDuration, Timestamp};
    use x509_parser::parse_x509_certificate;

    use crate::{
        base::secret::Secret,
        ca::{
            error::CaError,
            root::{NewRoot, Root, to_pem},
        },
    };

    /// 2026-01-01T00:00:00Z
    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn open(new: &NewRoot, now: Timestamp) -> Result<Root, CaError> {
        Root::open(&new.certificate_der, &new.key_pkcs8, now)
    }

    #[test]
    fn a_root_may_sign_leaves_and_nothing_else() {
        let new = Root::generate(NOW).unwrap();
        let (_, root) = parse_x509_certificate(&new.certificate_der).unwrap();
        let constraints = root.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = root.key_usage().unwrap().unwrap();
        assert!(usage.critical);
        assert_eq!(usage.value.flags, (1 << 5) | (1 << 6), "keyCertSign and cRLSign");
        let validity = root.validity();
        assert!(validity.not_before.timestamp() < NOW.as_second());
        assert!(validity.not_after.timestamp() - validity.not_before.timestamp() <= 3651 * 24 * 3600);
        assert_eq!(root.issuer(), root.subject());
    }

    #[test]
    fn two_installations_differ_in_name_key_and_serial() {
        let (one, two) = (Root::generate(NOW).unwrap(), Root::generate(NOW).unwrap());
        let (_, one) = parse_x509_certificate(&one.certificate_der).unwrap();
        let (_, two) = parse_x509_certificate(&two.certificate_der).unwrap();
        assert!(one.subject().to_string().starts_with("CN=Vultrino CA "));
        assert_ne!(one.subject(), two.subject());
        assert_ne!(one.public_key().raw, two.public_key().raw);
        assert_ne!(one.raw_serial(), two.raw_serial());
    }

    #[test]
    fn what_clients_would_not_trust_is_refused() {
        let (new, other) = (Root::generate(NOW).unwrap(), Root::generate(NOW).unwrap());
        assert!(open(&new, NOW).is_ok());
        let early = NOW - SignedDuration::from_hours(25);
        assert!(matches!(open(&new, early), Err(CaError::NotYetValid { .. })));
        let late = NOW + SignedDuration::from_hours(3651 * 24);
        assert!(matches!(open(&new, late), Err(CaError::Expired { .. })));
        let swapped = Root::open(&new.certificate_der, &other.key_pkcs8, NOW);
        assert!(matches!(swapped, Err(CaError::KeyMismatch)));
        let damaged = Root::open(&new.certificate_der, &Secret::new(b"no key".to_vec()), NOW);
        assert!(matches!(damaged, Err(CaError::Key(_))));
        for length in [0, 1, new.certificate_der.len() - 1] {
            let cut = Root::open(&new.certificate_der[..length], &new.key_pkcs8, NOW);
            assert!(matches!(cut, Err(CaError::Certificate(_))));
        }
    }

    #[test]
    fn a_certificate_that_is_no_authority_is_refused() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let pkcs8 = Secret::new(key.serialize_der());
        let mut params = rcgen::CertificateParams::new(vec![String::from("a.example")]).unwrap();
        let leaf = params.self_signed(&key).unwrap();
        assert!(matches!(Root::open(leaf.der(), &pkcs8, NOW), Err(CaError::NotAuthority { .. })));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        let unable = params.self_signed(&key).unwrap();
        assert!(matches!(Root::open(unable.der(), &pkcs8, NOW), Err(CaError::NotAuthority { .. })));
    }

    #[test]
    fn the_text_form_holds_the_same_bytes_in_short_lines() {
        let der = Root::generate(NOW).unwrap().certificate_der;
        let pem = to_pem(&der);
        let lines: Vec<&str> = pem.lines().collect();
        let (first, last) = (lines[0], lines[lines.len() - 1]);
        assert_eq!((first, last), ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"));
        assert!(lines.iter().all(|line| line.len() <= 64) && pem.ends_with("-----\n"));
        assert_eq!(STANDARD.decode(lines[1..lines.len() - 1].concat()).unwrap(), der);
    }
}
