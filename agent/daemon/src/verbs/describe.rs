//! Words and JSON for what the journal and the executor say. `docs/operate/json.md` is the schema.

use crate::config::Settings;
use crate::device::Device;
use crate::executor::{Executor, Outcome, Reboot};
use crate::exit::{Exit, Report};
use crate::json::{Value, object, optional, text};
use crate::progress::bytes;
use agent_machine::{BootState, Content, Ended, Facts, Failure, Goal, Kind, LastResult, Record, Slot, State};

/// The report of a command that ended well.
pub(super) fn outcome(outcome: &Outcome, executor: &Executor<Device>, settings: &Settings) -> Report {
    let record = executor.record();
    let report = executor.report();
    let goal = record.state.goal();
    let last = record.facts.last.as_ref();
    let target = goal.map(|goal| format!("version {} in slot {}", goal.release.version, goal.slot));
    let target = target.unwrap_or_else(|| "the update".to_owned());
    let reboot = &settings.reboot_command;
    let (code, sentence) = match outcome {
        Outcome::Settled => ("settled", settled(last)),
        Outcome::NothingToDo => ("already-installed", "This release runs already; there is nothing to do.".to_owned()),
        Outcome::RebootRequired(Reboot::Trial) => {
            let cost = match report.stats.written + report.stats.unchanged {
                0 => String::new(),
                _ => format!(
                    " {} written, {} were there already, {} fetched.",
                    bytes(report.stats.written),
                    bytes(report.stats.unchanged),
                    bytes(report.fetched_bytes)
                ),
            };
            (
                "reboot-required",
                format!("Ready: {target} was read back and will be tried.{cost} Restart with: {reboot}"),
            )
        }
        Outcome::RebootRequired(Reboot::FallBack) => {
            ("falling-back", format!("Going back: {target} failed here. Restart with: {reboot}"))
        }
        Outcome::Committed => {
            let version = last.map_or_else(String::new, |last| format!("Version {} ", last.release.version));
            ("committed", format!("{version}in slot {} is good and the default now.", executor.boot_facts().running))
        }
        Outcome::Cancelled => ("cancelled", "The update was called off; the device stays as it is.".to_owned()),
        Outcome::Resumable { origin } => {
            ("resumable", format!("An install from {origin} is not finished. Go on with: stella-agent resume"))
        }
        Outcome::OnTrial => {
            ("on-trial", "The running slot is on trial. Decide with: stella-agent commit, or mark-bad".to_owned())
        }
    };
    Report::new(Exit::of_code(outcome.exit_code().into()), code, sentence).with(object([
        ("state", record.state.name().into()),
        ("goal", goal.map_or(Value::Null, goal_json)),
        ("written_bytes", report.stats.written.into()),
        ("unchanged_bytes", report.stats.unchanged.into()),
        ("copied_bytes", report.stats.copied.into()),
        ("added_bytes", report.stats.added.into()),
        ("fetched_bytes", report.fetched_bytes.into()),
    ]))
}

fn settled(last: Option<&LastResult>) -> String {
    match last {
        Some(LastResult { release, ended: Ended::Failed(failure), .. }) => format!(
            "No update is under way. The last one, version {}, failed in {}: {}",
            release.version, failure.stage, failure.message
        ),
        _ => "No update is under way.".to_owned(),
    }
}

/// What the status says, for people and programs.
pub(super) fn status(record: &Record, running: Slot, boot: &BootState, settings: &Settings) -> Report {
    let facts = &record.facts;
    let mut lines = vec![
        format!("product    {} on {}", settings.product, settings.hardware),
        format!("running    slot {running}, {}", content(facts.slot(running))),
        format!("other      slot {}, {}", running.other(), content(facts.slot(running.other()))),
        format!("boot       {}", boot_line(boot)),
        format!("floor      version {}, time {}", facts.version_floor, time(facts.time_floor)),
    ];
    if let Some(last) = &facts.last {
        lines.push(format!("last       {}", last_line(last)));
    }
    if !facts.failed_here.is_empty() {
        let failed: Vec<String> = facts.failed_here.iter().map(|entry| entry.version.to_string()).collect();
        lines.push(format!("failed     {}", failed.join(", ")));
    }
    lines.push(format!("state      {}", state_line(&record.state)));
    lines.push(format!("next       {}", next(record, running, boot, settings)));
    Report::ok(lines.join("\n")).with(status_json(record, running, boot, settings))
}

fn status_json(record: &Record, running: Slot, boot: &BootState, settings: &Settings) -> Value {
    let facts = &record.facts;
    let slot = |slot: Slot| slot_json(facts.slot(slot), settings.slots[slot.index()].display());
    object([
        ("product", settings.product.as_str().into()),
        ("hardware", settings.hardware.as_str().into()),
        ("running", text(running)),
        ("slots", object([("A", slot(Slot::A)), ("B", slot(Slot::B))])),
        ("boot", boot_json(boot)),
        ("state", record.state.name().into()),
        ("goal", record.state.goal().map_or(Value::Null, goal_json)),
        (
            "watermark",
            record.state.watermark().map_or(Value::Null, |mark| {
                object([("segment", mark.segment.into()), ("payload_offset", mark.payload_offset.into())])
            }),
        ),
        ("version_floor", text(facts.version_floor)),
        ("time_floor", facts.time_floor.into()),
        ("log_heads", heads_json(facts)),
        (
            "channel",
            facts.channel.as_ref().map_or(Value::Null, |seen| {
                object([("name", seen.channel.as_str().into()), ("number", seen.number.into())])
            }),
        ),
        (
            "failed_here",
            facts
                .failed_here
                .iter()
                .map(|entry| {
                    object([
                        ("version", text(entry.version)),
                        ("blake3", text(entry.image)),
                        ("stage", entry.stage.name().into()),
                        ("class", entry.class.name().into()),
                    ])
                })
                .collect::<Vec<_>>()
                .into(),
        ),
        ("last", facts.last.as_ref().map_or(Value::Null, last_json)),
    ])
}

fn heads_json(facts: &Facts) -> Value {
    let head = |head: &delta_format::capsule::LogHead| {
        object([("log", text(head.log)), ("tree_size", head.tree_size.into()), ("root", text(head.root))])
    };
    facts.heads.iter().map(head).collect::<Vec<_>>().into()
}

fn slot_json(content: &Content, path: impl std::fmt::Display) -> Value {
    let state = match content {
        Content::Unknown => "unknown",
        Content::Partial => "partial",
        Content::Image { .. } => "image",
    };
    object([
        ("path", text(path)),
        ("state", state.into()),
        ("version", optional(content.version().map(|version| version.to_string()))),
        ("length", optional(content.image().map(|image| image.length))),
        ("blake3", optional(content.image().map(|image| image.blake3.to_string()))),
        ("sha256", optional(content.image().map(|image| image.sha256.to_string()))),
    ])
}

fn boot_json(boot: &BootState) -> Value {
    let bad = Slot::BOTH.into_iter().filter(|slot| boot.bad[slot.index()]).map(text);
    object([
        ("default", text(boot.default)),
        (
            "trial",
            boot.trial.map_or(Value::Null, |trial| {
                object([("slot", text(trial.slot)), ("tries_left", u32::from(trial.tries_left).into())])
            }),
        ),
        ("bad", bad.collect::<Vec<_>>().into()),
    ])
}

fn goal_json(goal: &Goal) -> Value {
    object([
        ("kind", if matches!(goal.kind, Kind::Rollback { .. }) { "rollback" } else { "install" }.into()),
        ("version", text(goal.release.version)),
        ("slot", text(goal.slot)),
        ("blake3", text(goal.release.image.blake3)),
        ("origin", optional(goal.bundle().map(|bundle| bundle.origin.as_str()))),
    ])
}

fn last_json(last: &LastResult) -> Value {
    let (ended, failure) = match &last.ended {
        Ended::Committed => ("committed", Value::Null),
        Ended::Cancelled => ("cancelled", Value::Null),
        Ended::Failed(failure) => ("failed", failure_json(failure)),
    };
    object([
        ("version", text(last.release.version)),
        ("rollback", last.rollback.into()),
        ("ended", ended.into()),
        ("failure", failure),
    ])
}

fn failure_json(failure: &Failure) -> Value {
    object([
        ("stage", failure.stage.name().into()),
        ("class", failure.class.name().into()),
        ("errno", failure.errno.into()),
        ("message", failure.message.as_str().into()),
        ("detail", failure.detail.as_str().into()),
    ])
}

fn content(content: &Content) -> String {
    match content {
        Content::Unknown => "as the factory wrote it".to_owned(),
        Content::Partial => "incomplete".to_owned(),
        Content::Image { image, version } => {
            let version =
                version.map_or_else(|| "version not known".to_owned(), |version| format!("version {version}"));
            let digest = image.blake3.to_string();
            format!("{version}, {}, blake3 {}...", bytes(image.length), &digest[..16])
        }
    }
}

fn boot_line(boot: &BootState) -> String {
    let trial = boot.trial.map_or_else(String::new, |trial| {
        format!(", slot {} on trial with {} tries left", trial.slot, trial.tries_left)
    });
    let bad = Slot::BOTH.into_iter().filter(|slot| boot.bad[slot.index()]);
    let bad: String = bad.map(|slot| format!(", slot {slot} marked bad")).collect();
    format!("slot {} by default{trial}{bad}", boot.default)
}

fn time(floor: u64) -> String {
    if floor == 0 { "not proven yet".to_owned() } else { format!("at least {}", crate::doctor::ext4::date(floor)) }
}

fn last_line(last: &LastResult) -> String {
    let kind = if last.rollback { "rollback to" } else { "install of" };
    let ended = match &last.ended {
        Ended::Committed => "committed".to_owned(),
        Ended::Cancelled => "cancelled".to_owned(),
        Ended::Failed(failure) => format!("failed in {}: {}", failure.stage, failure.message),
    };
    format!("{kind} {} {ended}", last.release.version)
}

fn state_line(state: &State) -> String {
    match state.goal() {
        Some(goal) => format!("{} (version {} in slot {})", state.name(), goal.release.version, goal.slot),
        None => state.name().to_owned(),
    }
}

/// The next command to run.
fn next(record: &Record, running: Slot, boot: &BootState, settings: &Settings) -> String {
    match &record.state {
        State::Idle(_) if boot.default != running => {
            format!("the boot loader's default is slot {}; restart with: {}", boot.default, settings.reboot_command)
        }
        State::Idle(_) if settings.source.is_some() => "stella-agent check".to_owned(),
        State::Idle(_) => "stella-agent install FILE".to_owned(),
        State::AwaitingReboot(_) | State::Returning(_) => settings.reboot_command.clone(),
        State::Trial(_) => "stella-agent commit, or stella-agent mark-bad".to_owned(),
        _ => "stella-agent resume, or stella-agent cancel".to_owned(),
    }
}
