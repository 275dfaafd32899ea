//! A program that ends answers first what it was asked, whatever ends it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
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
