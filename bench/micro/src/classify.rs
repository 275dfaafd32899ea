//! What a request asks for, in the three ways to ask.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use vultrino::{
    base::{
        host::{Authority, Scheme},
        target::Origin,
    },
    proxy::classify as ours,
};

use crate::messages;

/// `classify/…`
pub fn classify(c: &mut Criterion) {
    let mut group = c.benchmark_group("classify");
    for (name, target) in [("path style", messages::PATH_STYLE), ("absolute form", messages::ABSOLUTE)] {
        let head = messages::read(target);
        group.bench_function(name, |b| b.iter(|| ours::classify(black_box(&head), None).unwrap()));
    }
    let head = messages::read(messages::WITHIN);
    let origin = Arc::new(Origin::new(Scheme::Https, Authority::parse("api.example.com", 443).unwrap()));
    group.bench_function("in a tunnel", |b| b.iter(|| ours::classify_inside(black_box(&head), &origin).unwrap()));
    group.finish();
}
