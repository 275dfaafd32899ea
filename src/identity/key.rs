//! API keys: how one is made, and what is kept of it. The key itself is shown once and never stored.

use std::fmt;

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    base::{id::Id, secret::Secret},
    identity::Author,
};

/// What every key begins with.
pub const PREFIX: &str = "vk_";
/// How many letters and digits follow: 190 bits, so a plain hash is enough to keep.
pub const LENGTH: usize = 32;
/// How long a whole key is.
pub const WHOLE: usize = PREFIX.len() + LENGTH;
/// How much of a key may be shown, [`PREFIX`] included.
pub const SHOWN: usize = PREFIX.len() + 8;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What is kept of a key. An unknown field is an error, as in a credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Stays the same.
    pub id: Id,
    /// For people; need not be unique.
    pub name: String,
    /// The visible beginning, [`SHOWN`] characters.
    pub prefix: String,
    /// By which it is known again.
    pub hash: KeyHash,
    /// What it may do. The role may be gone: then it is good for nothing.
    pub role_id: Id,
    /// From when on it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last shown; written down now and then, so it may be a minute behind.
    pub last_used_at: Option<Timestamp>,
    /// Who created it; `None` if a version created it that did not record that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted_by: Option<Author>,
}

/// SHA-256 of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash([u8; 32]);

/// The text is no hash of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a key's hash")]
pub struct KeyHashError;

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system gave no random numbers for a key")]
pub struct RandomError;

/// A new key.
#[derive(Debug)]
pub struct Minted {
    /// To be shown once.
    pub key: Secret,
    /// See [`ApiKey::prefix`].
    pub prefix: String,
    /// See [`ApiKey::hash`].
    pub hash: KeyHash,
}

impl ApiKey {
    /// Whether its time is over. At the second of [`ApiKey::expires_at`] it is.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|it| it <= now)
    }

    /// Whether a caller without a key created it, so that it is valid only where callers need no key.
    pub fn is_keyless(&self) -> bool {
        self.minted_by == Some(Author::Keyless)
    }
}

impl KeyHash {
    /// The hash of this key.
    pub fn of(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
        Self(hash)
    }
}

/// Makes a key of the system's random numbers.
///
/// # Errors
/// There are none.
pub fn mint() -> Result<Minted, RandomError> {
    // Bytes above the greatest multiple of 62 would make some letters likelier.
    const FAIR: usize = 256 / LETTERS.len() * LETTERS.len();
    let mut key = Vec::with_capacity(PREFIX.len() + LENGTH);
    key.extend_from_slice(PREFIX.as_bytes());
    let mut random = Zeroizing::new([0; 2 * LENGTH]);
    while key.len() < PREFIX.len() + LENGTH {
        rand::fill(random.as_mut_slice()).or(Err(RandomError))?;
        let missing = PREFIX.len() + LENGTH - key.len();
        let fair = random.iter().map(|b| usize::from(*b)).filter(|it| *it < FAIR);
        key.extend(fair.take(missing).map(|it| LETTERS[it % LETTERS.len()]));
    }
    let prefix = String::from_utf8_lossy(&key[..SHOWN]).into_owned();
    let hash = KeyHash::of(&key);
    Ok(Minted { key: Secret::new(key), prefix, hash })
}

impl TryFrom<String> for KeyHash {
    type Error = KeyHashError;

    fn try_from(text: String) -> Result<Self, KeyHashError> {
        BASE64.decode(text).ok().and_then(|it| it.try_into().ok()).map(Self).ok_or(KeyHashError)
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        BASE64.encode(hash.0)
    }
}

/// A hash of this length tells nothing of the key, but nobody needs it in a log either.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use crate::{
        base::id::Id,
        identity::key::{ApiKey, KeyHash, LETTERS, mint},
    };

    #[test]
    fn keys_are_of_one_form_and_never_the_same() {
        let mut seen = HashSet::new();
        let mut letters = HashSet::new();
        for _ in 0..200 {
            let minted = mint().unwrap();
            let key = minted.key.expose();
            assert_eq!((key.len(), &key[..3]), (35, &b"vk_"[..]));
            assert!(key[3..].iter().all(u8::is_ascii_alphanumeric));
            assert_eq!(minted.prefix.as_bytes(), &key[..11]);
            assert_eq!(minted.hash, KeyHash::of(key));
            letters.extend(key[3..].to_vec());
            assert!(seen.insert(key.to_vec()));
        }
        assert_eq!(letters.len(), LETTERS.len(), "every letter occurs");
    }

    #[test]
    fn a_key_ends_at_the_second_it_expires() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let minted = mint().unwrap();
        let key = ApiKey {
            id: Id::random(),
            name: "k".to_owned(),
            prefix: minted.prefix,
            hash: minted.hash,
            role_id: Id::random(),
            expires_at: Some(at(100)),
            created_at: at(0),
            last_used_at: None,
            minted_by: None,
        };
        assert_eq!([99, 100, 101].map(|it| key.is_expired(at(it))), [false, true, true]);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap(), key);
    }
}
