//! The matrix of clients: what people really run reaches a server through the interception, with a secret that it never
//! has. Each row is one client, twice: by itself, and with an API key where the server asks for one.

mod command_line;
mod compiled;
mod conversations;
mod mcp;
mod node;
mod origin;
mod packages;
mod python;
mod reverse_proxies;
pub(crate) mod seat;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::{Mutex, OnceLock},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Version;
use tempfile::TempDir;

use crate::{
    clients::{
        origin::Origin,
        seat::{CLIENTS, Seat},
    },
    support::{
        Appliance, Credential,
        appliance::{BEARER, Builder, KEY},
        certificates, skip, world,
    },
};

/// One client.
pub(crate) struct Row {
    /// As the documents call it.
    pub client: &'static str,
    /// What tells it of the CA: a variable, or else an option or a setting.
    pub trust: &'static str,
    /// Where it goes; no other row goes there.
    pub host: &'static str,
    /// The address of that host: [`SERVER`], or that of a server of its own.
    pub address: &'static str,
    /// Which version is here, if any.
    pub version: fn() -> Option<String>,
    /// Asks and checks the answers; which version of HTTP it says it has spoken, if it does.
    pub run: fn(&Seat<'_>) -> String,
}

/// Where our own server is.
pub(crate) const SERVER: &str = "45.45.45.45";

/// Several clients, from the file that knows them.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(command_line::rows());
    rows.extend(packages::rows());
    rows.extend(python::rows());
    rows.extend(node::rows());
    rows.extend(compiled::rows());
    rows.extend(conversations::rows());
    rows
}

const PAGE: &str = include_str!("../../../docs/src/clients.md");
const TEST: &str = "clients::each_client_gets_its_whole_answer_and_never_the_secret";

#[test]
fn each_client_gets_its_whole_answer_and_never_the_secret() {
    let rows = rows();
    let hosts: Vec<_> = rows.iter().map(|it| (it.host, it.address)).collect();
    let distinct: BTreeSet<_> = hosts.iter().collect();
    assert_eq!(distinct.len(), rows.len(), "two rows share a host");
    let folder = OnceLock::new();
    let server = OnceLock::new();
    let open = || {
        let names: Vec<_> = hosts.iter().map(|(name, _)| *name).collect();
        let folder = folder.get_or_init(|| TempDir::with_prefix("vultrino-files-").unwrap());
        drop(server.set(Origin::open(&format!("{SERVER}:443"), &names, keys(), folder.path())));
        certificates::trusted_ca().to_owned()
    };
    let said = world::within(TEST, &hosts, open, || walk(&rows, server.get().unwrap()));
    let table = said.unwrap_or_default();
    let table: String = table.lines().filter(|it| it.starts_with("| ")).flat_map(|it| [it, "\n"]).collect();
    io::stderr().write_all(format!("\n{table}").as_bytes()).unwrap();
}

/// The book tells of each client how it learns of the CA, and of none that has no row.
#[test]
fn the_table_of_clients_is_whole() {
    let table = PAGE.split_once("| Client |").unwrap().1.split_once("\n\n").unwrap().0;
    let listed: BTreeMap<_, _> =
        table.lines().skip(2).filter_map(|it| it.strip_prefix("| ")?.split_once(" | ")).collect();
    let rows = rows();
    for row in &rows {
        let cells = listed.get(row.client).unwrap_or_else(|| panic!("{} is not in the table", row.client));
        assert!(cells.contains(&format!("`{}`", row.trust)), "{}: {cells}", row.client);
    }
    assert_eq!(listed.len(), rows.len(), "{listed:#?}");
}

/// Bearer everywhere, but where the host wants something else.
fn keys() -> BTreeMap<String, (String, String)> {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("x-access-token:{KEY}")));
    let of = |host: &str, name: &str, value: &str| (host.to_owned(), (name.to_owned(), value.to_owned()));
    BTreeMap::from([
        of("", "authorization", BEARER),
        of("git.example.org", "authorization", &basic),
        of("api.anthropic.com", "x-api-key", KEY),
    ])
}

fn credentials(builder: Builder) -> Builder {
    let header = ["--metadata", r#"{"header_name":"X-API-Key"}"#];
    let anthropic = Credential::key("anthropic", KEY, &["api.anthropic.com"]);
    builder
        .credential(Credential::key("hosts", KEY, &["*.example.com"]))
        .credential(Credential::key("openai", KEY, &["api.openai.com"]))
        .credential(header.into_iter().fold(anthropic, Credential::with))
        .credential(Credential::basic("git", "x-access-token", KEY, &["git.example.org"]))
}

fn walk(rows: &[Row], origin: &Origin) {
    let local = credentials(Appliance::builder()).start();
    let server =
        credentials(Appliance::builder().server()).role("agents", "execute", "").key("agent", "agents").start();
    let todo = Mutex::new(rows.iter().enumerate());
    let table = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((at, row)) = todo.lock().unwrap().next() else { return };
                    let line = one(row, origin, &local, &server);
                    table.lock().unwrap().insert(at, line);
                }
            });
        }
    });
    let table = table.into_inner().unwrap();
    let head = ["client", "version", "to the proxy", "to the server", "requests", "alone", "with an API key"];
    let mut text = line(&head.map(str::to_owned));
    text.extend(table.values().map(line));
    io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(table.values().flatten().all(|it| it != FAILED), "see the table, and above it");
}

const FAILED: &str = "FAILED";

fn line(cells: &[String; 7]) -> String {
    let [client, version, near, far, count, local, keyed] = cells;
    format!("| {client:25} | {version:8} | {near:12} | {far:16} | {count:>8} | {local:7} | {keyed:15} |\n")
}

/// A row of the table.
fn one(row: &Row, origin: &Origin, local: &Appliance, server: &Appliance) -> [String; 7] {
    // A server of its own speaks what its client does.
    let is_ours = row.address == SERVER;
    let cells = |version: &str, near: &str, count: &str, local: &str, keyed: &str| {
        let far = if is_ours { "HTTP/2, then 1.1" } else { near };
        [row.client, version, near, far, count, local, keyed].map(str::to_owned)
    };
    let Some(version) = (row.version)() else {
        skip::note(row.client, "not here; `make test` installs it, where it may");
        return cells("", "", "", "skipped", "skipped");
    };
    let ask = |appliance, key, version| {
        let seat = Seat::new(row, origin, appliance, key);
        let work = AssertUnwindSafe(|| {
            let near = (row.run)(&seat);
            let requests = seat.judge();
            let others = is_ours && requests.iter().any(|it| it.version != version);
            assert!(!others, "{}: some requests came in another version than {version:?}", row.client);
            (near, requests.len())
        });
        catch_unwind(work).ok()
    };
    let alone = ask(local, None, Version::HTTP_2);
    origin.age(row.host);
    let keyed = ask(server, Some(server.key("agent")), Version::HTTP_11);
    let result = |it: bool| if it { "whole" } else { FAILED };
    let [first, second] = [&alone, &keyed].map(|it| result(it.is_some()));
    let (near, count) = alone.unwrap_or_default();
    cells(&version, &near, &count.to_string(), first, second)
}

/// A version of HTTP as the table has it.
pub(crate) fn spoken(version: &str) -> String {
    match version {
        "1.1" | "http/1.1" | "HTTP_1_1" | "HTTP/1.1" => "HTTP/1.1",
        "2" | "h2" | "HTTP_2" | "HTTP/2" | "HTTP/2.0" => "HTTP/2",
        other => panic!("what is {other}?"),
    }
    .to_owned()
}

/// What follows `prefix` in the first line that a program prints of itself, up to a blank.
pub(crate) fn version_of(program: impl AsRef<Path>, arguments: &[&str], prefix: &str) -> Option<String> {
    let output = Command::new(program.as_ref()).args(arguments).output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let at = text.find(prefix)? + prefix.len();
    let end = |c: char| c.is_whitespace() || c == '"' || c == ',';
    text[at..].split(end).next().map(str::to_owned)
}

/// The version of an npm package that is installed under this name.
pub(crate) fn node_package(name: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new(CLIENTS).join("node_modules").join(name).join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    package["version"].as_str().map(str::to_owned)
}
