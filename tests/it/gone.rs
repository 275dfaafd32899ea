//! Clients that go away, or never quite arrive: what they began is cut off upstream and never looks complete.

use crate::support::{
    Agent, Appliance, Origin, Way,
    agent::NAMED,
    origin::{Rest, break_off, judge},
};

#[test]
fn an_upload_that_loses_its_client_never_looks_complete() {
    let appliance = Appliance::start();
    for (framing, part) in [("Transfer-Encoding: chunked", "4\r\npart\r\n"), ("Content-Length: 100", "part")] {
        for farewell in [false, true] {
            for way in [Way::Path, Way::Absolute, Way::Tunnel] {
                let origin = Origin::https();
                let mut agent = Agent::via(&appliance, way, &origin);
                let (name, value) = framing.split_once(": ").unwrap();
                let head = agent.head("POST", "/upload", &[NAMED, (name, value)]);
                agent.send(head + part);
                origin.until("the part has arrived", |seen| {
                    seen.iter().any(|it| it.bytes.windows(4).any(|it| it == b"part")).then_some(())
                });
                if farewell {
                    agent.close();
                } else {
                    agent.break_off();
                }
                let seen = origin.closed();
                assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut), "{way:?} {framing} {farewell}");
                let line = appliance.audit_of(&format!("{}/upload", origin.authority()));
                assert_eq!(line.get("outcome"), "client_abort", "{way:?} {}", line.text);
            }
        }
    }
}

#[test]
fn a_download_that_loses_its_client_is_cancelled() {
    let appliance = Appliance::start();
    for way in [Way::Path, Way::Absolute, Way::Tunnel] {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
            // Nothing more comes: only the proxy can end this.
            visit.drain();
            break_off()
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/download", &[NAMED]);
        agent.send(head);
        agent.read_until("hello");
        agent.break_off();
        origin.closed();
        let line = appliance.audit_of(&format!("{}/download", origin.authority()));
        assert_eq!(line.get("outcome"), "client_abort", "{way:?} {}", line.text);
    }
}

#[test]
fn clients_that_never_finish_saying_who_they_are_are_let_go() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut slow_head = Agent::dial(appliance.address());
    slow_head.send(format!("GET /{} HTTP/1.1\r\nHost: ", origin.url("/")));
    let mut slow_hello = Agent::dial(appliance.address());
    slow_hello.connect(&origin.authority(), &[]).unwrap();
    slow_hello.send([0x16, 3, 1, 1, 0, 1]);
    let mut silent = Agent::dial(appliance.address());
    silent.connect(&origin.authority(), &[]).unwrap();
    // A refusal may come first; what counts is that they are not waited for without end.
    for agent in [&mut slow_head, &mut slow_hello, &mut silent] {
        drop(agent.rest());
        assert!(agent.is_closed());
    }
    assert_eq!(origin.connections(), 0);
}
