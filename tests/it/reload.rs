//! A changed configuration is taken up while serving, if it is good; nobody's connection notices.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Agent, Appliance, Origin, WAYS, Way, agent::NAMED, appliance::ALIAS, process::run, wait::until};

const IN_FORCE: &str = "is in force";
const DEGRADED: &str = r#"{"status":"degraded","version":"0.1.0","reasons":["config"]}"#;
const OK: &str = r#"{"status":"ok","version":"0.1.0"}"#;

#[test]
fn a_changed_file_counts_at_once_on_connections_that_stay() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let mut agents = WAYS.map(|way| Agent::via(&appliance, way, &origin));
    for agent in &mut agents {
        agent.get("/").expect_origins(200);
    }
    appliance.set("server.max_body_size", "5");
    for agent in &mut agents {
        until("the limit counts", || (agent.post("/", &[], b"12345").status() == 200).then_some(()));
    }
    until("the longer one is refused", || {
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        (agent.post("/", &[], b"123456").status() == 413).then_some(())
    });
    for agent in &mut agents {
        agent.get("/after").expect_origins(200);
    }
    let line = appliance.audit("the reload", |lines| lines.iter().find(|it| it.action == "config_reload").cloned());
    assert_eq!((line.get("outcome"), line.get("gen")), ("ok", "2"));
    assert_eq!(appliance.audit_of("/after").get("gen"), "2");
}

#[test]
fn a_bad_file_leaves_the_old_one_in_force_and_says_so_until_it_is_good() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    assert_eq!(appliance.health(), (200, OK.to_owned()));
    let good = fs::read_to_string(appliance.home().join("config.toml")).unwrap();
    let line = good.lines().count() + 1;
    appliance.configure(|text| text + "server.tiemout = 5\n");
    until("it is told", || (appliance.health() == (200, DEGRADED.to_owned())).then_some(()));
    until("the place is told", || {
        appliance.printed().contains(&format!("config.toml:{line}:8: unknown key `server.tiemout`")).then_some(())
    });
    Agent::via(&appliance, Way::Path, &origin).get("/").expect_origins(200);
    appliance.signal("HUP");
    appliance.configure(|text| text.replace("tiemout", "timeout"));
    until("it is good", || (appliance.health() == (200, OK.to_owned())).then_some(()));
    let told = appliance.printed().matches("the last one stays in force").count();
    assert_eq!(told, 1, "told once: {}", appliance.printed());
    appliance.audit("the refused reload", |lines| {
        let of = |outcome: &str| lines.iter().any(|it| it.action == "config_reload" && it.get("outcome") == outcome);
        (of("denied") && of("ok")).then_some(())
    });
}

#[test]
fn included_files_count_when_they_come_change_and_go() {
    let appliance = including(&[]);
    let origin = Origin::https();
    let mut agents = WAYS.map(|way| Agent::via(&appliance, way, &origin));
    let file = appliance.home().join("policies/closed.toml");
    let mut all_answer = |status: u16| {
        for agent in &mut agents {
            until("the policies count", || (agent.get("/").status() == status).then_some(()));
        }
    };
    all_answer(200);
    appliance.expect_printed("no file fits this pattern of [policy] include");
    let closed = "[[policies]]\nname = \"closed\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n";
    fs::write(&file, closed).unwrap();
    all_answer(403);
    // Written in place, and bad.
    fs::write(&file, closed.replace("deny", "dany")).unwrap();
    until("it is told", || (appliance.health().1 == DEGRADED).then_some(()));
    appliance.expect_printed("closed.toml:4:18: ");
    all_answer(403);
    fs::write(&file, closed.replace("deny", "allow")).unwrap();
    all_answer(200);
    assert_eq!(appliance.health().1, OK);
    fs::write(&file, closed).unwrap();
    all_answer(403);
    // The last one goes with its pattern.
    fs::write(file.with_file_name("open.toml"), policy("open", "allow")).unwrap();
    fs::remove_file(&file).unwrap();
    all_answer(200);
    assert_eq!(appliance.health().1, OK);
}

#[test]
fn a_folder_that_goes_takes_no_policy_with_it() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (folder, aside) = (appliance.home().join("policies"), appliance.home().join("aside"));
    fs::create_dir(&folder).unwrap();
    let closed = "[[policies]]\nname = \"closed\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n";
    fs::write(folder.join("closed.toml"), closed).unwrap();
    appliance.set("policy.include", "[\"policies/*.toml\"]");
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    until("it counts", || (agent.get("/").status() == 403).then_some(()));
    fs::rename(&folder, &aside).unwrap();
    until("it is missed", || (appliance.health().1 == DEGRADED).then_some(()));
    appliance.signal("HUP");
    until("it is told", || appliance.printed().contains("policies does not exist (").then_some(()));
    agent.get("/").expect_refusal(403, "policy_denied");
    fs::rename(&aside, &folder).unwrap();
    until("it is back", || (appliance.health().1 == OK).then_some(()));
    agent.get("/").expect_refusal(403, "policy_denied");
    appliance.set("policy.include", "[]");
    fs::remove_dir_all(&folder).unwrap();
    until("nobody misses it", || (agent.get("/").status() == 200).then_some(()));
}

#[test]
fn a_file_that_is_included_by_name_must_stay() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let file = appliance.home().join("one.toml");
    fs::write(&file, "[[policies]]\nname = \"one\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n").unwrap();
    appliance.set("policy.include", "[\"one.toml\"]");
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    until("it counts", || (agent.get("/").status() == 403).then_some(()));
    fs::remove_file(&file).unwrap();
    until("it is missed", || (appliance.health().1 == DEGRADED).then_some(()));
    agent.get("/").expect_refusal(403, "policy_denied");
    appliance.set("policy.include", "[]");
    until("nobody misses it", || (agent.get("/").status() == 200).then_some(()));
    assert_eq!(appliance.health().1, OK);
}

/// The home of the appliance is where the configuration is looked for that nobody names.
const UNNAMED: &str = r#"mkdir xdg && ln -s .. xdg/vultrino && shift 2 && XDG_CONFIG_HOME="$PWD/xdg" exec "$0" "$@""#;
/// The configuration comes through a pipe.
const PIPED: &str = r#"exec "$0" --config <(sed "s|origins.pem|$PWD/origins.pem|" config.toml) serve"#;

fn policy(name: &str, action: &str) -> String {
    format!("[[policies]]\nname = \"{name}\"\ncredential_pattern = \"*\"\ndefault_action = \"{action}\"\n")
}

/// Includes the files of the folder `policies`, in which there are these.
#[track_caller]
fn including(files: &[(&str, &str)]) -> Appliance {
    let home = TempDir::with_prefix("vultrino-").unwrap();
    fs::create_dir(home.path().join("policies")).unwrap();
    for (name, text) in files {
        fs::write(home.path().join("policies").join(name), text).unwrap();
    }
    Appliance::builder().set("policy.include", "[\"policies/*.toml\"]").start_in(home)
}

/// Takes something away that the policies stand in, and brings it back.
#[track_caller]
fn nothing_opens(appliance: &Appliance, told: &str, take_away: impl FnOnce(), bring_back: impl FnOnce()) {
    let origin = Origin::https();
    let mut agent = Agent::via(appliance, Way::Path, &origin);
    let before = appliance.printed().len();
    agent.get("/").expect_refusal(403, "policy_denied");
    take_away();
    until("it is missed", || (appliance.health().1 == DEGRADED).then_some(()));
    until("it is told", || appliance.printed()[before..].contains(told).then_some(()));
    appliance.hang_up();
    agent.get("/").expect_refusal(403, "policy_denied");
    bring_back();
    until("it is back", || (appliance.health().1 == OK).then_some(()));
    agent.get("/").expect_refusal(403, "policy_denied");
    let taken = || appliance.printed()[before..].matches(IN_FORCE).count();
    until("it is taken", || (taken() > 0).then_some(()));
    assert_eq!(taken(), 1, "{}", appliance.printed());
}

#[test]
fn a_configuration_that_nobody_named_must_stay_too() {
    let appliance = Appliance::builder().through(&["sh", "-c", UNNAMED]).sections(&policy("closed", "deny")).start();
    let (file, aside) = (appliance.home().join("config.toml"), appliance.home().join("aside"));
    let moved = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
    nothing_opens(&appliance, "config.toml is gone", || moved(&file, &aside), || moved(&aside, &file));
    let folder = appliance.home().join("xdg");
    let aside = appliance.home().join("xdg-aside");
    nothing_opens(&appliance, "config.toml is gone", || moved(&folder, &aside), || moved(&aside, &folder));
    let linked = || {
        moved(&file, &aside);
        symlink("nowhere", &file).unwrap();
    };
    nothing_opens(&appliance, "cannot read the configuration", linked, || moved(&aside, &file));
}

#[test]
fn an_empty_file_is_one_that_is_about_to_be_written() {
    let appliance = including(&[("closed.toml", &policy("closed", "deny"))]);
    for (name, told) in [("config.toml", "config.toml is empty"), ("policies/closed.toml", "closed.toml is empty")] {
        let file = appliance.home().join(name);
        let text = fs::read(&file).unwrap();
        nothing_opens(&appliance, told, || fs::write(&file, "").unwrap(), || fs::write(&file, text).unwrap());
    }
}

#[test]
fn a_file_that_is_being_written_is_left_alone() {
    let (appliance, origin) = (including(&[("closed.toml", &policy("closed", "deny"))]), Origin::https());
    let (mut agent, file) = (Agent::via(&appliance, Way::Path, &origin), appliance.home().join("config.toml"));
    let text = fs::read_to_string(&file).unwrap() + &policy("more", "allow");
    // Each beginning that ends with a line is valid, and most do not include the policies.
    let mut writer = fs::File::create(&file).unwrap();
    for line in text.lines() {
        writer.write_all(line.as_bytes()).and_then(|()| writer.write_all(b"\n")).unwrap();
        appliance.hang_up();
        agent.get("/").expect_refusal(403, "policy_denied");
        thread::sleep(Duration::from_millis(60));
    }
    until("it is taken", || (appliance.printed().matches(IN_FORCE).count() == 1).then_some(()));
    agent.get("/").expect_refusal(403, "policy_denied");
    assert_eq!(appliance.health().1, OK);
}

#[test]
fn a_folder_of_policies_must_stay_and_keep_some() {
    let deny = policy("closed", "deny");
    let appliance = including(&[("closed.toml", &deny), ("open.toml", &policy("open", "allow"))]);
    let (folder, aside) = (appliance.home().join("policies"), appliance.home().join("aside"));
    let moved = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
    let back = || moved(&aside, &folder);
    nothing_opens(&appliance, "policies does not exist", || moved(&folder, &aside), back);
    // As a deployment that has come half the way.
    let emptied = || {
        moved(&folder, &aside);
        fs::create_dir(&folder).unwrap();
    };
    let filled = || {
        fs::remove_dir(&folder).unwrap();
        back();
    };
    nothing_opens(&appliance, "policies/*.toml brought in are gone", emptied, filled);
    let (closed, aside) = (folder.join("closed.toml"), folder.join("aside"));
    let replaced = || {
        moved(&closed, &aside);
        fs::create_dir(&closed).unwrap();
    };
    let restored = || {
        fs::remove_dir(&closed).unwrap();
        moved(&aside, &closed);
    };
    nothing_opens(&appliance, "closed.toml is no file", replaced, restored);
    let piped = || {
        moved(&closed, &aside);
        run(Command::new("mkfifo").arg(&closed), "").expect_success();
    };
    nothing_opens(&appliance, "closed.toml is", piped, || moved(&aside, &closed));
}

#[test]
fn files_that_are_swapped_by_a_link_are_taken_as_a_whole() {
    let home = TempDir::with_prefix("vultrino-").unwrap();
    let folder = home.path().join("policies");
    let release = |name: &str, action: &str| {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("p.toml"), policy("p", action)).unwrap();
        symlink(name, folder.join("..new")).unwrap();
        fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    };
    release("..1", "deny");
    symlink("..data/p.toml", folder.join("p.toml")).unwrap();
    let appliance = Appliance::builder().set("policy.include", "[\"policies/*.toml\"]").start_in(home);
    let folder = appliance.home().join("policies");
    let swap = |to: &str| {
        symlink(to, folder.join("..new")).unwrap();
        fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    };
    // The new data is not there yet.
    nothing_opens(&appliance, "p.toml does not exist", || swap("..2"), || swap("..1"));
    fs::create_dir(folder.join("..2")).unwrap();
    fs::write(folder.join("..2/p.toml"), policy("p", "allow")).unwrap();
    swap("..2");
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    until("the new ones count", || (agent.get("/").status() == 200).then_some(()));
}

#[test]
fn what_came_through_a_pipe_stays_and_cannot_be_read_again() {
    let appliance = Appliance::builder().through(&["bash", "-c", PIPED]).sections(&policy("closed", "deny")).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    thread::sleep(Duration::from_secs(1));
    agent.get("/").expect_refusal(403, "policy_denied");
    assert_eq!(appliance.health().1, OK);
    appliance.hang_up();
    appliance.expect_printed("is a pipe, which can be read but once");
    assert_eq!(appliance.health().1, DEGRADED);
    agent.get("/").expect_refusal(403, "policy_denied");
}

#[test]
fn a_file_that_goes_is_a_bad_one() {
    let appliance = Appliance::start();
    let file = appliance.home().join("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    until("it is missed", || (appliance.health().1 == DEGRADED).then_some(()));
    fs::write(&file, text).unwrap();
    until("it is back", || (appliance.health().1 == OK).then_some(()));
}

#[test]
fn sighup_under_load_drops_nothing() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for way in WAYS {
            let (appliance, origin, over, served) = (&appliance, &origin, &over, &served);
            scope.spawn(move || {
                // One connection from the first request to the last.
                let mut agent = Agent::via(appliance, way, origin);
                while !over.load(Ordering::Relaxed) {
                    agent.post("/", &[], &vec![7; 20_000]).expect_origins(200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 1..=20 {
            let before = served.load(Ordering::Relaxed);
            appliance.set("server.timeout", &(30 + n).to_string());
            appliance.signal("HUP");
            let reached = || appliance.printed().matches(IN_FORCE).count() >= n;
            until("it is taken", || (reached() && served.load(Ordering::Relaxed) > before).then_some(()));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(appliance.health().1, OK);
}

#[test]
fn what_counts_from_the_next_start_on_is_named_and_changes_nothing_now() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    appliance.set("server.bind", "\"0.0.0.0:1\"");
    appliance.set("server.mode", "\"server\"");
    appliance.set("server.socket", "\"other.sock\"");
    appliance.set("upstream.connect_timeout", "3");
    appliance.set("mcp.enabled", "false");
    until("it is told", || {
        let named = "settings=server.bind, server.mode, server.socket, upstream.connect_timeout, mcp.enabled";
        appliance.printed().contains(named).then_some(())
    });
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
    }
    assert!(!appliance.home().join("other.sock").exists());
    let unmatched = Agent::via(&appliance, Way::Absolute, &origin).ask("GET", "/", &[]);
    assert_eq!(unmatched.status(), 200, "forwarded, as in local mode");
}

#[test]
fn local_auth_counts_on_open_connections_too() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let mut agents = WAYS.map(|way| Agent::via(&appliance, way, &origin));
    for agent in &mut agents {
        agent.get("/").expect_origins(200);
    }
    appliance.set("server.local_auth", "\"key\"");
    for (agent, status) in agents.iter_mut().zip([401, 407, 401]) {
        until("a key is asked for", || (agent.get("/").status() == status).then_some(()));
    }
}

#[test]
fn a_store_that_cannot_be_read_leaves_the_last_state_in_force() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (store, aside) = (appliance.home().join("credentials.enc"), appliance.home().join("aside"));
    fs::rename(&store, &aside).unwrap();
    let degraded = DEGRADED.replace("config", "store");
    until("it is missed", || (appliance.health() == (200, degraded.clone())).then_some(()));
    Agent::via(&appliance, Way::Path, &origin).ask("GET", "/", &[NAMED]).expect_origins(200);
    fs::rename(aside, store).unwrap();
    until("it is back", || (appliance.health() == (200, OK.to_owned())).then_some(()));
    appliance.cli(&["delete", ALIAS, "--force"]).expect_success();
    let status = || Agent::status(&appliance, Way::Path, &origin, &[NAMED]);
    until("changes are seen", || (status() == Some(404)).then_some(()));
}
