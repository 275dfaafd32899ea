//! A file that is not what we wrote is refused whole, in one voice, and left as it is.

use std::fs;

use vultrino::store::{FileStore, KdfParams, StoreError};

use crate::store::fixture::{Fixture, PASSWORD, secret};

const TEXT: &str = "Decryption error: wrong password or damaged file; nothing was changed";

/// Of what [`two_credentials`] makes.
const REVISION: u64 = 3;

fn two_credentials() -> Fixture {
    let fixture = Fixture::new();
    fixture.add("one", "first key");
    fixture.add("two", "second key");
    assert_eq!(fixture.load().revision, REVISION);
    fixture
}

/// Puts `bytes` where the store was and expects every way of reading them to refuse. Deriving takes its time, so the
/// file is opened anew for some of many damages only; the others are read with the key at hand.
#[track_caller]
fn assert_refused(fixture: &Fixture, bytes: &[u8], open: bool) {
    fs::write(fixture.path(), bytes).unwrap();
    let loaded = fixture.store.load().unwrap_err();
    assert!(matches!(loaded, StoreError::WrongPasswordOrDamaged | StoreError::ForeignFile { .. }), "{loaded}");
    if open {
        let opened = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap_err();
        assert_eq!(opened.to_string(), loaded.to_string());
        let applied = fixture.store.apply(Vec::new(), REVISION).unwrap_err();
        assert_eq!(applied.to_string(), loaded.to_string());
        assert_eq!(fixture.bytes(), bytes);
    }
}

#[test]
fn a_wrong_password_and_a_damaged_file_read_the_same() {
    let fixture = two_credentials();
    for wrong in ["", "correct horse battery stapl", "correct horse battery staple "] {
        let error = FileStore::open(fixture.path(), &secret(wrong)).unwrap_err();
        assert_eq!(error.to_string(), TEXT);
    }
    let mut damaged = fixture.bytes();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(fixture.path(), &damaged).unwrap();
    assert_eq!(FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap_err().to_string(), TEXT);
    assert_eq!(fixture.bytes(), damaged);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let fixture = two_credentials();
    let good = fixture.bytes();
    for end in 0..good.len() {
        assert_refused(&fixture, &good[..end], [0, 20, 100].contains(&end) || end % 251 == 200);
    }
    assert_refused(&fixture, &[&good[..], b"\0"].concat(), true);
    fs::write(fixture.path(), &good).unwrap();
    assert_eq!(fixture.load().credentials.len(), 2);
}

#[test]
fn a_file_with_one_bit_flipped_is_refused() {
    let fixture = two_credentials();
    let good = fixture.bytes();
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&fixture, &flipped, bit % 1999 == 300);
    }
    fs::write(fixture.path(), &good).unwrap();
    assert_eq!(fixture.load().credentials.len(), 2);
}

#[test]
fn records_cannot_be_dropped_swapped_doubled_or_rolled_back() {
    let fixture = two_credentials();
    let revision = fixture.load().revision;
    let old = fixture.bytes();
    let mut facts = fixture.load().credentials[1].facts.clone();
    facts.auto = false;
    facts.description = Some("another".to_owned());
    let change = vultrino::store::Change::PutCredential { facts, material: None };
    fixture.store.apply(vec![change], revision).unwrap();
    let new = fixture.bytes();
    let (old, new) = (Parts::of(&old), Parts::of(&new));
    assert_eq!(new.records.len(), 4);
    let joined = |records: &[&[u8]]| [new.head, &records.concat(), new.mac].concat();
    let [admin, ca, one, two] = new.records[..] else { panic!("four records") };
    assert_eq!(joined(&[admin, ca, one, two]), fixture.bytes(), "the test takes the file apart right");
    for forged in [
        joined(&[admin, ca, one]),
        joined(&[admin, one, two]),
        joined(&[admin, ca, two, one]),
        joined(&[admin, ca, one, two, two]),
        joined(&[admin, ca, one, old.records[3]]),
        [new.head, &old.records.concat(), old.mac].concat(),
        [old.head, &new.records.concat(), new.mac].concat(),
        [new.head, &new.records.concat(), old.mac].concat(),
    ] {
        assert_refused(&fixture, &forged, false);
    }
}

#[test]
fn secrets_of_two_records_cannot_change_places() {
    let fixture = two_credentials();
    let records = fixture.load();
    let [one, two] = &records.credentials[..] else { panic!("two credentials") };
    let opener = fixture.store.opener();
    let mut swapped = vultrino::store::Stored::clone(one);
    swapped.sealed = two.sealed.clone();
    assert!(matches!(opener.open_credential(&swapped), Err(StoreError::WrongPasswordOrDamaged)));
    let mut renamed = vultrino::store::Stored::clone(one);
    renamed.facts.alias = two.facts.alias.clone();
    assert!(matches!(opener.open_credential(&renamed), Err(StoreError::WrongPasswordOrDamaged)));
    let mut aged = vultrino::store::Stored::clone(one);
    aged.version += 1;
    assert!(matches!(opener.open_credential(&aged), Err(StoreError::WrongPasswordOrDamaged)));
    assert!(matches!(Fixture::new().store.opener().open_credential(one), Err(StoreError::WrongPasswordOrDamaged)));
    assert!(opener.open_credential(one).is_ok());
}

#[test]
fn files_of_other_programs_and_versions_are_named_and_left_alone() {
    let fixture = Fixture::new();
    let newer = fixture.bytes();
    let newer = [b"Vultrino credential store, format 2\n", &newer[36..]].concat();
    for (bytes, what) in [
        (&newer[..], "a Vultrino credential store of format 2"),
        (b"age-encryption.org/v1\n-> scrypt abc 18\n", "an age file"),
        (b"{\"credentials\":[]}", "a JSON file"),
        (b"some notes of mine, not a store at all", "not a Vultrino credential store"),
    ] {
        fs::write(fixture.path(), bytes).unwrap();
        let error = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert_eq!(fixture.bytes(), bytes);
    }
    let folder = FileStore::open(fixture.folder.path(), &secret(PASSWORD)).unwrap_err();
    assert!(matches!(folder, StoreError::ForeignFile { .. }), "{folder}");
    let missing = FileStore::open(&fixture.folder.path().join("no/store.enc"), &secret(PASSWORD)).unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
}

/// A file taken apart as `docs/src/store-format.md` describes it.
struct Parts<'a> {
    head: &'a [u8],
    records: Vec<&'a [u8]>,
    mac: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(file: &'a [u8]) -> Self {
        const HEAD: usize = 36 + 16 + 12 + 16 + 60 + 8 + 4;
        let number = |at: usize| usize::try_from(u32::from_be_bytes(file[at..at + 4].try_into().unwrap())).unwrap();
        let (mut at, end) = (HEAD, file.len() - 32);
        let mut records = Vec::new();
        while at < end {
            let length = 33 + number(at + 25) + number(at + 29);
            records.push(&file[at..at + length]);
            at += length;
        }
        assert_eq!(records.len(), number(HEAD - 4));
        Self { head: &file[..HEAD], records, mac: &file[end..] }
    }
}

/// What derives the key stands in the clear: who can write to the file must not make each start cost minutes and gigabytes.
#[test]
fn a_head_that_asks_for_more_than_is_usual_is_not_derived_with_unless_configured() {
    let fixture = two_credentials();
    let whole = fixture.bytes();
    // Behind the line and the id: KiB of memory, iterations.
    let costs = b"Vultrino credential store, format 1\n".len() + 16;
    for (memory_kib, iterations) in [(2 << 20, 3_u32), (65_536, 1000), (4 << 20, 17)] {
        let mut dear = whole.clone();
        dear[costs..costs + 4].copy_from_slice(&u32::to_be_bytes(memory_kib));
        dear[costs + 4..costs + 8].copy_from_slice(&u32::to_be_bytes(iterations));
        fs::write(fixture.path(), &dear).unwrap();
        let refused = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, StoreError::Kdf(_)) && text.contains("kdf_memory_kib"), "{text}");
        assert_eq!(fixture.bytes(), dear);
    }
    // As much as the configuration asks for is derived with, and then it is not the key.
    let mut dear = whole;
    dear[costs..costs + 4].copy_from_slice(&u32::to_be_bytes(19_456));
    dear[costs + 4..costs + 8].copy_from_slice(&u32::to_be_bytes(17));
    fs::write(fixture.path(), &dear).unwrap();
    assert!(matches!(FileStore::open(fixture.path(), &secret(PASSWORD)), Err(StoreError::Kdf(_))));
    let configured = KdfParams::new(19_456, 17).unwrap();
    let opened = FileStore::open_configured(fixture.path(), &secret(PASSWORD), configured);
    assert!(matches!(opened, Err(StoreError::WrongPasswordOrDamaged)), "{opened:?}");
}
