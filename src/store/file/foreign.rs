//! Tells a damaged store from a file that was never one, so that the refusal can name it.

use crate::store::file::header::LINE;

/// Why a file is not read.
#[derive(Debug)]
pub enum Stranger {
    /// It is, or was, a store of ours.
    Damaged,
    /// It is something else, described for a person.
    Foreign(String),
}

/// As much of the first line as all formats share.
const PRODUCT: &[u8] = b"Vultrino credential store, format ";

/// So many bytes of the first line may differ, and it is still a damaged store rather than another file.
const DAMAGE: usize = 4;

/// What other files begin with, and what they are.
const KNOWN: &[(&[u8], &str)] = &[
    (b"age-encryption.org/", "an age file"),
    (b"-----BEGIN PGP", "a PGP file"),
    (b"-----BEGIN ", "a PEM file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x03\xd9\xa2\x9a", "a KeePass database"),
    (b"$ANSIBLE_VAULT;", "an Ansible Vault file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x7fELF", "a program"),
    (b"{", "a JSON file"),
    (b"[", "a TOML or JSON file"),
];

/// Whether `file` begins as a store of this format does.
pub(crate) fn check(file: &[u8]) -> Result<(), Stranger> {
    if file.starts_with(LINE) {
        return Ok(());
    }
    if let Some(format) = other_format(file) {
        return Err(Stranger::Foreign(format!("a Vultrino credential store of format {format}")));
    }
    let differing = file.iter().zip(LINE).filter(|(a, b)| a != b).count();
    if differing <= DAMAGE.min(file.len() / 2) {
        return Err(Stranger::Damaged);
    }
    let known = KNOWN.iter().find(|(begin, _)| file.starts_with(begin)).map(|(_, what)| *what);
    Err(Stranger::Foreign(known.unwrap_or("not a Vultrino credential store").to_owned()))
}

/// The number in the first line, if all else of it is right.
fn other_format(file: &[u8]) -> Option<&str> {
    let rest = file.strip_prefix(PRODUCT)?;
    let end = rest.iter().take(12).position(|b| *b == b'\n')?;
    let number = str::from_utf8(&rest[..end]).ok()?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && number != "1").then_some(number)
}

#[cfg(test)]
mod tests {
    use crate::store::file::{
        foreign::{Stranger, check},
        header::LINE,
    };

    fn name(file: &[u8]) -> Option<String> {
        match check(file).unwrap_err() {
            Stranger::Damaged => None,
            Stranger::Foreign(what) => Some(what),
        }
    }

    #[test]
    fn other_files_are_named() {
        assert_eq!(name(b"age-encryption.org/v1\n-> scrypt").as_deref(), Some("an age file"));
        assert_eq!(name(b"{\"a\":1}").as_deref(), Some("a JSON file"));
        assert_eq!(name(b"hello, this is a text").as_deref(), Some("not a Vultrino credential store"));
        assert_eq!(name(&[0; 300]).as_deref(), Some("not a Vultrino credential store"));
        let newer = b"Vultrino credential store, format 27\n\0\0\0";
        assert_eq!(name(newer).as_deref(), Some("a Vultrino credential store of format 27"));
    }

    #[test]
    fn a_damaged_first_line_is_damage() {
        for end in 0..LINE.len() {
            assert_eq!(name(&LINE[..end]), None, "{end}");
        }
        for at in 0..LINE.len() {
            let mut line = LINE.to_vec();
            line[at] ^= 0x20;
            assert_eq!(name(&line), None, "{at}");
        }
    }
}
