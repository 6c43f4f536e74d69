//! Programs of the machine that a chore needs.
//!
//! In: which programs, and the Debian package each comes from. Out: all of them present, or one line that says what to
//! install. As root on Debian the packages are installed; otherwise nothing on the machine is touched.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;

/// A program and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// One package, or several with spaces between.
    pub(crate) package: &'static str,
}

/// True when this process may install packages and build a root file system.
pub(crate) fn is_root() -> bool {
    // The owner of /proc/self is the effective user; this needs neither libc nor `unsafe`.
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// Makes sure that the programs are there.
pub(crate) fn need(tools: &[Tool]) -> Result<()> {
    let missing: Vec<_> = tools.iter().filter(|tool| command::find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<_> = missing.iter().flat_map(|tool| tool.package.split_whitespace()).collect();
    packages.dedup();
    let by_hand = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !is_root() || command::find("apt-get").is_none() {
        bail!("programs are missing; install them as root: {by_hand}");
    }
    eprintln!("installing: {}", packages.join(" "));
    install(&packages).with_context(|| format!("could not install what is missing ({by_hand})"))
}

fn install(packages: &[&str]) -> Result<()> {
    let log = crate::workspace::target().join("apt.log");
    std::fs::create_dir_all(crate::workspace::target())?;
    let attempt =
        || command::log(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages), &log, |_| {});
    // A fresh container has no package lists and an old machine has stale ones: fetch them only when it matters.
    attempt().or_else(|_| {
        update(&log)?;
        attempt()
    })
}

/// Fetches the machine's package lists.
pub(crate) fn update(log: &std::path::Path) -> Result<()> {
    command::log(apt_get().arg("update"), log, |_| {})
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Without a network the demo has another way, so a dead mirror must not hold it up for minutes.
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-q",
        "-o",
        "Acquire::Retries=1",
        "-o",
        "Acquire::http::Timeout=15",
        "-o",
        "Acquire::https::Timeout=15",
    ]);
    command
}
