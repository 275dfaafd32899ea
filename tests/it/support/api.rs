//! A client of the management API, on one connection for as long as that is kept.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Agent, Answer, Appliance};

/// Somebody who asks the API, with a key or without one.
pub(crate) struct Api {
    agent: Agent,
    proxy: SocketAddr,
    authorization: Option<String>,
}

impl Appliance {
    /// The API for whoever holds this key.
    #[track_caller]
    pub(crate) fn api(&self, key: &str) -> Api {
        Api { agent: Agent::dial(self.address()), proxy: self.address(), authorization: Some(format!("Bearer {key}")) }
    }

    /// The API for whoever holds none.
    #[track_caller]
    pub(crate) fn api_without_key(&self) -> Api {
        Api { agent: Agent::dial(self.address()), proxy: self.address(), authorization: None }
    }
}

impl Api {
    /// Sends a request and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.agent.host());
        let own = self.authorization.iter().map(|it| ("Authorization", &**it));
        for (name, value) in own.chain(fields.iter().copied()) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        self.agent.send([head.as_bytes(), b"\r\n", body].concat());
        let answer = self.agent.answer(method);
        if answer.values("connection") == ["close"] {
            self.agent = Agent::dial(self.proxy);
        }
        answer
    }

    /// Gets a path.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Deletes what a path names.
    #[track_caller]
    pub(crate) fn delete(&mut self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], b"")
    }

    /// Sends JSON.
    #[track_caller]
    pub(crate) fn send(&mut self, method: &str, path: &str, json: &Value) -> Answer {
        self.ask(method, path, &[("Content-Type", "application/json")], json.to_string().as_bytes())
    }

    /// Posts JSON.
    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, json: &Value) -> Answer {
        self.send("POST", path, json)
    }

    /// Has a request made through `/v1/execute`.
    #[track_caller]
    pub(crate) fn execute(&mut self, credential: &str, method: &str, url: &str) -> Answer {
        let params = serde_json::json!({ "method": method, "url": url });
        let call = serde_json::json!({ "credential": credential, "action": "http.request", "params": params });
        self.post("/v1/execute", &call)
    }
}

impl Answer {
    /// The body of an answer of the API that says yes.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!((200..300).contains(&self.status()), "{self:#?}\n{}", self.text());
        assert_eq!(self.values("content-type"), ["application/json"], "{self:#?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}
