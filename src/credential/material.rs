//! The opened fields of a credential: they live as long as one use of them.

use thiserror::Error;

use crate::{base::secret::Secret, credential::Kind};

/// No header that upstreams accept is longer.
const LONGEST: usize = 16 * 1024;
/// Of what stands in front of each packed field.
const LENGTH: usize = 4;

/// The secret fields, by kind. [`Material::check`] says whether they can be put into a request.
#[derive(Debug)]
pub enum Material {
    /// For [`Kind::ApiKey`].
    ApiKey {
        /// Sent as a header's value, or a part of it.
        key: Secret,
    },
    /// For [`Kind::BasicAuth`].
    BasicAuth {
        /// Has no colon: that is where the password begins.
        username: Secret,
        /// May be empty.
        password: Secret,
    },
}

/// Why fields are refused. Says which field, never what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MaterialError {
    /// A key, or both halves of Basic, must say something.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// Many servers would not see it, and others would refuse the key.
    #[error("the {0} begins or ends with a blank; leave it out")]
    Blank(&'static str),
    /// A line end, as from a file with several lines.
    #[error("the {0} holds a line end; give it in one line")]
    LineEnd(&'static str),
    /// Control bytes, or for a key also bytes outside ASCII.
    #[error(
        "the {0} holds a character that cannot be sent in a header: a control character, or for a key any outside ASCII"
    )]
    BadByte(&'static str),
    /// Longer than any header.
    #[error("the {0} is longer than 16 KiB")]
    TooLong(&'static str),
    /// RFC 7617 cannot carry it.
    #[error("the username holds a colon; HTTP Basic cannot carry that")]
    Colon,
    /// What was opened is not what was sealed.
    #[error("the sealed fields do not have the layout of their kind")]
    Layout,
}

impl Material {
    /// One opaque token.
    pub fn api_key(key: Secret) -> Result<Self, MaterialError> {
        Self::ApiKey { key }.checked()
    }

    /// A user name and a password.
    pub fn basic_auth(username: Secret, password: Secret) -> Result<Self, MaterialError> {
        Self::BasicAuth { username, password }.checked()
    }

    /// Which kind has these fields.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ApiKey { .. } => Kind::ApiKey,
            Self::BasicAuth { .. } => Kind::BasicAuth,
        }
    }

    /// Whether the fields can be put into a request and mean there what was meant.
    pub fn check(&self) -> Result<(), MaterialError> {
        match self {
            Self::ApiKey { key } => check_key(key),
            Self::BasicAuth { username, password } => check_basic(username, password),
        }
    }

    /// Packs the fields to be sealed: each with its length ([`LENGTH`] bytes, the greatest first) in front.
    pub fn encode(&self) -> Secret {
        let mut packed = Vec::with_capacity(self.fields().iter().map(|it| it.len() + LENGTH).sum());
        for field in self.fields() {
            // `check` keeps every field far under 4 GiB; a longer one could not be decoded.
            packed.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            packed.extend_from_slice(field.expose());
        }
        Secret::new(packed)
    }

    /// Unpacks what [`Material::encode`] packed.
    pub fn decode(kind: Kind, packed: Secret) -> Result<Self, MaterialError> {
        let (first, rest) = take(packed.expose())?;
        match kind {
            Kind::ApiKey if rest.is_empty() => Ok(Self::ApiKey { key: packed.without_first(LENGTH) }),
            Kind::BasicAuth => match take(rest)? {
                (password, []) => Ok(Self::BasicAuth { username: copy(first), password: copy(password) }),
                _ => Err(MaterialError::Layout),
            },
            Kind::ApiKey => Err(MaterialError::Layout),
        }
    }

    /// The same once more, for whoever must keep its own.
    pub fn again(&self) -> Result<Self, MaterialError> {
        Self::decode(self.kind(), self.encode())
    }

    fn checked(self) -> Result<Self, MaterialError> {
        self.check().map(|()| self)
    }

    fn fields(&self) -> Vec<&Secret> {
        match self {
            Self::ApiKey { key } => vec![key],
            Self::BasicAuth { username, password } => vec![username, password],
        }
    }
}

fn check_key(key: &Secret) -> Result<(), MaterialError> {
    let bytes = key.expose();
    let is_blank = |it: Option<&u8>| matches!(it, Some(b' ' | b'\t'));
    if key.is_empty() {
        Err(MaterialError::Empty("key"))
    } else if key.len() > LONGEST {
        Err(MaterialError::TooLong("key"))
    } else if is_blank(bytes.first()) || is_blank(bytes.last()) {
        Err(MaterialError::Blank("key"))
    } else if has_line_end(bytes) {
        Err(MaterialError::LineEnd("key"))
    } else if !bytes.iter().all(|b| matches!(b, b' '..=b'~')) {
        Err(MaterialError::BadByte("key"))
    } else {
        Ok(())
    }
}

fn has_line_end(bytes: &[u8]) -> bool {
    memchr::memchr2(b'\r', b'\n', bytes).is_some()
}

/// Base64 carries any byte; what is refused is what RFC 7617 forbids and what is no text.
fn check_basic(username: &Secret, password: &Secret) -> Result<(), MaterialError> {
    if username.is_empty() && password.is_empty() {
        return Err(MaterialError::Empty("username"));
    }
    for (name, field) in [("username", username), ("password", password)] {
        if field.len() > LONGEST {
            return Err(MaterialError::TooLong(name));
        }
        if has_line_end(field.expose()) {
            return Err(MaterialError::LineEnd(name));
        }
        let is_text = str::from_utf8(field.expose()).is_ok_and(|text| !text.chars().any(char::is_control));
        if !is_text {
            return Err(MaterialError::BadByte(name));
        }
    }
    if username.expose().contains(&b':') { Err(MaterialError::Colon) } else { Ok(()) }
}

/// The first field, and what follows it.
fn take(packed: &[u8]) -> Result<(&[u8], &[u8]), MaterialError> {
    let (length, rest) = packed.split_first_chunk::<LENGTH>().ok_or(MaterialError::Layout)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).or(Err(MaterialError::Layout))?;
    rest.split_at_checked(length).ok_or(MaterialError::Layout)
}

fn copy(field: &[u8]) -> Secret {
    Secret::new(field.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::{
        base::secret::Secret,
        credential::{Kind, Material, MaterialError},
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn fields_come_back_as_they_went_in() {
        let packed = Material::basic_auth(secret("jo"), secret("pass: wörd")).unwrap().encode();
        let Material::BasicAuth { username, password } =
            Material::decode(Kind::BasicAuth, Secret::new(packed.expose().to_vec())).unwrap()
        else {
            panic!("another kind");
        };
        assert_eq!((username.expose(), password.expose()), (&b"jo"[..], "pass: wörd".as_bytes()));
        assert_eq!(Material::decode(Kind::ApiKey, packed).unwrap_err(), MaterialError::Layout);
    }

    #[test]
    fn cut_or_prolonged_fields_are_refused() {
        let packed = Material::api_key(secret("token")).unwrap().encode();
        let bytes = packed.expose();
        for end in 0..bytes.len() {
            assert!(Material::decode(Kind::ApiKey, Secret::new(bytes[..end].to_vec())).is_err(), "{end}");
        }
        let longer = [bytes, b"x"].concat();
        assert!(Material::decode(Kind::ApiKey, Secret::new(longer)).is_err());
    }

    #[test]
    fn bytes_that_could_leave_their_header_are_refused() {
        type Why = fn(&'static str) -> MaterialError;
        let line_end: (&[&str], Why) = (&["a\rb", "a\nb", "token\n"], MaterialError::LineEnd);
        let blank: (&[&str], Why) = (&[" token", "token ", "\ttoken", " to\nken"], MaterialError::Blank);
        let byte: (&[&str], Why) = (&["a\0b", "a\tb", "a\u{7f}", "\u{80}"], MaterialError::BadByte);
        for (all, why) in [line_end, blank, byte] {
            for bad in all {
                assert_eq!(Material::api_key(secret(bad)).unwrap_err(), why("key"), "{bad:?}");
            }
        }
        for (all, why) in [line_end, (&["a\0b", "a\u{7f}", "a\u{85}b"], MaterialError::BadByte)] {
            for bad in all {
                assert_eq!(Material::basic_auth(secret(bad), secret("p")).unwrap_err(), why("username"), "{bad:?}");
                assert_eq!(Material::basic_auth(secret("u"), secret(bad)).unwrap_err(), why("password"), "{bad:?}");
            }
        }
        assert_eq!(Material::basic_auth(secret("u:v"), secret("p")).unwrap_err(), MaterialError::Colon);
        assert_eq!(Material::api_key(secret("")).unwrap_err(), MaterialError::Empty("key"));
        assert!(Material::api_key(secret("Token a b")).is_ok());
    }
}
