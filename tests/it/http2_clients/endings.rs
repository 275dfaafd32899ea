//! Streams and connections that end before their time, by the client, the origin server, or us.

use std::{
    io,
    net::TcpStream,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use h2::{Reason, client::Builder};
use tokio::sync::{Notify, Semaphore};

use crate::support::{
    Appliance, Credential, Http2Client, Http2Origin, Origin,
    frames::{END_STREAM, Frame, GOAWAY, PING, bare, frame},
    http2_client::{Asked, RawClient, answer, head, piece, run},
    http2_origin::send,
    origin::{Rest, break_off, judge},
    swarm::Swarm,
    wait::until,
};

/// Longest time until a right that was taken away has ended what is under way.
const LATER: Duration = Duration::from_secs(5);

#[test]
fn an_upload_whose_stream_the_client_resets_never_looks_complete() {
    let (appliance, old) = (Appliance::start(), Origin::https());
    let new = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        assert!(call.whole().await.is_err());
        call.is_reset(&mut stream).await;
    });
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let Asked { response, mut body } = client.start("POST", "/upload");
        run(send(&mut body, "part".into()));
        if authority == old.authority() {
            old.until("the part has arrived", |seen| {
                seen.iter().any(|it| it.bytes.ends_with(b"part\r\n")).then_some(())
            });
        } else {
            new.until("the head has arrived", |known| known.heads.first().cloned());
        }
        body.send_reset(Reason::CANCEL);
        drop(response);
        let line = appliance.audit_of(&format!("{authority}/upload"));
        assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
        client.try_ask("TRACE", "/", &[]).expect("the connection does not suffer");
    }
    let seen = old.closed();
    assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut));
    assert_eq!(new.until("it is cancelled", |known| known.resets.first().copied()), Reason::CANCEL);
}

#[test]
fn a_download_whose_stream_the_client_resets_is_cancelled() {
    let appliance = Appliance::start();
    let old = Origin::https_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        visit.drain();
        break_off()
    });
    let new = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        send(&mut stream, "hello".into()).await;
        call.is_reset(&mut stream).await;
    });
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let Asked { mut response, mut body } = client.start("GET", "/download");
        run(async {
            let (_, answer) = head(&mut response).await.unwrap();
            assert_eq!(piece(&mut answer.into_body()).await.unwrap().unwrap(), "hello");
        });
        body.send_reset(Reason::CANCEL);
        let line = appliance.audit_of(&format!("{authority}/download"));
        assert_eq!((line.get("outcome"), line.get("status")), ("client_abort", "200"), "{}", line.text);
    }
    old.closed();
    new.until("it is cancelled", |known| known.resets.first().copied());
}

#[test]
fn a_connection_that_is_lost_ends_all_that_went_on_in_it() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        call.is_reset(&mut stream).await;
    });
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let mut asked: Vec<_> = (0..5).map(|at| client.start("GET", &format!("/lost-{at}"))).collect();
    for one in &mut asked {
        run(head(&mut one.response)).unwrap();
    }
    client.break_off();
    origin.until("all are cancelled", |known| (known.resets.len() == 5).then_some(()));
    for at in 0..5 {
        let line = appliance.audit_of(&format!("/lost-{at}"));
        assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
    }
}

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    let appliance = Appliance::start();
    let (go, heard) = mpsc::channel();
    let heard = Mutex::new(heard);
    let old = Origin::https_with(move |visit| {
        let request = visit.request()?.unwrap();
        visit.write(match request.target() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nsome of it\r\n",
        })?;
        heard.lock().unwrap().recv().unwrap();
        break_off()
    });
    let notify = Arc::<Notify>::default();
    let notified = Arc::clone(&notify);
    let new = Http2Origin::with(move |mut call| {
        let notified = Arc::clone(&notified);
        async move {
            let length: &[(&str, &str)] = if call.path() == "/length" { &[("content-length", "100")] } else { &[] };
            let mut stream = call.answer(200, length);
            send(&mut stream, "some of it".into()).await;
            notified.notified().await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
    });
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        for path in ["/length", "/chunked"] {
            let mut asked = client.start("GET", path);
            let end = run(async {
                let (_, answer) = head(&mut asked.response).await.unwrap();
                let mut body = answer.into_body();
                assert_eq!(piece(&mut body).await.unwrap().unwrap(), "some of it");
                if authority == old.authority() {
                    go.send(()).unwrap();
                } else {
                    notify.notify_one();
                }
                piece(&mut body).await
            });
            let error = end.expect("it does not look whole").expect_err("nothing more comes");
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{authority}{path}");
            let line = appliance.audit_of(&format!("{authority}{path}"));
            assert_eq!(line.get("outcome"), "upstream_abort", "{}", line.text);
        }
    }
}

#[test]
fn a_key_that_is_revoked_ends_what_nobody_reads_and_then_the_connection() {
    let appliance = Appliance::builder()
        .server()
        .credential(Credential::key("k", "of-k", &["localhost:*"]))
        .role("agent", "execute", "")
        .key("gone", "agent")
        .key("stays", "agent")
        .start();
    let origin = Http2Origin::with(|mut call| async move {
        if call.path() == "/short" {
            return call.answer_whole(200, &[], "ok");
        }
        let mut stream = call.answer(200, &[]);
        while send(&mut stream, vec![b'x'; 16 << 10].into()).await {}
        call.is_reset(&mut stream).await;
    });
    let open = |name: &str| {
        // Room for other streams beside one that nobody reads.
        let mut builder = Builder::new();
        builder.initial_connection_window_size(1 << 20);
        let swarm = Swarm::of_http2(&appliance, Some(appliance.key(name)));
        let mut client = Http2Client::built(&swarm, &origin.authority(), &builder);
        let mut unread = client.start("GET", &format!("/unread-{name}"));
        let (_, answer) = run(head(&mut unread.response)).unwrap();
        (client, unread, answer.into_body())
    };
    let (mut gone, _unread, mut body) = open("gone");
    let (mut stays, _other, mut other) = open("stays");
    // Its window is used up, and nobody opens it again.
    let first = run(async { body.data().await.unwrap().unwrap() });
    assert!(!first.is_empty());
    let since = Instant::now();
    appliance.cli(&["key", "revoke", &appliance.key("gone")[..11]]).expect_success();
    until("the key is refused", || {
        let answer = gone.get("/short");
        (answer.status() != 200).then(|| answer.expect_refusal(401, "unauthorized"))
    });
    let error = run(async {
        loop {
            match body.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("it looks whole"),
            }
        }
    });
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    let line = appliance.audit_of("/unread-gone");
    assert_eq!((line.get("outcome"), line.get("name")), ("revoked_midstream", "gone"), "{}", line.text);
    assert!(since.elapsed() < LATER, "{:?}", since.elapsed());
    gone.ended().expect("it ends in good order");
    assert!(since.elapsed() < 2 * LATER, "{:?}", since.elapsed());
    stays.get("/short").expect_origins(200);
    run(async { piece(&mut other).await.unwrap().unwrap() });
}

#[test]
fn a_connection_that_says_nothing_ends_and_one_with_a_stream_does_not() {
    let appliance = Appliance::builder().set("limits.idle_timeout", "1").start();
    let go = Arc::new(Notify::new());
    let heard = Arc::clone(&go);
    let origin = Http2Origin::with(move |mut call| {
        let heard = Arc::clone(&heard);
        async move {
            if call.path() == "/long" {
                heard.notified().await;
            }
            call.answer_whole(200, &[], "ok");
        }
    });
    let mut busy = Http2Client::to(&appliance, &origin.authority());
    let asked = busy.start("GET", "/long");
    let mut silent = Http2Client::to(&appliance, &origin.authority());
    silent.get("/").expect_origins(200);
    silent.ended().expect("it ends in good order");
    assert!(silent.try_ask("GET", "/", &[]).is_err());
    go.notify_one();
    run(answer(asked.response)).unwrap().expect_origins(200);
    busy.ended().expect("it ends in good order");
}

#[test]
fn a_client_that_writes_when_the_connection_ends_is_not_reset() {
    let appliance = Appliance::builder().set("limits.idle_timeout", "1").start();
    let origin = Http2Origin::start();
    let swarm = Swarm::of_http2(&appliance, None);
    run(async {
        let mut client = RawClient::to(&swarm, &origin.authority()).await.unwrap();
        client.until(|it| it.kind == GOAWAY).await.unwrap();
        let end = client.next().await.expect_err("nothing follows a farewell");
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof, "{end}");
        // The second of them would fail: the system answers the first one with a reset once the socket is closed.
        for _ in 0..2 {
            client.write(&frame(PING, 0, 0, &[0; 8])).await.expect("somebody reads it");
        }
    });
}

#[test]
fn at_the_end_what_is_under_way_comes_to_its_end_before_the_farewell() {
    let mut appliance = Appliance::start();
    let go = Arc::new(Notify::new());
    let heard = Arc::clone(&go);
    let origin = Http2Origin::with(move |mut call| {
        let heard = Arc::clone(&heard);
        async move {
            heard.notified().await;
            call.answer_whole(200, &[], "late");
        }
    });
    let authority = origin.authority();
    let swarm = Swarm::of_http2(&appliance, None);
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/late"), (":authority", &*authority)];
    let address = appliance.address();
    let ending = run(async {
        let mut client = RawClient::to(&swarm, &authority).await.unwrap();
        client.write(&bare(1, &fields)).await.unwrap();
        origin.until("the request has arrived", |known| known.heads.first().cloned());
        let ended = thread::spawn(move || appliance.end());
        until("nobody is let in", || TcpStream::connect(address).err());
        go.notify_one();
        // Some clients take a farewell for the end of everything.
        let ends = |it: &Frame| it.stream == 1 && it.flags & END_STREAM != 0;
        let first = client.until(|it| it.kind == GOAWAY || ends(it)).await.unwrap();
        assert!(ends(&first), "{first:?}");
        client.until(|it| it.kind == GOAWAY).await.unwrap();
        ended.join().unwrap()
    });
    assert!(ending.success(), "{ending:?}");
}

#[test]
fn as_many_streams_as_are_allowed_go_on_at_once() {
    let appliance = Appliance::builder().set("limits.streams", "10").start();
    let go = Arc::new(Semaphore::new(0));
    let heard = Arc::clone(&go);
    let origin = Http2Origin::with(move |mut call| {
        let heard = Arc::clone(&heard);
        async move {
            let _turn = heard.acquire().await;
            call.answer_whole(200, &[], "ok");
        }
    });
    let swarm = Swarm::of_http2(&appliance, None);
    let mut client = Http2Client::built(&swarm, &origin.authority(), &Builder::new());
    let first = client.start("GET", "/0");
    origin.until("the first has arrived", |known| known.heads.first().cloned());
    assert_eq!(client.most_streams(), 10);
    let asked: Vec<_> = (1..11).map(|at| client.start("GET", &format!("/{at}"))).collect();
    origin.until("ten have arrived", |known| (known.heads.len() == 10).then_some(()));
    go.add_permits(1);
    origin.until("the eleventh has", |known| (known.heads.len() == 11).then_some(()));
    go.add_permits(10);
    for one in [first].into_iter().chain(asked) {
        run(answer(one.response)).unwrap().expect_origins(200);
    }
}
