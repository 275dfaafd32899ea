//! HTTP/1 heads: the end found, the bytes read, and the head written again.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use vultrino::http1::{framing, head as codec, scan::Scan, write};

use crate::messages;

/// `head/…`
pub fn head(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    let (request, answer) = (messages::request(messages::WITHIN), messages::answer());
    group.bench_function("find the end", |b| b.iter(|| Scan::default().advance(black_box(&request)).unwrap()));
    group.bench_function("read a request", |b| {
        b.iter_batched(|| request.clone(), |bytes| codec::request(bytes).unwrap(), BatchSize::SmallInput);
    });
    group.bench_function("read an answer", |b| {
        b.iter_batched(|| answer.clone(), |bytes| codec::answer(bytes).unwrap(), BatchSize::SmallInput);
    });
    let read = messages::read(messages::WITHIN);
    let framed = framing::of_request(&read).unwrap();
    group.bench_function("write a request", |b| {
        let fields = [black_box(&read.fields)];
        b.iter(|| {
            write::request(&read.method, &read.target, "api.example.com", fields, framed, write::Ending::default())
        });
    });
    let read = codec::answer(answer.clone()).unwrap();
    let framed = framing::of_answer(&read, &http::Method::POST).unwrap();
    group.bench_function("write an answer", |b| b.iter(|| write::answer(black_box(&read), framed, false)));
    group.finish();
}
