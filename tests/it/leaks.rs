//! Canary secrets go in, are used in every way and fail in every way; nothing that comes out holds them in any form.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{
    Agent, Appliance, Credential, Http2Origin, Origin, WAYS, Way, frames,
    process::{VULTRINO, run},
    skip,
    template::{ADMIN_PASSWORD, PASSWORD, add, vultrino},
    traces::Traces,
    wait::until,
};

const KEY: &str = "ckey-9Qv7LxN2mZ4pTj8WbR6yUe3K";
const HEADER_KEY: &str = "chdr-5Hs1DfG7jKl0PoI9uYt4Re2W";
const BASIC_PASSWORD: &str = "cpwd-3Zx6Cv8Bn1Mq5We9Rt7Yu2I";
const VK: &str = "vk_canary4f9a8e7d6c5b4a3928171605";

/// An appliance that logs all it can, and its credentials.
fn talkative() -> Appliance {
    let metadata = r#"{"header_name":"X-API-Key"}"#;
    Appliance::builder()
        .credential(Credential::key("plain", KEY, &["localhost:*"]))
        .credential(Credential::key("custom", HEADER_KEY, &["localhost:*"]).with("--metadata").with(metadata))
        .credential(Credential::basic("pair", "someone", BASIC_PASSWORD, &["localhost:*"]))
        .env("RUST_LOG", "trace")
        .set("server.timeout", "1")
        .start()
}

/// What an origin server was sent stands also in what it says when it leaves (RFC 9113 section 6.8).
#[test]
fn the_log_does_not_repeat_the_farewell_of_an_origin_server() {
    let appliance = talkative();
    let origin = frames::origin(|visit| {
        visit.greet()?;
        visit.request()?;
        let farewell = [&1_u32.to_be_bytes()[..], &2_u32.to_be_bytes(), KEY.as_bytes()].concat();
        visit.write(&[frames::ok(1), frames::frame(frames::GOAWAY, 0, 0, &farewell)].concat())?;
        visit.drain();
        Ok(())
    });
    Agent::via(&appliance, Way::Path, &origin)
        .ask("GET", "/", &[("X-Vultrino-Credential", "plain")])
        .expect_origins(200);
    let said = "a connection to an origin server failed";
    appliance.expect_printed(said);
    assert!(!appliance.printed().contains(KEY));
}

/// Uses each credential in each way, well and badly; gives all that came back.
fn use_everything(appliance: &Appliance) -> Vec<u8> {
    let good = Origin::https();
    let bad = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    let silent = Origin::https_with(|visit| {
        visit.request()?;
        visit.drain();
        Ok(())
    });
    let (shared, broken) = (Http2Origin::start(), frames::origin(|visit| visit.write(b"nonsense")));
    let authorities = [&good, &bad, &broken].map(Origin::authority).into_iter().chain([shared.authority()]);
    let authorities: Vec<_> = authorities.collect();
    let mut heard = Vec::new();
    for way in WAYS {
        for alias in ["plain", "custom", "pair"] {
            let fields = [
                ("X-Vultrino-Credential", alias),
                ("Authorization", &*format!("Bearer {VK}")),
                ("Proxy-Authorization", &*format!("Bearer {VK}")),
            ];
            for authority in &authorities {
                for fields in [&fields[..1], &fields] {
                    let answer = Agent::to(appliance, way, "https", authority).ask("GET", "/x?y=1", fields);
                    heard.extend_from_slice(format!("{answer:?} {}", answer.text()).as_bytes());
                }
            }
        }
        let named = [("X-Vultrino-Credential", "plain")];
        heard.extend_from_slice(Agent::via(appliance, way, &silent).ask("GET", "/", &named).text().as_bytes());
        let mut agent = Agent::via(appliance, way, &good);
        let head = agent.head("POST", "/", &[named[0], ("Transfer-Encoding", "chunked")]);
        agent.send(head + "zz\r\n");
        heard.extend_from_slice(&agent.rest());
    }
    let uses = good.requests().len();
    assert!(uses >= 9, "the canaries were used {uses} times only");
    assert!(shared.heads().len() >= 9, "the canaries were used over HTTP/2 {} times only", shared.heads().len());
    assert!(heard.len() > 1000, "nothing was heard");
    heard
}

fn canaries() -> Vec<(&'static str, Traces)> {
    [KEY, HEADER_KEY, BASIC_PASSWORD, PASSWORD, ADMIN_PASSWORD, VK].map(|it| (it, Traces::of(it))).into()
}

#[track_caller]
fn assert_clean(canaries: &[(&str, Traces)], place: &str, bytes: &[u8]) {
    for (secret, traces) in canaries {
        assert_eq!(traces.found_in(bytes), None, "{secret} stands in {place}");
    }
}

#[test]
fn no_output_answer_log_or_file_holds_a_secret() {
    let mut appliance = talkative();
    let canaries = canaries();
    let heard = use_everything(&appliance);
    assert_clean(&canaries, "what clients were answered", &heard);
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["get", "plain"],
        &["get", "custom", "--json"],
        &["info", "pair"],
        &["get", "nobody"],
        &["add", "--alias", "plain", "--key", "another", "--host", "localhost"],
        &["request", "plain", "https://localhost:1/"],
        &["-v", "request", "plain", "https://localhost:1/", "--json"],
        &["bind", "plain", "example.com"],
        &["ca", "export"],
        &["ca", "path"],
        &["--help"],
    ] {
        let mut command = appliance.command(arguments);
        let output = run(command.env("RUST_LOG", "trace"), "");
        assert_clean(&canaries, &format!("the output of {arguments:?}"), format!("{output:?}").as_bytes());
        assert_clean(&canaries, &format!("the output of {arguments:?}"), (output.stdout + &output.stderr).as_bytes());
    }
    appliance.kill();
    let printed = until("the log to be loud", || Some(appliance.printed()).filter(|it| !it.is_empty()));
    assert!(printed.lines().count() > 1, "RUST_LOG=trace says nothing: {printed}");
    assert_clean(&canaries, "the log at trace", printed.as_bytes());
    let files = files_under(appliance.home());
    assert!(files.iter().any(|it| it.ends_with("credentials.enc")) && files.iter().any(|it| it.ends_with("audit.log")));
    for file in files {
        assert_clean(&canaries, &file.display().to_string(), &fs::read(&file).unwrap());
    }
}

#[test]
fn no_entry_of_the_process_holds_a_secret() {
    let appliance = talkative();
    drop(use_everything(&appliance));
    let process = PathBuf::from(format!("/proc/{}", appliance.pid()));
    // The storage password came in the environment; who may read that is the next test's question.
    let mut canaries = canaries();
    assert_clean(&canaries, "cmdline", &fs::read(process.join("cmdline")).unwrap());
    canaries.retain(|(secret, _)| *secret != PASSWORD);
    for entry in ["environ", "comm", "status", "maps", "limits", "stat", "io", "mountinfo"] {
        if let Ok(bytes) = fs::read(process.join(entry)) {
            assert_clean(&canaries, entry, &bytes);
        }
    }
}

#[test]
fn the_process_cannot_be_looked_into_by_its_own_user() {
    let home = TempDir::with_prefix("vultrino-").unwrap();
    let appliance = if rustix::process::getuid().is_root() {
        let nobody = [
            "sh",
            "-c",
            "chown -R 65534:65534 . && exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"",
        ];
        if !reachable_by_all(Path::new(VULTRINO)) {
            return skip::note(
                "the_process_cannot_be_looked_into_by_its_own_user",
                "another user cannot run the binary",
            );
        }
        Appliance::builder().through(&nobody).start_in(home)
    } else {
        Appliance::builder().start_in(home)
    };
    let status = fs::read_to_string(format!("/proc/{}/status", appliance.pid())).unwrap();
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    assert_ne!(uid, "0", "to be told apart from root, it must not be root");
    for entry in ["mem", "environ", "maps", "auxv"] {
        let owner = fs::metadata(format!("/proc/{}/{entry}", appliance.pid())).unwrap().uid();
        assert_eq!(owner, 0, "{entry} belongs to {owner}: the process can be dumped");
    }
}

#[test]
fn an_error_about_a_secret_does_not_repeat_it() {
    let home = TempDir::with_prefix("vultrino-").unwrap();
    let appliance = Appliance::builder().start_in(home);
    let traces = Traces::of(KEY);
    let broken = format!("{KEY}\nX: y");
    for arguments in [
        &["add", "--alias", "broken", "--key", &broken, "--host", "localhost"][..],
        &["add", "--alias", "a b", "--key", KEY, "--host", "localhost"],
        &["add", "--alias", "x", "--key", KEY, "--host", "local host"],
        &["add", "--alias", "x", "--key", KEY, "--metadata", "{"],
        &["add", "--alias", "walls", "--key", KEY, "--host", "localhost"],
        &["add", "--alias", "x", "--key", KEY, "--type", "nonsense"],
        &["add", "--alias", "x", "--type", "basic_auth", "--username", "a:b", "--password", KEY],
        &["add", "--alias", "x", "--key", KEY, "--no-such-flag"],
    ] {
        let output = appliance.cli(arguments);
        assert!(!output.status.success(), "{arguments:?} {output:?}");
        let text = output.stdout + &output.stderr;
        assert_eq!(traces.found_in(text.as_bytes()), None, "{text}");
    }
    let wrong = run(vultrino(appliance.home()).arg("list").env("VULTRINO_PASSWORD", KEY), "");
    assert_eq!(wrong.status.code(), Some(5), "{wrong:?}");
    assert_eq!(traces.found_in((wrong.stdout + &wrong.stderr).as_bytes()), None);
    add(appliance.home(), &Credential::key("known", &format!("ghp_{}", "a1B2".repeat(9)), &[]));
    let refusal = Agent::to(&appliance, Way::Path, "https", "localhost:1")
        .ask("GET", "/", &[("X-Vultrino-Credential", "known")])
        .refusal();
    assert!(!refusal.text.contains("ghp_"), "{}", refusal.text);
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

fn reachable_by_all(path: &Path) -> bool {
    path.ancestors().skip(1).all(|folder| folder.metadata().is_ok_and(|it| it.mode() & 0o001 != 0))
}
