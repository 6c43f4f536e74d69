//! A program against itself, and the same program analysed twice.

use delta_functions::{Class, Diff, Executable, Report};

fn own_program() -> Vec<u8> {
    std::env::current_exe().and_then(std::fs::read).expect("a test can read itself")
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(work)
}

#[test]
fn a_file_against_itself_is_identical() {
    let program = own_program();
    let file = Executable::read(&program).expect("an executable");
    let diff = Diff::new(&file, &file).expect("the same processor");
    assert!(file.len() > 1_000, "{} functions", file.len());
    assert_eq!(diff.count(Class::Identical), file.len());
    assert!(diff.pairs.iter().all(|pair| pair.base == pair.target));
    assert_eq!((diff.added.len(), diff.removed.len(), diff.is_rebuilt), (0, 0, false));
}

/// Names of a file that is not stripped are the truth: nearly all are found, and nearly nothing else.
#[test]
fn functions_are_where_symbols_say() {
    let program = own_program();
    let file = Executable::read(&program).expect("an executable");
    let found: std::collections::BTreeSet<u64> =
        (0..file.len() as u32).filter_map(|index| file.function(index)).map(|function| function.address).collect();
    let named: std::collections::BTreeSet<u64> =
        file.symbols().filter(|(address, _, bytes)| *bytes > 0 && file.is_code(*address)).map(|(at, ..)| at).collect();
    assert!(named.len() > 1_000, "{} names", named.len());
    let both = named.intersection(&found).count();
    assert!(both * 1_000 >= named.len() * 998, "{both} of {} named functions", named.len());
    assert!(both * 1_000 >= found.len() * 990, "{both} of {} found functions are named", found.len());
}

#[test]
fn threads_do_not_change_the_report() {
    let program = own_program();
    // Another program of the same kind: the same one with every 4096th byte of its second half changed.
    let mut other = program.clone();
    let half = other.len() / 2;
    other.iter_mut().skip(half).step_by(4_096).for_each(|byte| *byte ^= 0x11);
    let report = |threads| {
        with_threads(threads, || {
            let (base, target) = (Executable::read(&program)?, Executable::read(&other)?);
            let diff = Diff::new(&base, &target)?;
            let report = Report::new(&base, &target, &diff);
            Some((diff, report))
        })
    };
    let one = report(1);
    assert!(one.is_some());
    for threads in [2, 5] {
        assert!(report(threads) == one, "{threads} threads give another report");
    }
}
