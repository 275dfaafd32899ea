//! Traces of a secret: the forms in which one may hide in what a program leaves behind.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};

use crate::support::wire::find;

/// All forms in which a secret is looked for.
pub(crate) struct Traces(Vec<(String, Vec<u8>)>);

impl Traces {
    /// Raw, base64 at each alignment in both alphabets, hex, percent, UTF-16, reversed.
    pub(crate) fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let mut forms = vec![("raw".to_owned(), bytes.to_vec())];
        for skipped in 0..3 {
            // Whatever stands before and behind it, these groups are the same.
            let middle = &bytes[skipped..skipped + (bytes.len() - skipped) / 3 * 3];
            forms.push((format!("base64, {skipped}"), BASE64_STANDARD_NO_PAD.encode(middle).into_bytes()));
            forms.push((format!("base64url, {skipped}"), BASE64_URL_SAFE_NO_PAD.encode(middle).into_bytes()));
        }
        let each = |form: fn(&u8) -> String| bytes.iter().map(form).collect::<String>().into_bytes();
        forms.push(("hex".to_owned(), each(|b| format!("{b:02x}"))));
        forms.push(("HEX".to_owned(), each(|b| format!("{b:02X}"))));
        forms.push(("percent".to_owned(), each(|b| format!("%{b:02x}"))));
        forms.push(("PERCENT".to_owned(), each(|b| format!("%{b:02X}"))));
        forms.push(("JSON".to_owned(), each(|b| format!("\\u{b:04x}"))));
        forms.push(("a list of numbers".to_owned(), format!("{bytes:?}").trim_matches(['[', ']']).into()));
        forms.push(("UTF-16".to_owned(), bytes.iter().flat_map(|b| [*b, 0]).collect()));
        forms.push(("reversed".to_owned(), bytes.iter().rev().copied().collect()));
        Self(forms)
    }

    /// The form in which the secret stands here, if it does.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        self.0.iter().find(|(_, form)| find(bytes, form).is_some()).map(|(name, _)| name.as_str())
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let traces = Traces::of("S3cret-canary");
    for text in [
        "xS3cret-canaryx",
        &BASE64_STANDARD_NO_PAD.encode("user:S3cret-canary!"),
        &BASE64_STANDARD_NO_PAD.encode("pass:S3cret-canary!"),
        &BASE64_URL_SAFE_NO_PAD.encode("S3cret-canary"),
        "5333637265742d63616e617279",
        "%53%33%63%72%65%74%2D%63%61%6E%61%72%79",
        "[83, 51, 99, 114, 101, 116, 45, 99, 97, 110, 97, 114, 121]",
        "yranac-terc3S",
    ] {
        assert!(traces.found_in(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(traces.found_in(b"S3cret-canar"), None);
}
