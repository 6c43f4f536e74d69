//! Our own program on a pair: create, inspect, apply, compare.
//!
//! In: the program and a pair. Out: a row; its bytes are `payload_bytes`: all that a device needs apart from signatures,
//! proofs and the reviewer's manifest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::corpus::Pair;
use super::row::Row;
use crate::json::Json;
use crate::leash::Leash;
use crate::measure::{self, Act, Ended};
use crate::{command, files, workspace};

/// The name in tables.
pub(crate) const NAME: &str = "stella";

/// Ten times what the largest pair may take.
const LONGEST: Duration = Duration::from_secs(7200);

/// What a pair gave.
pub(crate) struct Measured {
    pub(crate) row: Row,
    /// What the bundle declares that a device has to allocate.
    pub(crate) device_memory_bytes: u64,
}

/// Builds the program that is measured.
pub(crate) fn build() -> Result<std::path::PathBuf> {
    command::show(workspace::cargo().args(["build", "--locked", "--release", "--package", "stella"]))?;
    Ok(workspace::target().join("release/stella"))
}

/// Measures a pair. A failure of the program is a row without a delta and with a note, not an error.
pub(crate) fn measure(stella: &Path, pair: &Pair, work: &Path, leash: &Leash) -> Result<Measured> {
    let mut measured = Measured { row: Row::of(pair, NAME), device_memory_bytes: 0 };
    if let Err(reason) = steps(stella, pair, work, leash, &mut measured) {
        measured.row.note = format!("{reason:#}");
    }
    Ok(measured)
}

fn steps(stella: &Path, pair: &Pair, work: &Path, leash: &Leash, measured: &mut Measured) -> Result<()> {
    let [bundle, result] = ["ours.stella", "ours.result"].map(|name| work.join(name));
    let mut create = Command::new(stella);
    create.args(["delta", "create", "--unsigned", "--product", "bench", "--hardware", "bench", "--version", "2"]);
    create.arg("--base").arg(&pair.base).arg("--target").arg(&pair.target).arg("--json").arg(&bundle);
    let row = &mut measured.row;
    row.create = Some(run(&mut create, leash)?.usage.into());
    let inspected = run(Command::new(stella).args(["delta", "inspect", "--json"]).arg(&bundle), leash)?;
    let inspected = Json::parse(&inspected.out)?;
    let payload_bytes = inspected.decimal("payload_bytes").context("inspect --json has no payload_bytes")?;
    measured.device_memory_bytes = inspected.number("limits.memory_bytes");
    let mut apply = Command::new(stella);
    apply.args(["delta", "apply", "--unverified", "--base"]).arg(&pair.base).arg("--target").arg(&result).arg(&bundle);
    row.apply = Some(run(&mut apply, leash)?.usage.into());
    row.correct = Some(files::same(&result, &pair.target)?);
    row.delta_bytes = Some(payload_bytes as u64);
    if row.correct == Some(false) {
        bail!("what apply made is not the target");
    }
    Ok(())
}

fn run(command: &mut Command, leash: &Leash) -> Result<Ended> {
    let ended = measure::run(command, leash, LONGEST, |_| Ok(Act::GoOn))?;
    match ended.status.success() {
        true => Ok(ended),
        false => bail!("{}", ended.err.lines().last().unwrap_or("it failed and said nothing")),
    }
}
