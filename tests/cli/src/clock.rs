//! Another time of day for one program: a small library that is loaded before the C library and answers for its clock.
//!
//! It is compiled by the C compiler that Rust links with, so it is there wherever these tests can be built.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clock.c");

/// The library, made in `folder`.
pub fn library(folder: &Path) -> PathBuf {
    let library = folder.join("clock.so");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([SOURCE, "-ldl"]).status();
    assert!(made.expect("cc runs").success(), "the clock library does not build");
    library
}

/// Lets a program believe that it is `seconds` after 1970.
pub fn set(command: &mut Command, library: &Path, seconds: u64) {
    command.env("LD_PRELOAD", library).env("STELLA_TEST_CLOCK", seconds.to_string());
}
