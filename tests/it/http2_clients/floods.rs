//! Clients that say much and mean nothing: it costs us next to nothing, others are served meanwhile, and who goes too far is
//! sent away.

use std::{iter, thread};

use h2::Reason;

use crate::support::{
    Appliance, Http2Client, Http2Origin,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, bare, block, frame, head, reset,
    },
    http2_client::{Asked, GoAway, RawClient, head as head_of, piece, run},
    memory::{Peak, cpu_ms, resident_kib},
    swarm::Swarm,
};

/// What a flood may cost, while it comes and after.
const MOST_KIB: u64 = 1 << 10;
const PRIORITY: u8 = 2;

/// What a client says, piece by piece.
type Flood = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// How a flood may end: the server goes away for a reason, or has heard it all.
type End = Option<Reason>;

const CALM: End = Some(Reason::ENHANCE_YOUR_CALM);
const PROTOCOL: End = Some(Reason::PROTOCOL_ERROR);
const HEARD: End = None;

fn get(authority: &str) -> [(&'static str, String); 4] {
    let own = |it: &str| it.to_owned();
    [(":method", own("GET")), (":scheme", own("https")), (":authority", own(authority)), (":path", own("/flood"))]
}

/// A request on this stream, whose head ends the stream or does not.
fn request(authority: &str, stream: u32, ends: bool) -> Vec<u8> {
    let fields = get(authority);
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    if ends { bare(stream, &fields) } else { head(stream, &fields) }
}

/// The same frame again and again, a hundred at once.
fn again(frame: &[u8], times: usize) -> Flood {
    Box::new(iter::repeat_n(frame.repeat(100), times / 100))
}

fn behind(first: Vec<u8>, rest: Flood) -> Flood {
    Box::new(iter::once(first).chain(rest))
}

/// A field section of many names that are all to be kept in the table (RFC 7541 section 6.2.1).
fn unique(count: usize) -> Vec<u8> {
    let field = |at: usize| {
        let name = format!("x-{at:05}");
        [&[0x40, 7], name.as_bytes(), &[1, b'v']].concat()
    };
    (0..count).flat_map(field).collect()
}

/// A head in many frames.
fn in_pieces(stream: u32, section: &[u8]) -> Vec<u8> {
    let mut pieces = section.chunks(16_384);
    let mut bytes = frame(HEADERS, END_STREAM, stream, pieces.next().unwrap());
    bytes.extend(pieces.flat_map(|it| frame(CONTINUATION, 0, stream, it)));
    bytes.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
    bytes
}

fn floods(authority: &str) -> Vec<(&'static str, Flood, &'static [End])> {
    let authority = authority.to_owned();
    let of = authority.clone();
    let resets =
        (0..100_000u32).map(move |at| [request(&of, 2 * at + 1, true), reset(2 * at + 1, Reason::CANCEL)].concat());
    let fields = get(&authority);
    let good = block(&fields.each_ref().map(|(name, value)| (*name, value.as_str())));
    let begun = || frame(HEADERS, END_STREAM, 1, &good);
    let open = || request(&authority, 1, false);
    let junk = block(&[("x", &"y".repeat(16_000))]);
    let many = [good.clone(), unique(25_000)].concat();
    let many = (0..10u32).map(move |at| in_pieces(2 * at + 1, &many));
    let window = |stream: u32| frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    let table = [frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]), frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])].concat();
    let rooms = [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])].concat();
    vec![
        ("streams that are reset at once", Box::new(resets), &[CALM]),
        ("large continuations", behind(begun(), again(&frame(CONTINUATION, 0, 1, &junk), 2000)), &[CALM, PROTOCOL]),
        ("empty continuations", behind(begun(), again(&frame(CONTINUATION, 0, 1, &[]), 300_000)), &[CALM, PROTOCOL]),
        ("25,000 names in a head", Box::new(many), &[CALM, PROTOCOL, HEARD]),
        ("empty data", behind(open(), again(&frame(DATA, 0, 1, &[]), 2_000_000)), &[CALM]),
        ("data of padding alone", behind(open(), again(&frame(DATA, 8, 1, &[3, 0, 0, 0]), 300_000)), &[CALM]),
        ("windows of nothing", again(&window(0), 100_000), &[PROTOCOL]),
        ("windows of nothing, of a stream", behind(open(), again(&window(1), 100_000)), &[CALM, PROTOCOL, HEARD]),
        ("pings", again(&frame(PING, 0, 0, &[7; 8]), 300_000), &[CALM, HEARD]),
        ("settings", again(&frame(SETTINGS, 0, 0, &[]), 300_000), &[CALM, HEARD]),
        ("settings that change the table", again(&table, 150_000), &[CALM, HEARD]),
        ("settings that change the windows", behind(open(), again(&rooms, 150_000)), &[CALM, HEARD]),
        ("priorities", again(&frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]), 300_000), &[CALM, HEARD]),
        ("frames that nobody knows", again(&frame(0x42, 0, 0, b"?"), 300_000), &[CALM, HEARD]),
        (
            "resets of what is over",
            behind(request(&authority, 1, true), again(&reset(1, Reason::CANCEL), 300_000)),
            &[CALM, HEARD],
        ),
        ("resets of what never was", again(&frame(RST_STREAM, 0, 1, &[0; 4]), 300_000), &[CALM, PROTOCOL]),
    ]
}

#[test]
fn floods_cost_next_to_nothing_and_others_are_served_meanwhile() {
    let (appliance, origin) = (Appliance::start(), Http2Origin::start());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let mut other = Http2Client::to(&appliance, &authority);
    let mut ask = |times: usize| (0..times).for_each(|_| drop(other.get("/other").expect_origins(200)));
    let pid = appliance.pid();
    // Once for what is made once, and for the time that it takes; then for the memory.
    for ((name, first, ends), (_, second, _)) in floods(&authority).into_iter().zip(floods(&authority)) {
        let pour = |flood: Flood| run(async { RawClient::to(&swarm, &authority).await.unwrap().flood(flood).await });
        ask(1);
        let time = cpu_ms(pid);
        let end = pour(first);
        let time = cpu_ms(pid) - time;
        let (before, peak) = (resident_kib(pid), Peak::of(pid));
        let again = thread::scope(|scope| {
            let pouring = scope.spawn(|| pour(second));
            ask(5);
            pouring.join().unwrap()
        });
        ask(1);
        let grown = peak.kib().saturating_sub(before);
        eprintln!("{name}: {end:?}, {again:?}, {time} ms, {grown} KiB");
        for end in [end, again] {
            assert!(ends.contains(&end.map(|it| it.reason)), "{name}: {end:?}");
        }
        if name == "streams that are reset at once" {
            assert!(end.unwrap().last < 2 * 1000, "{end:?}");
        }
        assert!(grown < MOST_KIB, "{name}: {grown} KiB");
    }
}

/// Opens streams, and resets each once it is `begun` with; gives how many until the server goes away.
async fn give_up(swarm: &Swarm, authority: &str, ends: bool, begun: impl Fn(&Frame) -> bool) -> (u32, GoAway) {
    let mut client = RawClient::to(swarm, authority).await.unwrap();
    for at in 0.. {
        let stream = 2 * at + 1;
        // What is read is an end, too, if nothing can be written any more.
        drop(client.write(&[request(authority, stream, ends), frame(PING, 0, 0, &[1; 8])].concat()).await);
        let seen = client.until(|it| it.kind == GOAWAY || begun(it)).await.unwrap();
        if let Some(end) = seen.go_away() {
            return (at, end);
        }
        drop(client.write(&reset(stream, Reason::CANCEL)).await);
    }
    unreachable!("streams have an end")
}

#[test]
fn who_gives_up_hundreds_of_requests_that_have_begun_is_sent_away() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        if call.whole().await.is_ok() {
            let mut stream = call.answer(200, &[]);
            call.is_reset(&mut stream).await;
        }
    });
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let pinged: fn(&Frame) -> bool = |it| it.kind == PING && it.flags == ACK;
    let answered: fn(&Frame) -> bool = |it| it.kind == HEADERS;
    for (ends, begun) in [(false, pinged), (true, answered)] {
        let (count, end) = run(give_up(&swarm, &authority, ends, begun));
        assert_eq!(end.reason, Reason::ENHANCE_YOUR_CALM);
        assert!((100..1000).contains(&count), "{count}");
    }
}

#[test]
fn an_origin_that_breaks_hundreds_of_answers_off_is_no_fault_of_the_client() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        if call.path() == "/whole" {
            return drop(stream.send_data("ok".into(), true));
        }
        stream.send_data("some".into(), false).unwrap();
        call.body.data().await;
        stream.send_reset(Reason::INTERNAL_ERROR);
    });
    let mut client = Http2Client::to(&appliance, &origin.authority());
    for _ in 0..300 {
        let Asked { mut response, mut body } = client.start("POST", "/broken");
        let error = run(async {
            let mut answer = head_of(&mut response).await.unwrap().1.into_body();
            assert_eq!(piece(&mut answer).await.unwrap().unwrap(), "some");
            body.send_data("go".into(), false).unwrap();
            piece(&mut answer).await.unwrap().unwrap_err()
        });
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    }
    client.get("/whole").expect_origins(200);
}
