//! Which texts are targets, and how they are kept.

use std::sync::Arc;

use http::Method;

use crate::base::{
    host::{Authority, Scheme},
    target::{Origin, Target},
};

#[test]
fn what_was_sent_is_kept_byte_for_byte() {
    for (url, shown) in [
        ("HTTPS://API.GitHub.COM./user", "https://api.github.com/user"),
        ("https://api.github.com:443", "https://api.github.com/"),
        ("https://api.github.com:8443/us%65r?a=%2e%2E&b=c|d#frag", "https://api.github.com:8443/us%65r?a=%2e%2E&b=c|d"),
        ("http://h?x=1", "http://h/?x=1"),
        ("https://h/group%2Fproject/@scope%2fname//x", "https://h/group%2Fproject/@scope%2fname//x"),
        ("https://h/a%252Fb/100%25/caf%C3%A9/..x%3b/%C0ge", "https://h/a%252Fb/100%25/caf%C3%A9/..x%3b/%C0ge"),
        ("https://h/\"a\"{b}|^?`c`{d}|^", "https://h/\"a\"{b}|^?`c`{d}|^"),
        ("https://h/?/%252e%252e/..%3b/%c0%ae", "https://h/?/%252e%252e/..%3b/%c0%ae"),
    ] {
        assert_eq!(Target::parse(url).unwrap().to_string(), shown);
    }
}

#[test]
fn urls_that_two_parsers_read_differently_are_refused() {
    for url in [
        "https://a@b/",
        "https://a:x@b/",
        "https://a\\@b/",
        "https://h/%2e%2e/admin",
        "https://h/a/../admin",
        "https://h/a/..;/admin",
        "https://h/a%2f..%2fadmin",
        "https://h/a\\..\\b",
        "https://h/a%5c..%5cb",
        "https://h/./user",
        "https://h/%252e%252e/admin",
        "https://h/%252E./admin",
        "https://h/%25%32%65%2e/admin",
        "https://h/a/..%3b/admin",
        "https://h/a/%2e%2e%3B/admin",
        "https://h/a/..%253bx/admin",
        "https://h/a/..%3fx",
        "https://h/a/..%23x",
        "https://h/a/..%2500/admin",
        "https://h/a%252f..%252fadmin",
        "https://h/a%5c%252e%252e%5cadmin",
        "https://h/a%255c..%255cadmin",
        "https://h/a%2f%252e%252e%2fadmin",
        "https://h/%c0%ae%c0%ae/admin",
        "https://h/a%C0%AF..%c0%afadmin",
        "https://h/%e0%80%ae./admin",
        "https://h/%f0%80%80%ae./admin",
        "https://h/%fc%80%80%80%80%ae./admin",
        "https://h/%25c0%25ae%25c0%25ae/admin",
        "https://h/a/%c0%2e%c0%2e/b",
        "https://h/a/%c0%2e./b",
        "https://h/a/..%c1%1cb",
        "https://h/user%00",
        "https://h/a<b",
        "https://h/a>b",
        "https://h/a`b",
        "https://h/?a=\"b\"",
        "https://h/?a<b",
        "https://h?a>b",
        "https://h/100%",
        "https://h/a b",
        "https://h\t.evil.test/",
        " https://h/",
        "https:///h",
        "https:h/x",
        "ftp://h/",
        "https://[fe80::1%25eth0]/",
    ] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
}

#[test]
fn path_style_has_exactly_one_grammar() {
    for path in ["/https://h/x", "/https:/h/x", "/HTTPS://H/x"] {
        assert_eq!(Target::parse_path_style(&Method::GET, path, None).unwrap().to_string(), "https://h/x");
    }
    for path in ["/https%3A%2F%2Fh/x", "/https:\\\\h\\x", "/https:h/x", "/https:///h/x", "///h", "//h", "https://h"] {
        assert!(Target::parse_path_style(&Method::GET, path, None).is_err(), "{path}");
    }
}

#[test]
fn an_origin_is_shared_with_what_names_it_as_it_is_shown() {
    let near = Target::parse("https://api.github.com:8443/").unwrap().origin;
    for (url, shares) in [
        ("https://api.github.com:8443/user", true),
        ("https://API.github.com:8443/user", false),
        ("https://api.github.com/user", false),
        ("https://api.github.com:8443@evil.test/", false),
        ("http://api.github.com:8443/user", false),
    ] {
        let (shared, own) = (Target::parse_near(&Method::GET, url, Some(&near)), Target::parse(url));
        assert_eq!(shared, own, "{url}");
        assert_eq!(shared.is_ok_and(|it| Arc::ptr_eq(&it.origin, &near)), shares, "{url}");
    }
}

#[test]
fn an_asterisk_is_for_options_alone() {
    let origin = Arc::new(Origin::new(Scheme::Https, Authority::parse("h", 443).unwrap()));
    assert!(Target::within(Arc::clone(&origin), &Method::OPTIONS, "*").is_ok());
    assert!(Target::within(origin, &Method::GET, "*").is_err());
    for (method, url, path) in [
        (Method::OPTIONS, "https://h", "*"),
        (Method::OPTIONS, "https://h:8443#x", "*"),
        (Method::OPTIONS, "https://h/", "/"),
        (Method::OPTIONS, "https://h?", "/?"),
        (Method::GET, "https://h", "/"),
    ] {
        assert_eq!(Target::parse_near(&method, url, None).unwrap().path_and_query(), path, "{method} {url}");
        let path_style = Target::parse_path_style(&method, &format!("/{url}"), None);
        assert_eq!(path_style.unwrap().path_and_query(), path, "{method} {url}");
    }
}
