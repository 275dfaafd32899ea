//! A request and an answer as programs and sites send them, and what stands in their place in the other files.

use vultrino::{base::head::RequestHead, http1::head};

/// What stands before the fields in each way to ask.
pub(crate) const WITHIN: &str = "/v1/chat/completions?stream=false";
pub(crate) const PATH_STYLE: &str = "/https://api.example.com/v1/chat/completions?stream=false";
pub(crate) const ABSOLUTE: &str = "https://api.example.com/v1/chat/completions?stream=false";

/// A head of some 500 bytes, as the client library of a language model's API sends it.
pub(crate) fn request(target: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\n\
         Host: api.example.com\r\n\
         Accept-Encoding: gzip, deflate, br\r\n\
         Connection: keep-alive\r\n\
         Accept: application/json\r\n\
         Content-Type: application/json\r\n\
         User-Agent: Client/Python 1.99.9\r\n\
         X-Client-Arch: x64\r\n\
         X-Client-Async: false\r\n\
         X-Client-Lang: python\r\n\
         X-Client-OS: Linux\r\n\
         X-Client-Package-Version: 1.99.9\r\n\
         X-Client-Retry-Count: 0\r\n\
         X-Client-Runtime: CPython\r\n\
         X-Client-Runtime-Version: 3.12.3\r\n\
         Content-Length: 412\r\n\r\n"
    )
    .into_bytes()
}

/// The same, read.
pub(crate) fn read(target: &str) -> RequestHead {
    head::request(request(target)).unwrap()
}

/// A head of some 900 bytes, as a large site's API answers.
pub(crate) fn answer() -> Vec<u8> {
    let long = "x".repeat(200);
    format!(
        "HTTP/1.1 200 OK\r\n\
         Date: Sun, 22 Nov 2026 10:30:00 GMT\r\n\
         Content-Type: application/json; charset=utf-8\r\n\
         Content-Length: 1431\r\n\
         Connection: keep-alive\r\n\
         Server: example\r\n\
         Cache-Control: private, max-age=60, s-maxage=60\r\n\
         Vary: Accept, Authorization, Cookie, Accept-Encoding\r\n\
         ETag: W/\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\r\n\
         Access-Control-Allow-Origin: *\r\n\
         Access-Control-Expose-Headers: {long}\r\n\
         Strict-Transport-Security: max-age=31536000; includeSubdomains; preload\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Frame-Options: deny\r\n\
         X-RateLimit-Limit: 5000\r\n\
         X-RateLimit-Remaining: 4999\r\n\
         X-RateLimit-Reset: 1795350600\r\n\
         X-Request-Id: 01234567-89ab-cdef-0123-456789abcdef\r\n\r\n"
    )
    .into_bytes()
}
