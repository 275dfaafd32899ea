//! Binds each line to the one before it: nobody without the store's key can change, move or take away one unnoticed.
//!
//! `mac(n)` is the first half of HMAC-SHA256 over `mac(n-1)` and the line's text up to and with ` seq=n`.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use memchr::memmem;

use crate::audit::{
    anchor::{Anchor, MAC, digits, of_digits},
    digits::{base_10, width},
};

const SEQUENCE: &[u8] = b" seq=";
const ENDING: &[u8] = b" mac=";

/// Stands where the MAC of a record before would.
const URL: &[u8; MAC] = b"vultrino url 1\0\0";

/// Makes and checks MACs. Its key schedule is computed once; clones share nothing but the key.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

impl ChainKey {
    /// From 32 bytes that only this store's trail uses.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// In one step: a context that is fed piece by piece is copied several times on its way.
    pub(crate) fn mac(&self, text: &[u8]) -> [u8; MAC] {
        let mut tag = [0; MAC * 2];
        #[expect(clippy::expect_used, reason = "it fails only where a tag does not fit")]
        hmac::sign_to_buffer(&self.0, text, &mut tag).expect("a tag of SHA-256 has 32 bytes");
        let mut mac = [0; MAC];
        mac.copy_from_slice(&tag[..MAC]);
        mac
    }

    /// Of a URL that is too long for its line. No record's MAC covers a text that begins so.
    pub(crate) fn mac_of_url(&self, url: &[u8]) -> [u8; MAC] {
        self.mac(&[URL, url].concat())
    }

    /// Appends `line`, which ends in a newline, to `text` as the record after `last`, which it becomes.
    pub(crate) fn append(&self, last: &mut Anchor, line: &[u8], text: &mut Vec<u8>) {
        let start = text.len();
        // What the MAC covers must stand in one piece. The MAC before it is taken out again.
        text.extend_from_slice(&last.mac);
        text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        last.sequence += 1;
        text.extend_from_slice(SEQUENCE);
        let number = text.len();
        text.resize(number + width(last.sequence), 0);
        base_10(last.sequence, &mut text[number..]);
        last.mac = self.mac(&text[start..]);
        text.copy_within(start + MAC.., start);
        text.truncate(text.len() - MAC);
        text.extend_from_slice(ENDING);
        text.extend_from_slice(&digits(last.mac));
        text.push(b'\n');
    }

    /// Whether `link` is the record after `last`, as it was written.
    pub(crate) fn follows(&self, last: Anchor, link: &Link<'_>) -> bool {
        last.sequence.checked_add(1) == Some(link.anchor.sequence)
            && verify_slices_are_equal(&self.mac(&[&last.mac, link.covered].concat()), &link.anchor.mac).is_ok()
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[chain key]")
    }
}

/// A line that claims a place in a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    /// What it claims.
    pub(crate) anchor: Anchor,
    /// What its MAC covers beside the MAC before it.
    covered: &'a [u8],
}

impl<'a> Link<'a> {
    /// Reads a line, with or without its newline. `None` if it has another shape than [`ChainKey::append`] writes.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (covered, mac) = line.split_at_checked(line.len().checked_sub(ENDING.len() + MAC * 2)?)?;
        let mac = of_digits(mac.strip_prefix(ENDING)?)?;
        let number = &covered[memmem::rfind(covered, SEQUENCE)? + SEQUENCE.len()..];
        let plain = number.first().is_some_and(|it| *it != b'0') && number.iter().all(u8::is_ascii_digit);
        let sequence = str::from_utf8(number).ok().filter(|_| plain)?.parse().ok()?;
        Some(Self { anchor: Anchor { sequence, mac }, covered })
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{
        anchor::Anchor,
        chain::{ChainKey, Link},
    };

    fn chained(key: &ChainKey, lines: &[&str]) -> Vec<String> {
        let (mut last, mut text) = (Anchor::BEGIN, Vec::new());
        for line in lines {
            key.append(&mut last, line.as_bytes(), &mut text);
        }
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_line_stands_on_the_one_before_it() {
        let key = ChainKey::new(&[7; 32]);
        let lines = chained(&key, &["one\n", "two\n", "one\n"]);
        let links: Vec<Link<'_>> = lines.iter().map(|it| Link::parse(it.as_bytes()).unwrap()).collect();
        assert_eq!(links.iter().map(|it| it.anchor.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(lines[0].starts_with("one seq=1 mac=") && lines[0].len() == "one seq=1 mac=".len() + 32);
        let mut last = Anchor::BEGIN;
        for link in &links {
            assert!(key.follows(last, link));
            last = link.anchor;
        }
        assert!(!key.follows(links[0].anchor, &links[2]), "one was left out");
        assert!(!key.follows(links[1].anchor, &links[0]));
        assert!(!ChainKey::new(&[8; 32]).follows(Anchor::BEGIN, &links[0]));
        let changed = lines[1].replace("two", "tow");
        assert!(!key.follows(links[0].anchor, &Link::parse(changed.as_bytes()).unwrap()));
    }

    #[test]
    fn a_mac_is_what_any_other_program_computes() {
        let key = ChainKey::new(&[0x0b; 32]);
        // python3: hmac.new(b'\x0b'*32, b'\0'*16 + b'Hi There seq=1', 'sha256').hexdigest()[:32]
        assert_eq!(chained(&key, &["Hi There\n"]), ["Hi There seq=1 mac=36980132e2eb211a34959f908d683d77"]);
    }

    #[test]
    fn other_lines_claim_no_place() {
        let mac = "0".repeat(32);
        assert!(Link::parse(format!("x seq=1 mac={mac}").as_bytes()).is_some());
        for line in ["", "note", " seq=1 mac=", "x seq=1 mac=zz"].map(str::to_owned).into_iter().chain([
            format!("x mac={mac}"),
            format!("x seq=0 mac={mac}"),
            format!("x seq=01 mac={mac}"),
            format!("x seq=+1 mac={mac}"),
            format!("x seq= mac={mac}"),
            format!("x seq=1 mac={mac} "),
            format!("x seq=1 mac={mac}0"),
            format!("x seq=99999999999999999999 mac={mac}"),
        ]) {
            assert!(Link::parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
