//! Killed at any moment, the store is the old one or the new one, and what was acknowledged is there.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, Command},
    thread,
    time::Duration,
};

use vultrino::{base::id::Id, store::FileStore};

use crate::store::{
    disk::can_trace,
    fixture::{Fixture, PASSWORD, aliases, child, secret, start, this},
};

const KILLS: usize = 200;

#[test]
fn two_hundred_kills_lose_no_acknowledged_write() {
    let fixture = Fixture::new();
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let mut child = child("writer", &format!("{}\tr{round}\t1000", fixture.path().display()));
        let said = kill_after(&mut child, random(0..3), Duration::from_micros(random(0..4000)));
        acknowledged.extend(said);
        let present = aliases(&fixture.load());
        let lost: Vec<&String> = acknowledged.iter().filter(|it| !present.contains(it)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        // What was under way may be there or not; more than that may not.
        assert!(present.len() <= acknowledged.len() + round + 1);
        trim(&fixture, &mut acknowledged);
    }
    let reopened = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap();
    assert_eq!(aliases(&reopened.load().unwrap()), aliases(&fixture.load()));
    assert_eq!(fixture.names(), ["ca.pem", "credentials.enc", "credentials.enc.lock"], "nothing is left behind");
}

/// A signal at the Nth of the calls that a save consists of, for every N until the save gets through.
#[test]
fn a_kill_at_any_system_call_of_a_save_leaves_the_old_or_the_new() {
    if !can_trace() {
        return;
    }
    let fixture = Fixture::new();
    for call in ["openat", "write", "fsync", "rename", "unlink"] {
        let (mut survived, mut kills) = (false, 0);
        for nth in 1..60 {
            let before = fixture.bytes();
            let name = format!("{call}-{nth}");
            let (said, killed) = save_traced(&fixture, call, nth, &name);
            let present = aliases(&fixture.load());
            if said.contains("acknowledged") {
                assert!(present.contains(&format!("{name}-0")), "{call} {nth}");
            }
            assert!(fixture.bytes() == before || present.contains(&format!("{name}-0")), "{call} {nth}");
            if !killed {
                survived = true;
                break;
            }
            kills += 1;
        }
        assert!(survived, "{call} was called too often for this test");
        assert!(kills > 0, "{call} was never called");
    }
    FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap();
    assert_eq!(fixture.names(), ["ca.pem", "credentials.enc", "credentials.enc.lock"]);
}

#[test]
fn a_password_change_that_is_killed_leaves_exactly_one_password() {
    let fixture = Fixture::new();
    fixture.add("one", "key");
    let (mut old, mut new) = (0, 0);
    for round in 0..10 {
        let mut child = child("password_changer", &format!("{}\tsecond\t1000", fixture.path().display()));
        kill_after(&mut child, 0, Duration::from_millis(random(0..250)));
        let opens = |password: &str| FileStore::open(fixture.path(), &secret(password)).is_ok();
        match (opens(PASSWORD), opens("second")) {
            (true, false) => old += 1,
            (false, true) => {
                new += 1;
                fixture.store.change_password(&secret("second"), &secret(PASSWORD)).unwrap();
            }
            both => panic!("round {round}: {both:?}"),
        }
    }
    println!("the old password opened {old} times, the new one {new} times");
    assert_eq!(fixture.key_of("one"), "key");
}

/// Reads what the child says until it is ready and has acknowledged `count` more, waits for `moment`, kills it, and
/// gives all that it had acknowledged by then.
fn kill_after(child: &mut Child, count: u64, moment: Duration) -> Vec<String> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    let mut waiting = count + 1;
    while waiting > 0 {
        let start = said.len();
        assert!(output.read_line(&mut said).unwrap() > 0, "the child ended early: {said}");
        let line = &said[start..];
        if line.starts_with("ready") || line.starts_with("acknowledged") {
            waiting -= 1;
        }
    }
    // Not to wait for something, but to strike at another moment each time.
    thread::sleep(moment);
    child.kill().unwrap();
    output.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    whole.lines().filter_map(|it| it.strip_prefix("acknowledged ")).map(str::to_owned).collect()
}

fn save_traced(fixture: &Fixture, call: &str, nth: usize, name: &str) -> (String, bool) {
    let mut strace = Command::new("strace");
    let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    strace.arg("-P").arg(fixture.path().parent().unwrap());
    for name in ["credentials.enc", "credentials.enc.tmp", "credentials.enc.lock"] {
        strace.arg("-P").arg(fixture.path().with_file_name(name));
    }
    strace.arg(this());
    let (child, input) = start(strace, "writer", &format!("{}\t{name}\t1", fixture.path().display()));
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
    assert!(killed || output.status.success(), "{call} {nth}: {said}");
    (said, killed)
}

/// Keeps the store small, so that two hundred rounds stay quick.
fn trim(fixture: &Fixture, acknowledged: &mut Vec<String>) {
    let records = fixture.load();
    if records.credentials.len() < 100 {
        return;
    }
    let all = records.credentials.iter().map(|it| vultrino::store::Change::DeleteCredential(it.facts.id)).collect();
    fixture.store.apply(all, records.revision).unwrap();
    acknowledged.clear();
}

fn random(range: std::ops::Range<u64>) -> u64 {
    let bytes: [u8; 8] = Id::random().as_bytes()[8..].try_into().unwrap();
    range.start + (u64::from_be_bytes(bytes) >> 2) % (range.end - range.start)
}
