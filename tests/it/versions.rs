//! What a request says in one version of HTTP reaches origins of another in that one's own words.

use serde_json::json;

use crate::support::{
    Agent, Appliance, Credential, Http2Client, Http2Origin, Origin, WAYS,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    mcp::DOORS,
};

/// Methods for which an empty content is said to be empty, and others.
const ANTICIPATING: [&str; 3] = ["POST", "PUT", "PATCH"];
const OTHERS: [&str; 4] = ["GET", "HEAD", "DELETE", "OPTIONS"];

#[test]
fn content_that_is_anticipated_and_empty_has_a_length() {
    let appliance = Appliance::start();
    let lengths = |method| if ANTICIPATING.contains(&method) { vec!["0"] } else { vec![] };
    for method in ANTICIPATING.into_iter().chain(OTHERS) {
        let expected: Vec<&str> = lengths(method);
        let old = Origin::https();
        let new = Http2Origin::start();
        Http2Client::to(&appliance, &old.authority()).ask(method, "/", &[]).expect_origins(200);
        Http2Client::to(&appliance, &new.authority()).ask(method, "/", &[]).expect_origins(200);
        for way in WAYS {
            Agent::via(&appliance, way, &old).ask(method, "/", &[NAMED]).expect_origins(200);
            let mut agent = Agent::to(&appliance, way, "https", &new.authority());
            agent.ask(method, "/", &[NAMED]).expect_origins(200);
        }
        for request in old.requests() {
            assert_eq!(request.values("content-length"), expected, "{method} {request:#?}");
            assert!(request.values("transfer-encoding").is_empty(), "{method} {request:#?}");
        }
        for head in new.heads() {
            let arrived: Vec<_> = head.headers.get_all("content-length").iter().collect();
            assert_eq!(arrived, expected, "{method} {head:#?}");
        }
        assert_eq!((old.requests().len(), new.heads().len()), (4, 4), "{method}");
    }
}

#[test]
fn the_doors_that_describe_a_request_say_that_its_content_is_empty_too() {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let builder = Appliance::builder().credential(key).role("agent", "read,execute", "").key("agent", "agent");
    let appliance = builder.start();
    let origin = Origin::https();
    for method in ANTICIPATING {
        appliance.api_without_key().execute(ALIAS, method, &origin.url("/"));
        appliance.cli(&["request", ALIAS, "-X", method, &origin.url("/")]).expect_success();
        for door in DOORS {
            let mut mcp = door.open(&appliance, appliance.key("agent"));
            let asked = json!({ "credential": ALIAS, "method": method, "url": origin.url("/") });
            mcp.call("http_request", &asked).done();
        }
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), 3 * (2 + DOORS.len()));
    for request in requests {
        assert_eq!(request.values("content-length"), ["0"], "{request:#?}");
    }
}

/// An origin of HTTP/1.1 that sends trailers to those who take them.
fn trailing() -> Origin {
    Origin::https_with(|visit| {
        while let Some(request) = visit.request()? {
            let takes = request.values("te") == ["trailers"];
            let trailers = if takes { "X-Sum: 7\r\n" } else { "" };
            visit.write(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{trailers}\r\n"
            ))?;
        }
        Ok(())
    })
}

#[test]
fn who_takes_trailers_is_known_to_an_origin_of_http_1() {
    let appliance = Appliance::start();
    let sum = [("x-sum".to_owned(), "7".to_owned())];
    let origin = trailing();
    let mut client = Http2Client::to(&appliance, &origin.authority());
    for _ in 0..2 {
        assert_eq!(client.ask("GET", "/", &[("te", "trailers")]).expect_origins(200).trailers, sum);
        assert_eq!(client.post("/", &[("te", "trailers")], "abc", None).expect_origins(200).trailers, sum);
        assert!(client.get("/").expect_origins(200).trailers.is_empty());
    }
    for way in WAYS {
        for te in ["trailers", "deflate, trailers", "Trailers", "gzip;q=0.5 , TRAILERS"] {
            let answer =
                Agent::via(&appliance, way, &origin).ask("GET", "/", &[NAMED, ("TE", te), ("Connection", "TE")]);
            assert_eq!(answer.expect_origins(200).trailers.len(), 1, "{way:?} {te}");
        }
        for te in ["deflate", "x-trailers", ""] {
            let answer = Agent::via(&appliance, way, &origin).ask("GET", "/", &[NAMED, ("TE", te)]);
            assert!(answer.expect_origins(200).trailers.is_empty(), "{way:?} {te}");
        }
    }
    for request in origin.requests() {
        let connection = request.values("connection").join(", ").to_ascii_lowercase();
        let options: Vec<&str> = connection.split(", ").filter(|it| !it.is_empty()).collect();
        let has_te = !request.values("te").is_empty();
        assert_eq!(options.contains(&"te"), has_te, "RFC 9110 section 10.1.4: {request:#?}");
        assert_eq!(options.contains(&"close"), request.method() == "POST", "{request:#?}");
    }
}

#[test]
fn a_length_that_is_known_stays_known_between_the_versions() {
    let appliance = Appliance::start();
    let (old, new) = (Origin::https(), Http2Origin::start());
    for length in [1, 5_000, 300_000] {
        let (content, said) = (vec![b'x'; length], length.to_string());
        let fields = [("content-length", &*said)];
        for authority in [old.authority(), new.authority()] {
            Http2Client::to(&appliance, &authority).post("/", &fields, content.clone(), None).expect_origins(200);
            for way in WAYS {
                Agent::to(&appliance, way, "https", &authority).post("/", &[], &content).expect_origins(200);
            }
        }
        let requests = old.requests();
        for request in &requests[requests.len() - 4..] {
            assert_eq!(request.values("content-length"), [&*said], "{:?}", request.fields);
            assert!(request.values("transfer-encoding").is_empty() && request.body == content);
        }
        let heads = new.heads();
        assert!(heads[heads.len() - 4..].iter().all(|it| it.headers["content-length"] == *said), "{heads:#?}");
    }
}
