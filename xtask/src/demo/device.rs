//! A simulated device: two slots as image files, a boot loader's record, configuration, state.
//!
//! In: the stage and where the channel is. Out: a folder that `stella-agent --config FOLDER` takes for a device, and
//! questions to it, answered by reading the slots with the demo's own eyes and by the agent's status.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::publisher::{CHANNEL, HARDWARE, PRODUCT};
use super::stage::{Show, Stage};
use crate::command;
use crate::files;
use crate::json::Json;
use crate::measure::{Act, Usage};

/// What a device is made with, beyond what all have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) folder: &'static str,
    /// An address, or a folder that counts from the device's own.
    pub(crate) source: &'a str,
    /// Larger payloads are applied while they are fetched.
    pub(crate) spool_bytes: u64,
}

/// A device in its folder.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) folder: &'static str,
    root: PathBuf,
    v1: PathBuf,
    v2: PathBuf,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    V1,
    V2,
    Neither,
}

impl Device {
    /// Makes a device as it leaves the factory: version 1 in both slots, slot A runs, nothing in its state.
    pub(crate) fn make(stage: &Stage<'_>, plan: Plan<'_>) -> Result<Self> {
        let device = Self {
            folder: plan.folder,
            root: stage.path(plan.folder),
            v1: stage.path("v1.img"),
            v2: stage.path("v2.img"),
        };
        fs::create_dir_all(device.root.join("trust.d"))?;
        fs::copy(stage.path("fleet.trust"), device.root.join("trust.d/fleet.trust"))?;
        for slot in ["a.img", "b.img"] {
            // Behind the link, and with its holes.
            let mut copy = Command::new("cp");
            copy.args(["--dereference", "--sparse=always", "--reflink=auto", "--"]);
            command::output(copy.arg(&device.v1).arg(device.root.join(slot)))?;
        }
        fs::write(device.root.join("boot"), "stella-boot v1\ndefault a\nend\n")?;
        fs::write(device.root.join("config.toml"), device.configuration(plan)?)?;
        Ok(device)
    }

    fn configuration(&self, plan: Plan<'_>) -> Result<String> {
        let Plan { folder, source, spool_bytes } = plan;
        let fsck = command::find("e2fsck").context("e2fsck is not installed")?;
        let fsck = fsck.display();
        Ok(format!(
            "# A device that `cargo xtask demo` made. Paths count from this folder.\n\
             product = \"{PRODUCT}\"\nhardware = \"{HARDWARE}\"\nchannel = \"{CHANNEL}\"\nsource = \"{source}\"\n\
             state_dir = \"state\"\nrun_dir = \"run\"\ntrust_dir = \"trust.d\"\n\
             # Larger payloads are applied while they are fetched.\nspool_bytes = {spool_bytes}\n\n\
             [slots]\na = \"a.img\"\nb = \"b.img\"\nrunning = \"file\"\nrunning_file = \"running\"\n\n\
             [boot]\nkind = \"file\"\npath = \"boot\"\n\n\
             # After the first start of a new slot: its file system must be sound.\n\
             [health]\ncommands = [\"{fsck} -fn {folder}/$(head -n 1 {folder}/running).img\"]\n\n\
             [reboot]\ncommand = \"stella-agent --config {folder} boot simulate\"\n\n\
             [poll]\ninterval_seconds = 0\n\n\
             [network]\nretry_first_seconds = 1\n"
        ))
    }

    /// Starts the device as its boot loader would; gives the slot that starts.
    pub(crate) fn boot(&self, stage: &Stage<'_>, show: Show) -> Result<String> {
        let answer = stage.agent(self.folder, &["boot", "simulate"], 0, show)?;
        Ok(answer.json.text("data.slot").to_owned())
    }

    /// What the agent says of the device.
    pub(crate) fn status(&self, stage: &Stage<'_>) -> Result<Json> {
        let answer = stage.agent(self.folder, &["status"], 0, Show::Silent)?;
        Ok(answer.json.at("data").clone())
    }

    /// What a slot really holds.
    pub(crate) fn content(&self, slot: &str) -> Result<Content> {
        let image = self.slot(slot);
        Ok(match (files::same(&image, &self.v1)?, files::same(&image, &self.v2)?) {
            (true, _) => Content::V1,
            (_, true) => Content::V2,
            _ => Content::Neither,
        })
    }

    /// The image file of slot `A` or `B`.
    pub(crate) fn slot(&self, slot: &str) -> PathBuf {
        self.root.join(format!("{}.img", slot.to_ascii_lowercase()))
    }

    /// Runs the daemon, as the service manager does after a start, until the update that waits for its trial has
    /// ended; then stops it, as the service manager does. Gives the last status.
    pub(crate) fn daemon_until_settled(&self, stage: &Stage<'_>) -> Result<(Json, Usage)> {
        let mut last = Json::Null;
        let mut ticks = 0u32;
        let ended = stage.agent_watched(self.folder, &["daemon"], |_| {
            ticks += 1;
            // About five times a second; every look is a program of its own.
            if !ticks.is_multiple_of(100) || last.text("state") == "idle" {
                return Ok(Act::GoOn);
            }
            // Until its socket is there, the status comes from the journal, which is as good.
            last = self.status(stage)?;
            Ok(if last.text("state") == "idle" { Act::Terminate } else { Act::GoOn })
        })?;
        anyhow::ensure!(ended.status.success(), "the daemon ended with {}: {}", ended.status, ended.err.trim());
        // The daemon's log, as `journalctl -u stella-agent` would show it.
        let told = ended.err.lines().filter(|line| line.contains("health check") || line.contains("settle"));
        told.for_each(|line| stage.story.say(line));
        Ok((last, ended.usage))
    }
}
