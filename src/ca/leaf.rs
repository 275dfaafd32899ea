//! The certificate that one host's clients see, under a leaf key that lives as long as the process.

use std::{sync::Arc, time::SystemTime};

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{DnsName, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use crate::{
    base::host::Host,
    ca::{
        error::CaError,
        key::EcKey,
        root::{self, Root},
    },
};

/// Short, so that no leaf is worth stealing, and long enough for any client's clock.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The key of every leaf of this process. It is never the root's, and never stored.
#[derive(Debug)]
pub struct LeafKey {
    public: EcKey,
    signing: Arc<dyn rustls::sign::SigningKey>,
}

/// A leaf with its key, and when to make the next one.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The leaf alone: the root is what clients have.
    pub certified: Arc<CertifiedKey>,
    /// A day before it was made.
    pub not_before: Timestamp,
    /// Half of its life: connections that begin now still have the other half.
    pub renew_at: Timestamp,
}

impl LeafKey {
    /// A fresh one.
    pub fn generate(provider: &CryptoProvider) -> Result<Self, CaError> {
        let (public, pkcs8) = EcKey::generate()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_ref())).clone_key();
        Ok(Self { public, signing: provider.key_provider.load_private_key(der)? })
    }

    /// Signs a leaf for exactly `host`.
    pub fn certify(&self, host: &Host, root: &Root, now: Timestamp) -> Result<Leaf, CaError> {
        root.expect_valid(now)?;
        let not_before = now - root::BACKDATED;
        let not_after = (now + LIFETIME).min(root.not_after());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![alternative_name(host)?];
        params.serial_number = Some(root::serial()?);
        params.not_before = SystemTime::from(not_before).into();
        params.not_after = SystemTime::from(not_after).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.public, root.issuer())?;
        let certified = CertifiedKey::new(vec![certificate.into()], Arc::clone(&self.signing));
        let renew_at = now + now.duration_until(not_after) / 2;
        Ok(Leaf { certified: Arc::new(certified), not_before, renew_at })
    }
}

/// A name goes through the strict grammar once more: a wildcard would be worth a whole domain.
fn alternative_name(host: &Host) -> Result<SanType, CaError> {
    let name = match host {
        Host::V4(address) => return Ok(SanType::IpAddress((*address).into())),
        Host::V6(address) => return Ok(SanType::IpAddress((*address).into())),
        Host::Name(name) => name,
    };
    if DnsName::try_from(&**name).is_err() {
        return Err(CaError::Host { host: name.clone() });
    }
    Ok(SanType::DnsName((&**name).try_into()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::{SignedDuration, Timestamp};
    use rustls::crypto::aws_lc_rs;
    use x509_parser::{
        certificate::X509Certificate,
        extensions::{GeneralName, ParsedExtension},
        parse_x509_certificate,
    };

    use crate::{
        base::host::Host,
        ca::{error::CaError, leaf::LeafKey, root::Root},
    };

    /// 2026-01-01T00:00:00Z
    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn certify(host: &Host, now: Timestamp) -> Result<(Vec<u8>, Vec<u8>), CaError> {
        let new = Root::generate(NOW).unwrap();
        let root = Root::open(&new.certificate_der, &new.key_pkcs8, NOW).unwrap();
        let key = LeafKey::generate(&aws_lc_rs::default_provider()).unwrap();
        let leaf = key.certify(host, &root, now)?;
        assert_eq!(leaf.certified.cert.len(), 1, "the root is not sent");
        leaf.certified.keys_match().unwrap();
        Ok((leaf.certified.cert[0].to_vec(), new.certificate_der))
    }

    fn key_id(certificate: &X509Certificate<'_>, authority: bool) -> Vec<u8> {
        let found = certificate.iter_extensions().find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) if authority => Some(id.key_identifier.as_ref()?.0.to_vec()),
            ParsedExtension::SubjectKeyIdentifier(id) if !authority => Some(id.0.to_vec()),
            _ => None,
        });
        found.unwrap()
    }

    #[test]
    fn a_leaf_says_one_host_one_day_and_one_purpose() {
        let (leaf, root) = certify(&"api.github.com".parse().unwrap(), NOW).unwrap();
        let (_, leaf) = parse_x509_certificate(&leaf).unwrap();
        let (_, root) = parse_x509_certificate(&root).unwrap();
        assert_eq!(leaf.issuer(), root.subject());
        assert_eq!(key_id(&leaf, true), key_id(&root, false));
        assert_ne!(leaf.public_key().raw, root.public_key().raw);
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::DNSName("api.github.com")]);
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth && !usage.any && usage.other.is_empty());
        assert_eq!(leaf.key_usage().unwrap().unwrap().value.flags, 1, "digitalSignature alone");
        assert!(!leaf.is_ca());
        let validity = leaf.validity();
        assert_eq!(validity.not_before.timestamp(), NOW.as_second() - 24 * 3600);
        assert_eq!(validity.not_after.timestamp(), NOW.as_second() + 24 * 3600);
    }

    #[test]
    fn addresses_stand_as_addresses() {
        for (host, bytes) in [("127.0.0.1", &[127, 0, 0, 1][..]), ("[::1]", &std::net::Ipv6Addr::LOCALHOST.octets())] {
            let (leaf, _) = certify(&host.parse().unwrap(), NOW).unwrap();
            let (_, leaf) = parse_x509_certificate(&leaf).unwrap();
            let names = leaf.subject_alternative_name().unwrap().unwrap();
            assert_eq!(names.value.general_names, [GeneralName::IPAddress(bytes)]);
        }
    }

    #[test]
    fn no_wildcard_and_no_leaf_beyond_the_root() {
        assert!(matches!(certify(&Host::Name("*.example.com".into()), NOW), Err(CaError::Host { .. })));
        let last_day = NOW + SignedDuration::from_hours(3650 * 24 - 1);
        let (leaf, root) = certify(&"a.example".parse().unwrap(), last_day).unwrap();
        let (_, leaf) = parse_x509_certificate(&leaf).unwrap();
        let (_, root) = parse_x509_certificate(&root).unwrap();
        assert_eq!(leaf.validity().not_after, root.validity().not_after);
        let too_late = NOW + SignedDuration::from_hours(3650 * 24);
        assert!(matches!(certify(&"a.example".parse().unwrap(), too_late), Err(CaError::Expired { .. })));
    }

    #[test]
    fn serial_numbers_are_positive_and_differ() {
        let new = Root::generate(NOW).unwrap();
        let root = Root::open(&new.certificate_der, &new.key_pkcs8, NOW).unwrap();
        let key = LeafKey::generate(&aws_lc_rs::default_provider()).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let leaf = key.certify(&"a.example".parse().unwrap(), &root, NOW).unwrap();
            let (_, leaf) = parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
            let serial = leaf.raw_serial().to_vec();
            assert!(serial[0] < 0x80 && serial.len() <= 17 && leaf.tbs_certificate.serial.bits() > 64);
            assert!(seen.insert(serial));
        }
    }
}
