//! Answers of any size and kind, many at once: an agent gets a part that it can read, and nothing waits or grows.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{
    Agent, Appliance, Credential, Origin,
    appliance::{ALIAS, Builder, KEY},
    mcp::{DOORS, Door},
    memory::Peak,
    visit::Visit,
    wait::until,
};

/// What the guide promises.
const UNLESS_ASKED: usize = 256 << 10;
const MOST: usize = 768 << 10;

fn server() -> Builder {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    Appliance::builder().server().credential(key).role("agent", "read,execute", "").key("agent", "agent")
}

fn get(origin: &Origin, path: &str, more: &Value) -> Value {
    let mut arguments = json!({ "credential": ALIAS, "method": "GET", "url": origin.url(path) });
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn a_long_body_is_read_in_parts_that_cut_no_character() {
    let appliance = server().start();
    let whole = "é – 日本, ".repeat(40_000);
    let origin = Origin::answering(with_length(whole.as_bytes()));
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let (mut read, mut offset, mut parts) = (String::new(), 0, 0);
        loop {
            let part = mcp.call("http_request", &get(&origin, "/", &json!({ "offset": offset }))).done();
            let body = part["body"].as_str().unwrap();
            assert!(part.get("encoding").is_none() && body.len() <= UNLESS_ASKED, "{door:?} {offset}");
            read.push_str(body);
            parts += 1;
            let Some(next) = part["next_offset"].as_u64() else { break };
            assert_eq!((part["truncated"].as_bool(), next), (Some(true), read.len() as u64), "{door:?}");
            offset = next;
        }
        assert!(read == whole && parts == whole.len().div_ceil(UNLESS_ASKED), "{door:?} {parts}");
        let most = mcp.call("http_request", &get(&origin, "/", &json!({ "length": MOST }))).done();
        assert!(most["body"] == whole && most.get("truncated").is_none(), "{door:?}");
        let few = mcp.call("http_request", &get(&origin, "/", &json!({ "length": 4, "offset": 719_997 }))).done();
        assert_eq!(few["next_offset"], Value::Null, "{door:?} {few}");
    }
}

#[test]
fn what_is_no_text_is_told_in_base64() {
    let appliance = server().start();
    let whole: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let origin = Origin::answering(with_length(&whole));
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let answer = mcp.call("http_request", &get(&origin, "/", &json!({}))).done();
        assert_eq!(answer["encoding"], "base64", "{door:?}");
        assert_eq!(STANDARD.decode(answer["body"].as_str().unwrap()).unwrap(), whole, "{door:?}");
        let part = mcp.call("http_request", &get(&origin, "/", &json!({ "offset": 128, "length": 3 }))).done();
        assert_eq!(STANDARD.decode(part["body"].as_str().unwrap()).unwrap(), [128, 129, 130], "{door:?}");
        assert_eq!((part["truncated"].as_bool(), part["next_offset"].as_u64()), (Some(true), Some(131)), "{door:?}");
    }
}

/// What is made again must be harmless.
#[test]
fn a_part_is_asked_for_where_nothing_is_done_twice() {
    let (appliance, origin) = (server().start(), Origin::https());
    let mut mcp = Door::Stdio.open(&appliance, appliance.key("agent"));
    for bad in [
        json!({ "method": "POST", "offset": 1 }),
        json!({ "method": "OPTIONS", "offset": 1 }),
        json!({ "length": 0 }),
        json!({ "length": MOST + 1 }),
        json!({ "offset": -1 }),
        json!({ "length": "1" }),
    ] {
        assert_eq!(mcp.call("http_request", &get(&origin, "/", &bad)).code(), "invalid_request", "{bad}");
    }
    mcp.call("http_request", &get(&origin, "/", &json!({ "method": "POST", "offset": 0, "body": null }))).done();
    assert_eq!(origin.requests().len(), 1);
}

/// 50 MB, and then more: the exchange ends with the part that was asked for.
fn pour(visit: &mut Visit) -> io::Result<()> {
    while visit.request()?.is_some() {
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")?;
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..47 {
            visit.write(&piece)?;
        }
        visit.write(&piece[..50_000_000 - (47 << 20)])?;
    }
    Ok(())
}

#[test]
fn a_body_of_fifty_megabytes_takes_no_more_memory_than_the_part_that_is_wanted() {
    let appliance = server().start();
    let origin = Origin::https_with(pour);
    for (at, door) in DOORS.into_iter().enumerate() {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        mcp.call("list_credentials", &json!({})).done();
        let pids = if door == Door::Http { vec![appliance.pid()] } else { vec![appliance.pid(), mcp.program().pid()] };
        let peaks: Vec<Peak> = pids.into_iter().map(Peak::of).collect();
        for offset in [0, 49_500_000] {
            let wanted = json!({ "offset": offset, "length": MOST });
            let answer = mcp.call("http_request", &get(&origin, "/", &wanted)).done();
            let length = answer["body"].as_str().unwrap().len();
            assert_eq!(answer["headers"]["content-length"], "50000000", "{door:?}");
            assert_eq!(length, if offset == 0 { MOST } else { 500_000 }, "{door:?}");
            assert_eq!(answer["truncated"].as_bool().unwrap_or_default(), offset == 0, "{door:?}");
        }
        let records = appliance.audit("their records", |lines| {
            let of_it: Vec<_> = lines.iter().filter(|it| it.action == "http_request").cloned().collect();
            (of_it.len() == 2 * (at + 1)).then_some(of_it)
        });
        assert!(records.iter().all(|it| it.get("outcome") == "ok"), "{records:#?}");
        for peak in peaks {
            let mib = peak.mib();
            assert!(mib < 80, "{door:?}: {mib} MiB");
        }
    }
}

/// One of fifty waits for its origin server; the others do not wait for that one.
#[test]
fn fifty_calls_at_once_do_not_wait_for_each_other() {
    let appliance = server().start();
    let released = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&released);
    let origin = Origin::https_with(move |visit| {
        while let Some(request) = visit.request()? {
            if request.target() == "/0" {
                until("the others are answered", || gate.load(Ordering::Relaxed).then_some(()));
            }
            visit.write(with_length(request.target().as_bytes()))?;
        }
        Ok(())
    });
    for door in [Door::Stdio, Door::Thin] {
        released.store(false, Ordering::Relaxed);
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let program = mcp.program();
        for at in 0..50 {
            let params = json!({ "name": "http_request", "arguments": get(&origin, &format!("/{at}"), &json!({})) });
            let frame =
                json!({ "jsonrpc": "2.0", "id": format!("call-{at}"), "method": "tools/call", "params": params });
            program.write(format!("{frame}\n").as_bytes());
        }
        let mut answered = BTreeSet::new();
        for _ in 0..49 {
            let answer = program.next();
            let (id, said) = (answer["id"].as_str().unwrap(), &answer["result"]["structuredContent"]["body"]);
            assert_eq!(format!("call-{}", &said.as_str().unwrap()[1..]), id, "{answer}");
            answered.insert(id.to_owned());
        }
        assert!(answered.len() == 49 && !answered.contains("call-0"), "{door:?} {answered:?}");
        released.store(true, Ordering::Relaxed);
        assert_eq!(program.next()["id"], "call-0", "{door:?}");
    }
    released.store(false, Ordering::Relaxed);
    let (appliance, origin) = (&appliance, &origin);
    let call = |at: usize| {
        let mut mcp = Door::Http.open(appliance, appliance.key("agent"));
        let answer = mcp.call("http_request", &get(origin, &format!("/{at}"), &json!({}))).done();
        assert_eq!(answer["body"], format!("/{at}"));
    };
    thread::scope(|scope| {
        let slow = scope.spawn(move || call(0));
        let others: Vec<_> = (1..50).map(|at| scope.spawn(move || call(at))).collect();
        for other in others {
            other.join().unwrap();
        }
        assert!(!slow.is_finished());
        released.store(true, Ordering::Relaxed);
        slow.join().unwrap();
    });
}

/// Whoever gives a call up has given up what it takes of the origin server, too.
#[test]
fn a_call_that_nobody_waits_for_ends_its_exchange() {
    let appliance = server().start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.drain();
        Ok(())
    });
    let params = json!({ "name": "http_request", "arguments": get(&origin, "/held", &json!({})) });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string();
    let ended = |count: usize| {
        let lines = appliance.audit("its record", |lines| {
            let of_it: Vec<_> = lines.iter().filter(|it| it.text.contains("/held")).cloned().collect();
            (of_it.len() == count).then_some(of_it)
        });
        assert!(lines.iter().all(|it| it.get("outcome") == "client_abort"), "{lines:#?}");
    };
    for (at, door) in [Door::Stdio, Door::Thin].into_iter().enumerate() {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        mcp.program().write(format!("{call}\n").as_bytes());
        origin.until("it has the request", |seen| (seen.len() > at).then_some(()));
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
        mcp.program().write(format!("{cancel}\n").as_bytes());
        ended(at + 1);
        assert!(mcp.ask("ping", &json!({})).is_ok(), "{door:?}");
    }
    let mut agent = Agent::dial(appliance.address());
    let head = format!("Authorization: Bearer {}\r\nContent-Type: application/json", appliance.key("agent"));
    let (host, length) = (appliance.address(), call.len());
    agent.send(format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{call}"));
    origin.until("it has the request", |seen| (seen.len() == 3).then_some(()));
    agent.break_off();
    ended(3);
}
