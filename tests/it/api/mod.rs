//! The API: our own paths on the proxy's listener, a file a resource.

mod execute;
mod strictness;

use serde_json::Value;

use crate::support::{Agent, Answer, Appliance};

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
        agent.send([head.as_bytes(), body].concat());
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
