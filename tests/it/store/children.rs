//! What the child processes of the other tests do. Each reads its orders as one line of its input, and says on its
//! output what it was told is durable.

use std::path::Path;

use vultrino::store::{FileStore, StoreError};

use crate::store::fixture::{PASSWORD, initialise, put, secret};

/// Orders: path, name, how many. Adds credentials and acknowledges each.
#[test]
#[ignore = "a child process of other tests"]
fn writer() {
    let Some((path, name, count)) = orders() else { return };
    let store = FileStore::open(Path::new(&path), &secret(PASSWORD)).unwrap();
    println!("\nready");
    for number in 0..count {
        let alias = format!("{name}-{number}");
        put(&store, &alias, &format!("key of {alias}")).unwrap();
        println!("\nacknowledged {alias}");
    }
    println!("\nfinished");
}

/// Orders: path, -, -. Makes a store.
#[test]
#[ignore = "a child process of other tests"]
fn initialiser() {
    let Some((path, _, _)) = orders() else { return };
    initialise(Path::new(&path)).unwrap();
}

/// Orders: path, new password, how many. Changes the password to the new one and back.
#[test]
#[ignore = "a child process of other tests"]
fn password_changer() {
    let Some((path, new, count)) = orders() else { return };
    let store = FileStore::open(Path::new(&path), &secret(PASSWORD)).unwrap();
    println!("\nready");
    for _ in 0..count {
        store.change_password(&secret(PASSWORD), &secret(&new)).unwrap();
        store.change_password(&secret(&new), &secret(PASSWORD)).unwrap();
    }
    println!("\nfinished");
}

/// Orders: path, name, -. Adds two credentials on a disk that confirms nothing, and says how they were refused.
#[test]
#[ignore = "a child process of other tests"]
fn unlucky_writer() {
    let Some((path, name, _)) = orders() else { return };
    let store = FileStore::open(Path::new(&path), &secret(PASSWORD)).unwrap();
    let before = store.load().unwrap().revision;
    for number in 0..2 {
        let error = match put(&store, &format!("{name}-{number}"), "key") {
            Ok(()) => "acknowledged",
            Err(StoreError::NotDurable { .. }) => "not durable",
            Err(StoreError::NeedsReopen { .. }) => "needs reopen",
            Err(_) => "another error",
        };
        println!("\nsays {error}");
    }
    println!("\nsays revisions {before} {}", store.load().unwrap().revision);
}

fn orders() -> Option<(String, String, usize)> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut words = line.trim_end().split('\t');
    Some((words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.parse().ok()?))
}
