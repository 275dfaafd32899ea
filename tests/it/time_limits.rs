//! How long an origin may be silent: before its answer, in it, and what it is called when that was too long.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
};

use tokio::sync::Semaphore;

use crate::support::{
    Agent, Answer, Appliance, Credential, Http2Client, Http2Origin, Origin, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    http2_client::{head, piece, run},
    http2_origin::send,
    origin::break_off,
    process,
    visit::Visit,
};

/// Says nothing until the client goes.
fn mute(visit: &mut Visit) -> io::Result<()> {
    visit.head()?;
    visit.drain();
    break_off()
}

#[track_caller]
fn expect_timeout(answer: Answer, reason: &str, setting: &str) {
    let refusal = answer.expect_refusal(504, "upstream_timeout").because(reason);
    assert!(refusal.message.contains(setting), "{refusal:?}");
}

#[test]
fn the_limit_of_the_server_is_named_where_it_ends_a_request() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let origin = Origin::https_with(mute);
    for way in [Way::Path, Way::Absolute, Way::Tunnel] {
        let answer = Agent::via(&appliance, way, &origin).get(&format!("/{way:?}"));
        expect_timeout(answer, "timeout", "within 1 s; see [server] timeout");
        let line = appliance.audit_of(&format!("/{way:?}"));
        assert_eq!([line.get("outcome"), line.get("reason")], ["upstream_error", "timeout"], "{}", line.text);
    }
    let silent = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[("content-length", "10")]);
        send(&mut stream, "begin".into()).await;
        call.is_reset(&mut stream).await;
    });
    let mut client = Http2Client::to(&appliance, &silent.authority());
    let mut asked = client.start("GET", "/stalls");
    let (_, answer) = run(head(&mut asked.response)).unwrap();
    let mut body = answer.into_body();
    run(async { while let Some(Ok(_)) = piece(&mut body).await {} });
    let line = appliance.audit_of("/stalls");
    assert_eq!([line.get("outcome"), line.get("reason")], ["upstream_abort", "timeout"], "{}", line.text);
}

#[test]
fn a_credential_has_its_own_limit() {
    let key = |name: &str, timeout: &str| {
        Credential::key(name, KEY, &["localhost:*"]).with("--metadata").with(&format!("{{\"timeout\":{timeout}}}"))
    };
    let appliance = Appliance::builder()
        .set("server.timeout", "2")
        .credential(key("slow", "600"))
        .credential(key("fast", "1"))
        .start();
    let (go, heard) = mpsc::channel();
    let heard = Mutex::new(heard);
    let origin = Origin::https_with(move |visit| {
        let request = visit.request()?.unwrap();
        if request.target() == "/slow" {
            heard.lock().unwrap().recv().map_err(io::Error::other)?;
            return visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        }
        visit.drain();
        break_off()
    });
    let named = |alias: &'static str| [("X-Vultrino-Credential", alias)];
    let mut patient = Agent::via(&appliance, Way::Tunnel, &origin);
    let head = patient.head("GET", "/slow", &named("slow"));
    patient.send(head);
    let answer = Agent::via(&appliance, Way::Path, &origin).ask("GET", "/fast", &named("fast"));
    expect_timeout(answer, "credential_timeout", "within 1 s; see `timeout` in the credential's metadata");
    // By now the patient one has waited for longer than the server's own limit.
    let usual = Agent::via(&appliance, Way::Absolute, &Origin::http_with(mute)).ask("GET", "/usual", &[]);
    expect_timeout(usual, "timeout", "within 2 s; see [server] timeout");
    go.send(()).unwrap();
    patient.answer("GET").expect_origins(200);
    let wrong = ["add", "--alias", "wrong", "--key", "-", "--host", "localhost", "--metadata", r#"{"timeout":0}"#];
    let refused = process::run(&mut appliance.command(&wrong), "of-wrong");
    assert!(!refused.status.success() && refused.stderr.contains("from 1 to 86400"), "{refused:?}");
}

/// Begins to answer, is silent until told to go on, and ends well.
fn streaming(begin: &'static str, end: &'static str) -> (Origin, mpsc::Sender<()>) {
    let (go, heard) = mpsc::channel();
    let heard = Mutex::new(heard);
    let origin = Origin::https_with(move |visit| {
        visit.request()?;
        visit.write(begin)?;
        heard.lock().unwrap().recv().map_err(io::Error::other)?;
        visit.write(end)
    });
    (origin, go)
}

#[test]
fn an_answer_that_streams_may_be_silent_for_longer() {
    const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let mut waiting = Vec::new();
    for (begin, end) in [(EVENTS, "data: 2\n\n"), (CHUNKS, "4\r\nlast\r\n0\r\n\r\n")] {
        for way in [Way::Path, Way::Absolute, Way::Tunnel] {
            let (origin, go) = streaming(begin, end);
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("GET", "/events", &[NAMED]);
            agent.send(head);
            waiting.push((agent, origin, go, end));
        }
    }
    let go_on = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go_on);
    let origin = Http2Origin::with(move |mut call| {
        let told = Arc::clone(&told);
        async move {
            if call.path() == "/late-head" {
                told.acquire().await.unwrap().forget();
            }
            let mut stream = call.answer(200, &[]);
            send(&mut stream, "first".into()).await;
            told.acquire().await.unwrap().forget();
            send(&mut stream, "last".into()).await;
            stream.send_data("".into(), true).unwrap();
        }
    });
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let mut streams = client.start("GET", "/h2");
    // A call of gRPC: neither side says anything for as long as it likes, not even the head of the answer.
    let call = client.request("POST", "/late-head", &[("content-type", "application/grpc"), ("te", "trailers")]);
    let mut call = client.begin(call, false).unwrap();
    // This one is cut, and what began before it has been silent for longer.
    for _ in 0..2 {
        let cut = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut");
        let mut agent = Agent::via(&appliance, Way::Tunnel, &cut);
        let head = agent.head("GET", "/cut", &[NAMED]);
        agent.send(head);
        assert!(agent.try_answer("GET").is_err());
    }
    for (mut agent, _origin, go, end) in waiting {
        go.send(()).unwrap();
        let answer = agent.answer("GET").expect_origins(200);
        assert!(answer.text().ends_with(if end.contains("last") { "last" } else { "data: 2\n\n" }), "{answer:?}");
    }
    let (_, answer) = run(head(&mut streams.response)).unwrap();
    go_on.add_permits(3);
    let mut body = answer.into_body();
    let mut whole = Vec::new();
    run(async {
        while let Some(bytes) = piece(&mut body).await {
            whole.extend_from_slice(&bytes.unwrap());
        }
    });
    assert_eq!(whole, b"firstlast");
    let (_, answer) = run(head(&mut call.response)).unwrap();
    assert_eq!(answer.status(), 200);
    drop((call, answer));
}

#[test]
fn a_stream_that_is_silent_for_too_long_ends_by_its_own_limit() {
    let appliance = Appliance::builder().set("server.timeout", "600").set("server.stream_idle_timeout", "1").start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        visit.drain();
        break_off()
    });
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    let head = agent.head("GET", "/stream", &[NAMED]);
    agent.send(head);
    assert!(agent.try_answer("GET").is_err());
    let line = appliance.audit_of("/stream");
    assert_eq!([line.get("outcome"), line.get("reason")], ["upstream_abort", "stream_idle_timeout"], "{}", line.text);
}

#[test]
fn an_answer_that_is_collected_streams_to_nobody() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let (origin, go) = streaming("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n", "0\r\n\r\n");
    let body = format!(
        r#"{{"credential":"{ALIAS}","action":"http.request","params":{{"method":"GET","url":"{}"}}}}"#,
        origin.url("/collected")
    );
    let mut agent = Agent::dial(appliance.address());
    let host = appliance.address();
    agent.send(format!(
        "POST /v1/execute HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = agent.answer("POST");
    assert!(answer.status() >= 500, "{answer:?}");
    let line = appliance.audit_of("/collected");
    assert_eq!(line.get("reason"), "timeout", "{}", line.text);
    drop(go);
}
