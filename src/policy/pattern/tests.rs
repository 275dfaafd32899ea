use crate::{
    base::target::Target,
    policy::pattern::{PatternError, UrlPattern},
};

fn matches(pattern: &str, url: &str) -> bool {
    let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    pattern.parse::<UrlPattern>().unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(&target)
}

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    for url in yes {
        assert!(matches(pattern, url), "{pattern} {url}");
    }
    for url in no {
        assert!(!matches(pattern, url), "{pattern} {url}");
    }
}

#[test]
fn a_pattern_without_stars_is_one_url() {
    check(
        "https://api.github.com/user",
        &["https://api.github.com/user", "https://API.github.com:443/user?x=1", "https://api.github.com./user"],
        &["https://api.github.com/user/", "https://api.github.com/users", "http://api.github.com/user"],
    );
    check("https://h.example", &["https://h.example/", "https://h.example?x"], &["https://h.example/x"]);
}

#[test]
fn a_star_in_the_path_spans_segments_and_braces_choose() {
    check(
        "https://api.github.com/repos/*/issues",
        &["https://api.github.com/repos/o/r/issues", "https://api.github.com/repos/a/issues/b/issues?state=open"],
        &["https://api.github.com/repos/issues", "https://api.github.com/repos/o/r/issues/1"],
    );
    check(
        "https://api.github.com/{user,repos,gists}/*",
        &["https://api.github.com/gists/1", "https://api.github.com/repos/o/r"],
        &["https://api.github.com/orgs/1", "https://api.github.com/user"],
    );
    check("{http,https}://{a,b}.example/*", &["http://a.example/", "https://b.example/x"], &["http://c.example/"]);
}

#[test]
fn a_star_in_the_host_stays_within_its_label() {
    check(
        "https://*.example.com/*",
        &["https://a.example.com/", "https://a-b.example.com/x"],
        &["https://example.com/", "https://a.b.example.com/", "https://aexample.com/"],
    );
    check(
        "https://api.github.com*",
        &["https://api.github.com/", "https://api.github.community/"],
        &["https://api.github.com.evil.example/", "https://api.github.com/user", "https://api.github.com:8443/"],
    );
    check(
        "https://a*b*.c*.d/*",
        &["https://axxbyb.c.d/", "https://ab.cc.d/"],
        &["https://a.b.c.d/", "https://ab.x.d/"],
    );
    check("https://*/*", &["https://localhost/x"], &["https://api.github.com/x"]);
    check("http://192.168.*.*:*/*", &["http://192.168.1.2:8080/"], &["http://192.169.1.2/"]);
}

#[test]
fn ports_and_addresses_are_what_they_say() {
    check("https://h.x:8443/*", &["https://h.x:8443/a"], &["https://h.x/a", "https://h.x:443/a"]);
    check("https://h.x:*/*", &["https://h.x:8443/a", "https://h.x/a"], &["http://h.x/a"]);
    check("http://[::1]:8080/*", &["http://[0::1]:8080/"], &["http://[::2]:8080/", "http://[::1]/"]);
    check("http://127.0.0.1/*", &["http://127.0.0.1./"], &["http://127.0.0.2/"]);
}

#[test]
fn a_path_is_read_as_a_server_reads_it() {
    check(
        "https://h.x/admin/user:1/*",
        &["https://h.x//admin///user:1//x", "https://h.x/%61dmin/us%65r%3A1/x", "https://h.x/admin/user%3a1/"],
        &["https://h.x/admin%2Fuser:1/x", "https://h.x/admin/user:1", "https://h.x/Admin/user:1/x"],
    );
    check("https://h.x/a%2fb/*", &["https://h.x/a%2Fb/c", "https://h.x/a%2fb/c"], &["https://h.x/a/b/c"]);
    check("https://h.x/%2A", &["https://h.x/*", "https://h.x/%2a"], &["https://h.x/a"]);
    check("https://h.x/a%20b", &["https://h.x/a%20b"], &["https://h.x/a+b", "https://h.x/a%2520b"]);
}

#[test]
fn the_query_counts_only_where_it_is_asked_for() {
    check("https://h.x/a*", &["https://h.x/a?b=/c", "https://h.x/ab"], &["https://h.x/?/a"]);
    check(
        "https://h.x/a?state=open*",
        &["https://h.x/a?state=open", "https://h.x/a?state=op%65n&x=1?"],
        &["https://h.x/a", "https://h.x/a?x=1&state=open", "https://h.x/a?state%3Dopen"],
    );
    check("https://h.x/*?*", &["https://h.x/a?", "https://h.x/?x"], &["https://h.x/a"]);
}

#[test]
fn a_star_alone_is_any_url() {
    check("*", &["https://h.x/a?b", "http://127.0.0.1:1/"], &[]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (pattern, error) in [
        ("api.github.com/*", PatternError::Scheme),
        ("ftp://h.x/", PatternError::Scheme),
        ("*://h.x/", PatternError::Scheme),
        ("https://h.x/**", PatternError::DoubleStar),
        ("https://h.x/a#b", PatternError::NeverSent),
        ("https://u:p@h.x/", PatternError::NeverSent),
        ("https://h x/", PatternError::Host),
        ("https:///x", PatternError::Host),
        ("https://.*/x", PatternError::Host),
        ("https://0x7f.1/", PatternError::Host),
        ("https://bücher.example/", PatternError::Host),
        ("https://h.x:0/", PatternError::Port),
        ("https://h.x:/", PatternError::Port),
        ("https://h.x:80x/", PatternError::Port),
    ] {
        assert_eq!(pattern.parse::<UrlPattern>().unwrap_err(), error, "{pattern}");
    }
    for pattern in ["", "https://h.x/{a", "https://h.x/{}", "https://h.x/a/../b", "https://h.x/100%", "https://h.x/a b"]
    {
        assert!(pattern.parse::<UrlPattern>().is_err(), "{pattern}");
    }
}

#[test]
fn covering_is_never_claimed_wrongly() {
    let covers = |a: &str, b: &str| a.parse::<UrlPattern>().unwrap().covers(&b.parse().unwrap());
    for (a, b) in [
        ("*", "https://h.x/*"),
        ("https://h.x/*", "https://h.x/a/*/b?c"),
        ("https://h.x/{a,b}/*", "https://h.x/b/c"),
        ("https://*.x:*/*", "https://h*.x:8/a"),
        ("https://h.x/a*c", "https://h.x/a*b*c"),
    ] {
        assert!(covers(a, b) && !covers(b, a), "{a} {b}");
    }
    for (a, b) in [("https://h.x/a", "https://h.x/*"), ("https://h.x/*?a", "https://h.x/*"), ("https://*.x/", "*")] {
        assert!(!covers(a, b), "{a} {b}");
    }
}

#[test]
fn many_stars_do_not_take_forever() {
    let pattern = format!("https://h.x/{}b", "a*".repeat(100));
    let url = format!("https://h.x/{}", "a".repeat(60_000));
    let start = std::time::Instant::now();
    assert!(!matches(&pattern, &url));
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
