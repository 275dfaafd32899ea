//! The certificates of test origins: a CA that appliances trust, one that they do not, and everything wrong with a leaf.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, OnceLock},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::{
    DEFAULT_VERSIONS, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// What is wrong with an origin's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// Nothing: for `localhost`, `origin.test` and 127.0.0.1, from the CA that appliances trust.
    None,
    Expired,
    NotYetValid,
    /// For another name and address.
    WrongName,
    /// The name stands in the subject only.
    CommonNameOnly,
    SelfSigned,
    UnknownCa,
    /// Good for clients, not for servers.
    WrongUsage,
}

/// PEM of the CA that appliances trust through `[upstream] ca_file`.
pub(crate) fn trusted_ca() -> &'static str {
    &authorities().trusted.pem
}

/// A TLS server configuration whose certificate has this flaw.
pub(crate) fn server(flaw: Flaw, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let (certificate, key) = leaf(flaw);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A certificate for these names from the CA that appliances trust, and its key, both in PEM.
pub(crate) fn site(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.iter().map(|it| name(it)).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &authorities().trusted.issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// One that is good, and offers these protocols.
pub(crate) fn speaking(protocols: &[&str]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&server(Flaw::None, DEFAULT_VERSIONS));
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn leaf(flaw: Flaw) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.subject_alt_names = match flaw {
        Flaw::WrongName => vec![name("elsewhere.test"), SanType::IpAddress(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)))],
        Flaw::CommonNameOnly => vec![name("elsewhere.test")],
        _ => vec![name("localhost"), name("origin.test"), SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))],
    };
    params.not_before = date_time_ymd(if flaw == Flaw::NotYetValid { 2090 } else { 2020 }, 1, 1);
    params.not_after = date_time_ymd(if flaw == Flaw::Expired { 2021 } else { 2099 }, 1, 1);
    params.extended_key_usages = vec![match flaw {
        Flaw::WrongUsage => ExtendedKeyUsagePurpose::ClientAuth,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    let key = KeyPair::generate().unwrap();
    let certificate = match flaw {
        Flaw::SelfSigned => params.self_signed(&key),
        Flaw::UnknownCa => params.signed_by(&key, &authorities().unknown.issuer),
        _ => params.signed_by(&key, &authorities().trusted.issuer),
    };
    (certificate.unwrap().der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn name(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Authorities {
    trusted: Authority,
    unknown: Authority,
}

fn authorities() -> &'static Authorities {
    static MADE: OnceLock<Authorities> = OnceLock::new();
    MADE.get_or_init(|| Authorities { trusted: authority("Test CA"), unknown: authority("Some other CA") })
}

fn authority(common_name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_after = date_time_ymd(2099, 1, 1);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}
