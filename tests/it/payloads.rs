//! Seventy-five raw HTTP/1 payloads that parsers have disagreed about, and what a strict proxy makes of each.
//!
//! In a payload `{t}` is the target as the client's way spells it, `{h}` the `Host` of that way, `{c}` the line that
//! names the credential; `{a}` is the TLS origin and `{b}` the plaintext one, whatever the way.

/// What a strict proxy does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    /// One error of ours with this status; nothing arrives, and the connection ends or is still in step.
    Refused(u16),
    /// The same, and the connection ends: where this message ends is anybody's guess.
    Broken(u16),
    /// So many requests arrive, each once, and are answered 200.
    Served(usize),
    /// A body that breaks off: an error or the end of the connection; no whole request arrives.
    Aborted,
    /// Not finished: nothing need be answered; no whole request arrives.
    Unfinished,
    /// Served once, without a mark to know it by.
    Unmarked,
}

/// One payload.
pub(crate) struct Payload {
    pub title: &'static str,
    pub raw: Vec<u8>,
    pub expect: Expect,
}

fn payload(title: &'static str, raw: impl AsRef<[u8]>, expect: Expect) -> Payload {
    Payload { title, raw: raw.as_ref().to_vec(), expect }
}

/// Those that are fired in each way, with the target and host of that way.
pub(crate) fn in_each_way() -> Vec<Payload> {
    [hosts(), lengths(), lines(), chunks(), sizes(), the_rest()].into_iter().flatten().collect()
}

/// Those that are about one form of target; they are fired at the listener, and as they stand into a tunnel.
pub(crate) fn forms() -> Vec<Payload> {
    [absolute(), paths(), connects()].into_iter().flatten().collect()
}

fn hosts() -> Vec<Payload> {
    let with_host = |title, host: &str| {
        payload(title, format!("GET {{t}} HTTP/1.1\r\n{{c}}Host:{host}\r\n\r\n"), Expect::Refused(400))
    };
    vec![
        payload("no Host in 1.1", b"GET {t} HTTP/1.1\r\n{c}\r\n", Expect::Refused(400)),
        payload("duplicate Host", b"GET {t} HTTP/1.1\r\n{c}Host: {h}\r\nHost: b\r\n\r\n", Expect::Refused(400)),
        with_host("Host list", " {h}, b"),
        with_host("Host userinfo", " a@{h}"),
        with_host("Host with path", " {h}/b"),
        with_host("Host with space", " {h} b"),
        with_host("Host empty", ""),
    ]
}

fn absolute() -> Vec<Payload> {
    let get = |title, target: &str, expect| {
        payload(title, format!("GET {target} HTTP/1.1\r\n{{c}}Host: {{b}}\r\n\r\n"), expect)
    };
    vec![
        payload("abs-form Host mismatch", b"GET http://{b}{m} HTTP/1.1\r\n{c}Host: evil\r\n\r\n", Expect::Served(1)),
        get("abs-form userinfo", "http://u:p@{b}{m}", Expect::Refused(400)),
        get("abs-form fragment", "http://{b}{m}/x#frag", Expect::Served(1)),
        payload("abs-form https", b"GET https://{a}{m}/x HTTP/1.1\r\n{c}Host: {a}\r\n\r\n", Expect::Served(1)),
        get("abs-form ftp", "ftp://{b}{m}/x", Expect::Refused(400)),
        get("abs-form file", "file:///etc/passwd", Expect::Refused(400)),
        get("abs-form backslash", "http://{b}\\@evil/", Expect::Refused(400)),
        get("abs-form no authority", "http:///{m}", Expect::Refused(400)),
        get("abs-form port 0", "http://localhost:0{m}", Expect::Refused(400)),
        get("abs-form port 65536", "http://localhost:65536{m}", Expect::Refused(400)),
    ]
}

fn paths() -> Vec<Payload> {
    let get = |title, target: &[u8], expect| {
        payload(title, [b"GET ", target, b" HTTP/1.1\r\n{c}Host: {p}\r\n\r\n"].concat(), expect)
    };
    vec![
        get("path-style https", b"/https://{a}{m}/x", Expect::Served(1)),
        get("path-style https single slash", b"/https:/{a}{m}/x", Expect::Served(1)),
        get("path-style enc scheme", b"/https%3A%2F%2F{a}{m}", Expect::Refused(400)),
        get("path-style HTTPS upper", b"/HTTPS://{A}{m}/x", Expect::Served(1)),
        get("path-style userinfo", b"/https://{a}@evil{m}", Expect::Refused(400)),
        get("path-style backslash", b"/https:\\\\{a}\\x", Expect::Refused(400)),
        get("path-style frag", b"/https://{a}{m}/x#y", Expect::Served(1)),
        get("path-style ipv6", b"/https://[::1]{m}", Expect::Refused(403)),
        get("path-style utf8", b"/https://b\xc3\xbccher.example{m}", Expect::Refused(400)),
        get("path-style tab", b"/https://{a}{m}/\tx", Expect::Refused(400)),
    ]
}

fn connects() -> Vec<Payload> {
    let connect = |title, target: &str, rest: &str, expect| {
        payload(title, format!("CONNECT {target} HTTP/1.1\r\nHost: {{a}}\r\n{rest}"), expect)
    };
    vec![
        connect("CONNECT ok", "{a}", "\r\n", Expect::Unfinished),
        connect("CONNECT no port", "localhost", "\r\n", Expect::Broken(400)),
        connect("CONNECT with path", "http://{a}/x", "\r\n", Expect::Broken(400)),
        connect("CONNECT userinfo", "u@{a}", "\r\n", Expect::Broken(400)),
        payload("CONNECT Host mismatch", b"CONNECT {a} HTTP/1.1\r\nHost: evil:443\r\n\r\n", Expect::Broken(400)),
        connect("CONNECT with body", "{a}", "Content-Length: 5\r\n\r\nhello", Expect::Broken(400)),
    ]
}

fn lengths() -> Vec<Payload> {
    let post = |title, fields: &str, expect| {
        payload(title, format!("POST {{t}} HTTP/1.1\r\n{{c}}Host: {{h}}\r\n{fields}"), expect)
    };
    let coding = |title, coding: &str, expect| {
        payload(
            title,
            format!("POST {{t}} HTTP/1.1\r\n{{c}}Host: {{h}}\r\nTransfer-Encoding:{coding}\r\n\r\n0\r\n\r\n"),
            expect,
        )
    };
    vec![
        post("CL dup same", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Expect::Broken(400)),
        post("CL list same", "Content-Length: 3, 3\r\n\r\nabc", Expect::Broken(400)),
        post(
            "CL+TE",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smug HTTP/1.1\r\nHost: {h}\r\n\r\n",
            Expect::Broken(400),
        ),
        coding("TE identity,chunked", " identity, chunked", Expect::Broken(400)),
        coding("TE gzip,chunked", " gzip, chunked", Expect::Broken(400)),
        coding("TE chunked,identity", " chunked, identity", Expect::Broken(400)),
        coding("TE Chunked case", " ChUnKeD", Expect::Served(1)),
        coding("TE xchunked", " xchunked", Expect::Broken(400)),
        payload(
            "TE in 1.0",
            b"POST {t} HTTP/1.0\r\n{c}Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Expect::Broken(400),
        ),
        coding("obs-fold tab TE", "\r\n\tchunked", Expect::Broken(400)),
        post("underscore hdr Content_Length", "Content_Length: 3\r\n\r\nabc", Expect::Served(1)),
        post("CL huge", "Content-Length: 18446744073709551616\r\n\r\nabc", Expect::Broken(400)),
        post("CL negative", "Content-Length: -1\r\n\r\n", Expect::Broken(400)),
    ]
}

fn lines() -> Vec<Payload> {
    vec![
        payload("obs-fold", b"GET {t} HTTP/1.1\r\n{c}Host: {h}\r\nX: a\r\n b\r\n\r\n", Expect::Broken(400)),
        payload("bare LF hdr", b"GET {t} HTTP/1.1\r\n{c}Host: {h}\nX: y\r\n\r\n", Expect::Broken(400)),
        payload("bare CR hdr", b"GET {t} HTTP/1.1\r\n{c}Host: {h}\rX: y\r\n\r\n", Expect::Broken(400)),
        payload("NUL in value", b"GET {t} HTTP/1.1\r\n{c}Host: {h}\r\nX: a\x00b\r\n\r\n", Expect::Broken(400)),
        payload("HTTP/0.9", b"GET {t}\r\n", Expect::Unfinished),
        payload("HTTP/2.0 in line", b"GET {t} HTTP/2.0\r\n{c}Host: {h}\r\n\r\n", Expect::Broken(400)),
        payload("h2 preface on h1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Expect::Broken(400)),
        payload("leading CRLF", b"\r\n\r\nGET {t} HTTP/1.1\r\n{c}Host: {h}\r\n\r\n", Expect::Broken(400)),
        payload("leading space line", b" GET {t} HTTP/1.1\r\n{c}Host: {h}\r\n\r\n", Expect::Broken(400)),
        payload("TRACE", b"TRACE {t} HTTP/1.1\r\n{c}Host: {h}\r\n\r\n", Expect::Refused(405)),
        payload("lowercase method", b"get {t} HTTP/1.1\r\n{c}Host: {h}\r\n\r\n", Expect::Served(1)),
        payload("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n{c}Host: {h}\r\n\r\n", Expect::Broken(400)),
    ]
}

fn chunks() -> Vec<Payload> {
    let post = |title, body: &[u8], expect| {
        let head = b"POST {t} HTTP/1.1\r\n{c}Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n";
        payload(title, [head, body].concat(), expect)
    };
    let long = [b"2;", &b"a".repeat(65_536)[..], b"\r\nab\r\n0\r\n\r\n"].concat();
    vec![
        post("chunk ext LF", b"2;\n\r\nab\r\n0\r\n\r\n", Expect::Aborted),
        post("chunk ext quoted CRLF", b"2;a=\"\r\nab\r\n0\r\n\r\n", Expect::Aborted),
        post("chunk ext 64KiB", &long, Expect::Aborted),
        post("chunk size overflow", b"10000000000000002\r\nab\r\n0\r\n\r\n", Expect::Aborted),
        post("chunk size 16F", b"ffffffffffffffff\r\nab", Expect::Aborted),
        payload(
            "trailer Authorization",
            b"POST {t} HTTP/1.1\r\n{c}Host: {h}\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n\
              1\r\nZ\r\n0\r\nAuthorization: evil\r\n\r\n",
            Expect::Served(1),
        ),
    ]
}

fn sizes() -> Vec<Payload> {
    let many: String = (0..101).flat_map(|at| ["X".to_owned(), at.to_string(), ": y\r\n".to_owned()]).collect();
    let get = |title, fields: &str, expect| {
        payload(title, format!("GET {{t}} HTTP/1.1\r\n{{c}}Host: {{h}}\r\n{fields}\r\n"), expect)
    };
    let long = |title, count, expect| {
        let more = "y".repeat(count);
        payload(title, format!("GET {{t}}/{more} HTTP/1.1\r\n{{c}}Host: {{h}}\r\n\r\n"), expect)
    };
    vec![
        get("101 headers", &many, Expect::Broken(431)),
        get("500 KiB header", &format!("X: {}\r\n", "y".repeat(512_000)), Expect::Broken(431)),
        long("60 KiB URI", 61_440, Expect::Served(1)),
        long("70 KiB URI", 71_680, Expect::Broken(414)),
    ]
}

fn the_rest() -> Vec<Payload> {
    let get = |title, fields: &str, expect| {
        payload(title, format!("GET {{t}} HTTP/1.1\r\n{{c}}Host: {{h}}\r\n{fields}\r\n"), expect)
    };
    let three = "GET {t}/1 HTTP/1.1\r\n{c}Host: {h}\r\n\r\nGET {t}/2 HTTP/1.1\r\n{c}Host: {h}\r\n\r\n\
                 GET {t}/3 HTTP/1.1\r\n{c}Host: {h}\r\n\r\n";
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let expecting = |title, what: &str, expect| {
        let fields = format!("Expect: {what}\r\nContent-Length: 3\r\n\r\nabc");
        payload(title, format!("POST {{t}} HTTP/1.1\r\n{{c}}Host: {{h}}\r\n{fields}"), expect)
    };
    vec![
        get("h2c upgrade", upgrade, Expect::Served(1)),
        payload("pipelined 3", three, Expect::Served(3)),
        expecting("Expect 100", "100-continue", Expect::Served(1)),
        expecting("Expect junk", "200-ok", Expect::Refused(417)),
        get("dup Authorization", "Authorization: Bearer vk_a\r\nAuthorization: Bearer vk_b\r\n", Expect::Refused(400)),
        get(
            "dup X-Vultrino-Credential",
            "X-Vultrino-Credential: a\r\nX-Vultrino-Credential: b\r\n",
            Expect::Refused(400),
        ),
        get("Connection: authorization", "Connection: close, Authorization\r\nAuthorization: x\r\n", Expect::Served(1)),
    ]
}

#[test]
fn there_are_seventy_five() {
    assert_eq!(in_each_way().len() + forms().len(), 75);
}
