//! Many writers at once lose nothing, and readers see whole files only.

use std::{
    fs,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use vultrino::{
    audit::RolledBack,
    manage::ManageError,
    store::{FileStore, StoreError},
};

use crate::store::fixture::{Fixture, Office, PASSWORD, add, aliases, child, put, secret};

#[test]
fn twenty_threads_lose_nothing() {
    let fixture = Fixture::new();
    let other = Office::over(&Arc::new(FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap()));
    thread::scope(|scope| {
        for writer in 0..20 {
            let desk = if writer % 2 == 0 { fixture.desk() } else { &other.desk };
            scope.spawn(move || {
                for number in 0..5 {
                    add(desk, &format!("w{writer}-{number}"), "key").unwrap();
                }
            });
        }
    });
    let mut found = aliases(&fixture.load());
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 100);
    assert_eq!(fixture.load().revision, 101);
}

#[test]
fn what_another_process_has_seen_newer_is_neither_read_nor_written() {
    let fixture = Fixture::new();
    let other = Arc::new(FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap());
    for store in [&fixture.store, &other] {
        store.guard(fixture.office.memory());
    }
    fixture.add("first", "key");
    let older = fixture.bytes();
    put(&other, "second", "key").unwrap();
    fs::write(fixture.path(), &older).unwrap();
    // This one has never seen the newer store.
    let is_refused =
        |error: &StoreError| matches!(error, StoreError::RolledBack(RolledBack::Older { found: 2, seen: 3 }));
    assert!(is_refused(&fixture.store.load().unwrap_err()));
    assert!(is_refused(&put(&fixture.store, "third", "key").unwrap_err()));
    assert!(is_refused(&fixture.store.apply(Vec::new(), 2).unwrap_err()));
    assert!(is_refused(&fixture.store.change_password(&secret(PASSWORD), &secret("another")).unwrap_err()));
    let refused = add(fixture.desk(), "fourth", "key").unwrap_err();
    assert!(matches!(&refused, ManageError::Store(error) if is_refused(error)), "{refused}");
    assert_eq!(fixture.bytes(), older);
}

#[test]
fn one_of_twenty_who_want_the_same_alias_gets_it() {
    let fixture = Fixture::new();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let spawn = |number: usize| {
            let alias = if number.is_multiple_of(2) { "same" } else { "SAME" };
            scope.spawn(|| add(fixture.desk(), alias, "key"))
        };
        let threads: Vec<_> = (0..20).map(spawn).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|it| matches!(it, Err(ManageError::AliasTaken(_)))).count(), 19);
    assert_eq!(fixture.load().credentials.len(), 1);
}

#[test]
fn twenty_processes_lose_nothing_while_others_read_and_copy() {
    let fixture = Fixture::new();
    let copy = fixture.folder.path().join("copy.enc");
    let stop = AtomicBool::new(false);
    let (said, copies) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut copies = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                fs::write(&copy, fixture.bytes()).unwrap();
                fixture.store.load().unwrap();
                copies += 1;
            }
            copies
        });
        let orders = |writer: usize| format!("{}\tp{writer}\t3", fixture.path().display());
        let children: Vec<_> = (0..20).map(|writer| child("writer", &orders(writer))).collect();
        let said: Vec<_> = children.into_iter().map(Child::wait_with_output).collect();
        stop.store(true, Ordering::Relaxed);
        (said, reader.join())
    });
    for output in said {
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(copies.unwrap() > 0);
    FileStore::open(&copy, &secret(PASSWORD)).unwrap().load().unwrap();
    let mut found = aliases(&fixture.load());
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 60);
}
