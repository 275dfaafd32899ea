//! Bytes that must not be printed, copied or left behind in memory.

use std::fmt;

use zeroize::Zeroizing;

/// A secret value. It is wiped when dropped and has no `Display`, `Serialize` or `Clone`;
/// [`Secret::expose`] is the only way out, and the rooms that may call it are listed in `tests/it/tidy.rs`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The plaintext. Do not store, log or format what this returns.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// What is left without its first bytes; it stays where it is, and those are wiped with it.
    #[must_use]
    pub fn without_first(mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.len());
        self.0.drain(..bytes);
        self
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many characters it has as UTF-8; a byte that belongs to none counts as one.
    pub fn characters(&self) -> usize {
        self.0.iter().filter(|it| **it & 0b1100_0000 != 0b1000_0000).count()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use crate::base::secret::Secret;

    #[test]
    fn debug_text_tells_nothing() {
        let secret = Secret::from(String::from("canary"));
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.expose(), b"canary");
        assert_eq!([secret.characters(), Secret::from("клю".to_owned()).characters()], [6, 3]);
        assert_eq!(secret.without_first(3).expose(), b"ary");
    }
}
