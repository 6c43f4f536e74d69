//! Files open with what they are, and stay short enough to be read.

use tests_tidy::source::all;

/// Lines of a file at most; the longest is one algorithm or one table, told in full.
const LINES_MAX: usize = 600;
/// Half of all files are shorter.
const LINES_MEDIAN_MAX: usize = 200;

#[test]
fn sources_open_with_what_they_are() {
    let silent: Vec<String> = (all().iter())
        .filter(|source| !source.text.trim_start().starts_with("//!"))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "these files do not open with a line of `//!`:\n{}", silent.join("\n"));
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> =
        all().iter().map(|source| (source.text.lines().count(), source.path.display().to_string())).collect();
    lengths.sort();
    let median = lengths[lengths.len() / 2].0;
    println!(
        "{} sources, {} lines, median {median}; the longest:",
        lengths.len(),
        lengths.iter().map(|l| l.0).sum::<usize>()
    );
    lengths.iter().rev().take(12).for_each(|(lines, path)| println!("{lines:>5} {path}"));
    assert!(median <= LINES_MEDIAN_MAX, "the median is {median} lines");
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LINES_MAX).collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:?}");
}
