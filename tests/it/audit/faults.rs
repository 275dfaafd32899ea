//! What happens to the trail when the process, the disk or the log itself does not survive.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
};

use vultrino::audit::{Audit, AuditError, Config, Door, Outcome, Unavailable, verify::verify};

use crate::audit::place::{Place, Tmpfs, by_id, patiently, until, use_once};

#[test]
fn a_log_that_is_rotated_or_removed_goes_on_under_its_name() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let log = place.config().file;
    use_once(&recorder);
    until(|| place.log().lines().count() == 1);
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    use_once(&recorder);
    until(|| log.exists() && place.log().lines().count() == 1);
    fs::remove_file(&log).unwrap();
    use_once(&recorder);
    until(|| log.exists() && place.log().lines().count() == 1);
    assert!(!audit.is_failing());
    audit.close().unwrap();
}

#[test]
fn half_a_line_of_a_dead_process_is_taken_away_and_foreign_text_is_kept() {
    let place = Place::new();
    let log = place.config().file;
    for (left, expected) in [
        ("2026-11-22T10:30:00.123Z PATH http_req", ""),
        ("kept\n2026-11-", "kept\n"),
        ("someone's note", "someone's note\n"),
    ] {
        fs::write(&log, left).unwrap();
        let (audit, recorder) = place.open();
        use_once(&recorder);
        audit.close().unwrap();
        let text = place.log();
        let ours = text.strip_prefix(expected).unwrap();
        assert_eq!(ours.lines().count(), 1, "{text}");
        assert!(ours.contains(" outcome=ok "), "{text}");
    }
}

#[test]
fn records_that_are_open_at_the_end_are_brought_in_at_the_next_start() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    use_once(&recorder);
    let mut open = recorder.open(Door::Path, "http_request").unwrap();
    open.arm();
    let unarmed = recorder.open(Door::Path, "http_request").unwrap();
    assert!(matches!(audit.close(), Err(AuditError::LeftBehind { .. })));
    assert_eq!(recorder.open(Door::Path, "http_request").unwrap_err(), Unavailable::Closed);
    let (late, interrupted) = (unarmed.id(), open.id());
    unarmed.close(Outcome::Ok);
    // As if the process had ended here.
    std::mem::forget(open);
    assert_eq!(place.lines().len(), 1);
    let journal = place.journal();
    let copy = journal.with_file_name("copy.journal");
    fs::copy(&journal, copy).unwrap();
    place.open().0.close().unwrap();
    let lines = place.lines();
    assert_eq!(lines.len(), 3);
    assert!(lines[&late.to_string()].contains(" outcome=ok "));
    assert!(lines[&interrupted.to_string()].contains(" outcome=interrupted "));
}

#[test]
fn no_slot_means_no_record() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let mut open = Vec::new();
    let refused = loop {
        match recorder.open(Door::Path, "http_request") {
            Ok(entry) => open.push(entry),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused, open.len()), (Unavailable::NoSlot, 2048));
    drop(open.pop());
    drop(patiently(&recorder));
    drop(open);
    audit.close().unwrap();
    assert_eq!(place.lines().len(), 2049);
}

#[test]
fn a_process_that_is_killed_leaves_every_record_once() {
    let place = Place::new();
    let mut expected: BTreeMap<String, &str> = BTreeMap::new();
    for round in 0..50 {
        let said = run_and_kill(&place, round);
        for (what, id) in said.lines().filter_map(|line| line.split_once(' ')) {
            match what {
                "armed" => drop(expected.entry(id.to_owned()).or_insert("")),
                "held" => drop(expected.insert(id.to_owned(), " outcome=interrupted ")),
                "closed" => drop(expected.insert(id.to_owned(), " outcome=ok ")),
                _ => (),
            }
        }
    }
    place.open().0.close().unwrap();
    assert_eq!(place.journals(), 0);
    let lines = place.lines();
    assert_eq!(place.log().lines().count(), lines.len(), "no line twice, no torn line");
    assert_eq!(place.verified().records, lines.len() as u64, "one chain without a gap");
    assert!(expected.len() > 50 * 20, "{}", expected.len());
    for (id, outcome) in &expected {
        let line = lines.get(id).unwrap_or_else(|| panic!("record {id} ({outcome}) is lost"));
        assert!(line.contains(outcome), "{line}");
    }
}

/// Returns what the child had said when it died.
fn run_and_kill(place: &Place, round: u64) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "audit::faults::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let path = place.0.path().to_str().unwrap();
    writeln!(child.stdin.take().unwrap(), "{path}").unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // Another moment in every round: between the first records, and in the middle of many.
    let patience = 10 + round * 40;
    for _ in 0..patience {
        assert_ne!(said.read_line(&mut text).unwrap(), 0, "the child ended by itself: {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said.read_to_string(&mut text).unwrap();
    // The last line may be half a line.
    text.truncate(text.rfind('\n').map_or(0, |at| at + 1));
    text
}

#[test]
#[ignore = "the process that another test starts and kills"]
fn child() {
    let mut path = String::new();
    if std::io::stdin().read_line(&mut path).unwrap() == 0 {
        return;
    }
    let (_audit, recorder) = Place::at(path.trim_end()).open();
    println!();
    let mut held = recorder.open(Door::Path, "http_request").unwrap();
    held.arm();
    println!("held {}", held.id());
    loop {
        let mut entry = patiently(&recorder);
        entry.arm();
        let id = entry.id();
        println!("armed {id}");
        entry.close(Outcome::Ok);
        println!("closed {id}");
    }
}

#[test]
fn a_full_disk_refuses_records_and_nothing_is_lost() {
    let place = Place::new();
    let Some(small) = Tmpfs::mount() else { return };
    let config = Config { file: small.0.path().join("audit.log"), ..place.config() };
    let (audit, recorders) = Audit::open(config.clone(), 1, 2048).unwrap();
    let recorder = &recorders[0];
    use_once(recorder);
    until(|| fs::read_to_string(&config.file).unwrap().lines().count() == 1);
    let filler = small.fill();
    let mut closed = 1;
    // The last page of the log has some room left.
    let refused = loop {
        match recorder.open(Door::Path, "http_request") {
            Ok(entry) => entry.close(Outcome::Ok),
            Err(Unavailable::NoSlot) => continue,
            Err(refused) => break refused,
        }
        closed += 1;
    };
    assert_eq!(refused, Unavailable::Failing);
    assert!(audit.is_failing() && recorder.is_failing());
    let text = fs::read_to_string(&config.file).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() < closed, "whole lines only, and not all");
    fs::remove_file(filler).unwrap();
    until(|| !audit.is_failing());
    use_once(recorder);
    audit.close().unwrap();
    let text = fs::read_to_string(&config.file).unwrap();
    assert_eq!((text.lines().count(), by_id(&text).len()), (closed + 1, closed + 1));
    let verified = verify(&config.file, &place.expected(), |_, _| ()).unwrap().unwrap();
    assert_eq!(verified.records, closed as u64 + 1, "no gap in the chain, and no record twice");
}

#[test]
fn a_chain_whose_head_cannot_be_used_refuses_records_until_it_can() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    use_once(&recorder);
    until(|| place.log().lines().count() == 1);
    let head = place.config().journal_dir.join("chain");
    fs::remove_file(&head).unwrap();
    fs::create_dir(&head).unwrap();
    use_once(&recorder);
    until(|| audit.is_failing());
    assert_eq!(recorder.open(Door::Path, "http_request").unwrap_err(), Unavailable::Failing);
    fs::remove_dir(&head).unwrap();
    until(|| !audit.is_failing());
    use_once(&recorder);
    audit.close().unwrap();
    assert_eq!(place.verified().records, 3, "no gap, and no record twice");
}

#[test]
fn a_start_on_a_full_disk_is_refused() {
    let place = Place::new();
    let Some(small) = Tmpfs::mount() else { return };
    small.fill();
    let config = Config { journal_dir: small.0.path().join("journal"), ..place.config() };
    let refused = Audit::open(config.clone(), 1, 2048).unwrap_err();
    assert!(matches!(refused, AuditError::Chain { .. } | AuditError::Folder { .. }), "{refused:?}");
    let left = fs::read_dir(&config.journal_dir).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no half journal stays");
}

#[test]
fn lines_that_cannot_be_written_at_the_end_wait_for_the_next_start() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    use_once(&recorder);
    until(|| place.log().lines().count() == 1);
    let log = place.config().file;
    fs::rename(&log, log.with_extension("1")).unwrap();
    fs::create_dir(&log).unwrap();
    use_once(&recorder);
    until(|| audit.is_failing());
    drop(recorder);
    assert!(matches!(audit.close(), Err(AuditError::LeftBehind { .. })));
    fs::remove_dir(&log).unwrap();
    place.open().0.close().unwrap();
    assert_eq!(place.lines().len(), 1);
}

#[test]
fn a_log_that_takes_nothing_refuses_records() {
    let place = Place::new();
    let config = Config { file: "/dev/full".into(), ..place.config() };
    let (audit, recorders) = Audit::open(config, 1, 2048).unwrap();
    use_once(&recorders[0]);
    until(|| audit.is_failing());
    let refused = recorders[0].open(Door::Path, "http_request").unwrap_err();
    assert_eq!(refused, Unavailable::Failing);
    assert!(matches!(audit.close(), Err(AuditError::LeftBehind { .. })));
    drop(recorders);
    place.open().0.close().unwrap();
    assert_eq!(place.lines().len(), 1, "the line went to the log that could be written");
}
