//! The certificate for a host: made for a new one, and found for one that was there before.

use std::hint::black_box;

use criterion::Criterion;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use vultrino::{
    base::{clock::Clock, host::Host},
    ca::{Ca, Root, leaf::LeafKey},
};

/// `leaf/…`
pub fn leaf(c: &mut Criterion) {
    let mut group = c.benchmark_group("leaf");
    let now = Timestamp::now();
    let new = Root::generate(now).unwrap();
    let root = Root::open(&new.certificate_der, &new.key_pkcs8, now).unwrap();
    let key = LeafKey::generate(&aws_lc_rs::default_provider()).unwrap();
    let host: Host = "api.example.com".parse().unwrap();
    group.bench_function("new", |b| b.iter(|| key.certify(black_box(&host), &root, now).unwrap()));
    let ca = Ca::open(&new.certificate_der, &new.key_pkcs8, Clock).unwrap();
    group.bench_function("known", |b| b.iter(|| ca.server_config(black_box(&host)).unwrap()));
    group.finish();
}
