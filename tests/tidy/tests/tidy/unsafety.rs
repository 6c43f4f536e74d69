//! Unsafe code is a short list of files.

use tests_tidy::source::{all, holds};
use tests_tidy::tree;

/// File, and why safe code cannot do it.
const UNSAFE: &[(&str, &str)] = &[
    ("delta-apply/src/os/guard.rs", "turns the SIGBUS of a failing disk into an error"),
    ("delta-apply/src/os/mapped.rs", "maps the base"),
    ("server-tools/ingest/src/mapping.rs", "maps artifacts that do not fit in memory"),
];

/// Crates that forbid it altogether.
const FORBIDDING: [&str; 8] = [
    "delta-format/src/lib.rs",
    "delta-verify/src/lib.rs",
    "agent/machine/src/lib.rs",
    "server-tools/attest/src/lib.rs",
    "server-tools/functions/src/lib.rs",
    "server-tools/graph/src/lib.rs",
    "server-tools/score/src/lib.rs",
    "server-tools/runtime/src/lib.rs",
];

#[test]
fn only_listed_files_are_unsafe() {
    for source in all() {
        let path = source.path.to_string_lossy();
        if path.starts_with("tests/tidy/") {
            continue;
        }
        let listed = UNSAFE.iter().any(|(listed, _)| *listed == path);
        let is_unsafe = holds(&source.code, "unsafe");
        let allows = ["allow(unsafe_code", "expect(unsafe_code"].iter().any(|word| source.code.contains(word));
        assert!(listed || !(is_unsafe || allows), "{path} holds unsafe code and is not in the list of tests/tidy");
        assert!(!listed || is_unsafe, "{path} holds no unsafe code any more: take it off the list");
    }
}

/// Each block says which conditions make it sound, and each file why it exists.
#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    for (path, _) in UNSAFE {
        let source = all().into_iter().find(|source| source.path.to_string_lossy() == *path).expect("a listed file");
        assert!(source.text.starts_with("//!"), "{path} opens with why safe code cannot do it");
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in source.code.lines().enumerate().filter(|(_, line)| holds(line, "unsafe")) {
            if line.contains("unsafe extern") || line.contains("unsafe_code") {
                continue;
            }
            let before = &lines[at.saturating_sub(8)..=at];
            let said = before.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
            assert!(said, "{path}:{}: no SAFETY comment before `{}`", at + 1, line.trim());
        }
    }
}

#[test]
fn pure_crates_forbid_it() {
    for path in FORBIDDING {
        assert!(tree::read(path).contains("#![forbid(unsafe_code)]"), "{path} does not forbid unsafe code");
    }
}
