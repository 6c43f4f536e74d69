//! The same bytes give the same scan, over runs and numbers of threads.

use crate::support::{Found, Numbers, found};
use delta_scanner::{Control, Options};

/// A pair of several segments with all kinds of data and change in it.
fn pair() -> (Vec<u8>, Vec<u8>) {
    let mut numbers = Numbers(11);
    let base = [
        numbers.code(5 << 20),
        vec![0; 1 << 20],
        numbers.bytes(2 << 20),
        numbers.bytes(48).into_iter().cycle().take(1 << 20).collect(),
        numbers.code(2 << 20),
    ]
    .concat();
    let target = numbers.edit(&base, 600);
    (base, target)
}

fn with_threads(threads: usize, base: &[u8], target: &[u8]) -> Found {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(|| found(base, target, Options::default(), Control::silent())).expect("nobody cancels")
}

#[test]
fn one_two_and_seven_threads_and_a_second_run_agree() {
    let (base, target) = pair();
    let first = with_threads(1, &base, &target);
    for threads in [1, 2, 7] {
        assert!(with_threads(threads, &base, &target) == first, "{threads} threads differ");
    }
}
