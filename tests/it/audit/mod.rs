//! The trail as operators find it: a log file that has every record once.

#[cfg(test)]
mod chain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod place;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread, time::Duration};

use vultrino::audit::{Audit, Door, Entry, Outcome, Recorder};

use crate::audit::place::{Place, patiently, until, use_once};

#[test]
fn every_record_is_one_line_in_the_log() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let mut entry = recorder.open(Door::Path, "http_request").unwrap();
    entry.record.set_credential("github-api");
    entry.record.set_method("GET");
    entry.set_url("https", "api.github.com", "/user?token=s3cret");
    entry.record.set_source("127.0.0.1:53122".parse().ok());
    entry.record.status = 200;
    entry.arm();
    let id = entry.id();
    entry.close(Outcome::Ok);
    drop(recorder.open(Door::Connect, "http_request").unwrap());
    audit.close().unwrap();
    let text = place.log();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(first.split(' ').nth(3), Some("credential=github-api"));
    assert!(first.contains(" url=https://api.github.com/user?token= ") && first.contains(" outcome=ok "), "{first}");
    assert!(first.contains(&format!(" id={id} object=- policy=- gen=- rev=- seq=1 mac=")), "{first}");
    assert!(second.contains(" CONNECT http_request credential=- ") && second.contains(" outcome=client_abort "));
    assert_eq!(place.journals(), 0, "nothing is left to be brought in");
}

#[test]
fn what_is_learnt_while_a_credential_is_in_use_is_in_the_line_too() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    for url in ["/user".to_owned(), "/u".repeat(700)] {
        let mut entry = recorder.open(Door::Path, "http_request").unwrap();
        entry.set_url("https", "api.github.com", &url);
        entry.record.set_credential("first");
        entry.arm();
        entry.record.set_credential("second");
        entry.record.set_name("later");
        entry.record.bytes_up = 7;
        entry.close(Outcome::Ok);
        let mut entry = recorder.open(Door::Path, "http_request").unwrap();
        entry.set_url("https", "api.github.com", &url);
        entry.arm();
        entry.arm();
        entry.close(Outcome::Ok);
    }
    audit.close().unwrap();
    let log = place.log();
    for (line, n) in log.lines().zip(0..) {
        assert_eq!(line.contains(" credential=second method=- url=https://api.github.com/u"), n % 2 == 0, "{line}");
        assert_eq!(line.contains(" name=later status=- outcome=ok reason=- up=7 "), n % 2 == 0, "{line}");
        assert_eq!(line.contains(" credential=- method=- url=https://api.github.com/u"), n % 2 == 1, "{line}");
    }
}

#[test]
fn a_line_reaches_the_log_without_a_push_and_an_idle_writer_wakes_up() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    for n in 1..4 {
        use_once(&recorder);
        // Longer than the writer stays awake, so that it is woken as well as found awake.
        until(|| place.log().lines().count() == n);
        thread::sleep(Duration::from_millis(30));
    }
    audit.close().unwrap();
}

#[test]
fn commands_that_come_and_go_at_once_do_not_mind_each_other() {
    const EACH: usize = 40;
    let place = Place::new();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let (audit, recorder) = Audit::open_single(place.config()).unwrap();
                    use_once(&recorder);
                    audit.close().unwrap();
                }
            });
        }
    });
    assert_eq!(place.lines().len(), 6 * EACH);
    assert_eq!(place.journals(), 0);
}

#[test]
fn four_workers_lose_nothing_and_share_no_id() {
    let place = Place::new();
    let (audit, recorders) = Audit::open(place.config(), 4, 2048).unwrap();
    assert_eq!(recorders.len(), 4);
    thread::scope(|scope| {
        for recorder in &recorders {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let mut entry = patiently(recorder);
                    entry.arm();
                    entry.close(Outcome::Ok);
                }
            });
        }
    });
    audit.close().unwrap();
    let lines = place.lines();
    assert_eq!((lines.len(), place.log().lines().count()), (40_000, 40_000));
    assert!(lines.values().all(|line| line.contains(" outcome=ok ")));
    assert_eq!(place.verified().records, 40_000);
}

#[test]
fn two_processes_share_one_log() {
    let place = Place::new();
    let opened: Vec<_> = (0..3).map(|_| place.open()).collect();
    thread::scope(|scope| {
        for (_, recorder) in &opened {
            scope.spawn(|| (0..2000).for_each(|_| patiently(recorder).close(Outcome::Ok)));
        }
    });
    for (audit, _) in opened {
        audit.close().unwrap();
    }
    assert_eq!((place.lines().len(), place.log().lines().count()), (6000, 6000));
    assert_eq!(place.verified().records, 6000, "they share one chain");
}

#[test]
fn hostile_values_make_no_lines() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let forged = "x\r\n2026-01-01T00:00:00.000Z PATH http_request credential=forged";
    let mut entry = recorder.open(Door::Forward, "http_request").unwrap();
    entry.record.set_credential(forged);
    entry.record.set_name(forged);
    entry.record.set_method(forged);
    entry.set_url("http", "a.example", &format!("/{}{forged}?{forged}&{forged}=1", "a".repeat(1000)));
    entry.arm();
    entry.close(Outcome::Denied);
    audit.close().unwrap();
    let text = place.log();
    assert_eq!((text.lines().count(), text.matches(" credential=").count()), (1, 1), "{text}");
    assert_eq!(text.split(' ').count(), 22, "{text}");
    assert!(text.trim_end().bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{text}");
}

#[test]
fn long_urls_are_whole_in_the_log() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let long = format!("/{}", "p".repeat(1500));
    let mut entry = recorder.open(Door::Path, "http_request").unwrap();
    entry.set_url("https", "a.example", &long);
    entry.arm();
    entry.close(Outcome::Ok);
    audit.close().unwrap();
    assert!(place.log().contains(&format!(" url=https://a.example{long} ")));
}

#[test]
fn log_and_journal_are_the_owners_alone() {
    let place = Place::new();
    let old = rustix::process::umask(rustix::fs::Mode::empty());
    let opened = place.open();
    rustix::process::umask(old);
    use_once(&opened.1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for file in fs::read_dir(&place.config().journal_dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&place.config().file), 0o600);
    assert_eq!(mode(&place.config().journal_dir), 0o700);
}

#[test]
fn records_go_with_their_exchange_from_thread_to_thread() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<Entry>();
    is_shared::<Recorder>();
}
