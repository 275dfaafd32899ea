//! Authorities, as CONNECT and `Host` have them, and the patterns that credentials are bound with.

use vultrino::base::host::{Authority, AuthorityPattern, Host, HostPattern, Scheme};

use super::reference;

/// An authority is accepted if the slow reader accepts it, and read as the same; what is shown of it reads as the same again.
pub fn connect_authority(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for default in [None, Some(80), Some(443)] {
        let read = match default {
            None => Authority::parse_with_port(text),
            Some(port) => Authority::parse(text, port),
        };
        let slow = reference::authority(text, default);
        let shown = read.as_ref().ok().map(|it| (it.host.to_string(), it.port));
        assert_eq!(shown, slow, "the readers disagree");
        let Ok(authority) = read else { continue };
        assert_ne!(authority.port, 0);
        assert_eq!(Authority::parse_with_port(&authority.to_string()).as_ref(), Ok(&authority));
        assert_eq!(authority.host.to_string().parse().as_ref(), Ok(&authority.host));
        if let Some(address) = authority.host.address() {
            let written = authority.host.to_string();
            let plain = written.trim_matches(['[', ']']);
            assert_eq!(plain.parse(), Ok(address), "an address is shown as another one");
        }
    }
}

/// A line with a pattern, a line with an authority: the pattern matches what it says and no more.
pub fn host_pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pattern, authority) = text.split_once('\n').unwrap_or((text, "origin.example:443"));
    if let Ok(host) = pattern.parse::<HostPattern>() {
        assert_eq!(host.to_string().parse().as_ref(), Ok(&host));
    }
    let Ok(pattern) = pattern.parse::<AuthorityPattern>() else { return };
    assert_eq!(pattern.to_string().parse().as_ref(), Ok(&pattern), "a pattern is shown as another one");
    for scheme in [Scheme::Http, Scheme::Https] {
        if let Ok(authority) = Authority::parse(authority, scheme.default_port()) {
            let matched = pattern.matches(scheme, &authority);
            assert_eq!(matched, slow_match(&pattern.to_string(), scheme, &authority));
            let exactly = AuthorityPattern::exactly(scheme, &authority);
            assert!(exactly.matches(scheme, &authority));
            assert_eq!(exactly.to_string().parse().as_ref(), Ok(&exactly));
        }
    }
    instances(&pattern);
}

/// Decides by text alone, on the canonical form.
fn slow_match(pattern: &str, scheme: Scheme, authority: &Authority) -> bool {
    let (wanted, rest) = match pattern.strip_prefix("http://") {
        Some(rest) => (Scheme::Http, rest),
        None => (Scheme::Https, pattern),
    };
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.to_owned()),
        _ => (rest, wanted.default_port().to_string()),
    };
    let host = authority.host.to_string();
    let same = match (name.strip_prefix('*'), &authority.host) {
        (Some(domain), Host::Name(_)) => {
            host.strip_suffix(domain).is_some_and(|label| !label.is_empty() && !label.contains('.'))
        }
        (Some(_), _) => false,
        (None, _) => name == host,
    };
    wanted == scheme && same && (port == "*" || port == authority.port.to_string())
}

/// Of `*.domain`: one label in front of it is meant; none, two, and a longer last label are not.
fn instances(pattern: &AuthorityPattern) {
    let HostPattern::OneLabelBefore(domain) = &pattern.host else { return };
    let port = pattern.port.unwrap_or(1);
    let ours = |name: String| {
        let host = name.parse::<Host>().ok()?;
        Some(pattern.matches(pattern.scheme, &Authority { host, port }))
    };
    assert_ne!(ours(format!("a.{domain}")), Some(false));
    assert_ne!(ours(format!("A.{}.", domain.to_uppercase())), Some(false));
    for other in [format!("{domain}"), format!("a.b.{domain}"), format!("a{domain}"), format!("a.{domain}.evil")] {
        // `a` in front of `x.y` is another name under `y`, which a pattern for `x.y` does not mean.
        assert_ne!(ours(other), Some(true), "{pattern}");
    }
}
