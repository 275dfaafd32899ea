//! The administrator: a name and a password of which only a hash is kept.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time::verify_slices_are_equal, rand};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base::secret::Secret;

/// Cost of one check, 19 MiB and two passes: a login page must not be a way to fill the memory.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const SALT: usize = 16;
const HASH: usize = 32;
const LONGEST_NAME: usize = 64;

/// The record of the one administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// As it is typed at the login.
    pub username: String,
    /// Argon2id as a PHC string, with its salt and cost.
    pub password_hash: String,
    /// When the name or the password last changed.
    pub updated_at: Timestamp,
}

/// Why an administrator is refused.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The name follows no grammar.
    #[error("not an admin name: 1 to 64 letters, digits, '.', '_', '-' or '@'")]
    Name,
    /// There would be nothing to know.
    #[error("the admin password is empty")]
    EmptyPassword,
    /// The hash could not be computed.
    #[error("could not hash the admin password: {0}")]
    Hash(argon2::Error),
    /// The system gives no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl Admin {
    /// Hashes `password` under a fresh salt.
    pub fn new(username: &str, password: &Secret, now: Timestamp) -> Result<Self, AdminError> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if username.is_empty() || username.len() > LONGEST_NAME || !username.bytes().all(in_name) {
            return Err(AdminError::Name);
        }
        if password.is_empty() {
            return Err(AdminError::EmptyPassword);
        }
        let mut salt = [0; SALT];
        rand::fill(&mut salt).or(Err(AdminError::Random))?;
        let hash = hash(password, &salt, MEMORY_KIB, PASSES).map_err(AdminError::Hash)?;
        let password_hash = format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${}${}",
            BASE64.encode(salt),
            BASE64.encode(hash.as_slice())
        );
        Ok(Self { username: username.to_owned(), password_hash, updated_at: now })
    }

    /// Whether this is the password. Takes as long for a wrong one, and does not tell where it differs.
    pub fn verify(&self, password: &Secret) -> bool {
        let Some(kept) = Phc::parse(&self.password_hash) else { return false };
        let Ok(hash) = hash(password, &kept.salt, kept.memory_kib, kept.passes) else { return false };
        verify_slices_are_equal(hash.as_slice(), &kept.hash).is_ok()
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("username", &self.username)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// The parts of a PHC string, of the one form that [`Admin::new`] writes.
struct Phc {
    memory_kib: u32,
    passes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Phc {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?;
        let (memory, rest) = rest.split_once(",t=")?;
        let (passes, rest) = rest.split_once(",p=1$")?;
        let (salt, hash) = rest.split_once('$')?;
        let (memory_kib, passes) = (memory.parse().ok()?, passes.parse().ok()?);
        let hash = BASE64.decode(hash).ok().filter(|it| it.len() == HASH)?;
        Some(Self { memory_kib, passes, salt: BASE64.decode(salt).ok()?, hash })
    }
}

fn hash(password: &Secret, salt: &[u8], memory_kib: u32, passes: u32) -> Result<Zeroizing<[u8; HASH]>, argon2::Error> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory_kib, passes, 1, Some(HASH))?);
    let mut out = Zeroizing::new([0; HASH]);
    argon.hash_password_into(password.expose(), salt, out.as_mut_slice())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::{
        base::secret::Secret,
        identity::admin::{Admin, AdminError},
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn only_the_password_itself_is_accepted() {
        let admin = Admin::new("root", &secret("correct horse"), Timestamp::UNIX_EPOCH).unwrap();
        assert!(admin.verify(&secret("correct horse")));
        assert!(!admin.verify(&secret("correct horsf")));
        assert!(!admin.verify(&secret("")));
    }

    /// From the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32`.
    #[test]
    fn hashes_of_the_reference_program_are_read() {
        let password_hash =
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned();
        let admin = Admin { username: "a".to_owned(), password_hash, updated_at: Timestamp::UNIX_EPOCH };
        assert!(admin.verify(&secret("password")));
    }

    #[test]
    fn a_broken_hash_accepts_nothing() {
        for text in ["", "$argon2id$v=19$m=8,t=1,p=1$$", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA", "plain"] {
            let admin =
                Admin { username: "a".to_owned(), password_hash: text.to_owned(), updated_at: Timestamp::UNIX_EPOCH };
            assert!(!admin.verify(&secret("")), "{text}");
            assert!(!admin.verify(&secret("plain")), "{text}");
        }
    }

    #[test]
    fn names_and_passwords_that_cannot_be_used_are_refused() {
        for name in ["", "a b", "a\n", &"a".repeat(65)] {
            assert!(matches!(Admin::new(name, &secret("p"), Timestamp::UNIX_EPOCH), Err(AdminError::Name)));
        }
        let empty = Admin::new("a", &secret(""), Timestamp::UNIX_EPOCH);
        assert!(matches!(empty, Err(AdminError::EmptyPassword)));
    }
}
