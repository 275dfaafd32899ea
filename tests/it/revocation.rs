//! A right that is taken away: the next request is refused at once, and what is under way ends, for those alone whose it was.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    origin::{OK, Rest, judge},
    visit::Visit,
    wait::until,
};

/// Longest time until a change by another process counts for the next request.
const SOON: Duration = Duration::from_secs(1);
/// Longest time until it has ended what is under way.
const LATER: Duration = Duration::from_secs(5);
/// Between two pieces of an endless download: slow enough to leave the processor to others.
const PACE: Duration = Duration::from_millis(2);
const EVENT: &[u8] = b"9\r\ndata: 1\n\n\r\n";
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// How a right is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    Key,
    Role,
    Credential,
    /// The credential stays, bound to no host.
    Host,
    /// The role keeps its keys, but they may no longer use anything.
    Permission,
    /// Nor this.
    Scope,
}

/// By whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Cli,
    Api,
}

/// Two who hold a key, a role and a credential each, and one who may take them away.
fn appliance() -> Appliance {
    ["gone", "stays"]
        .into_iter()
        .fold(Appliance::builder().server(), |it, name| {
            it.credential(Credential::key(name, &format!("key-of-{name}"), &["localhost:*"]))
                .role(name, "execute", "")
                .key(name, name)
        })
        .role("chief", "admin,delete,execute,read,update", "")
        .key("chief", "chief")
        .set("rate_limits.auth_failures", "0")
        .start()
}

fn take_away(appliance: &Appliance, loss: Loss, by: By) {
    let prefix = &appliance.key("gone")[..11];
    if by == By::Cli {
        let arguments: &[&str] = match loss {
            Loss::Key => &["key", "revoke", prefix],
            Loss::Role => &["role", "delete", "gone", "--force"],
            Loss::Credential => &["delete", "gone", "--force"],
            Loss::Host => &["unbind", "gone", "localhost:*"],
            Loss::Permission => &["role", "update", "gone", "--permissions", "read"],
            Loss::Scope => &["role", "update", "gone", "--scopes", "other-*"],
        };
        appliance.cli(arguments).expect_success();
        return;
    }
    let mut api = appliance.api(appliance.key("chief"));
    let path = match loss {
        Loss::Key => {
            let keys = api.get("/v1/keys").json();
            let all = keys["keys"].as_array().unwrap();
            let key = all.iter().find(|it| it["key_prefix"] == prefix).unwrap_or_else(|| panic!("{keys:#}"));
            format!("/v1/keys/{}", key["id"].as_str().unwrap())
        }
        Loss::Role => "/v1/roles/gone".to_owned(),
        Loss::Credential => "/v1/credentials/gone".to_owned(),
        Loss::Host => {
            drop(api.send("PATCH", "/v1/credentials/gone", &json!({ "hosts": [] })).json());
            return;
        }
        Loss::Permission | Loss::Scope => {
            let narrow = if loss == Loss::Scope {
                json!({ "credential_scopes": ["other-*"] })
            } else {
                json!({ "permissions": ["read"] })
            };
            drop(api.send("PATCH", "/v1/roles/gone", &narrow).json());
            return;
        }
    };
    assert_eq!(api.delete(&path).json()["success"], true);
}

/// What is under way for one holder: events that have paused, a download that is read and one that is not, an upload,
/// and a tunnel in which nothing happens.
struct Streams {
    name: &'static str,
    origin: Origin,
    /// Opened, it lets the events and the downloads come to their end.
    gate: Arc<AtomicBool>,
    events: Agent,
    download: Agent,
    unread: Agent,
    upload: Agent,
    idle: Agent,
}

impl Streams {
    /// Each in another way, in an order of ways that `turn` chooses.
    fn open(appliance: &Appliance, name: &'static str, turn: usize) -> Self {
        let gate = Arc::<AtomicBool>::default();
        let opened = gate.clone();
        let origin = Origin::https_with(move |visit| serve(visit, &opened));
        let key = appliance.key(name);
        let agent = |at: usize| Agent::keyed(appliance, WAYS[(turn + at) % 3], &origin, key);
        let begin = |mut agent: Agent, method: &str, path: &str, more: &[(&str, &str)]| {
            let head =
                agent.head(method, &format!("/{path}-{name}"), &[&[("X-Vultrino-Credential", name)], more].concat());
            agent.send(head);
            agent
        };
        let mut events = begin(agent(0), "GET", "events", &[]);
        events.answer_head();
        events.read_until("data: 1");
        let mut download = begin(agent(1), "GET", "download", &[]);
        download.answer_head();
        let mut unread = begin(agent(2), "GET", "unread", &[]);
        unread.answer_head();
        let mut upload = begin(agent(0), "POST", "upload", &[("Transfer-Encoding", "chunked")]);
        upload.send(b"5\r\nbegun\r\n");
        origin
            .until("the upload has begun", |seen| seen.iter().any(|it| it.bytes.ends_with(b"begun\r\n")).then_some(()));
        let idle = Agent::keyed(appliance, Way::Tunnel, &origin, key);
        Self { name, origin, gate, events, download, unread, upload, idle }
    }

    /// Asserts that all of it ends, and soon enough. A tunnel alone uses no credential.
    fn expect_ended(self, appliance: &Appliance, since: Instant, loss: Loss) {
        let Self { name, origin, gate, mut events, mut download, unread, mut upload, mut idle } = self;
        let soon = |what: &str| {
            let took = since.elapsed();
            assert!(took < LATER, "{what} of {name} ended after {took:?}");
        };
        let reader = thread::spawn(move || {
            let rest = download.rest();
            (rest.ends_with(END), Instant::now())
        });
        assert!(!events.rest().ends_with(END), "the events of {name} seem to have come to their end");
        soon("the events");
        let rest = upload.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 403 "), "{}", String::from_utf8_lossy(&rest));
        soon("the upload");
        if !matches!(loss, Loss::Credential | Loss::Host | Loss::Scope) {
            assert!(idle.is_closed());
            soon("the idle tunnel");
        }
        let (whole, at) = reader.join().unwrap();
        assert!(
            !whole && at.duration_since(since) < LATER,
            "the download of {name}: {whole} {:?}",
            at.duration_since(since)
        );
        origin.until("nobody sends to who does not read", |seen| {
            seen.iter().filter(|it| it.bytes.starts_with(b"GET /unread")).all(|it| it.over).then_some(())
        });
        soon("the download that nobody reads");
        drop(unread);
        gate.store(true, Ordering::SeqCst);
        for seen in origin.closed() {
            if seen.bytes.starts_with(b"POST /upload") {
                assert_eq!(judge(&seen.bytes), (vec![], Rest::Cut), "the upload of {name} seems to be whole");
            }
        }
        for what in ["events", "download", "unread", "upload"] {
            let line = appliance.audit_of(&format!("/{what}-{name}"));
            assert_eq!((line.get("outcome"), line.get("name")), ("revoked_midstream", name), "{}", line.text);
        }
    }

    /// Asserts that all of it goes on to its end.
    fn expect_untouched(self, appliance: &Appliance) {
        let Self { name, origin, gate, mut events, mut download, mut unread, mut upload, mut idle } = self;
        let reader = thread::spawn(move || download.read_until("0\r\n\r\n").len());
        gate.store(true, Ordering::SeqCst);
        events.read_until("0\r\n\r\n");
        unread.read_until("0\r\n\r\n");
        reader.join().unwrap();
        upload.send(b"0\r\n\r\n");
        upload.answer("POST").expect_origins(200);
        idle.ask("GET", "/after", &[("X-Vultrino-Credential", name)]).expect_origins(200);
        for what in ["events", "download", "unread", "upload"] {
            let line = appliance.audit_of(&format!("/{what}-{name}"));
            assert_eq!((line.get("outcome"), line.get("name")), ("ok", name), "{}", line.text);
        }
        drop(origin);
    }
}

fn serve(visit: &mut Visit, gate: &AtomicBool) -> io::Result<()> {
    while let Some(request) = visit.head()? {
        match request.target() {
            it if it.starts_with("/events") => {
                visit.write([STREAM, EVENT].concat())?;
                until("the gate opens", || gate.load(Ordering::SeqCst).then_some(()));
                visit.write([EVENT, END].concat())?;
            }
            it if it.starts_with("/download") || it.starts_with("/unread") => {
                visit.write(STREAM)?;
                let piece = [b"10000\r\n", &*vec![b'x'; 1 << 16], b"\r\n"].concat();
                while !gate.load(Ordering::SeqCst) {
                    visit.write(&piece)?;
                    thread::sleep(PACE);
                }
                visit.write(END)?;
            }
            it if it.starts_with("/upload") => {
                while !visit.unread.ends_with(END) {
                    visit.more()?;
                }
                visit.unread.clear();
                visit.write(OK)?;
            }
            _ => visit.write(OK)?,
        }
    }
    Ok(())
}

/// What the next request is answered in this way, once the right is gone.
fn refusal(loss: Loss, way: Way) -> u16 {
    match (loss, way) {
        (Loss::Credential, _) => 404,
        (Loss::Host | Loss::Permission | Loss::Scope, _) => 403,
        (_, Way::Absolute) => 407,
        _ => 401,
    }
}

fn lose(loss: Loss, by: By, turn: usize) {
    let appliance = appliance();
    let origin = Origin::https();
    let named = [("X-Vultrino-Credential", "gone")];
    let mut kept = WAYS.map(|way| (way, Agent::keyed(&appliance, way, &origin, appliance.key("gone"))));
    for (_, agent) in &mut kept {
        agent.ask("GET", "/before", &named).expect_origins(200);
    }
    let (gone, stays) = (Streams::open(&appliance, "gone", turn), Streams::open(&appliance, "stays", turn));
    take_away(&appliance, loss, by);
    let since = Instant::now();
    let mut ask = || kept.each_mut().map(|(_, agent)| agent.ask("GET", "/after", &named).status());
    let expected = WAYS.map(|way| refusal(loss, way));
    if by == By::Api {
        // Who takes it away there may rely on it at once.
        assert_eq!(ask(), expected);
    } else {
        // A request that was judged before the loss and opens its credential after it is refused as
        // revoked (403); the ones after it are told what is so now.
        until("the loss is known in every way", || (ask() == expected).then_some(()));
        assert!(since.elapsed() < SOON, "{loss:?} by {by:?} took {:?}", since.elapsed());
    }
    gone.expect_ended(&appliance, since, loss);
    stays.expect_untouched(&appliance);
    let mut again = Agent::keyed(&appliance, Way::Path, &origin, appliance.key("gone"));
    assert_eq!(again.ask("GET", "/", &named).status(), refusal(loss, Way::Path), "and so it stays");
}

#[test]
fn a_key_revoked_at_the_command_line_ends_all_that_uses_it() {
    lose(Loss::Key, By::Cli, 0);
}

#[test]
fn a_key_revoked_through_the_api_ends_all_that_uses_it() {
    lose(Loss::Key, By::Api, 1);
}

#[test]
fn a_role_deleted_at_the_command_line_ends_all_that_its_keys_do() {
    lose(Loss::Role, By::Cli, 2);
}

#[test]
fn a_role_deleted_through_the_api_ends_all_that_its_keys_do() {
    lose(Loss::Role, By::Api, 0);
}

#[test]
fn a_credential_deleted_at_the_command_line_ends_all_that_uses_it() {
    lose(Loss::Credential, By::Cli, 1);
}

#[test]
fn a_credential_deleted_through_the_api_ends_all_that_uses_it() {
    lose(Loss::Credential, By::Api, 2);
}

#[test]
fn a_host_unbound_at_the_command_line_ends_all_that_goes_there() {
    lose(Loss::Host, By::Cli, 0);
}

#[test]
fn a_host_unbound_through_the_api_ends_all_that_goes_there() {
    lose(Loss::Host, By::Api, 1);
}

#[test]
fn a_permission_taken_away_at_the_command_line_ends_all_that_needs_it() {
    lose(Loss::Permission, By::Cli, 2);
}

#[test]
fn a_permission_taken_away_through_the_api_ends_all_that_needs_it() {
    lose(Loss::Permission, By::Api, 0);
}

#[test]
fn a_scope_narrowed_at_the_command_line_ends_all_that_is_outside() {
    lose(Loss::Scope, By::Cli, 1);
}

#[test]
fn a_scope_narrowed_through_the_api_ends_all_that_is_outside() {
    lose(Loss::Scope, By::Api, 2);
}

#[test]
fn a_key_that_ends_by_itself_ends_what_uses_it() {
    let appliance = appliance();
    let gate = Arc::<AtomicBool>::default();
    let opened = gate.clone();
    let origin = Origin::https_with(move |visit| serve(visit, &opened));
    let end = Timestamp::now().checked_add(3.seconds()).unwrap();
    let key = appliance.add_key("short", "stays", &["--expires", &end.to_string()]);
    let named = [("X-Vultrino-Credential", "stays")];
    let mut agents = WAYS.map(|way| {
        let mut agent = until("the key is known", || {
            let mut agent = Agent::showing(&appliance, way, &origin, crate::support::Shown::Bearer(&key)).ok()?;
            (agent.ask("GET", "/", &named).status() == 200).then_some(agent)
        });
        let head = agent.head("GET", "/events", &named);
        agent.send(head);
        agent.answer_head();
        agent
    });
    for agent in &mut agents {
        assert!(!agent.rest().ends_with(END));
        let late = Timestamp::now().duration_since(end);
        assert!(!late.is_negative() && late.as_millis() < 5000, "{late:?}");
    }
    gate.store(true, Ordering::SeqCst);
}

#[test]
fn a_role_without_keys_and_a_key_without_a_role_end_nothing_of_others() {
    let appliance = appliance();
    appliance.add_role("unused", "execute", "");
    let unused = appliance.add_key("unused", "unused", &[]);
    let stays = Streams::open(&appliance, "stays", 0);
    appliance.cli(&["role", "delete", "unused", "--force"]).expect_success();
    let listed = appliance.cli(&["key", "list"]).expect_success();
    assert!(listed.contains(&unused[..7]), "the key of a role that is gone is still listed: {listed}");
    appliance.cli(&["key", "revoke", &unused[..11]]).expect_success();
    stays.expect_untouched(&appliance);
}
