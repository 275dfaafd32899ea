//! `cargo bench -p vultrino-micro`; the benchmarks themselves are in the library, a file a piece.

use std::time::Duration;

use criterion::Criterion;
use tikv_jemallocator::Jemalloc;

/// As in the binary: much of a small piece's time can be its allocation.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

criterion::criterion_group! {
    name = pieces;
    // Half of what is usual: nothing here waits for anything, so the figures settle at once.
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets =
        vultrino_micro::head,
        vultrino_micro::classify,
        vultrino_micro::decide,
        vultrino_micro::seal,
        vultrino_micro::inject,
        vultrino_micro::leaf,
        vultrino_micro::audit,
}
criterion::criterion_main!(pieces);
