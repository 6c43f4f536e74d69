//! `cargo xtask lint`: what CI asks of every change before the tests.
//!
//! In: the tree. Out: success, or the failing command's own output. It changes no file; `cargo fmt` does.

use std::process::Command;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::{command, workspace};

/// Each a cargo command line.
const CHECKS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ],
    &[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ],
    &["test", "--package", "tidy", "--quiet", "--locked"],
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

/// The cargo that runs this chore, at the root of the tree.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    // Set for xtask itself by `cargo run`; a nested cargo would rebuild what depends on it.
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}
