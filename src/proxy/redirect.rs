//! Redirects in path style: a reference to the same origin is written so that a client that follows it stays on the proxy.

use iri_string::types::{UriAbsoluteStr, UriReferenceStr};

use crate::base::{fields::Fields, target::Target};

/// The fields whose value is a reference that clients resolve (RFC 9110 sections 10.2.2 and 8.7).
const REFERENCES: [&str; 2] = ["Location", "Content-Location"];

/// Rewrites what refers to the origin of `target`, relative or absolute, into path style behind `prefix`. Other origins, and what
/// is no reference (RFC 3986 section 4.1), stay as they are.
pub fn rewrite(answer: &mut Fields, target: &Target, prefix: &str) {
    for name in REFERENCES {
        let is_named = |it: &[u8]| it.eq_ignore_ascii_case(name.as_bytes());
        let values: Vec<Vec<u8>> = answer.iter().filter(|it| is_named(it.name)).map(|it| it.value.to_vec()).collect();
        if values.is_empty() {
            continue;
        }
        answer.retain(|it| !is_named(it.name));
        for value in values {
            match in_path_style(&value, target, prefix) {
                Some(rewritten) => answer.append(name, rewritten.as_bytes()),
                None => answer.append(name, &value),
            }
        }
    }
}

fn in_path_style(reference: &[u8], target: &Target, prefix: &str) -> Option<String> {
    let reference = UriReferenceStr::new(std::str::from_utf8(reference).ok()?).ok()?;
    let base = target.to_string();
    let resolved = reference.resolve_against(UriAbsoluteStr::new(&base).ok()?).to_string();
    let (url, fragment) = resolved.find('#').map_or((&*resolved, ""), |at| resolved.split_at(at));
    let referred = Target::parse(url).ok()?;
    (referred.origin == target.origin).then(|| format!("{prefix}/{referred}{fragment}"))
}

#[cfg(test)]
mod tests {
    use crate::{
        base::{fields::Fields, target::Target},
        proxy::redirect::rewrite,
    };

    #[test]
    fn references_to_the_same_origin_stay_on_the_proxy() {
        let target = Target::parse("https://h.test/a/b?c=1").unwrap();
        for (reference, expected) in [
            ("/x/", "/https://h.test/x/"),
            ("x", "/https://h.test/a/x"),
            ("../x?y#z", "/https://h.test/x?y#z"),
            ("../../../x", "/https://h.test/x"),
            ("?q=2", "/https://h.test/a/b?q=2"),
            ("#top", "/https://h.test/a/b?c=1#top"),
            ("", "/https://h.test/a/b?c=1"),
            ("https://h.test/x", "/https://h.test/x"),
            ("https://H.TEST:443/x", "/https://h.test/x"),
            ("//h.test/x", "/https://h.test/x"),
            ("https://h.test", "/https://h.test/"),
            ("https://h.test:8443/x", "https://h.test:8443/x"),
            ("http://h.test/x", "http://h.test/x"),
            ("https://other.test/x", "https://other.test/x"),
            ("//other.test/x", "//other.test/x"),
            ("https://u@h.test/x", "https://u@h.test/x"),
            ("/\\other.test/x", "/\\other.test/x"),
            ("/a b", "/a b"),
            ("/\u{e9}", "/\u{e9}"),
            ("mailto:a@h.test", "mailto:a@h.test"),
            ("https:///x", "https:///x"),
        ] {
            let mut answer = Fields::default();
            answer.append("Location", reference.as_bytes());
            rewrite(&mut answer, &target, "");
            let values: Vec<_> = answer.iter().map(|it| String::from_utf8_lossy(it.value).into_owned()).collect();
            assert_eq!(values, [expected], "{reference}");
        }
    }
}
