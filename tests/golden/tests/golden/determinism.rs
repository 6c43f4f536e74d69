//! The same bytes every time: everything that is made twice, with one thread and with many, is the same.

use tests_golden::site::{RELEASE, Site};
use tests_golden::{build, images, vectors};

fn in_threads<T: Send>(threads: usize, make: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool").install(make)
}

/// All vectors, among them bundles of many segments, groups and chunks.
#[test]
fn vectors_do_not_depend_on_threads() {
    let (one, many) = (in_threads(1, vectors::all), in_threads(7, vectors::all));
    assert_eq!(one.len(), many.len());
    for ((name, one), (_, many)) in one.iter().zip(&many) {
        assert!(one == many, "{name} depends on the number of threads");
    }
}

/// A pair that is large enough for every parallel step: 3 MiB with moved, repeated and new parts.
#[test]
fn a_larger_pair_does_not_depend_on_threads() {
    let base = images::noise("larger", 3 << 20);
    let mut target = base.clone();
    target.rotate_left(300_000);
    target.splice(1_000_000..1_200_000, images::noise("new", 90_000));
    let repeated = target[2_000_000..2_040_000].repeat(3);
    target.splice(100_000..100_000, repeated);
    let make = || build::bundle(&base, &target, &build::facts(), &[RELEASE], &Site::default());
    let first = in_threads(1, make);
    for threads in [2, 5, 16] {
        assert!(in_threads(threads, make) == first, "{threads} threads give other bytes");
    }
}
