//! Bodies over HTTP/2 stream both ways at once, in flat memory, and end as they were meant to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use bytes::Bytes;
use h2::Reason;

use crate::{
    http2_upstream::agent,
    streaming::stands_still,
    support::{Appliance, Http2Origin, WAYS, Way, agent::NAMED, http2_origin::send, memory::Peak},
};

const SIZE: usize = 256 << 20;
const PIECE: usize = 1 << 20;

fn pattern() -> Vec<u8> {
    (0..PIECE).map(|it| u8::try_from(it % 251).unwrap()).collect()
}

#[test]
fn much_passes_both_ways_in_flat_memory() {
    let appliance = Appliance::builder().with_default_kdf().set("server.max_body_size", "0").start();
    let origin = Http2Origin::with(|mut call| async move {
        if call.path() == "/up" {
            let (mut count, pattern) = (0, Bytes::from(pattern()));
            while let Some(piece) = call.piece().await {
                let piece = piece.unwrap();
                let from = count % PIECE;
                let same = piece.len().min(PIECE - from);
                assert_eq!(
                    (&piece[..same], &piece[same..]),
                    (&pattern[from..from + same], &pattern[..piece.len() - same])
                );
                count += piece.len();
            }
            return call.answer_whole(200, &[], count.to_string());
        }
        let (mut stream, pattern) = (call.answer(200, &[]), Bytes::from(pattern()));
        for _ in 0..SIZE / PIECE {
            send(&mut stream, pattern.clone()).await;
        }
        drop(stream.send_data(Bytes::new(), true));
    });
    let pattern = pattern();
    for way in [Way::Path, Way::Tunnel] {
        let mut peak = Peak::of(appliance.pid());
        let mut up = agent(&appliance, way, &origin);
        let head = up.head("POST", "/up", &[NAMED, ("Content-Length", &SIZE.to_string())]);
        up.send(head);
        for _ in 0..SIZE / PIECE {
            up.send(&pattern);
            peak.look();
        }
        assert_eq!(up.answer("POST").expect_origins(200).text(), SIZE.to_string(), "{way:?}");
        let mut down = agent(&appliance, way, &origin);
        let head = down.head("GET", "/down", &[NAMED]);
        down.send(head);
        assert_eq!(down.answer_head().values("transfer-encoding"), ["chunked"]);
        let mut count = 0;
        while count < SIZE {
            let size = down.read_until("\r\n");
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let piece = down.exactly(size + 2);
            let from = count % PIECE;
            let same = size.min(PIECE - from);
            assert!(piece[..same] == pattern[from..from + same] && piece[same..size] == pattern[..size - same]);
            count += size;
            peak.look();
        }
        assert_eq!((count, &*down.read_until("\r\n\r\n")), (SIZE, "0\r\n\r\n"));
        let peak = peak.mib();
        assert!(peak < 64, "{way:?}: {peak} MiB at the peak");
    }
}

#[test]
fn both_directions_are_live_at_once() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        send(&mut stream, "begin".into()).await;
        while let Some(Ok(piece)) = call.piece().await {
            send(&mut stream, piece).await;
        }
        drop(stream.send_data("end".into(), true));
    });
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Transfer-Encoding", "chunked")]);
        agent.send(head);
        agent.read_until("begin\r\n");
        for piece in ["one", "two", "six"] {
            agent.send(format!("3\r\n{piece}\r\n"));
            assert_eq!(agent.read_until("\r\n"), "3\r\n", "{way:?}");
            assert_eq!(agent.read_until("\r\n"), format!("{piece}\r\n"), "{way:?}");
        }
        agent.send("0\r\n\r\n");
        assert_eq!(agent.read_until("0\r\n\r\n"), "3\r\nend\r\n0\r\n\r\n", "{way:?}");
    }
}

#[test]
fn an_answer_that_ends_first_stops_the_upload_and_not_the_connection() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move { call.answer_whole(413, &[], "too much for me") });
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", "1000000")]);
        agent.send(head + "begin");
        assert_eq!(agent.answer("POST").expect_origins(413).text(), "too much for me", "{way:?}");
    }
    assert!(origin.known().connections <= 2);
}

#[test]
fn a_request_that_breaks_off_never_looks_whole() {
    let appliance = Appliance::start();
    let (tell, told) = mpsc::channel();
    let origin = Http2Origin::with(move |mut call| {
        let tell = tell.clone();
        async move {
            // Only now does the client break off.
            tell.send(call.piece().await.unwrap().map_err(|it| it.reason())).unwrap();
            tell.send(call.whole().await.map(|(rest, _)| rest.into()).map_err(|it| it.reason())).unwrap();
        }
    });
    for way in WAYS {
        for (framing, end) in [
            (("Content-Length", "100"), ""),
            (("Transfer-Encoding", "chunked"), "zz\r\n"),
            (("Transfer-Encoding", "chunked"), ""),
        ] {
            let mut agent = agent(&appliance, way, &origin);
            let head = agent.head("POST", "/", &[NAMED, framing]);
            let begin = if framing.0 == "Content-Length" { "begin" } else { "5\r\nbegin\r\n" };
            agent.send(head + begin);
            assert_eq!(told.recv().unwrap(), Ok(Bytes::from("begin")), "{way:?} {framing:?}");
            agent.send(end);
            if end.is_empty() {
                agent.break_off();
            }
            assert_eq!(told.recv().unwrap(), Err(Some(Reason::CANCEL)), "{way:?} {framing:?}");
        }
    }
}

#[test]
fn an_origin_that_does_not_read_stops_the_client() {
    let appliance = Appliance::builder().set("server.max_body_size", "0").start();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        send(&mut stream, "begin".into()).await;
        call.is_reset(&mut stream).await;
    });
    for way in WAYS {
        let peak = Peak::of(appliance.pid());
        let mut agent = agent(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", &SIZE.to_string())]);
        agent.send(head);
        let written = Arc::new(AtomicUsize::new(0));
        let (counter, piece) = (Arc::clone(&written), vec![b'x'; 64 << 10]);
        std::thread::spawn(move || {
            while agent.try_send(&piece).is_ok() {
                counter.fetch_add(piece.len(), Ordering::SeqCst);
            }
        });
        let taken = stands_still(&written);
        assert!(taken < SIZE / 4, "{way:?}: who took all that?");
        let peak = peak.mib();
        assert!(peak < 64, "{way:?}: {peak} MiB at the peak");
    }
}
