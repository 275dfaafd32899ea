//! A raw client of MCP, without a library for it: frames are lines to a program, or bodies to a server.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    Agent, Answer, Appliance,
    process::{Capture, VULTRINO},
    template::clean,
    wait::until,
};

/// The protocol that it speaks.
const VERSION: &str = "2025-06-18";

/// How an agent reaches the tools.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// A program that opens the store itself.
    Stdio,
    /// A program that has a key and a server's address, and nothing else.
    Thin,
    /// The server's own path.
    Http,
}

/// All of them.
pub(crate) const DOORS: [Door; 3] = [Door::Stdio, Door::Thin, Door::Http];

impl Door {
    /// The program of this door, for the holder of this key.
    pub(crate) fn command(self, appliance: &Appliance, key: &str) -> Command {
        let mut command = match self {
            Self::Stdio => appliance.command(&["mcp"]),
            Self::Thin => thin(&format!("http://{}", appliance.address())),
            Self::Http => panic!("there is no program behind /mcp but the server"),
        };
        command.env("VULTRINO_API_KEY", key);
        command
    }

    /// Somebody behind this door who has said nothing yet.
    #[track_caller]
    pub(crate) fn of(self, appliance: &Appliance, key: &str) -> Mcp {
        match self {
            Self::Stdio | Self::Thin => Mcp::run(&mut self.command(appliance, key)),
            Self::Http => Mcp { peer: Peer::Server(Server::of(appliance, key)), asked: 0 },
        }
    }

    /// The same, who has been introduced.
    #[track_caller]
    pub(crate) fn open(self, appliance: &Appliance, key: &str) -> Mcp {
        let mut mcp = self.of(appliance, key);
        mcp.initialize();
        mcp
    }
}

/// The program that passes everything on to a server at this URL.
pub(crate) fn thin(url: &str) -> Command {
    let mut command = Command::new(VULTRINO);
    clean(&mut command, "/nonexistent".as_ref());
    command.env_remove("VULTRINO_PASSWORD").args(["mcp", "--url", url]);
    command
}

/// A client, and whom it talks to.
pub(crate) struct Mcp {
    peer: Peer,
    asked: u64,
}

enum Peer {
    Program(Program),
    Server(Server),
}

/// What a tool has answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Called {
    pub is_error: bool,
    pub content: Value,
}

/// An error of the protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// That of JSON-RPC, or the status of an answer that is none of it.
    pub code: i64,
    pub message: String,
}

impl Mcp {
    /// Starts a program to talk to.
    #[track_caller]
    pub(crate) fn run(command: &mut Command) -> Self {
        Self { peer: Peer::Program(Program::run(command)), asked: 0 }
    }

    /// Introduces itself, and gives what the other side says of itself.
    #[track_caller]
    pub(crate) fn initialize(&mut self) -> Value {
        let client = json!({ "name": "a-test", "version": "1" });
        let params = json!({ "protocolVersion": VERSION, "capabilities": {}, "clientInfo": client });
        let said = self.ask("initialize", &params).unwrap_or_else(|fault| panic!("{fault:?}"));
        if let Peer::Server(server) = &mut self.peer {
            server.introduced = true;
        }
        self.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        said
    }

    /// The names of the tools that are offered.
    #[track_caller]
    pub(crate) fn list_tools(&mut self) -> BTreeSet<String> {
        let listed = self.ask("tools/list", &json!({})).unwrap_or_else(|fault| panic!("{fault:?}"));
        let name = |it: &Value| it["name"].as_str().unwrap_or_else(|| panic!("{listed:#}")).to_owned();
        listed["tools"].as_array().unwrap_or_else(|| panic!("{listed:#}")).iter().map(name).collect()
    }

    /// Calls a tool.
    #[track_caller]
    pub(crate) fn call(&mut self, name: &str, arguments: &Value) -> Called {
        self.try_call(name, arguments).unwrap_or_else(|fault| panic!("{name} {arguments}: {fault:?}"))
    }

    /// The same, where it may come to no answer of the tool.
    #[track_caller]
    pub(crate) fn try_call(&mut self, name: &str, arguments: &Value) -> Result<Called, Fault> {
        self.ask("tools/call", &json!({ "name": name, "arguments": arguments })).map(|it| Called::of(&it))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// An error of the protocol.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Fault> {
        self.asked += 1;
        let frame = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params }).to_string();
        let answer = self.send(&frame)?;
        // What was not read cannot be named.
        let unread = answer["id"].is_null() && answer.get("error").is_some();
        assert!(unread || answer["id"] == self.asked, "to {frame:.200}: {answer}");
        match answer.get("error") {
            Some(error) => Err(Fault::of(error)),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Sends a frame that has no answer.
    #[track_caller]
    pub(crate) fn tell(&mut self, frame: &Value) {
        let frame = frame.to_string();
        match &mut self.peer {
            Peer::Program(it) => it.write(&[frame.as_bytes(), b"\n"].concat()),
            Peer::Server(it) => {
                let answer = it.post(frame.as_bytes());
                assert_eq!((answer.status(), &*answer.body), (202, &b""[..]), "{answer:#?}");
            }
        }
    }

    /// Sends a frame as it is, and waits for the next answer.
    ///
    /// # Errors
    /// An answer of HTTP that is no frame.
    #[track_caller]
    pub(crate) fn send(&mut self, frame: impl AsRef<[u8]>) -> Result<Value, Fault> {
        match &mut self.peer {
            Peer::Program(it) => {
                it.write(&[frame.as_ref(), b"\n"].concat());
                Ok(it.next())
            }
            Peer::Server(it) => frame_in(&it.post(frame.as_ref())),
        }
    }

    /// The error that a frame is answered with.
    #[track_caller]
    pub(crate) fn fault(&mut self, frame: impl AsRef<[u8]>) -> Fault {
        let answer = self.send(frame).unwrap_or_else(|fault| panic!("{fault:?}"));
        Fault::of(answer.get("error").unwrap_or_else(|| panic!("{answer}")))
    }

    /// The program that it talks to.
    ///
    /// # Panics
    /// If it talks to a server.
    #[track_caller]
    pub(crate) fn program(&mut self) -> &mut Program {
        match &mut self.peer {
            Peer::Program(it) => it,
            Peer::Server(_) => panic!("there is no program"),
        }
    }
}

impl Called {
    #[track_caller]
    fn of(result: &Value) -> Self {
        let is_error = result["isError"] == true;
        let [only] = result["content"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("{result}") };
        let text = only["text"].as_str().unwrap_or_else(|| panic!("{result}"));
        let content: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {result}"));
        // What is structured is of the tool's schema, which errors are not.
        let expected = if is_error { &Value::Null } else { &content };
        assert_eq!(&result["structuredContent"], expected, "{result}");
        Self { is_error, content }
    }

    /// What the tool did.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert!(!self.is_error, "{self:?}");
        self.content
    }

    /// The code of its error.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        let error = &self.content["error"];
        let told = error["message"].as_str().is_some_and(|it| !it.is_empty());
        assert!(self.is_error && told && self.content.as_object().unwrap().len() == 1, "{self:?}");
        error["code"].as_str().unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl Fault {
    #[track_caller]
    fn of(error: &Value) -> Self {
        let code = error["code"].as_i64().unwrap_or_else(|| panic!("{error}"));
        let message = error["message"].as_str().unwrap_or_else(|| panic!("{error}")).to_owned();
        assert!(!message.is_empty(), "{error}");
        Self { code, message }
    }
}

/// A program that speaks MCP over its stdin and stdout; killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Capture,
    stderr: Capture,
    /// How much of stdout has been read.
    read: usize,
}

impl Program {
    #[track_caller]
    fn run(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take();
        let (stdout, stderr) = (Capture::of(child.stdout.take().unwrap()), Capture::of(child.stderr.take().unwrap()));
        Self { child, stdin, stdout, stderr, read: 0 }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let written = self.stdin.as_mut().unwrap().write_all(bytes);
        written.unwrap_or_else(|error| panic!("{error}: {}", self.stderr.text()));
    }

    /// The next answer; what is told without being asked for is passed over.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        loop {
            let Some(line) = self.stdout.line_at(self.read) else {
                panic!("no answer; stderr: {}", self.stderr.text());
            };
            self.read += line.len() + 1;
            let frame = frame(&line);
            if frame.get("method").is_none() {
                return frame;
            }
        }
    }

    /// All that it has printed so far, on stdout and on stderr.
    pub(crate) fn printed(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Ends its input, waits until it has ended well, and gives all that it has printed.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> String {
        self.end_input();
        let status = until("it ends with its input", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.stderr.text());
        until("its pipes end", || (self.stdout.is_over() && self.stderr.is_over()).then_some(()));
        self.printed()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !thread::panicking() {
            let text = self.stdout.text();
            // It may have been killed within a line.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().for_each(|line| drop(frame(line)));
        }
    }
}

/// A server that speaks MCP under `/mcp`.
struct Server {
    host: String,
    proxy: std::net::SocketAddr,
    authorization: String,
    introduced: bool,
}

impl Server {
    fn of(appliance: &Appliance, key: &str) -> Self {
        let (proxy, authorization) = (appliance.address(), format!("Bearer {key}"));
        Self { host: proxy.to_string(), proxy, authorization, introduced: false }
    }

    #[track_caller]
    fn post(&self, body: &[u8]) -> Answer {
        let fields = [
            ("Host", &*self.host),
            ("Authorization", &*self.authorization),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", VERSION),
        ];
        let count = if self.introduced { fields.len() } else { fields.len() - 1 };
        post(Agent::dial(self.proxy), &fields[..count], body)
    }
}

/// Posts a body with these fields, and no others but its length.
#[track_caller]
pub(crate) fn post(mut agent: Agent, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let fields: String = fields.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let head = format!("POST /mcp HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    // Whoever refuses a body need not read it.
    drop(agent.try_send([head.as_bytes(), body].concat()));
    agent.answer("POST")
}

/// The frame that answers, of a body of JSON or of events.
#[track_caller]
pub(crate) fn frame_in(answer: &Answer) -> Result<Value, Fault> {
    let text = answer.text();
    match *answer.values("content-type") {
        ["application/json"] if text.contains("\"jsonrpc\"") => Ok(frame(&text)),
        ["text/event-stream"] => {
            let data = text.lines().filter_map(|it| it.strip_prefix("data:")).map(str::trim);
            let mut frames = data.filter(|it| !it.is_empty()).map(frame);
            Ok(frames.find(|it| it.get("method").is_none()).unwrap_or_else(|| panic!("no answer in {text}")))
        }
        _ => Err(Fault { code: answer.status().into(), message: text }),
    }
}

#[track_caller]
fn frame(text: &str) -> Value {
    let frame: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no frame: {error}: {text}"));
    assert!(frame.is_object() && frame["jsonrpc"] == "2.0", "no frame: {text}");
    frame
}
