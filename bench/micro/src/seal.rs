//! A secret sealed, and opened again as every request does that uses it.

use std::hint::black_box;

use criterion::Criterion;
use vultrino::{
    base::secret::Secret,
    credential::{Kind, Material},
    seal::{DataKey, key::OpenKey},
};

/// As long as what binds an envelope to its place: store, kind, id, version, alias.
const PLACE: [u8; 60] = [7; 60];

/// `seal/…`
pub fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    let key: DataKey = OpenKey::random().unwrap().into_data_key().unwrap();
    let material =
        Material::api_key(Secret::new(b"a-made-up-key-of-some-fifty-bytes-as-they-often-are".to_vec())).unwrap();
    let packed = material.encode();
    let sealed = key.seal_secret(&packed, &PLACE).unwrap();
    group.bench_function("seal", |b| b.iter(|| key.seal_secret(black_box(&packed), &PLACE).unwrap()));
    group.bench_function("open", |b| {
        b.iter(|| Material::decode(Kind::ApiKey, key.open_secret(black_box(&sealed), &PLACE).unwrap()).unwrap());
    });
    group.finish();
}
