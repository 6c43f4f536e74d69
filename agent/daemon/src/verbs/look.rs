//! The verbs that only look: status, verify, history, slots verify. They take no lock and change nothing.

use super::{Trouble, describe, open, with_time};
use crate::boot::file::FileBoot;
use crate::config::Settings;
use crate::executor::Error;
use crate::exit::{Exit, Report};
use crate::history as ended;
use crate::journal::Journal;
use crate::json::{Value, object, text};
use crate::platform::{Progress, Slot, Slots, Stage, Watcher};
use crate::progress::bytes;
use crate::slots::FileSlots;
use crate::slots::running::boot_id;
use crate::source::{Bundle, Place};
use crate::state_dir::Folder;
use crate::stop::Stop;
use agent_machine::{BootFacts, Content, Machine, Record};
use delta_apply::{ReadBackError, read_back};
use delta_verify::{Admission, Evidence};

/// What the journal holds, taken up as the agent would: a restart may have moved an update on. A factory record when
/// there is none.
///
/// # Errors
/// The journal's error.
pub(crate) fn record(settings: &Settings) -> Result<Record, Error> {
    let stored = Journal::peek(&mut Folder::look(&settings.state_dir)).map_err(Error::Journal)?.unwrap_or_default();
    let mut slots = FileSlots::new(settings.slots.clone(), settings.running_by.clone());
    let loader = FileBoot::new(&settings.boot_path).load();
    Ok(match (boot_id(&settings.running_by), slots.running(), loader) {
        (Ok(boot), Ok(running), Ok(loader)) => {
            Machine::start(Some(stored), BootFacts { boot, running, loader }).record().clone()
        }
        _ => stored,
    })
}

/// See `stella-agent status`.
pub fn status(settings: &Settings) -> Report {
    let look = || -> Result<Report, Error> {
        let fail = |what| move |error| Error::Device { stage: Stage::State, what, error };
        let record = record(settings)?;
        let mut slots = FileSlots::new(settings.slots.clone(), settings.running_by.clone());
        let running = slots.running().map_err(fail("The running slot cannot be told"))?;
        let boot = FileBoot::new(&settings.boot_path).load();
        let boot = boot.map_err(fail("The boot loader's record cannot be read"))?;
        Ok(describe::status(&record, running, &boot, settings))
    };
    look().unwrap_or_else(|error| Trouble::Executor(error).report())
}

/// See `stella-agent verify`.
pub fn verify(bundle: &str, settings: &Settings, stop: &Stop, watcher: &mut dyn Watcher) -> Report {
    let mut check = || -> Result<Report, Trouble> {
        let place =
            Place::parse(bundle).map_err(|reason| Trouble::Usage(format!("'{bundle}' cannot be used: {reason}.")))?;
        let mut executor = open(settings)?;
        let settings = with_time(settings, executor.record().facts.time_floor);
        let mut source = Bundle::open(&place, &settings, stop)?;
        let checked = executor.verify(&mut source, watcher)?;
        let header = &checked.header;
        let good = format!(
            "Genuine: version {} of {}, an image of {}, {}.",
            header.version,
            header.product,
            bytes(header.target.length),
            proof(header.evidence()),
        );
        let (exit, code, sentence) = match &checked.admission {
            Ok(Admission::Install(_)) => {
                (Exit::Ok, "ok", format!("{good} This device would install it: stella-agent install {bundle}"))
            }
            Ok(Admission::NothingToDo) => (Exit::Nothing, "already-installed", format!("{good} It runs already.")),
            Err(refusal) => {
                (Exit::Policy, refusal.code(), format!("{good} This device would not install it: {refusal}."))
            }
        };
        Ok(Report::new(exit, code, sentence).with(object([
            ("version", text(header.version)),
            ("product", header.product.as_str().into()),
            ("hardware", header.hardware.iter().map(|name| name.as_str().into()).collect::<Vec<_>>().into()),
            ("base", image_json(&header.base)),
            ("target", image_json(&header.target)),
            ("payload_bytes", header.payload.length.into()),
            ("memory_bytes", header.limits.memory_bytes.into()),
            ("evidence", evidence_json(header.evidence())),
        ])))
    };
    check().unwrap_or_else(Trouble::report)
}

fn image_json(image: &delta_format::header::ImageId) -> Value {
    object([("length", image.length.into()), ("blake3", text(image.blake3)), ("sha256", text(image.sha256))])
}

fn proof(evidence: &Evidence) -> String {
    let log = evidence.log.as_ref().map_or_else(String::new, |log| {
        let count = log.witnesses.len();
        format!(", entry {} of a log that {count} of the known witnesses saw", log.leaf_index)
    });
    format!("signed by {}{log}", evidence.signers.len())
}

fn evidence_json(evidence: &Evidence) -> Value {
    let log = evidence.log.as_ref().map_or(Value::Null, |log| {
        let witness =
            |seen: &delta_verify::Witnessed| object([("witness", text(seen.witness)), ("time", seen.timestamp.into())]);
        object([
            ("leaf_index", log.leaf_index.into()),
            ("tree_size", log.checkpoint.tree_size.into()),
            ("root", text(log.checkpoint.root)),
            ("continuity", log.continuity.name().into()),
            ("witnesses", log.witnesses.iter().map(witness).collect::<Vec<_>>().into()),
            ("proven_time", log.proven_time.into()),
        ])
    });
    object([
        ("statement_sha256", text(evidence.statement)),
        ("signers", evidence.signers.iter().map(text).collect::<Vec<_>>().into()),
        ("log", log),
    ])
}

/// See `stella-agent history`.
pub fn history(settings: &Settings) -> Report {
    match ended::read(&settings.state_dir) {
        Ok(lines) if lines.is_empty() => {
            Report::ok("No update has ended on this device yet.").with(Value::List(vec![]))
        }
        Ok(lines) => {
            let words: Vec<String> = lines.iter().map(ended::Line::text).collect();
            let data: Vec<Value> = lines.iter().map(ended::Line::to_json).collect();
            Report::ok(words.join("\n")).with(data.into())
        }
        Err(error) => {
            let folder = settings.state_dir.display();
            let sentence =
                format!("The history in {folder} cannot be read: {error}. See why with: stella-agent doctor");
            Report::new(Exit::Failed, "state-unreadable", sentence)
        }
    }
}

/// See `stella-agent slots verify`.
pub fn slots_verify(settings: &Settings, watcher: &mut dyn Watcher) -> Report {
    let record = match record(settings) {
        Ok(record) => record,
        Err(error) => return Trouble::Executor(error).report(),
    };
    let (mut lines, mut data, mut exit) = (Vec::new(), Vec::new(), Exit::Ok);
    for slot in Slot::BOTH {
        let (word, sentence) = match check(slot, record.facts.slot(slot), settings, watcher) {
            Ok(found) => found,
            Err(report) => return report,
        };
        if matches!(word, "mismatch" | "unreadable") {
            exit = Exit::Verification;
        }
        lines.push(format!("slot {slot}: {sentence}"));
        data.push(object([("slot", text(slot)), ("result", word.into())]));
    }
    if exit != Exit::Ok {
        lines.push("See who changed it with: stella-agent doctor".to_owned());
    }
    let code = if exit == Exit::Ok { "ok" } else { "slot-mismatch" };
    Report::new(exit, code, lines.join("\n")).with(data.into())
}

/// Compares one slot with what the journal says of it: a word and a sentence.
pub(crate) fn check(
    slot: Slot,
    content: &Content,
    settings: &Settings,
    watcher: &mut dyn Watcher,
) -> Result<(&'static str, String), Report> {
    let image = match content {
        Content::Unknown => return Ok(("unknown", "not known; nothing was installed into it yet".to_owned())),
        Content::Partial => return Ok(("partial", "incomplete; an install is or was under way".to_owned())),
        Content::Image { image, .. } => image,
    };
    let stage = Stage::ReadBack;
    let mut slots = FileSlots::new(settings.slots.clone(), settings.running_by.clone());
    let mut read = |watcher: &mut dyn Watcher| {
        let mut medium = slots.open_medium(slot).map_err(ReadBackError::Io)?;
        watcher.progress(Progress::Started { stage, bytes: image.length }).map_err(|_| ReadBackError::Cancelled)?;
        let mut observer = |bytes| watcher.progress(Progress::Advanced { stage, bytes });
        read_back(&mut medium, image, &mut observer)
    };
    match read(watcher) {
        Ok(_) => Ok(("match", format!("holds what it should, blake3 {}", image.blake3))),
        Err(ReadBackError::Mismatch { found }) => {
            Ok(("mismatch", format!("is damaged or was written to: blake3 is {found}, not {}", image.blake3)))
        }
        Err(ReadBackError::Io(error)) => Ok(("unreadable", format!("cannot be read: {error}"))),
        Err(ReadBackError::Cancelled) => Err(Trouble::Executor(Error::Stopped).report()),
    }
}
