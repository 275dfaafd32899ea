//! No record, no use: when the audit log cannot be written, nothing is forwarded, until it can be again.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::access;
use crate::support::{
    Agent, Appliance, Origin, WAYS, Way,
    names::may_mount,
    process::{VULTRINO, run},
    scrape::Scrape,
    skip,
    wait::until,
};

/// Mounts a small file system for the audit log where only the server sees it, then becomes the server.
const IN_A_SMALL_DISK: &[&str] =
    &["unshare", "--mount", "sh", "-c", "mkdir disk && mount -t tmpfs -o size=8m tmpfs disk && exec \"$0\" \"$@\""];

/// The small disk as the server sees it.
fn disk(appliance: &Appliance) -> PathBuf {
    let inside = appliance.home().join("disk");
    Path::new("/proc").join(appliance.pid().to_string()).join("root").join(inside.strip_prefix("/").unwrap())
}

/// Fills a disk to its last byte.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// Fills a disk until so many bytes of it are left, or a few more.
fn fill_up_to(disk: &Path, left: u64) -> PathBuf {
    let path = disk.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    let has = || {
        let about = rustix::fs::statvfs(disk).unwrap();
        about.f_bavail * about.f_frsize
    };
    while has() > left {
        file.write_all(&[0; 4096]).unwrap();
    }
    path
}

#[test]
fn refusals_leave_the_rest_of_the_disk_to_uses() {
    const TEST: &str = "refusals_leave_the_rest_of_the_disk_to_uses";
    if !may_mount() {
        return skip::note(TEST, "may not mount a file system");
    }
    let builder = access::server().set("logging.audit_file", "\"disk/audit.log\"").through(IN_A_SMALL_DISK);
    let appliance = builder.start();
    let disk = disk(&appliance);
    let log = || fs::read_to_string(disk.join("audit.log")).unwrap();
    let origin = Origin::https();
    let filler = fill_up_to(&disk, 300 << 10);
    for _ in 0..5 {
        Agent::via(&appliance, Way::Path, &origin).get("/nobody").expect_refusal(401, "unauthorized");
    }
    let key = appliance.key("agent").to_owned();
    for _ in 0..3 {
        let mut agent = Agent::keyed(&appliance, Way::Path, &origin, &key);
        agent.ask("GET", "/denied", &[("X-Vultrino-Credential", "nothing")]).expect_refusal(404, "not_found");
    }
    Agent::keyed(&appliance, Way::Path, &origin, &key).get("/used").expect_origins(200);
    until("the line of the use", || log().contains("/used").then_some(()));
    assert!(!log().contains("/nobody") && !log().contains("/denied"), "{}", log());
    fs::remove_file(filler).unwrap();
    let line_of = |path: &str| {
        until("the line of the refusals", || log().lines().find(|it| it.contains(path)).map(str::to_owned))
    };
    assert!(line_of("/nobody").contains(" count=5 seq="), "{}", log());
    let of_key = line_of("/denied");
    assert!(of_key.contains(" count=3 seq=") && of_key.contains(" name=agent "), "{of_key}");
}

#[test]
fn a_full_disk_stops_everything_and_room_lets_it_go_on() {
    if !may_mount() {
        return skip::note("a_full_disk_stops_everything_and_room_lets_it_go_on", "may not mount a file system");
    }
    let appliance =
        Appliance::builder().set("logging.audit_file", "\"disk/audit.log\"").through(IN_A_SMALL_DISK).start();
    let disk = disk(&appliance);
    let log = || fs::read_to_string(disk.join("audit.log")).unwrap();
    let origin = Origin::https();
    let ask = |way, path: &str| Agent::via(&appliance, way, &origin).get(path);
    ask(Way::Path, "/before").expect_origins(200);
    until("the line of the first request", || log().contains("/before").then_some(()));

    let filler = fill(&disk);
    // The last line that still has its slot is the one whose write fails; from then on nothing goes up.
    until("the first refusal", || (ask(Way::Path, "/last").status() == 503).then_some(()));
    let arrived = origin.requests().len();
    for way in WAYS {
        let answer = ask(way, "/refused");
        assert!(!answer.values("retry-after").is_empty(), "{way:?} {answer:#?}");
        answer.expect_refusal(503, "audit_unavailable");
    }
    assert_eq!(origin.requests().len(), arrived, "forwarded without a record");
    let failing = || Scrape::of(&appliance).count("vultrino_audit_failing", &[]);
    assert_eq!(failing(), 1);
    assert!(Scrape::of(&appliance).count("vultrino_refusals_total", &[("code", "audit_unavailable")]) >= 3);

    fs::remove_file(filler).unwrap();
    until("recovery by itself", || (ask(Way::Path, "/after").status() == 200).then_some(()));
    assert_eq!(failing(), 0);
    for way in WAYS {
        ask(way, "/after").expect_origins(200);
    }
    let count =
        |text: &str, mark: &str| text.lines().filter(|line| line.contains(mark) && line.contains("outcome=ok")).count();
    let used = |mark: &str| origin.requests().iter().filter(|it| it.target() == mark).count();
    let text = until("the lines of all that was forwarded", || {
        let text = log();
        (text.ends_with('\n') && count(&text, "/after ") >= used("/after")).then_some(text)
    });
    for mark in ["/before", "/last", "/after"] {
        assert_eq!(count(&text, &format!("{mark} ")), used(mark), "{mark} in\n{text}");
    }
    assert!(!text.contains('\0') && text.lines().all(|line| line.contains(" credential=")), "{text}");
    // The first record was written before the small disk was put over its folder.
    let verify = appliance.command(&["audit", "verify", "--from", "2"]);
    let mut inside = Command::new("nsenter");
    inside.args(["--mount", "--target", &appliance.pid().to_string()]).arg(VULTRINO).args(verify.get_args());
    inside.current_dir("/").env_clear().envs(verify.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut inside, "").expect_success();
}
