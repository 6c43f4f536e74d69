//! The verbs that change slots: install, resume, rollback, and the ends of an update.

use super::{Trouble, channel, describe, has_log, missing, with_time};
use crate::config::Settings;
use crate::device::Device;
use crate::executor::{Error, Executor, Outcome};
use crate::exit::Report;
use crate::platform::{Source, Watcher};
use crate::source::channel::Choice;
use crate::source::{Bundle, Place, read_small};
use crate::stop::Stop;
use agent_machine::{Rejected, State};
use delta_format::container::PREFIX_BYTES;
use delta_format::limits::{CAPSULE_BYTES_MAX, HEADER_BYTES_MAX};
use std::path::Path;

/// Bytes of a rollback attestation at most.
const ATTESTATION_BYTES_MAX: usize = PREFIX_BYTES + HEADER_BYTES_MAX + CAPSULE_BYTES_MAX;

/// See `stella-agent install`.
pub(super) fn install(
    executor: &mut Executor<Device>,
    settings: &Settings,
    bundle: Option<&str>,
    from: Option<&str>,
    force: bool,
    stop: &Stop,
    watcher: &mut dyn Watcher,
) -> Result<Report, Trouble> {
    if let State::Trial(_) = executor.record().state {
        return Err(Error::Rejected(Rejected::TrialFirst).into());
    }
    let (place, fetch_bytes) = match (bundle, from) {
        (Some(_), Some(_)) => return Err(Trouble::Usage("Name a bundle or --from a channel, not both.".to_owned())),
        (Some(text), None) => (parse(text)?, None),
        (None, _) => {
            let folder = channel::place(settings, from)?;
            match channel::look(executor, settings, &folder, stop, watcher)? {
                Choice::Take(entry) => (folder.join(entry.file.as_str()), Some(entry.fetch_bytes)),
                other => return Ok(channel::nothing(&folder, &other)),
            }
        }
    };
    let settings = with_time(settings, executor.record().facts.time_floor);
    let mut source = Bundle::open(&place, &settings, stop)?;
    if let Some(bytes) = fetch_bytes {
        source.expect(bytes);
    }
    end(executor, &settings, |executor| executor.install(&mut source, None, force, watcher))
}

/// See `stella-agent resume`.
pub(super) fn resume(
    executor: &mut Executor<Device>,
    settings: &Settings,
    from: Option<&str>,
    stop: &Stop,
    watcher: &mut dyn Watcher,
) -> Result<Report, Trouble> {
    let goal = executor.record().state.goal();
    let origin = goal.and_then(|goal| goal.bundle()).map(|bundle| bundle.origin.as_str().to_owned());
    let text = match (from, origin) {
        (Some(text), _) => text.to_owned(),
        (None, Some(origin)) => origin,
        // What is under way, if anything, needs no bundle.
        (None, None) => {
            return end(executor, settings, |executor| match executor.settle(watcher)? {
                Outcome::Settled => Err(Error::NothingToResume),
                outcome => Ok(outcome),
            });
        }
    };
    let settings = with_time(settings, executor.record().facts.time_floor);
    let mut source = Bundle::open(&parse(&text)?, &settings, stop).map_err(|error| Trouble::Away(error.into()))?;
    end(executor, &settings, |executor| executor.resume(&mut source, watcher))
}

/// See `stella-agent rollback`.
pub(super) fn rollback(
    executor: &mut Executor<Device>,
    settings: &Settings,
    attestation: Option<&str>,
    bundle: Option<&str>,
    force: bool,
    stop: &Stop,
    watcher: &mut dyn Watcher,
) -> Result<Report, Trouble> {
    let settings = with_time(settings, executor.record().facts.time_floor);
    let place = attestation.map(parse).transpose()?;
    let file = match &place {
        Some(place) => Some(read_small(place, ATTESTATION_BYTES_MAX, &settings, stop)?),
        None => None,
    };
    if let Some(bundle) = bundle {
        let Some(file) = &file else {
            return Err(delta_verify::Refusal::RollbackNotAttested.into());
        };
        let mut source = Bundle::open(&parse(bundle)?, &settings, stop)?;
        return end(executor, &settings, |executor| executor.install(&mut source, Some(file), force, watcher));
    }
    // Tiles of the log: beside the attestation, else in the configured channel.
    let beside = place.filter(|place| match place {
        Place::Path(path) => has_log(path),
        #[cfg(feature = "net")]
        Place::Web(_) => true,
    });
    let configured = || settings.source.as_ref().map(|place| place.join("attestation"));
    let mut tiles = beside.or_else(configured).and_then(|place| Bundle::tiles(&place, &settings, stop));
    end(executor, &settings, |executor| {
        let tiles = tiles.as_mut().map(|source| source as &mut dyn Source);
        executor.rollback(file.as_deref(), tiles, watcher)
    })
}

/// Runs a command of the executor and describes how it ended.
pub(super) fn end(
    executor: &mut Executor<Device>,
    settings: &Settings,
    command: impl FnOnce(&mut Executor<Device>) -> Result<Outcome, Error>,
) -> Result<Report, Trouble> {
    let outcome = command(executor)?;
    Ok(describe::outcome(&outcome, executor, settings))
}

fn parse(text: &str) -> Result<Place, Trouble> {
    let place = Place::parse(text).map_err(|reason| Trouble::Usage(format!("'{text}' cannot be used: {reason}.")))?;
    match &place {
        Place::Path(path) if path == Path::new("") => Err(missing("the name of the file is empty".to_owned())),
        _ => Ok(place),
    }
}
