//! Heads of answers have limits of their own: bytes, not a number of fields, and memory of the caller.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::support::{
    Agent, Answer, Appliance, Credential, Http2Client, Http2Origin, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    http2_origin::send,
    wait::{PATIENCE, until},
};

/// Fields of answers that servers have been seen to send, or could.
fn large() -> Vec<Vec<(String, String)>> {
    let many = |count: usize| (0..count).map(|at| (format!("x-{at}"), "v".to_owned())).collect();
    let cookies = (0..150).map(|at| ("set-cookie".to_owned(), format!("c{at}=1"))).collect();
    let long_name = |length: usize| vec![("x".repeat(length), "v".to_owned())];
    let long_value = vec![("x-long".to_owned(), "v".repeat(200_000))];
    vec![many(101), many(5000), cookies, long_name(302), long_name(40_000), long_value]
}

fn lines(fields: &[(String, String)]) -> String {
    fields.iter().flat_map(|(name, value)| [&**name, ": ", value, "\r\n"]).collect()
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[track_caller]
fn has(answer: &Answer, fields: &[(String, String)], shown: &str) {
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{shown}");
    let come: Vec<_> = answer.fields.iter().filter(|it| it.0.starts_with('x') || it.0 == "set-cookie").collect();
    assert!(come.len() == fields.len() && come.iter().zip(fields).all(|(a, b)| **a == *b), "{shown}");
}

#[test]
fn an_answer_has_as_many_fields_and_as_long_ones_as_fit() {
    let appliance = Appliance::start();
    for fields in large() {
        let shown = format!("{} fields, the first named {:.20}", fields.len(), fields[0].0);
        let old = Origin::answering(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", lines(&fields)));
        let of_new = fields.clone();
        let new = Http2Origin::with(move |mut call| {
            let fields = of_new.clone();
            async move { call.answer_whole(200, &borrowed(&fields), "ok") }
        });
        for authority in [old.authority(), new.authority()] {
            for way in WAYS {
                let mut agent = Agent::to(&appliance, way, "https", &authority);
                has(&agent.get("/"), &fields, &format!("{way:?} {shown}"));
                has(&agent.get("/"), &fields, &format!("{way:?} {shown}"));
            }
            has(&Http2Client::to(&appliance, &authority).get("/"), &fields, &shown);
        }
        assert_eq!(appliance.api_without_key().execute(ALIAS, "GET", &old.url("/")).status(), 200, "{shown}");
    }
}

#[test]
fn names_in_a_request_are_as_long_as_its_head_allows() {
    let appliance = Appliance::start();
    let (old, new) = (Origin::https(), Http2Origin::start());
    for length in [257, 302, 20_000] {
        let name = format!("x-{}", "y".repeat(length - 2));
        for authority in [old.authority(), new.authority()] {
            for way in WAYS {
                let mut agent = Agent::to(&appliance, way, "https", &authority);
                agent.ask("GET", "/", &[NAMED, (&name, "v")]).expect_origins(200);
            }
            Http2Client::to(&appliance, &authority).ask("GET", "/", &[(&name, "v")]).expect_origins(200);
        }
        assert_eq!(old.requests().iter().filter(|it| it.values(&name) == ["v"]).count(), 4, "{length}");
        assert_eq!(new.heads().iter().filter(|it| it.headers.contains_key(&name)).count(), 4, "{length}");
    }
}

#[test]
fn trailers_of_an_answer_are_as_many_and_as_long_as_fit() {
    let appliance = Appliance::start();
    let many = |count: usize| (0..count).map(|at| (format!("x-{at}"), "v".to_owned())).collect::<Vec<_>>();
    let long = vec![("x".repeat(302), "v".to_owned()), ("x-long".to_owned(), "v".repeat(40_000))];
    for trailers in [many(33), many(1000), long] {
        let old = Origin::answering(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{}\r\n",
            lines(&trailers)
        ));
        let of_new = trailers.clone();
        let new = Http2Origin::with(move |mut call| {
            let trailers = of_new.clone();
            async move {
                let mut stream = call.answer(200, &[]);
                send(&mut stream, "ok".into()).await;
                let mut map = http::HeaderMap::new();
                for (name, value) in &trailers {
                    map.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
                }
                stream.send_trailers(map).unwrap();
            }
        });
        for authority in [old.authority(), new.authority()] {
            let fields = [NAMED, ("TE", "trailers"), ("Connection", "TE")];
            let sorted = |mut answer: Answer| {
                answer.message.trailers.sort();
                answer.message.trailers
            };
            let mut expected = trailers.clone();
            expected.sort();
            for way in WAYS {
                let mut agent = Agent::to(&appliance, way, "https", &authority);
                assert!(sorted(agent.ask("GET", "/", &fields)) == expected, "{way:?} {}", trailers.len());
            }
            let mut client = Http2Client::to(&appliance, &authority);
            assert!(sorted(client.ask("GET", "/", &[("te", "trailers")])) == expected, "{}", trailers.len());
        }
    }
}

#[test]
fn a_head_beyond_the_limit_is_a_bad_gateway() {
    let appliance = Appliance::start();
    let narrow = Appliance::builder().set("limits.answer_header_bytes", "4096").start();
    for (appliance, fits, exceeds) in [(&appliance, 250_000, 270_000), (&narrow, 3500, 4200)] {
        for (length, status) in [(fits, 200), (exceeds, 502)] {
            let value = "y".repeat(length);
            let old = Origin::answering(format!("HTTP/1.1 200 OK\r\nX: {value}\r\nContent-Length: 2\r\n\r\nok"));
            let new = Http2Origin::with(move |mut call| {
                let value = "y".repeat(length);
                async move { call.answer_whole(200, &[("x", &value)], "ok") }
            });
            for authority in [old.authority(), new.authority()] {
                for way in WAYS {
                    let mut agent = Agent::to(appliance, way, "https", &authority);
                    assert_eq!(agent.get("/").status(), status, "{way:?} {length} {authority}");
                }
                assert_eq!(Http2Client::to(appliance, &authority).get("/").status(), status, "{length}");
            }
        }
    }
}

/// What lets an origin go on.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let (open, _) = self.1.wait_timeout_while(self.0.lock().unwrap(), PATIENCE, |open| !*open).unwrap();
        drop(open);
    }

    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

/// 16 MiB are one caller's, and a head of 200,000 bytes takes that much at least.
const MORE_THAN_FIT: usize = 100;

fn two_keys() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let builder = Appliance::builder().server().credential(key).role("agent", "read,execute", "");
    builder.key("greedy", "agent").key("other", "agent").start()
}

/// Sends heads of 200,000 bytes, of which `last` waits for the gate; whoever asks for `/short` gets one of 20,000 at once.
fn hesitant(last: &'static str) -> (Origin, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let of_origin = Arc::clone(&gate);
    let origin = Origin::https_with(move |visit| {
        let Some(request) = visit.request()? else { return Ok(()) };
        let short = request.target() == "/short";
        let value = "y".repeat(if short { 20_000 } else { 200_000 });
        let head = format!("HTTP/1.1 200 OK\r\nX: {value}\r\nContent-Length: 2\r\n\r\nok");
        let (first, rest) = head.split_at(head.len() - last.len());
        visit.write(first)?;
        if !short {
            of_origin.pass();
        }
        visit.write(rest)
    });
    (origin, gate)
}

#[test]
fn heads_of_answers_count_in_the_memory_of_their_caller() {
    let appliance = two_keys();
    let (greedy, other) = (appliance.key("greedy"), appliance.key("other"));
    // Before the head is whole, and while its body is awaited.
    for last in ["\r\n\r\nok", "ok"] {
        let (origin, gate) = hesitant(last);
        let answered = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..MORE_THAN_FIT {
                let (appliance, origin, answered) = (&appliance, &origin, &answered);
                scope.spawn(move || {
                    let mut agent = Agent::keyed(appliance, Way::Path, origin, greedy);
                    let answer = agent.ask("GET", "/", &[NAMED]);
                    answered.lock().unwrap().push((answer.status(), answer.text()));
                });
            }
            until("some are refused", || (!answered.lock().unwrap().is_empty()).then_some(()));
            let refused = answered.lock().unwrap().clone();
            assert!(refused.iter().all(|it| it.0 == 503 && it.1.contains("client_limit")), "{last:?} {refused:#?}");
            let mut agent = Agent::keyed(&appliance, Way::Path, &origin, other);
            assert_eq!(agent.ask("GET", "/short", &[NAMED]).status(), 200, "{last:?}: another caller is served");
            until("all that do not fit are refused", || {
                (answered.lock().unwrap().len() >= MORE_THAN_FIT - (16 << 20) / 200_000).then_some(())
            });
            gate.open();
        });
        let answered = answered.into_inner().unwrap();
        let served = answered.iter().filter(|it| it.0 == 200).count();
        assert!(served >= 20, "{last:?} {served}");
        // All of it is given back.
        let mut agent = Agent::keyed(&appliance, Way::Path, &origin, greedy);
        assert_eq!(agent.ask("GET", "/short", &[NAMED]).status(), 200, "{last:?}");
    }
}
