//! The way back: refused without a signed attestation, done with it.
//!
//! In: the stage and a device that committed version 2. Out: the same device on version 1, its floors lowered as the
//! attestation says.

use anyhow::Result;

use super::device::{Content, Device};
use super::publisher::{self, ATTESTATION};
use super::stage::{Show, Stage};

/// Exit code of what policy refuses.
const POLICY_REFUSED: i32 = 6;

/// Asks for the step back without permission.
pub(crate) fn refused(stage: &mut Stage<'_>, device: &Device) -> Result<()> {
    stage.story.step("Somebody wants to go back to version 1, without permission");
    let answer = stage.agent(device.folder, &["rollback"], POLICY_REFUSED, Show::Told)?;
    let code = answer.json.text("code");
    stage.story.check(code == "rollback-not-attested", &format!("refused with exit code {}: {code}", answer.exit))?;
    let status = device.status(stage)?;
    let unchanged = status.text("state") == "idle" && status.text("boot.default") == "B";
    let slots = (device.content("A")?, device.content("B")?);
    stage.story.check(
        unchanged && slots == (Content::V1, Content::V2),
        "nothing changed: slot B is the default, both slots are as they were",
    )
}

/// Goes back as an attestation allows.
pub(crate) fn attested(stage: &mut Stage<'_>, device: &Device) -> Result<()> {
    stage.story.step("The operator signs a rollback attestation; with it, the device goes back");
    publisher::attestation(stage)?;
    let before = device.status(stage)?;
    let answer = stage.agent(device.folder, &["rollback", "--attestation", ATTESTATION], 4, Show::Told)?;
    let moved = answer.json.number("data.written_bytes") + answer.json.number("data.fetched_bytes");
    let started = device.boot(stage, Show::Told)?;
    stage.story.check(
        started == "A" && moved == 0,
        "slot A was read back, armed and started; nothing was fetched or written",
    )?;
    let (status, _) = device.daemon_until_settled(stage)?;
    let good = status.text("last.ended") == "committed" && status.text("boot.default") == "A";
    stage.story.check(good && device.content("A")? == Content::V1, "slot A with version 1 is the default")?;
    let floors = status.text("version_floor") == "1.0" && status.number("time_floor") >= before.number("time_floor");
    stage.story.check(floors, "the version floor followed the attestation to 1.0; the time floor did not fall")?;
    stage.agent(device.folder, &["status"], 0, Show::Told)?;
    Ok(())
}
