//! The publisher's half: keys, log, witnesses, trust root, bundles, channel, rollback attestation.
//!
//! In: the stage, with `v1.img` and `v2.img` in its folder. Out: `site/`, as any static web server would serve it, and
//! the figures of what was made.

use anyhow::Result;

use super::stage::{Show, Stage};
use super::story::{seconds, size};
use crate::measure::Usage;

/// What the demo's fleet is called.
pub(crate) const PRODUCT: &str = "gateway";
pub(crate) const HARDWARE: &str = "board-a";
pub(crate) const CHANNEL: &str = "stable";
/// The bundle that every device here fetches.
pub(crate) const DELTA: &str = "v2.stella";
const FULL: &str = "v2-full.stella";
pub(crate) const ATTESTATION: &str = "back-to-1.0.stella-rollback";
const SIGNING: &[&str] =
    &["--log", "log", "--log-key", "log.key", "--witness-key", "witness-a.key", "--witness-key", "witness-b.key"];

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) image_bytes: u64,
    /// What a device fetches for the delta, and for the full image.
    pub(crate) delta_bytes: u64,
    pub(crate) full_bytes: u64,
    pub(crate) usage: Usage,
}

/// Keys, the log, three witnesses, the trust root.
pub(crate) fn keys(stage: &mut Stage<'_>) -> Result<()> {
    stage.story.step("The publisher makes keys, a transparency log, three witnesses and a trust root");
    stage.stella(&["key", "generate", "release.key"], Show::Told)?;
    stage.stella(&["key", "generate", "operator.key"], Show::Silent)?;
    stage.stella(&["key", "generate", "--kind", "log", "--name", "example.com/fleet", "log.key"], Show::Silent)?;
    for witness in ["witness-a", "witness-b", "witness-c"] {
        let file = format!("{witness}.key");
        stage.stella(&["key", "generate", "--kind", "witness", "--name", witness, &file], Show::Silent)?;
    }
    stage.story.say("... and operator.key (signs rollbacks), log.key, witness-a.key, witness-b.key, witness-c.key");
    stage.stella(&["log", "init", "log", "--log-key", "log.key"], Show::Told)?;
    stage.stella(
        &[
            "trust",
            "init",
            "--name",
            "acme",
            "--signer",
            "release.pub",
            "--rollback",
            "operator.pub",
            "--log",
            "log.vkey",
            "--witness",
            "witness-a.vkey",
            "--witness",
            "witness-b.vkey",
            "--witness",
            "witness-c.vkey",
            "--quorum",
            "2",
            "fleet.trust",
        ],
        Show::Told,
    )?;
    Ok(())
}

/// The delta and the full image, signed, logged, witnessed, published.
pub(crate) fn bundles(stage: &mut Stage<'_>) -> Result<Made> {
    stage.story.step("It makes a signed, logged and witnessed delta, and a full image to fall back on");
    let target = ["--target", "v2.img", "--product", PRODUCT, "--hardware", HARDWARE, "--version", "2.0"];
    let create = |base: &[&'static str], bundle: &'static str| {
        [&["delta", "create"], base, &target, &["--key", "release.key"], SIGNING, &[bundle]].concat()
    };
    let delta = stage.stella_json(&create(&["--base", "v1.img"], DELTA), Show::Told)?;
    let made = Made {
        image_bytes: delta.json.number("target_bytes"),
        delta_bytes: delta.json.number("fetch_bytes"),
        full_bytes: 0,
        usage: delta.usage,
    };
    stage.story.say(&format!(
        "devices fetch {} for an image of {}; made and decoded again in {} ({} of processor, {} of memory)",
        size(made.delta_bytes),
        size(made.image_bytes),
        seconds(made.usage.wall),
        seconds(made.usage.cpu),
        size(made.usage.peak_bytes),
    ));
    let full = stage.stella_json(&create(&[], FULL), Show::Told)?;
    let made = Made { full_bytes: full.json.number("fetch_bytes"), ..made };
    stage.story.say(&format!("devices fetch {} (made in {})", size(made.full_bytes), seconds(full.usage.wall)));
    let smaller = made.delta_bytes > 0 && made.delta_bytes < made.full_bytes && made.full_bytes < made.image_bytes;
    stage
        .story
        .check(smaller, "the delta is smaller than the full image, and that is smaller than the image itself")?;
    publish(stage, &[DELTA, FULL], Show::Told)?;
    let said = stage.stella(&["delta", "inspect", DELTA], Show::Told)?;
    stage.story.say(&said.out);
    let said = stage.stella(&["delta", "verify", "--trust", "fleet.trust", DELTA], Show::Told)?;
    stage.story.say(&said.out);
    Ok(made)
}

/// Brings the channel up to date.
fn publish(stage: &Stage<'_>, bundles: &[&str], show: Show) -> Result<()> {
    let words = ["publish", "site", "--channel", CHANNEL, "--key", "release.key", "--log", "log"];
    stage.stella(&[&words, bundles].concat(), show).map(drop)
}

/// Permits the step back, by the operator's key, in the log.
pub(crate) fn attestation(stage: &mut Stage<'_>) -> Result<()> {
    let words = [
        "delta",
        "rollback",
        "--product",
        PRODUCT,
        "--from",
        "v2.img",
        "--from-version",
        "2.0",
        "--to",
        "v1.img",
        "--to-version",
        "1.0",
        "--reason",
        "modem drops",
        "--who",
        "ops on call",
        "--key",
        "operator.key",
    ];
    let said = stage.stella(&[&words, SIGNING, &[ATTESTATION]].concat(), Show::Told)?;
    stage.story.say(&said.out);
    // Devices that were away look up in the channel how the log got here.
    publish(stage, &[], Show::Silent)
}
