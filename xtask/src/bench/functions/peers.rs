//! What other programs need for the first compiled pair: diffoscope for both files, SMDA for the functions of one.
//!
//! In: programs in PATH, and a Python with SMDA that `STELLA_BENCH_PYTHON` names. Out: a line for each, with its cost, or
//! that it was not there. QBinDiff needs
//! the export of a disassembler (IDA, Ghidra, Binary Ninja) and is not run.

use std::env;
use std::process::Command;

use anyhow::Result;

use super::Pair;
use crate::command;
use crate::leash::Leash;
use crate::measure::{self, Act};

use super::LONGEST;

/// Prints how many functions SMDA finds.
const SMDA: &str = "import sys\nfrom smda.Disassembler import Disassembler\n\
                    print(len(list(Disassembler().disassembleFile(sys.argv[1]).getFunctions())))";

/// The lines behind the table.
pub(super) fn text(pair: Option<&Pair>, leash: &Leash) -> Result<String> {
    let Some(pair) = pair else { return Ok("\nPeers: nothing was compiled to run them on.\n".into()) };
    let mut text = format!("\nPeers on {}:\n\n", pair.name);
    match command::find("diffoscope") {
        None => text += "- diffoscope: not installed\n",
        Some(program) => {
            // Its own helpers (objdump, readelf) are children and are not counted.
            let ended = measure::run(
                Command::new(program).arg("--no-progress").arg(&pair.base).arg(&pair.target),
                leash,
                LONGEST,
                |_| Ok(Act::GoOn),
            )?;
            text += &format!(
                "- diffoscope: {:.2} s of wall time, {} MiB without its children, {} bytes of text, no pairs of functions\n",
                ended.usage.wall.as_secs_f64(),
                ended.usage.peak_bytes >> 20,
                ended.out.len()
            );
        }
    }
    match env::var_os("STELLA_BENCH_PYTHON") {
        None => text += "- SMDA: not asked for (STELLA_BENCH_PYTHON names a Python that has it)\n",
        Some(python) => {
            let ended = measure::run(Command::new(python).args(["-c", SMDA]).arg(&pair.base), leash, LONGEST, |_| {
                Ok(Act::GoOn)
            })?;
            text += &match ended.status.success() {
                true => format!(
                    "- SMDA: {} functions of the base alone, {:.2} s of CPU, {} MiB\n",
                    ended.out.lines().last().unwrap_or_default(),
                    ended.usage.cpu.as_secs_f64(),
                    ended.usage.peak_bytes >> 20
                ),
                false => format!("- SMDA: failed ({})\n", ended.err.lines().last().unwrap_or_default()),
            };
        }
    }
    Ok(text + "- QBinDiff: not run; it compares what IDA, Ghidra or Binary Ninja export\n")
}
