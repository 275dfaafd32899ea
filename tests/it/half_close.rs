//! Clients that end their side behind a whole request, and go on reading: they are answered.

use std::{
    net::Shutdown,
    sync::{Mutex, mpsc},
};

use serde_json::json;

use crate::support::{
    Agent, Appliance, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER},
};

/// An origin that answers each request when it is told to, and says when one has come.
fn patient() -> (Origin, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((came, arrived), (go, gone)) = (mpsc::channel(), mpsc::channel());
    let gone = Mutex::new(gone);
    let origin = Origin::https_with(move |visit| {
        while let Some(request) = visit.request()? {
            came.send(()).unwrap();
            gone.lock().unwrap().recv().ok();
            let text = format!("{} {}", request.target(), String::from_utf8_lossy(&request.body));
            visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()))?;
        }
        Ok(())
    });
    (origin, arrived, go)
}

/// Lets the proxy look at what came before this.
fn look(appliance: &Appliance) {
    for _ in 0..8 {
        appliance.health();
    }
}

#[test]
fn whole_requests_are_answered_behind_the_end_of_input() {
    let appliance = Appliance::start();
    let large = "x".repeat(100_000);
    for way in WAYS {
        let (origin, arrived, go) = patient();
        let agent = || Agent::via(&appliance, way, &origin);
        let get = |path: &str| agent().head("GET", path, &[NAMED]);
        let post =
            |body: &str| agent().head("POST", "/post", &[NAMED, ("Content-Length", &*body.len().to_string())]) + body;
        let chunked = agent().head("POST", "/post", &[NAMED, ("Transfer-Encoding", "chunked")]);
        for (name, sent, expected) in [
            ("GET", get("/get"), vec!["/get ".to_owned()]),
            ("HTTP/1.0", get("/old").replace("HTTP/1.1", "HTTP/1.0"), vec!["/old ".to_owned()]),
            ("POST", post("short"), vec!["/post short".to_owned()]),
            ("a long POST", post(&large), vec![format!("/post {large}")]),
            ("a chunked POST", chunked + "5\r\nshort\r\n0\r\n\r\n", vec!["/post short".to_owned()]),
            ("two", get("/one") + &get("/two"), vec!["/one ".to_owned(), "/two ".to_owned()]),
        ] {
            let mut agent = agent();
            agent.send(sent);
            agent.end_input();
            for text in &expected {
                arrived.recv().unwrap();
                look(&appliance);
                go.send(()).unwrap();
                assert!(agent.answer("GET").expect_origins(200).text() == *text, "{way:?} {name}");
            }
            assert!(agent.is_closed(), "{way:?} {name}");
        }
        assert!(origin.requests().iter().all(|it| it.values("authorization") == [BEARER]), "{way:?}");
        let line = appliance.audit_of(&format!("{}/two", origin.authority()));
        assert_eq!(line.get("outcome"), "ok", "{}", line.text);
    }
}

#[test]
fn a_call_of_the_api_is_answered_behind_the_end_of_input() {
    let appliance = Appliance::start();
    let (origin, arrived, go) = patient();
    let params = json!({ "method": "GET", "url": origin.url("/called") });
    let call = json!({ "credential": ALIAS, "action": "http.request", "params": params }).to_string();
    let mut agent = Agent::dial(appliance.address());
    let head = format!("POST /v1/execute HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json", agent.host());
    agent.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{call}", call.len()));
    agent.end_input();
    arrived.recv().unwrap();
    look(&appliance);
    go.send(()).unwrap();
    let answer = agent.answer("POST");
    assert_eq!((answer.status(), &answer.json()["body"]), (200, &json!("/called ")));
}

#[test]
fn a_download_comes_whole_behind_the_end_of_input() {
    let appliance = Appliance::start();
    for way in WAYS {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let origin = Origin::https_with(move |visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
            gone.lock().unwrap().recv().ok();
            visit.write("6\r\nsecond\r\n0\r\n\r\n")
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/download", &[NAMED]);
        agent.send(head);
        agent.read_until("first");
        agent.end_input();
        look(&appliance);
        go.send(()).unwrap();
        assert!(agent.read_until("0\r\n\r\n").contains("second"), "{way:?}");
        let line = appliance.audit_of(&format!("{}/download", origin.authority()));
        assert_eq!((line.get("outcome"), line.get("down")), ("ok", "11"), "{way:?} {}", line.text);
    }
}

/// An origin that never answers, and ends when the proxy does.
fn silent() -> Origin {
    Origin::https_with(|visit| {
        visit.request()?;
        visit.broken_off();
        Ok(())
    })
}

#[test]
fn a_client_that_resets_the_connection_behind_its_end_of_input_is_gone() {
    let appliance = Appliance::builder().set("server.timeout", "600").start();
    for way in WAYS {
        let origin = silent();
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/reset", &[NAMED]);
        agent.send(head);
        agent.end_input();
        origin.until("the request", |seen| seen.iter().any(|it| it.count > 0).then_some(()));
        look(&appliance);
        agent.break_off();
        origin.closed();
        let line = appliance.audit_of(&format!("{}/reset", origin.authority()));
        assert_eq!(line.get("outcome"), "client_abort", "{way:?} {}", line.text);
    }
}

#[test]
fn a_tunnel_that_ends_without_a_word_of_tls_is_gone() {
    let appliance = Appliance::builder().set("server.timeout", "600").start();
    let origin = silent();
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    let head = agent.head("GET", "/cut", &[NAMED]);
    agent.send(head);
    origin.until("the request", |seen| seen.iter().any(|it| it.count > 0).then_some(()));
    agent.socket_copy().shutdown(Shutdown::Write).unwrap();
    origin.closed();
    let line = appliance.audit_of(&format!("{}/cut", origin.authority()));
    assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
}
