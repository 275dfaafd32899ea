//! Which server name a client may ask for inside a tunnel to a host: that host, or none.

use std::sync::Arc;

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::base::host::Host;

/// Whether a client that tunnels to `host` may send this server name. The door asks before it answers the handshake
/// (a wrong name is the alert `unrecognized_name`); the configuration itself shows no certificate to a wrong name.
pub fn is_for(host: &Host, server_name: Option<&str>) -> bool {
    match (host, server_name) {
        (_, None) => true,
        (Host::Name(name), Some(asked)) => asked.strip_suffix('.').unwrap_or(asked).eq_ignore_ascii_case(name),
        // Addresses are never sent as server names (RFC 6066 section 3); rustls drops those that are.
        (Host::V4(_) | Host::V6(_), Some(_)) => false,
    }
}

/// Shows one host's certificate, and only for that host.
#[derive(Debug)]
pub(crate) struct OnlyFor {
    pub(crate) host: Host,
    pub(crate) certified: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OnlyFor {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        is_for(&self.host, hello.server_name()).then(|| Arc::clone(&self.certified))
    }
}

#[cfg(test)]
mod tests {
    use crate::ca::sni::is_for;

    #[test]
    fn only_the_tunnelled_host_may_be_asked_for() {
        let cases = [
            ("good.example", None, true),
            ("good.example", Some("good.example"), true),
            ("good.example", Some("GOOD.example."), true),
            ("good.example", Some("evil.example"), false),
            ("good.example", Some("a.good.example"), false),
            ("good.example", Some(""), false),
            ("127.0.0.1", None, true),
            ("127.0.0.1", Some("evil.example"), false),
            ("[::1]", Some("localhost"), false),
        ];
        for (host, asked, expected) in cases {
            assert_eq!(is_for(&host.parse().unwrap(), asked), expected, "{host} {asked:?}");
        }
    }
}
