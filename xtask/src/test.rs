//! `cargo xtask test`: every test there is, with one command.
//!
//! In: words after `--`, passed to the runner as filters. Out: the runner's own report; its summary is the last thing
//! printed. `cargo nextest` runs the tests when it is installed, else `cargo test`; documentation tests come first,
//! because nextest does not run them.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::command;
use crate::system::{self, Tool};
use crate::workspace::cargo;

/// What tests call besides this repository's own programs.
const TOOLS: &[Tool] = &[
    Tool { program: "cc", package: "gcc libc6-dev" },
    Tool { program: "mke2fs", package: "e2fsprogs" },
    Tool { program: "dpkg-deb", package: "dpkg" },
    // They make and record the traces that delta-graph and delta-runtime read.
    Tool { program: "g++", package: "g++" },
    Tool { program: "valgrind", package: "valgrind libc6-dbg" },
    Tool { program: "perf", package: "linux-perf" },
    Tool { program: "uftrace", package: "uftrace" },
    Tool { program: "node", package: "nodejs" },
    Tool { program: "javac", package: "default-jdk-headless" },
];

/// Runs the tests.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let filters = arguments.finish()?;
    system::need(TOOLS)?;
    command::show(cargo().args(["test", "--workspace", "--doc", "--quiet"]))?;
    match command::find("cargo-nextest") {
        Some(_) => command::show(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]).args(filters)),
        None => {
            command::show(cargo().args(["test", "--workspace", "--all-targets", "--no-fail-fast", "--"]).args(filters))
        }
    }
}
