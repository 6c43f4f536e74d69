//! The device's half: an install over a bad line with a power cut in it, the trial start, the commit.
//!
//! In: the stage, the published bundles, a server. Out: the figures of the way there. Each claim is checked by reading
//! the slots and by what the server sent.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::device::{Content, Device};
use super::publisher::{DELTA, Made};
use super::server::{Line, Server, total_and_again};
use super::stage::{Show, Stage};
use super::story::{seconds, size};
use crate::files;
use crate::json::Json;
use crate::measure::{Act, Usage};

/// Seconds that the delta takes over the demo's line: long enough to break it in the middle.
const LINE_SECONDS: u64 = 4;
/// A smaller delta may be needed whole before the first block can be written: nothing of it is held back.
const STREAMED_BYTES_MIN: u64 = 1 << 20;
/// Longer than a retry takes, shorter than the agent waits for a silent server.
const STALLED: Duration = Duration::from_secs(10);

/// What the interrupted install took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) usage: Usage,
    pub(crate) fetched_bytes: u64,
    pub(crate) again_bytes: u64,
}

/// Looks into the channel.
pub(crate) fn check(stage: &mut Stage<'_>, device: &Device, made: &Made) -> Result<()> {
    stage.story.step("A device with two slots, both as the factory wrote them, looks into the channel over HTTP");
    device.boot(stage, Show::Silent)?;
    let answer = stage.agent(device.folder, &["check"], 0, Show::Told)?;
    let right = answer.json.text("data.file") == DELTA && answer.json.number("data.fetch_bytes") == made.delta_bytes;
    stage.story.check(right, "it chose the delta, not the full image")
}

/// Installs until the power fails.
pub(crate) fn cut(stage: &mut Stage<'_>, device: &Device, server: &Server, made: &Made) -> Result<Cut> {
    let bytes_per_second = made.delta_bytes / LINE_SECONDS;
    stage.story.step(&format!(
        "It installs over a line of {} a second that breaks after a quarter; then the power fails",
        size(bytes_per_second)
    ));
    server.set_line(Line {
        file: DELTA.to_owned(),
        bytes_per_second,
        break_at: Some(made.delta_bytes / 4),
        // So that even a very fast device cannot be ready before its power fails.
        stall_at: (made.delta_bytes >= STREAMED_BYTES_MIN).then_some(made.delta_bytes * 4 / 5),
    });
    let mut notes = Vec::new();
    let (mut done, mut total) = (0, 1);
    let mut last_news = Instant::now();
    let ended = stage.agent_watched(device.folder, &["install"], |line| {
        let mut far = false;
        if let Some(line) = line {
            last_news = Instant::now();
            match Json::parse(line) {
                Ok(event) if event.text("stage") == "apply" => {
                    (done, total) = (event.number("done"), event.number("total").max(1));
                    let fetched = event.number("fetched");
                    far = done > 0 && (fetched * 5 >= made.delta_bytes * 3 || done * 5 >= total * 2);
                }
                Ok(_) => {}
                Err(_) => notes.push(line.to_owned()),
            }
        }
        // Nothing new for a while, and the slot is being written: the line stalls.
        far |= done > 0 && last_news.elapsed() > STALLED;
        if !far {
            return Ok(Act::GoOn);
        }
        server.power_cut();
        Ok(Act::Kill)
    })?;
    notes.iter().for_each(|note| stage.story.say(note));
    ensure!(ended.was_killed(), "the agent should have been killed in the middle: {} {}", ended.status, ended.err);
    stage.story.say(&format!(
        "power cut (SIGKILL) when {} % of slot B was done, {} after the start",
        100 * done / total,
        seconds(ended.usage.wall)
    ));
    let sent = server.sent(DELTA);
    stage.story.log(&format!("requests: {sent:?}\n"));
    let quarter = made.delta_bytes / 4;
    let went_on = sent.windows(2).any(|pair| pair[0].first + pair[0].bytes == quarter && pair[1].first == quarter);
    stage.story.check(went_on, "after the broken connection it asked for the very next byte")?;
    let status = device.status(stage)?;
    let known = status.text("goal.version") == "2.0" && status.text("slots.B.state") == "partial";
    let segment = status.number("watermark.segment");
    let journal = format!("the journal knows: slot B is incomplete, version 2.0 goes on at segment {segment}");
    stage.story.check(known, &journal)?;
    let slots = (device.content("A")?, device.content("B")?);
    stage
        .story
        .check(slots == (Content::V1, Content::Neither), "slot A still holds version 1; slot B is half written")?;
    let started = device.boot(stage, Show::Told)?;
    stage.story.check(started == "A", "the boot loader starts slot A: the half-written slot was never armed")?;
    let (fetched_bytes, again_bytes) = total_and_again(&sent);
    Ok(Cut { usage: ended.usage, fetched_bytes, again_bytes })
}

/// Goes on where the install stood.
pub(crate) fn resume(stage: &mut Stage<'_>, device: &Device, server: &Server, cut: Cut, made: &Made) -> Result<Cut> {
    stage.story.step("With the power back, it goes on where it stood");
    let answer = stage.agent(device.folder, &["resume"], 4, Show::Told)?;
    let (fetched_bytes, again_bytes) = total_and_again(&server.sent(DELTA));
    stage.story.say(&format!(
        "the server sent {} of the bundle in all, {} of it twice",
        size(fetched_bytes),
        size(again_bytes)
    ));
    // What was on its way at the cut, and the 64 KiB group that was not complete.
    stage.story.check(again_bytes <= made.delta_bytes / 4, "little was fetched twice")?;
    stage
        .story
        .check(fetched_bytes - again_bytes == made.delta_bytes, "each byte of the delta came, and nothing else")?;
    let slots = (device.content("A")?, device.content("B")?);
    stage.story.check(
        slots == (Content::V1, Content::V2),
        "slot B holds version 2 to the last byte; slot A still version 1",
    )?;
    let mut usage = cut.usage;
    usage += answer.usage;
    Ok(Cut { usage, fetched_bytes, again_bytes })
}

/// The first start of the new slot, health commands, commit.
pub(crate) fn trial(stage: &mut Stage<'_>, device: &Device, digest: &str) -> Result<()> {
    stage.story.step("It restarts into the new slot on trial, proves its health and commits");
    let started = device.boot(stage, Show::Told)?;
    let status = device.status(stage)?;
    let tries = (status.text("boot.default"), status.number("boot.trial.tries_left"));
    stage.story.check(
        started == "B" && tries == ("A", 2),
        "slot B starts on trial: one of three tries is spent, slot A is still the default",
    )?;
    let (status, _) = device.daemon_until_settled(stage)?;
    let good = status.text("last.ended") == "committed" && status.text("boot.default") == "B";
    stage.story.check(good, "the file system check of slot B succeeded and slot B is the default now")?;
    stage.story.check(
        status.text("slots.B.sha256") == digest,
        "the journal names the SHA-256 that `sha256sum v2.img` computes",
    )?;
    stage
        .story
        .check(status.text("version_floor") == "2.0", "the version floor is 2.0: nothing older is taken any more")
}

/// What an install takes when nothing disturbs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(crate) usage: Usage,
    pub(crate) written_bytes: u64,
    pub(crate) unchanged_bytes: u64,
}

/// The same update on a second device from a folder, for the figures.
pub(crate) fn plain(stage: &mut Stage<'_>, device: &Device) -> Result<Plain> {
    stage.story.step("A second device takes the same update from a USB stick (a folder), undisturbed");
    device.boot(stage, Show::Silent)?;
    let needed = files::differing_bytes(&stage.path("v1.img"), &stage.path("v2.img"))?;
    let answer = stage.agent(device.folder, &["install"], 4, Show::Told)?;
    let plain = Plain {
        usage: answer.usage,
        written_bytes: answer.json.number("data.written_bytes"),
        unchanged_bytes: answer.json.number("data.unchanged_bytes"),
    };
    let slots = (device.content("A")?, device.content("B")?);
    stage.story.check(
        slots == (Content::V1, Content::V2),
        "slot B holds version 2 to the last byte; slot A still version 1",
    )?;
    stage.story.check(
        plain.written_bytes == needed,
        &format!("it wrote {}: exactly the 4 KiB blocks in which the two images differ", size(needed)),
    )?;
    Ok(plain)
}
