use crate::base::host::{Authority, AuthorityPattern, Host, HostError, Scheme};

#[test]
fn hosts_have_one_canonical_form() {
    for (text, canonical) in [
        ("API.GitHub.COM.", "api.github.com"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::0:1]", "[::1]"),
        ("a_b.example", "a_b.example"),
    ] {
        assert_eq!(text.parse::<Host>().unwrap().to_string(), canonical);
    }
}

#[test]
fn disguised_and_malformed_hosts_are_refused() {
    for text in ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "①②⑦.⓪.⓪.①", "bücher.example"] {
        assert_eq!(text.parse::<Host>(), Err(HostError::Disguised), "{text}");
    }
    for text in ["", ".", "a..b", "-a.b", "a b", "u@h", "a/b", "[fe80::1%25eth0]", "[a.b]", "a\\b", "a%2eb"] {
        assert_eq!(text.parse::<Host>(), Err(HostError::Malformed), "{text}");
    }
}

#[test]
fn ports_are_plain_numbers() {
    for text in ["h:", "h:0", "h:0443", "h:65536", "h:+1", "h:4 ", "h:1:2"] {
        assert!(Authority::parse(text, 443).is_err(), "{text}");
    }
    assert_eq!(Authority::parse("127.1:0443", 443), Err(HostError::Port));
    assert_eq!(Authority::parse("[::1]:8", 443).unwrap().port, 8);
    assert_eq!(Authority::parse_with_port("h"), Err(HostError::Port));
}

#[test]
fn a_pattern_matches_what_it_says_and_no_more() {
    let cases = [
        ("api.github.com", Scheme::Https, "api.github.com:443", true),
        ("api.github.com", Scheme::Https, "api.github.com:8443", false),
        ("api.github.com", Scheme::Http, "api.github.com:443", false),
        ("api.github.com:*", Scheme::Https, "api.github.com:8443", true),
        ("*.github.com", Scheme::Https, "api.github.com:443", true),
        ("*.github.com", Scheme::Https, "github.com:443", false),
        ("*.github.com", Scheme::Https, "a.b.github.com:443", false),
        ("*.github.com", Scheme::Https, "evil-github.com:443", false),
        ("http://host", Scheme::Http, "host:80", true),
        ("http://host", Scheme::Https, "host:443", false),
    ];
    for (pattern, scheme, authority, expected) in cases {
        let parsed: AuthorityPattern = pattern.parse().unwrap();
        assert_eq!(parsed.to_string(), pattern);
        let authority = Authority::parse_with_port(authority).unwrap();
        assert_eq!(parsed.matches(scheme, &authority), expected, "{pattern} {authority}");
    }
}
