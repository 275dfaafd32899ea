//! Hosts that are reached without the parent proxy, as `[upstream] no_proxy` names them.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use thiserror::Error;

use crate::base::host::Host;

/// One host, all names below a domain, or a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bypass {
    /// This one: `internal.example`, `10.1.2.3`.
    Host(Host),
    /// Every name that ends so, however many labels stand before it: `*.corp`.
    Below(Box<str>),
    /// Addresses that a URL spells out: `10.0.0.0/8`.
    Network(IpNet),
}

/// A text that is none of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("write a host (internal.example), all names of a domain (*.example) or a network (10.0.0.0/8)")]
pub struct BypassError;

impl Bypass {
    /// Whether this host is one of them.
    pub fn is_for(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Host(it), _) => it == host,
            (Self::Below(domain), Host::Name(name)) => name.strip_suffix(&**domain).is_some_and(|it| it.ends_with('.')),
            (Self::Network(net), _) => host.address().is_some_and(|it| net.contains(&it.to_canonical())),
            (Self::Below(_), _) => false,
        }
    }
}

impl FromStr for Bypass {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        if let Ok(net) = text.parse::<IpNet>() {
            return if net == net.trunc() { Ok(Self::Network(net)) } else { Err(BypassError) };
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Network(IpNet::from(ip.to_canonical())));
        }
        match text.strip_prefix("*.") {
            Some(domain) => match domain.parse() {
                Ok(Host::Name(name)) => Ok(Self::Below(name)),
                _ => Err(BypassError),
            },
            None => text.parse().map(Self::Host).or(Err(BypassError)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::upstream::bypass::Bypass;

    #[test]
    fn a_bypass_is_for_what_it_says_and_no_more() {
        for (bypass, host, expected) in [
            ("internal.example", "internal.example", true),
            ("Internal.Example.", "INTERNAL.example", true),
            ("internal.example", "a.internal.example", false),
            ("*.corp", "wiki.corp", true),
            ("*.corp", "a.b.corp", true),
            ("*.corp", "corp", false),
            ("*.corp", "evilcorp", false),
            ("*.corp", "a.corp.example", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "[::ffff:10.1.2.3]", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "ten.example", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("fd00::/8", "[fd00::1]", true),
            ("fd00::1", "[fd00::1]", true),
        ] {
            let bypass: Bypass = bypass.parse().unwrap();
            assert_eq!(bypass.is_for(&host.parse().unwrap()), expected, "{bypass:?} {host}");
        }
    }

    #[test]
    fn what_would_mean_something_else_elsewhere_is_refused() {
        for text in ["", "*", "*.", ".corp", "a.*", "host:443", "http://host", "10.1.2.3/8", "10.", "*.10.0.0.1", "a,b"]
        {
            assert!(text.parse::<Bypass>().is_err(), "{text}");
        }
    }
}
