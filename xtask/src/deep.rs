//! Chores that go deeper than `cargo xtask test`: the long simulation, the long fuzzing, the sizes of the device's program.
//!
//! In: words after `--`, passed on as filters, targets or variants. Out: the report of what runs, and its verdict. How deep
//! and how strict is decided where the work is done: `tests/sim`, `tests/fuzz`, `cross/`.

use std::process::Command;

use anyhow::Result;

use crate::arguments::{Arguments, Misused};
use crate::command;
use crate::system::{self, Tool};
use crate::workspace::{self, cargo};

/// Mutants of each target: minutes, not hours.
const FUZZ_RUNS: u64 = 200_000;

/// `cargo xtask sim`: more faults and combinations of faults than the short form; or one case again, step by step.
pub(crate) fn sim(mut arguments: Arguments) -> Result<()> {
    let replay = arguments.value("--replay")?;
    let filters = arguments.finish()?;
    let mut run = cargo();
    run.args(["test", "--release", "--package", "tests-sim"]);
    match replay {
        Some(line) => run.env("STELLA_SIM_REPLAY", line).args(["replay", "--", "--nocapture"]),
        None => run.env("STELLA_SIM", "long").args(["--", "--nocapture"]).args(filters),
    };
    command::show(&mut run)
}

/// `cargo xtask fuzz`: many mutants for each parser of untrusted bytes.
pub(crate) fn fuzz(mut arguments: Arguments) -> Result<()> {
    let runs = arguments.value("--runs")?.unwrap_or_else(|| FUZZ_RUNS.to_string());
    if runs.parse::<u64>().is_err() {
        return Err(Misused::new(format!("--runs takes a number, not '{runs}'")).into());
    }
    let targets = arguments.finish()?;
    command::show(
        cargo()
            .env("STELLA_FUZZ_RUNS", runs)
            .args(["test", "--release", "--package", "tests-fuzz", "--"])
            .args(targets),
    )
}

/// `cargo xtask size`: the agent as it is shipped against its budget of bytes, packages and libraries.
pub(crate) fn size(arguments: Arguments) -> Result<()> {
    let variants = arguments.finish()?;
    system::need(&[Tool { program: "readelf", package: "binutils" }])?;
    let mut script = Command::new(workspace::root().join("cross/size.sh"));
    command::show(script.args(variants).current_dir(workspace::root()))
}
