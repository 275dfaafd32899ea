//! The API: our own paths on the proxy's listener, a file a resource.

mod audit;
mod credentials;
mod description;
mod execute;
mod keys;
mod limits;
mod placing;
mod policies;
mod refused;
mod roles;
mod strictness;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Agent, Answer, Appliance, appliance::Builder, wait::until};

/// A client of the API, with a key or without.
pub(crate) struct Client<'a> {
    appliance: &'a Appliance,
    key: Option<String>,
}

impl<'a> Client<'a> {
    /// Without a key.
    pub(crate) fn of(appliance: &'a Appliance) -> Self {
        Self { appliance, key: None }
    }

    /// With this key.
    pub(crate) fn with(appliance: &'a Appliance, key: &str) -> Self {
        Self { appliance, key: Some(key.to_owned()) }
    }

    /// With a new key of a new role, both made at the command line.
    #[track_caller]
    pub(crate) fn that_may(appliance: &'a Appliance, permissions: &str, scopes: &str) -> Self {
        Self::with(appliance, &minted(appliance, permissions, scopes))
    }

    /// Sends a request with a body of JSON, on a connection of its own.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.raw(method, path, &[("Content-Type", "application/json")], body.to_string())
    }

    /// Asks without a body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    /// The same, with any method.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str) -> Answer {
        let mut agent = Agent::dial(self.appliance.address());
        agent.send(format!("{method} {path} HTTP/1.1\r\n{}\r\n", self.fields(&[])));
        checked(agent.answer(method))
    }

    /// Sends any body with any fields.
    #[track_caller]
    pub(crate) fn raw(&self, method: &str, path: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let mut agent = Agent::dial(self.appliance.address());
        let (fields, body) = (self.fields(fields), body.as_ref());
        let head = format!("{method} {path} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        // Who refuses a body need not read it.
        drop(agent.try_send([head.as_bytes(), body].concat()));
        checked(agent.answer(method))
    }

    fn fields(&self, more: &[(&str, &str)]) -> String {
        let key = self.key.iter().map(|it| format!("Authorization: Bearer {it}\r\n"));
        let more = more.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("Host: {}\r\n", self.appliance.address()) + &key.chain(more).collect::<String>()
    }
}

/// What every answer of ours says.
#[track_caller]
fn checked(answer: Answer) -> Answer {
    assert_eq!(answer.values("cache-control"), ["no-store"], "{answer:#?}");
    assert_eq!(answer.values("x-content-type-options"), ["nosniff"], "{answer:#?}");
    answer
}

/// The body of an answer that succeeded.
#[track_caller]
pub(crate) fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status(), 200, "{answer:#?}\n{}", answer.text());
    assert_eq!(answer.values("content-type"), ["application/json"], "{answer:#?}");
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// The body of an answer that says what was created.
#[track_caller]
pub(crate) fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status(), 201, "{answer:#?}\n{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// A new key of a new role. A running server knows it soon.
#[track_caller]
pub(crate) fn minted(appliance: &Appliance, permissions: &str, scopes: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let role = format!("role-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut arguments = vec!["role", "create", &role, "--permissions", permissions];
    if !scopes.is_empty() {
        arguments.extend(["--scopes", scopes]);
    }
    appliance.cli(&arguments).expect_success();
    let printed = appliance.cli(&["key", "create", &role, "--role", &role, "--json"]).expect_success();
    let key: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let key = key["key"].as_str().unwrap_or_else(|| panic!("{printed}")).to_owned();
    let client = Client::with(appliance, &key);
    until("the server knows the key", || (client.get("/v1/types").status() == 200).then_some(()));
    key
}

/// An appliance that lets nobody in without a key, and counts no requests.
pub(crate) fn guarded() -> Builder {
    Appliance::builder()
        .set("server.mode", "\"server\"")
        .set("rate_limits.management", "0")
        .set("rate_limits.auth_failures", "0")
}
