//! What a caller showed, not yet trusted.

use std::{borrow::Cow, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::{memchr, memmem};
use thiserror::Error;

use crate::{
    base::secret::Secret,
    identity::key::{self, KeyHash, PREFIX},
};

/// What a request or a tunnel showed of its caller.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presented {
    /// The key that was shown, valid or not.
    pub key: Option<PresentedKey>,
    /// The alias in the user part of the proxy's address (D-03).
    pub alias: Option<Box<str>>,
}

/// A text that begins as a key does. The text itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PresentedKey {
    /// By which it can be looked up.
    pub hash: KeyHash,
    prefix: [u8; key::SHOWN],
}

impl PresentedKey {
    fn new(text: &[u8]) -> Self {
        let mut prefix = [b'.'; key::SHOWN];
        // Of what is no key, nothing may be shown: it may be a password.
        // All are looked at: that is faster than to stop at the first other one.
        let could_stand = |all, b: &u8| all & matches!(b, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_');
        if text.len() == key::WHOLE && text.iter().fold(true, could_stand) {
            prefix.copy_from_slice(&text[..key::SHOWN]);
        }
        Self { hash: KeyHash::of(text), prefix }
    }

    /// A key that a program was given, if the text looks like one.
    pub fn of(key: &Secret) -> Option<Self> {
        let text = key.expose().trim_ascii();
        (text.len() == key::WHOLE && holds_a_key(text)).then(|| Self::new(text))
    }

    /// Its visible beginning; dots where the text cannot be a key.
    pub fn prefix(&self) -> &str {
        std::str::from_utf8(&self.prefix).unwrap_or_default()
    }
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
        if scheme.eq_ignore_ascii_case("bearer") && rest.starts_with(PREFIX) {
            return Ok(Self { key: Some(PresentedKey::new(rest.as_bytes())), alias: None });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(NotPresented);
        }
        let decoded = STANDARD.decode(rest).or(Err(NotPresented))?;
        let pair = std::str::from_utf8(&decoded).or(Err(NotPresented))?;
        let (user, password) = pair.split_once(':').ok_or(NotPresented)?;
        if !password.is_empty() && !password.starts_with(PREFIX) {
            return Err(NotPresented);
        }
        let user_is_key = user.starts_with(PREFIX);
        let alias = (!user_is_key && !matches!(user, "" | "-" | "vultrino")).then(|| user.into());
        if user_is_key && !password.is_empty() && password != user {
            return Err(NotPresented);
        }
        let key = if user_is_key { user } else { password };
        let key = (!key.is_empty()).then(|| PresentedKey::new(key.as_bytes()));
        Ok(Self { key, alias })
    }
}

/// The key of ours in an `Authorization` value, which is then meant for us and not for the origin server: `Bearer vk_…`,
/// or Basic with a key as user or password, as `curl -u` sends it.
pub fn in_authorization(value: &[u8]) -> Option<PresentedKey> {
    key_in(value).map(|it| PresentedKey::new(&it))
}

/// Whether [`in_authorization`] finds one.
pub fn is_in_authorization(value: &[u8]) -> bool {
    key_in(value).is_some()
}

fn key_in(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (scheme, rest) = value.split_at(memchr(b' ', value)?);
    let text = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return text.starts_with(PREFIX.as_bytes()).then_some(Cow::Borrowed(text));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let decoded = STANDARD.decode(text).ok()?;
    let key = decoded.splitn(2, |b| *b == b':').find(|it| it.starts_with(PREFIX.as_bytes()))?;
    Some(Cow::Owned(key.to_vec()))
}

/// Whether a whole key stands somewhere in this text.
pub fn holds_a_key(text: &[u8]) -> bool {
    static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(PREFIX));
    let mut rest = text;
    while rest.len() >= key::WHOLE
        && let Some(at) = FINDER.find(rest)
    {
        rest = &rest[at + PREFIX.len()..];
        if rest.get(..key::LENGTH).is_some_and(|it| it.iter().all(u8::is_ascii_alphanumeric)) {
            return true;
        }
    }
    false
}

/// A text for people that somebody wrote: of one that holds a key nothing is left.
pub fn unless_key(text: &str) -> &str {
    if holds_a_key(text.as_bytes()) { "..." } else { text }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use crate::identity::presented::{Presented, holds_a_key, in_authorization};

    fn basic(pair: &str) -> Option<(bool, Option<String>)> {
        let field = format!("Basic {}", STANDARD.encode(pair));
        let presented = Presented::from_proxy_authorization(field.as_bytes()).ok()?;
        Some((presented.key.is_some(), presented.alias.map(String::from)))
    }

    #[test]
    fn userinfo_names_an_alias_a_key_or_both() {
        assert_eq!(basic("github-api:"), Some((false, Some("github-api".into()))));
        assert_eq!(basic("github-api:vk_x"), Some((true, Some("github-api".into()))));
        assert_eq!(basic("vk_x:"), Some((true, None)));
        assert_eq!(basic("vk_x:vk_y"), None);
        for user in ["", "-", "vultrino"] {
            assert_eq!(basic(&format!("{user}:vk_x")), Some((true, None)));
        }
        assert_eq!(basic("github-api:password"), None);
        assert_eq!(basic("no colon"), None);
        assert!(Presented::from_proxy_authorization(b"Digest x").is_err());
        assert!(Presented::from_proxy_authorization(b"Bearer vk_x").unwrap().key.is_some());
    }

    #[test]
    fn keys_are_found_wherever_they_stand() {
        assert!(holds_a_key(b"/x?api_key=vk_0123456789abcdef0123456789ABCDEF&y"));
        assert!(!holds_a_key(b"/x?api_key=vk_0123456789abcdef"));
    }

    #[test]
    fn a_password_that_is_no_key_shows_nothing() {
        let shown = |text: &[u8]| in_authorization(text).unwrap().prefix().to_owned();
        assert_eq!(shown(b"Bearer vk_0123456789abcdef0123456789ABCDEF"), "vk_01234567");
        assert_eq!(shown(b"bearer  vk_hunter2"), "...........");
        assert!(in_authorization(b"Bearer ghp_x").is_none());
        assert!(in_authorization(b"Basic vk_x").is_none());
        let basic = |pair: &str| in_authorization(format!("basic {}", STANDARD.encode(pair)).as_bytes());
        let key = "vk_0123456789abcdef0123456789ABCDEF";
        for pair in [format!("{key}:"), format!("me:{key}"), format!("{key}:{key}")] {
            assert_eq!(basic(&pair).unwrap().prefix(), "vk_01234567");
        }
        assert!(basic("me:password").is_none() && basic("").is_none());
    }
}
