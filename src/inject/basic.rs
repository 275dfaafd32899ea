//! HTTP Basic (RFC 7617).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::base::{fields::Fields, secret::Secret};

/// `Authorization: Basic base64(username:password)`
pub fn authorization(username: &Secret, password: &Secret, fields: &mut Fields) {
    let mut pair = Zeroizing::new(Vec::with_capacity(username.len() + 1 + password.len()));
    pair.extend_from_slice(username.expose());
    pair.push(b':');
    pair.extend_from_slice(password.expose());
    let mut value = vec![0; pair.len().div_ceil(3) * 4];
    // The room is exact, so this cannot fail; if it did, nothing valid would be sent.
    if STANDARD.encode_slice(&*pair, &mut value).is_ok() {
        fields.inject("Authorization", "Basic ", Secret::new(value));
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::{fields::Fields, secret::Secret},
        inject::basic,
    };

    #[test]
    fn the_example_of_rfc_7617() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let mut fields = Fields::default();
        basic::authorization(&secret("Aladdin"), &secret("open sesame"), &mut fields);
        let mut out = Vec::new();
        fields.write(&mut out);
        assert_eq!(out, b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
    }
}
