//! What a caller showed, not yet trusted.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;
use thiserror::Error;

/// What every key of ours begins with.
const KEY_PREFIX: &str = "vk_";
/// What follows the prefix in a key.
const KEY_LENGTH: usize = 32;

/// What a request or a tunnel showed of its caller.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presented {
    /// Whether a `vk_` key was among it.
    pub shows_a_key: bool,
    /// The alias in the user part of the proxy's address (D-03).
    pub alias: Option<Box<str>>,
}

/// The field holds neither a key nor an alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("Proxy-Authorization must be Basic or Bearer with an alias, a vk_ key, or both")]
pub struct NotPresented;

impl Presented {
    /// Reads `Proxy-Authorization`: `Bearer vk_…`, or Basic with an alias as user, and a key as user or password.
    /// A user that is empty, `-` or `vultrino` names no alias.
    ///
    /// # Errors
    /// Another scheme, and a password that is no key.
    pub fn from_proxy_authorization(value: &[u8]) -> Result<Self, NotPresented> {
        let text = std::str::from_utf8(value).or(Err(NotPresented))?;
        let (scheme, rest) = text.split_once(' ').ok_or(NotPresented)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && rest.starts_with(KEY_PREFIX) {
            return Ok(Self { shows_a_key: true, alias: None });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(NotPresented);
        }
        let decoded = STANDARD.decode(rest).or(Err(NotPresented))?;
        let pair = std::str::from_utf8(&decoded).or(Err(NotPresented))?;
        let (user, password) = pair.split_once(':').ok_or(NotPresented)?;
        if !password.is_empty() && !password.starts_with(KEY_PREFIX) {
            return Err(NotPresented);
        }
        let user_is_key = user.starts_with(KEY_PREFIX);
        let alias = (!user_is_key && !matches!(user, "" | "-" | "vultrino")).then(|| user.into());
        Ok(Self { shows_a_key: user_is_key || !password.is_empty(), alias })
    }
}

/// Whether an `Authorization` value holds a key of ours, so is meant for us and not for the origin server.
pub fn is_for_us(authorization: &[u8]) -> bool {
    let scheme = b"bearer ";
    authorization.len() > scheme.len()
        && authorization[..scheme.len()].eq_ignore_ascii_case(scheme)
        && authorization[scheme.len()..].trim_ascii_start().starts_with(KEY_PREFIX.as_bytes())
}

/// Whether a whole key stands somewhere in this text.
pub fn holds_a_key(text: &[u8]) -> bool {
    static PREFIX: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(KEY_PREFIX));
    PREFIX.find_iter(text).any(|at| {
        let rest = &text[at + KEY_PREFIX.len()..];
        rest.len() >= KEY_LENGTH && rest[..KEY_LENGTH].iter().all(u8::is_ascii_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use crate::identity::presented::{Presented, holds_a_key};

    fn basic(pair: &str) -> Option<(bool, Option<String>)> {
        let field = format!("Basic {}", STANDARD.encode(pair));
        let presented = Presented::from_proxy_authorization(field.as_bytes()).ok()?;
        Some((presented.shows_a_key, presented.alias.map(String::from)))
    }

    #[test]
    fn userinfo_names_an_alias_a_key_or_both() {
        assert_eq!(basic("github-api:"), Some((false, Some("github-api".into()))));
        assert_eq!(basic("github-api:vk_x"), Some((true, Some("github-api".into()))));
        assert_eq!(basic("vk_x:"), Some((true, None)));
        for user in ["", "-", "vultrino"] {
            assert_eq!(basic(&format!("{user}:vk_x")), Some((true, None)));
        }
        assert_eq!(basic("github-api:password"), None);
        assert_eq!(basic("no colon"), None);
        assert!(Presented::from_proxy_authorization(b"Digest x").is_err());
        assert!(Presented::from_proxy_authorization(b"Bearer vk_x").unwrap().shows_a_key);
    }

    #[test]
    fn keys_are_found_wherever_they_stand() {
        assert!(holds_a_key(b"/x?api_key=vk_0123456789abcdef0123456789ABCDEF&y"));
        assert!(!holds_a_key(b"/x?api_key=vk_0123456789abcdef"));
    }
}
