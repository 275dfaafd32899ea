//! A program that ends answers first what it was asked, whatever ends it.

use std::{
    io::Write as _,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{
    Appliance, Credential, Origin,
    appliance::{ALIAS, KEY},
    mcp::Door,
    wait::until,
};

/// An origin server that answers when it is told to.
fn held() -> (Origin, Arc<AtomicBool>) {
    let released = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&released);
    let origin = Origin::https_with(move |visit| {
        while visit.request()?.is_some() {
            until("it is released", || gate.load(Ordering::Relaxed).then_some(()));
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")?;
        }
        Ok(())
    });
    (origin, released)
}

fn call(id: u32, origin: &Origin) -> String {
    let arguments = json!({ "credential": ALIAS, "method": "GET", "url": origin.url("/") });
    let params = json!({ "name": "http_request", "arguments": arguments });
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
}

fn server() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let builder = Appliance::builder().server().credential(key);
    builder.role("agent", "read,execute", "").key("agent", "agent").start()
}

#[test]
fn calls_in_flight_are_answered_behind_the_end_of_input() {
    let appliance = server();
    for door in [Door::Stdio, Door::Thin] {
        let (origin, released) = held();
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let program = mcp.program();
        (71..74).for_each(|id| program.write(call(id, &origin).as_bytes()));
        program.end_input();
        origin.until("it has them", |seen| (seen.len() == 3).then_some(()));
        released.store(true, Ordering::Relaxed);
        let printed = program.finish();
        assert_eq!(printed.matches("\\\"body\\\":\\\"late\\\"").count(), 3, "{door:?} {printed}");
    }
}

#[test]
fn calls_in_flight_are_answered_behind_a_signal_to_end() {
    let appliance = server();
    let (origin, released) = held();
    let mut mcp = Door::Stdio.open(&appliance, appliance.key("agent"));
    let program = mcp.program();
    (71..74).for_each(|id| program.write(call(id, &origin).as_bytes()));
    origin.until("it has them", |seen| (seen.len() == 3).then_some(()));
    kill_process(Pid::from_raw(program.pid().cast_signed()).unwrap(), Signal::TERM).unwrap();
    until("it has heard", || program.printed().contains("a second signal ends them").then_some(()));
    released.store(true, Ordering::Relaxed);
    let printed = program.finish();
    assert_eq!(printed.matches("\\\"body\\\":\\\"late\\\"").count(), 3, "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
}

/// Once it is counted it is begun, and then it has its line.
#[test]
fn a_call_that_is_cancelled_with_its_own_line_has_its_record() {
    let appliance = server();
    let origin = Origin::https();
    let mut mcp = Door::Stdio.open(&appliance, appliance.key("agent"));
    for id in 100..120 {
        let params = json!({ "requestId": id });
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        mcp.program().write(format!("{}{cancel}\n", call(id, &origin)).as_bytes());
    }
    assert!(mcp.ask("ping", &json!({})).is_ok());
    mcp.program().finish();
    appliance.audit("all records", |lines| {
        (lines.iter().filter(|it| it.action == "http_request").count() == 20).then_some(())
    });
}

/// Of many calls that hang, those that are too many are told so; the others can still be given up.
#[test]
fn calls_that_hang_close_nobodys_ear() {
    let appliance = server();
    let (origin, released) = held();
    let mut mcp = Door::Stdio.open(&appliance, appliance.key("agent"));
    let program = mcp.program();
    (100..164).for_each(|id| program.write(call(id, &origin).as_bytes()));
    program.write(call(100, &origin).as_bytes());
    let twice = program.next();
    assert!(twice["id"] == 100 && twice["error"]["message"].as_str().unwrap().contains("open already"), "{twice}");
    program.write(call(164, &origin).as_bytes());
    let refused = program.next();
    assert!(refused["id"] == 164 && refused["error"]["message"].as_str().unwrap().contains("too many"), "{refused}");
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 163 } });
    let ping = json!({ "jsonrpc": "2.0", "id": 165, "method": "ping" });
    program.write(format!("{cancel}\n{ping}\n").as_bytes());
    let answer = program.next();
    assert!(answer["id"] == 165 && answer.get("result").is_some(), "{answer}");
    released.store(true, Ordering::Relaxed);
    let printed = program.finish();
    assert_eq!(printed.matches("\\\"body\\\":\\\"late\\\"").count(), 63);
}

/// Where nobody reads what is answered, nothing more is done.
#[test]
fn a_program_whose_answers_nobody_reads_ends() {
    let appliance = server();
    let origin = Origin::https();
    for door in [Door::Stdio, Door::Thin] {
        let mut command = door.command(&appliance, appliance.key("agent"));
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        stdin.write_all(format!("{hello}\n").as_bytes()).unwrap();
        let status = until("it ends", || child.try_wait().unwrap());
        assert!(status.success(), "{door:?} {status}");
        drop(stdin);
    }
    assert_eq!(origin.requests().len(), 0);
}
