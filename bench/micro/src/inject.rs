//! An opened secret put into the fields of a request.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use vultrino::{base::secret::Secret, inject as ours};

use crate::messages;

/// `inject/…`
pub fn inject(c: &mut Criterion) {
    let mut group = c.benchmark_group("inject");
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let (username, password) = (secret("reports@example.com"), secret("a made-up password"));
    let request = || messages::read(messages::WITHIN).fields;
    group.bench_function("bearer", |b| {
        let put = |(key, mut fields)| {
            ours::header::bearer(black_box(key), &mut fields);
            fields
        };
        let opened = || (secret("a-made-up-key-of-some-fifty-bytes-as-they-often-are"), request());
        b.iter_batched(opened, put, BatchSize::SmallInput);
    });
    group.bench_function("basic", |b| {
        let put = |mut fields| {
            ours::basic::authorization(black_box(&username), black_box(&password), &mut fields);
            fields
        };
        b.iter_batched(request, put, BatchSize::SmallInput);
    });
    group.finish();
}
