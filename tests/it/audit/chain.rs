//! Whoever changes the log is found out, and whoever rotates it is not taken for one who does.

use std::{
    fs::{self, OpenOptions},
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use vultrino::audit::{
    Anchor, ChainKey, Config, Outcome, RolledBack,
    follow::Follower,
    read::Filter,
    verify::{Expected, Fault, verify},
};

use crate::audit::place::{Place, patiently, until, use_once};

/// A trail of so many records, by one process.
fn with_records(place: &Place, count: usize) {
    let (audit, recorder) = place.open();
    (0..count).for_each(|_| use_once(&recorder));
    audit.close().unwrap();
}

fn rotated(place: &Place, suffix: &str) -> PathBuf {
    let log = place.config().file;
    log.with_file_name(format!("audit.log{suffix}"))
}

fn lines(place: &Place) -> Vec<String> {
    place.log().lines().map(str::to_owned).collect()
}

fn write(place: &Place, lines: &[String]) {
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    fs::write(place.config().file, text).unwrap();
}

#[test]
fn a_log_that_nobody_touched_is_verified() {
    let place = Place::new();
    assert_eq!(place.verified().records, 0, "nothing was written yet");
    with_records(&place, 3);
    with_records(&place, 2);
    let verified = place.verified();
    assert_eq!((verified.records, verified.first, verified.last, verified.foreign), (5, 1, 5, 0));
}

/// What is done to a log of ten records, and what is found.
#[test]
fn what_was_done_to_the_log_is_found() {
    type Deed = fn(&mut Vec<String>);
    let deeds: [(&str, Deed, u64, Fault); 12] = [
        ("changed", |it| it[4] = it[4].replace(" outcome=ok ", " outcome=no "), 5, Fault::Changed),
        ("the first one changed", |it| it[0] = it[0].replace("PATH", "HTAP"), 1, Fault::Changed),
        ("the last one changed", |it| it[9] = it[9].replace("PATH", "HTAP"), 10, Fault::Changed),
        ("its MAC changed", |it| it[4] = it[4].replace(" mac=", " mac=z"), 5, Fault::NoRecord),
        ("one removed", |it| drop(it.remove(4)), 5, Fault::Missing { last: 5 }),
        ("three removed", |it| drop(it.drain(4..7)), 5, Fault::Missing { last: 7 }),
        ("two exchanged", |it| it.swap(4, 5), 5, Fault::Misplaced),
        (
            "one moved",
            |it| {
                let moved = it.remove(7);
                it.insert(2, moved);
            },
            3,
            Fault::Misplaced,
        ),
        ("one twice", |it| it.insert(5, it[4].clone()), 5, Fault::Misplaced),
        ("a note in between", |it| it.insert(5, "2026-11-22 all is well".into()), 6, Fault::NoRecord),
        ("the last one cut off", |it| drop(it.pop()), 10, Fault::CutOff { last: 10 }),
        ("the tail cut off", |it| it.truncate(6), 7, Fault::CutOff { last: 10 }),
    ];
    for (what, deed, sequence, fault) in deeds {
        let place = Place::new();
        with_records(&place, 10);
        let mut lines = lines(&place);
        deed(&mut lines);
        write(&place, &lines);
        let finding = place.verify().expect_err(what);
        assert_eq!((finding.sequence, finding.fault), (sequence, fault), "{what}: {finding}");
        assert!(finding.verified < 10, "{what}");
        let line = finding.place.map(|(_, line)| line);
        let expected = match fault {
            Fault::CutOff { .. } => None,
            // The second one is wrong.
            _ if what == "one twice" => Some(sequence + 1),
            _ => Some(sequence),
        };
        assert_eq!(line, expected, "{what}");
    }
}

#[test]
fn a_log_that_was_replaced_is_found() {
    let place = Place::new();
    with_records(&place, 4);
    let older = place.log();
    let head = place.expected();
    with_records(&place, 4);
    fs::write(place.config().file, &older).unwrap();
    assert_eq!(place.verify().unwrap_err().fault, Fault::CutOff { last: 8 });
    fs::remove_file(place.config().file).unwrap();
    assert_eq!(place.verify().unwrap_err().sequence, 1);
    // With the head of its day, too: then only the store knows better.
    fs::write(place.config().file, &older).unwrap();
    let anchor = Some(Anchor { sequence: 7, mac: [0; 16] });
    let expected = Expected { anchor, ..head.clone() };
    let finding = verify(&place.config().file, &expected, |_, _| ()).unwrap().unwrap_err();
    assert_eq!((finding.sequence, finding.fault), (5, Fault::CutOff { last: 7 }));
    let other = Expected { anchor: Some(Anchor { sequence: 3, mac: [0; 16] }), ..head };
    let finding = verify(&place.config().file, &other, |_, _| ()).unwrap().unwrap_err();
    assert_eq!((finding.sequence, finding.fault), (3, Fault::Replaced));
}

#[test]
fn a_log_made_with_another_key_is_found() {
    let place = Place::new();
    with_records(&place, 4);
    let forged = Place::new();
    let config = Config { chain: ChainKey::new(&[8; 32]), ..forged.config() };
    let (audit, recorder) = vultrino::audit::Audit::open_single(config).unwrap();
    (0..4).for_each(|_| patiently(&recorder).close(Outcome::Ok));
    audit.close().unwrap();
    fs::write(place.config().file, forged.log()).unwrap();
    assert!(place.verify().is_err());
}

#[test]
fn a_chain_goes_on_over_logs_that_are_rotated() {
    let place = Place::new();
    let log = place.config().file;
    let (audit, recorder) = place.open();
    let (other, other_recorder) = place.open();
    for round in 1..6 {
        use_once(&recorder);
        use_once(&other_recorder);
        until(|| log.exists() && place.log().lines().count() == 2);
        for n in (1..round).rev() {
            fs::rename(rotated(&place, &format!(".{n}")), rotated(&place, &format!(".{}", n + 1))).unwrap();
        }
        if round % 2 == 0 {
            fs::rename(&log, rotated(&place, ".1")).unwrap();
        } else {
            fs::copy(&log, rotated(&place, ".1")).unwrap();
            OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
        }
    }
    use_once(&recorder);
    audit.close().unwrap();
    other.close().unwrap();
    fs::write(rotated(&place, ".9.gz"), "").unwrap();
    let verified = place.verified();
    assert_eq!((verified.records, verified.first, verified.files.len()), (11, 1, 6));
    assert_eq!(verified.unread, [rotated(&place, ".9.gz")]);

    // Old ones are thrown away; what is left begins later.
    fs::remove_file(rotated(&place, ".5")).unwrap();
    let finding = place.verify().unwrap_err();
    assert_eq!((finding.sequence, finding.fault, finding.verified), (1, Fault::Begins { last: 2 }, 8));
    assert_eq!(finding.place, Some((rotated(&place, ".4"), 1)));
    for (from, first) in [(3, 4), (4, 4), (5, 5), (11, 11)] {
        let verified = verify(&log, &Expected { from, ..place.expected() }, |_, _| ()).unwrap().unwrap();
        assert_eq!((verified.records, verified.first, verified.last), (12 - first, first, 11), "from {from}");
    }
    let oldest = fs::read_to_string(rotated(&place, ".4")).unwrap();
    fs::write(rotated(&place, ".4"), oldest.replace(" up=0 ", " up=1 ")).unwrap();
    assert_eq!(place.verify().unwrap_err().sequence, 4);
    fs::write(rotated(&place, ".4"), oldest).unwrap();
    fs::remove_file(rotated(&place, ".2")).unwrap();
    let finding = place.verify().unwrap_err();
    assert_eq!((finding.sequence, finding.fault), (7, Fault::Missing { last: 8 }));
    assert_eq!(finding.place, Some((rotated(&place, ".1"), 1)));
    let known = Expected { from: 9, ..place.expected() };
    let verified = verify(&log, &known, |_, _| ()).unwrap().unwrap();
    assert_eq!((verified.first, verified.last), (10, 11));
}

#[test]
fn rotation_in_the_middle_of_everything_breaks_nothing() {
    let place = Place::new();
    let log = place.config().file;
    let opened: Vec<_> = (0..3).map(|_| place.open()).collect();
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for (_, recorder) in &opened {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    patiently(recorder).close(Outcome::Ok);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 0..20 {
            until(|| log.exists());
            thread::sleep(Duration::from_millis(7));
            // A date for a name, so that nothing else must move.
            fs::rename(&log, rotated(&place, &format!("-{}", 20_260_000 + n))).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    for (audit, _) in opened {
        audit.close().unwrap();
    }
    let verified = place.verified();
    assert_eq!((verified.records, verified.first), (written.into_inner(), 1));
    assert!(verified.files.len() >= 20);
}

#[test]
fn the_head_of_the_chain_may_be_lost_and_the_chain_goes_on() {
    let place = Place::new();
    with_records(&place, 5);
    let head = place.config().journal_dir.join("chain");
    fs::remove_file(&head).unwrap();
    with_records(&place, 2);
    assert_eq!(place.verified().records, 7);
    fs::write(&head, [0xff; 256]).unwrap();
    fs::rename(place.config().file, rotated(&place, ".1")).unwrap();
    with_records(&place, 2);
    assert_eq!(place.verified().records, 9);
    // Log and head are gone: only the store knows how far the chain had come.
    let (audit, _recorder) = place.open();
    let anchor = Some(audit.head().unwrap());
    audit.close().unwrap();
    fs::remove_dir_all(place.config().journal_dir).unwrap();
    fs::remove_file(place.config().file).unwrap();
    fs::remove_file(rotated(&place, ".1")).unwrap();
    let (audit, recorders) = vultrino::audit::Audit::open(Config { anchor, ..place.config() }, 1, 2048).unwrap();
    use_once(&recorders[0]);
    audit.close().unwrap();
    assert!(place.log().contains(" seq=10 "), "{}", place.log());
}

#[test]
fn the_newest_store_is_remembered() {
    let place = Place::new();
    let (audit, recorder) = place.open();
    let memory = audit.memory().clone();
    memory.see_revision(7).unwrap().unwrap();
    use_once(&recorder);
    audit.close().unwrap();
    assert_eq!(memory.seen_revision().unwrap(), 7, "still there when the trail is closed");
    let (audit, _recorder) = place.open();
    let refused = audit.memory().see_revision(6).unwrap().unwrap_err();
    assert_eq!(refused, RolledBack::Older { found: 6, seen: 7 });
    audit.memory().see_revision(7).unwrap().unwrap();
    audit.memory().accept_revision(6).unwrap();
    memory.see_revision(6).unwrap().unwrap();
    assert_eq!(memory.head().unwrap().sequence, 1);
}

#[test]
fn who_follows_the_log_sees_each_record_once_wherever_it_goes() {
    let place = Place::new();
    let log = place.config().file;
    let all = Filter::default();
    let mut follower = Follower::from_end(&log, &all).unwrap();
    let mut seen = Vec::new();
    let mut look = |seen: &mut Vec<u64>| {
        let flow = follower.look(|it| {
            seen.push(it.sequence());
            ControlFlow::Continue(())
        });
        assert!(flow.unwrap().is_continue());
    };
    look(&mut seen);
    for round in 0..4 {
        with_records(&place, 3);
        if round == 0 {
            look(&mut seen);
        }
        match round {
            1 => fs::rename(&log, rotated(&place, ".1")).unwrap(),
            2 => {
                look(&mut seen);
                OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
            }
            _ => (),
        }
        look(&mut seen);
    }
    assert_eq!(seen, (1..=12).collect::<Vec<_>>());
}
