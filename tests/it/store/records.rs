//! What goes in comes out, in this process and in any other.

use vultrino::{
    base::id::Id,
    credential::{Kind, Material},
    identity::Principal,
    manage::{Caller, ManageError, credentials},
    store::{Change, FileStore, KdfParams, StoreError},
};

use crate::store::fixture::{ADMIN_PASSWORD, CA_KEY, Fixture, PASSWORD, aliases, initialise, new_key, put, secret};

#[test]
fn a_new_store_holds_its_admin_and_its_ca() {
    let fixture = Fixture::new();
    let records = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap().load().unwrap();
    assert_eq!(records.revision, 1);
    let admin = records.admin.unwrap().facts;
    assert_eq!(admin.username, "admin");
    assert!(admin.verify(&secret(ADMIN_PASSWORD)) && !admin.verify(&secret(PASSWORD)));
    let ca = records.ca.unwrap();
    assert_eq!(ca.facts.der, b"a certificate");
    assert_eq!(fixture.store.opener().open_ca(&ca).unwrap().expose(), CA_KEY);
    assert!(records.credentials.is_empty());
}

#[test]
fn a_credential_comes_back_as_it_was_added() {
    let fixture = Fixture::new();
    let mut new = new_key("github-api", "ghp_abc");
    new.description = Some("for CI".to_owned());
    new.metadata = r#"{"header_name":"X-API-Key","n":[1,null]}"#.parse().unwrap();
    new.bindings = vec!["*.example.com".parse().unwrap(), "http://intranet:8080".parse().unwrap()];
    new.auto = false;
    let added = credentials::add(fixture.desk(), &Caller::local(), new).unwrap().credential;
    let basic = Material::basic_auth(secret("jo"), secret("pass: wörd")).unwrap();
    let mut new = new_key("jo", "x");
    new.material = basic;
    credentials::add(fixture.desk(), &Caller::local(), new).unwrap();

    let store = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap();
    let records = store.load().unwrap();
    assert_eq!(credentials::get(&Principal::Local, &records, "github-api").unwrap().facts, added);
    let jo = credentials::get(&Principal::Local, &records, "jo").unwrap();
    assert_eq!(jo.facts.kind, Kind::BasicAuth);
    let Material::BasicAuth { username, password } = store.opener().open_credential(jo).unwrap() else {
        panic!("another kind");
    };
    assert_eq!((username.expose(), password.expose()), (&b"jo"[..], "pass: wörd".as_bytes()));
}

#[test]
fn no_secret_and_no_fact_stands_in_the_file_in_the_open() {
    let fixture = Fixture::new();
    fixture.add("visible-alias", "CANARY-e1b7");
    let file = fixture.bytes();
    for needle in ["CANARY", "visible-alias", "admin", "argon2id", "a certificate", "PKCS#8", PASSWORD] {
        assert!(!file.windows(needle.len()).any(|it| it == needle.as_bytes()), "{needle}");
    }
    let debug = format!("{:?} {:?} {:?}", fixture.load(), fixture.store, fixture.store.opener());
    assert!(!debug.contains("CANARY") && !debug.contains("argon2id"), "{debug}");
}

#[test]
fn a_change_set_is_applied_whole_or_not_at_all() {
    let fixture = Fixture::new();
    let kept = fixture.add("kept", "key");
    let before = fixture.bytes();
    let revision = fixture.load().revision;
    let nowhere = Id::random();
    let error =
        fixture.store.apply(vec![Change::DeleteCredential(kept.id), Change::DeleteCredential(nowhere)], revision);
    assert!(matches!(error, Err(StoreError::NoRecord(id)) if id == nowhere));
    let mut facts = kept;
    facts.kind = Kind::BasicAuth;
    let material = Some(Material::api_key(secret("another")).unwrap());
    let error = fixture.store.apply(vec![Change::PutCredential { facts, material }], revision);
    assert!(matches!(error, Err(StoreError::Material(_))));
    assert_eq!(fixture.bytes(), before);
}

#[test]
fn facts_change_and_the_secret_stays() {
    let fixture = Fixture::new();
    let mut facts = fixture.add("before", "the key");
    facts.alias = "after".parse().unwrap();
    let revision = fixture.load().revision;
    let change = Change::PutCredential { facts, material: None };
    assert_eq!(fixture.store.apply(vec![change], revision).unwrap(), revision + 1);
    assert_eq!(aliases(&fixture.load()), ["after"]);
    assert_eq!(fixture.key_of("after"), "the key");
    assert_eq!(fixture.load().credentials[0].version, 2);
}

#[test]
fn a_change_made_for_an_older_revision_is_refused() {
    let fixture = Fixture::new();
    let seen = fixture.load().revision;
    let one = fixture.add("one", "key");
    let before = fixture.bytes();
    let error = fixture.store.apply(vec![Change::DeleteCredential(one.id)], seen);
    assert!(matches!(error, Err(StoreError::Conflict { expected, found }) if expected == seen && found == seen + 1));
    assert_eq!(fixture.bytes(), before);
}

#[test]
fn a_second_process_sees_a_change_by_the_stamp_and_reads_it() {
    let fixture = Fixture::new();
    let other = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap();
    let mut stamps = vec![other.stamp().unwrap()];
    for number in 0..20 {
        assert_eq!(other.stamp().unwrap(), *stamps.last().unwrap());
        fixture.add(&format!("c{number}"), "key");
        let stamp = other.stamp().unwrap();
        assert!(!stamps.contains(&stamp));
        stamps.push(stamp);
        assert_eq!(other.load().unwrap().credentials.len(), number + 1);
    }
}

#[test]
fn every_write_seals_with_fresh_nonces() {
    let fixture = Fixture::new();
    fixture.add("one", "same key");
    fixture.add("two", "same key");
    let file = fixture.bytes();
    let revision = fixture.load().revision;
    let facts = fixture.load().credentials[0].facts.clone();
    fixture.store.apply(vec![Change::PutCredential { facts, material: None }], revision).unwrap();
    let after = fixture.bytes();
    assert_eq!(file.len(), after.len());
    let same = file.iter().zip(&after).rev().take_while(|(a, b)| a == b).count();
    assert!(same < 8, "the list's MAC must differ");
}

#[test]
fn the_password_changes_and_the_records_do_not() {
    let fixture = Fixture::new();
    fixture.add("one", "key");
    let old = fixture.bytes();
    let wrong = fixture.store.change_password(&secret("wrong"), &secret("new"));
    assert!(matches!(wrong, Err(StoreError::WrongPasswordOrDamaged)));
    let empty = fixture.store.change_password(&secret(PASSWORD), &secret(""));
    assert!(matches!(empty, Err(StoreError::EmptyPassword)));
    assert_eq!(fixture.bytes(), old);

    fixture.store.change_password(&secret(PASSWORD), &secret("new")).unwrap();
    assert!(matches!(FileStore::open(fixture.path(), &secret(PASSWORD)), Err(StoreError::WrongPasswordOrDamaged)));
    let reopened = FileStore::open(fixture.path(), &secret("new")).unwrap();
    assert_eq!(aliases(&reopened.load().unwrap()), ["one"]);
    assert_eq!(fixture.key_of("one"), "key", "who had it open goes on");
    let (head, records) = (256.min(old.len()), old.len() - 32);
    assert_eq!(old[head..records], fixture.bytes()[head..records], "no record is touched");
}

#[test]
fn a_cheap_key_derivation_is_raised_and_never_lowered() {
    let fixture = Fixture::new();
    let dearer = KdfParams::new(20 * 1024, 2).unwrap();
    assert!(fixture.store.raise_kdf(&secret(PASSWORD), dearer).unwrap());
    let raised = fixture.bytes();
    assert!(!fixture.store.raise_kdf(&secret(PASSWORD), KdfParams::floor()).unwrap());
    assert!(!fixture.store.raise_kdf(&secret(PASSWORD), dearer).unwrap());
    assert_eq!(fixture.bytes(), raised);
    assert!(FileStore::open(fixture.path(), &secret(PASSWORD)).is_ok());
}

#[test]
fn a_store_is_never_made_over_another() {
    let fixture = Fixture::new();
    let before = fixture.bytes();
    let again = initialise(fixture.path());
    assert!(matches!(again, Err(ManageError::Store(StoreError::Exists { .. }))));
    assert_eq!(fixture.bytes(), before);
}

#[test]
fn two_names_of_a_folder_are_one_store() {
    let fixture = Fixture::new();
    let link = fixture.folder.path().join("link");
    std::os::unix::fs::symlink(fixture.path().parent().unwrap(), &link).unwrap();
    let linked = FileStore::open(&link.join("credentials.enc"), &secret(PASSWORD)).unwrap();
    put(&linked, "through-the-link", "key").unwrap();
    assert_eq!(linked.path(), fixture.path());
    assert_eq!(aliases(&fixture.load()), ["through-the-link"]);
}

#[test]
fn ten_thousand_credentials_are_one_change() {
    let fixture = Fixture::new();
    let template = fixture.add("template", "key");
    let changes = (0..10_000)
        .map(|number| {
            let mut facts = template.clone();
            facts.id = Id::random();
            facts.alias = format!("c{number}").parse().unwrap();
            Change::PutCredential { facts, material: Some(Material::api_key(secret("k")).unwrap()) }
        })
        .collect();
    let revision = fixture.store.apply(changes, fixture.load().revision).unwrap();
    let records = fixture.load();
    assert_eq!(records.credentials.len(), 10_001);
    let last = records.credentials.last().unwrap().facts.id;
    fixture.store.apply(vec![Change::DeleteCredential(last)], revision).unwrap();
    assert_eq!(fixture.load().credentials.len(), 10_000);
}
