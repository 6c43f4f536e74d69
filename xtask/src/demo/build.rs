//! What the demo needs before it begins: the two programs and the two images, made at the same time.
//!
//! In: the tree. Out: paths. The programs are built as they are shipped: `stella` in release mode, the agent with the
//! profile and the compiler settings of a device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::images::{self, Pair};
use crate::leash::Leash;
use crate::workspace::{self, cargo};

/// How a device's programs are built; without this file the profile alone decides.
const DEVICE_CONFIG: &str = "cross/device.toml";

/// The built programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) stella: PathBuf,
    pub(crate) agent: PathBuf,
}

impl Programs {
    /// Copies of the programs in a folder, which is made.
    pub(crate) fn copied_to(&self, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let copy = |program: &Path| -> Result<PathBuf> {
            let to = folder.join(program.file_name().context("a program has a name")?);
            fs::copy(program, &to).with_context(|| program.display().to_string())?;
            Ok(to)
        };
        Ok(Self { stella: copy(&self.stella)?, agent: copy(&self.agent)? })
    }
}

/// Builds the programs while the images are made.
pub(crate) fn programs_and_images(leash: &Leash, offline: bool) -> Result<(Programs, Pair)> {
    thread::scope(|scope| {
        let pair = scope.spawn(|| images::pair(offline));
        let programs = programs(leash);
        let pair = pair.join().map_err(|_| anyhow::anyhow!("making the images panicked"))?;
        Ok((programs?, pair.context("the images cannot be made")?))
    })
}

fn programs(leash: &Leash) -> Result<Programs> {
    let host = workspace::target();
    // A folder of its own, as cross/device.toml recommends: neither build throws the other's work away.
    let device = host.join("cross");
    let mut device_words = vec!["build", "--locked", "--profile", "device", "--package", "stella-agent"];
    if workspace::root().join(DEVICE_CONFIG).is_file() {
        device_words.splice(0..0, ["--config", DEVICE_CONFIG]);
    }
    build(leash, &["build", "--locked", "--release", "--package", "stella"], &host)?;
    build(leash, &device_words, &device)?;
    Ok(Programs { stella: host.join("release/stella"), agent: device.join("device/stella-agent") })
}

fn build(leash: &Leash, words: &[&str], target: &Path) -> Result<()> {
    let mut command = cargo();
    command.args(words).arg("--target-dir").arg(target);
    let mut held = leash.spawn(command.stdin(Stdio::null()))?;
    match held.child.wait()?.success() {
        true => Ok(()),
        false => bail!("`cargo {}` failed", words.join(" ")),
    }
}
