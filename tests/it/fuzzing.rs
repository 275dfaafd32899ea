//! The bodies of the fuzz targets on the compiler that everybody has: over the corpus that fuzzing left, over what is close
//! to it, and over bytes made of pieces that mean something.

use std::{fs, panic::catch_unwind, path::PathBuf};

use proptest::{collection::vec, prelude::*, sample::Index, sample::select, strategy::Union};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own where it is fuzzed")]
mod bodies;

use bodies::TARGETS;

/// The files of a target's corpus.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|it| it.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{} is as good as empty", folder.display());
    files
}

#[test]
fn what_fuzzing_found_holds() {
    let mut broken = Vec::new();
    for (name, body) in TARGETS {
        broken.extend(corpus(name).into_iter().filter(|(_, bytes)| catch_unwind(|| body(bytes)).is_err()));
    }
    let broken: Vec<_> = broken.iter().map(|(path, _)| path.display()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_body_is_a_target() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is no target");
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("vultrino_fuzz::{name}(bytes)")), "{name} has another body");
    }
    assert_eq!(fs::read_dir(folder.join("targets")).unwrap().count(), TARGETS.len());
}

/// A change to a file: at a place, some bytes go and others come.
type Change = (Index, usize, Vec<u8>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = prop_oneof![any::<u8>(), select(&b"\r\n \t:;,/\\%#?@[].*-_0\0\x80"[..])];
    vec((any::<Index>(), 0..4_usize, vec(byte, 0..4)), 1..4)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, gone, come) in changes {
        let at = at.index(bytes.len() + 1);
        let end = bytes.len().min(at + gone);
        bytes.splice(at..end, come.iter().copied());
    }
    bytes
}

/// One of these first, then some of those in any order, then one of the last.
fn made_of(first: &'static [&str], then: &'static [&str], last: &'static [&str]) -> BoxedStrategy<Vec<u8>> {
    let piece = |of: &'static [&str]| select(of).prop_map(|it| it.chars().map(|c| c as u8).collect::<Vec<u8>>());
    let noise = vec(any::<u8>(), 0..3);
    let middle = vec(prop_oneof![12 => piece(then), 1 => noise], 0..8);
    (piece(first), middle, piece(last)).prop_map(|(a, b, c)| [a, b.concat(), c].concat()).boxed()
}

const FIELDS: &[&str] = &[
    "Host: origin.example\r\n",
    "host:origin.example:443\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0x3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close, x\r\n",
    "X: y\r\n",
    "X : y\r\n",
    "X_Y:  \u{e4} \t\r\n",
    " folded\r\n",
    "X: a\n",
    "X: a\rb\r\n",
    "Authorization: \u{e4}\r\n",
    "X-Vultrino-Credential: a\r\n",
    "\r\n",
];
const ENDS: &[&str] = &["\r\n", "\r\nGET /next HTTP/1.1\r\n", "\n", ""];
const MESSAGE: &[&str] = &[
    ",\"id\":1",
    ",\"id\":\"\\ud83d\\ude00\"",
    ",\"\\u0069d\":null",
    ",\"id\":1.5",
    ",\"id\":-9223372036854775809",
    ",\"method\":\"ping\"",
    ",\"method\":\"tools/call\"",
    ",\"method\":\"notifications/x\"",
    ",\"params\":{\"name\":\"x\",\"arguments\":{}}",
    ",\"params\":[]",
    ",\"params\":{\"_meta\":{\"progressToken\":1}}",
    ",\"result\":{}",
    ",\"error\":{\"code\":1,\"message\":\"x\"}",
];
const HOSTS: &[&str] = &[
    "a",
    "origin.example",
    "x-1_y",
    ".",
    "..",
    "-",
    "127.0.0.1",
    "127.1",
    "0x7f",
    "[::1]",
    "[",
    "]",
    ":",
    ":443",
    ":0443",
    ":65536",
    "@",
    "%2e",
    "*.",
    "*",
    "http://",
    "\u{e4}",
];
const PATHS: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2E",
    "%2f",
    "%5C",
    "%00",
    "%",
    "a",
    ";x",
    "?",
    "#",
    "\\",
    "@",
    ":8443",
    "https://",
    "origin.example",
    "*",
    " ",
];

/// Bytes for a target, of which a good part is valid.
fn made_for(target: &str) -> BoxedStrategy<Vec<u8>> {
    match target {
        "agent_message" => made_of(
            &["{\"jsonrpc\":\"2.0\"", "[{\"jsonrpc\":\"2.0\"", "{\"jsonrpc\":\"1.0\"", "{\"x\":1"],
            MESSAGE,
            &["}", "}]", "", "}\n{}"],
        ),
        "answer_head" => {
            made_of(&["HTTP/1.1 200 OK\r\n", "HTTP/1.0 304 \r\n", "HTTP/1.1 204\r\n", "ICY 200\r\n"], FIELDS, ENDS)
        }
        "request_head" => made_of(&["GET / HTTP/1.1\r\n", "POST * HTTP/1.0\r\n", "!a  HTTP/1.1\r\n"], FIELDS, ENDS),
        "chunked" => made_of(
            &["3\r\nabc\r\n", "0;x=\"y\"\r\n", ""],
            &[
                "1\r\na\r\n",
                "00\r\n",
                "0\r\n",
                "A\r\n",
                "2;\"\r\n",
                "x-a: b\r\n",
                "Host: c\r\n",
                "1_: d\r\n",
                "\r\n",
                "\n",
            ],
            &["0\r\n\r\n", "0\r\nX: y\r\n\r\n", "\r\n\r\n"],
        ),
        "classify" => {
            let line = made_of(
                &["GET ", "OPTIONS ", "TRACE ", "connect ", "CONNECT "],
                PATHS,
                &[" HTTP/1.1\r\nHost: origin.example\r\n\r\n", " HTTP/1.0\r\n\r\n", " HTTP/1.1\r\nHost: a\r\n\r\n"],
            );
            let proxied = made_of(
                &["GET https://origin.example/", "GET /https:/h", "GET /proxy/https://h", "GET http://h?"],
                PATHS,
                &[" HTTP/1.1\r\nHost: origin.example\r\n\r\n"],
            );
            Union::new([line, proxied]).boxed()
        }
        "connect_authority" => made_of(HOSTS, HOSTS, &["", ":443", ":80"]),
        "host_pattern" => made_of(HOSTS, HOSTS, &["\na.origin.example:443", ":*\norigin.example", "\n127.0.0.1:443"]),
        "http2_head" => made_of(
            &[
                "GET\nhttps://origin.example/x?y\n",
                "CONNECT\norigin.example:443\n",
                "!\nhttps://h:1\n",
                "PUT\nhttp://a/\n",
            ],
            &[
                "x: y\n",
                "content-length: 3\n",
                "cookie: a=1\n",
                "te: trailers\n",
                "connection: x\n",
                "x:  y \n",
                "host: \u{e4}\n",
            ],
            &["", "transfer-encoding: chunked", "x_y: \u{e4}"],
        ),
        "messages" => made_of(
            &["\u{0}", "\u{1}", "\u{10}", "\u{ff}"],
            &[
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
                "POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                "PUT /z HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "2;x=y\r\nde\r\n",
                "0\r\nx: y\r\n\r\n",
                "POST /w HTTP/1.0\r\nContent-Length: 40\r\n\r\n",
            ],
            &["", "GET", "\r\n", "GET / HTTP/1.1\r\nHost: a\n\n"],
        ),
        "store_envelope" => vec(any::<u8>(), 0..300).boxed(),
        "target" => made_of(&["https://origin.example", "/http:/h", "/", ""], PATHS, PATHS),
        other => panic!("nothing is made for {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_close_to_it_holds((target, file, changes) in (0..TARGETS.len(), any::<Index>(), changes())) {
        thread_local!(static FILES: Vec<Vec<(PathBuf, Vec<u8>)>> = TARGETS.iter().map(|(name, _)| corpus(name)).collect());
        let bytes = FILES.with(|it| file.get(&it[target]).1.clone());
        TARGETS[target].1(&changed(bytes, &changes));
    }

    #[test]
    fn what_is_made_of_pieces_holds(
        (target, bytes) in (0..TARGETS.len()).prop_flat_map(|at| (Just(at), made_for(TARGETS[at].0)))
    ) {
        TARGETS[target].1(&bytes);
    }
}
