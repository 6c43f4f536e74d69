//! `cargo xtask lint`: what CI asks of every change before the tests.
//!
//! In: the tree. Out: success, or the failing command's own output. It changes no file; `cargo fmt` does.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::command;
use crate::workspace::cargo;

/// Each a cargo command line.
const CHECKS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"],
    &["test", "--package", "tests-tidy", "--quiet", "--locked"],
];

/// Runs the checks, the cheapest first.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    arguments.finish()?;
    for words in CHECKS {
        command::show(cargo().args(*words).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    match command::find("cargo-deny") {
        Some(_) => command::show(cargo().args(["deny", "--workspace", "check"]))?,
        None => eprintln!("cargo-deny is not installed: licences and advisories were not checked (deny.toml)"),
    }
    eprintln!("lint: nothing to complain about");
    Ok(())
}
