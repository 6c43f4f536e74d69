//! What each verb does on this device, whoever asked: the command line itself or the daemon for somebody else.
//!
//! In: a [`Request`] with its settings. Out: a [`Report`]. Requests are done one at a time by the holder of the lock;
//! the verbs that only look (`look`, `verify`, [`crate::doctor`]) need no lock.

mod channel;
mod describe;
mod look;
mod update;

pub(crate) use look::{check, record};
pub use look::{history, slots_verify, status, verify};

use crate::config::Settings;
use crate::device::Device;
use crate::executor::{self, Executor};
use crate::exit::{Exit, Report};
use crate::history as ended;
use crate::platform::{SourceError, SourceErrorKind, Stage, Watcher};
use crate::socket::Request;
use crate::stop::Stop;
use crate::trust;
use delta_format::channel::LOG_FOLDER;

/// Does a request. The caller holds the lock, unless it is [`Request::Status`].
pub fn perform(request: &Request, settings: &Settings, stop: &Stop, watcher: &mut dyn Watcher) -> Report {
    if *request == Request::Status {
        return status(settings);
    }
    act(settings, |executor| match request {
        Request::Status => Ok(status(settings)),
        Request::Check { from } => channel::check(executor, settings, from.as_deref(), stop, watcher),
        Request::Install { bundle, from, force } => {
            update::install(executor, settings, bundle.as_deref(), from.as_deref(), *force, stop, watcher)
        }
        Request::Resume { from } => update::resume(executor, settings, from.as_deref(), stop, watcher),
        Request::Cancel => update::end(executor, settings, |executor| executor.cancel(watcher)),
        Request::Commit => update::end(executor, settings, |executor| executor.commit(watcher)),
        Request::MarkBad { reason } => {
            let reason = reason.as_deref().unwrap_or("an operator marked it as bad");
            update::end(executor, settings, |executor| executor.mark_bad(reason, watcher))
        }
        Request::Rollback { attestation, bundle, force } => {
            update::rollback(executor, settings, attestation.as_deref(), bundle.as_deref(), *force, stop, watcher)
        }
    })
}

/// Goes on with what a start or a cut left: checks a slot on trial, falls back, finishes what needs no bundle.
pub fn settle(settings: &Settings, watcher: &mut dyn Watcher) -> Report {
    act(settings, |executor| update::end(executor, settings, |executor| executor.settle(watcher)))
}

/// Opens the executor, works with it, and keeps the history.
fn act(settings: &Settings, work: impl FnOnce(&mut Executor<Device>) -> Result<Report, Trouble>) -> Report {
    let mut executor = match open(settings) {
        Ok(executor) => executor,
        Err(trouble) => return trouble.report(),
    };
    let before = executor.record().facts.last.clone();
    let report = work(&mut executor).unwrap_or_else(Trouble::report);
    if let Some(last) = &executor.record().facts.last
        && before.as_ref() != Some(last)
    {
        ended::add(&settings.state_dir, last);
    }
    report
}

fn open(settings: &Settings) -> Result<Executor<Device>, Trouble> {
    let trust = trust::load(&settings.trust_dir).map_err(Trouble::Trust)?;
    let device = Device::open(settings).map_err(|error| {
        let what = "The state directory or the running slot cannot be used";
        Trouble::Executor(executor::Error::Device { stage: Stage::State, what, error })
    })?;
    let limits = executor::Settings {
        memory_bytes_max: settings.memory_bytes_max,
        spool_bytes: settings.spool_bytes,
        tries: settings.boot_tries,
        ..executor::Settings::new(settings.product.clone(), settings.hardware.clone())
    };
    Ok(Executor::open(device, trust, limits)?)
}

/// Why a verb failed.
#[derive(Debug)]
enum Trouble {
    /// The executor says so.
    Executor(executor::Error),
    /// The medium or server of an install that is under way is not there.
    Away(executor::Error),
    /// No usable trust root.
    Trust(String),
    /// A place that cannot be used, or a setting that is missing.
    Usage(String),
}

impl Trouble {
    fn report(self) -> Report {
        match self {
            Self::Executor(error) => {
                let exit = Exit::of_code(error.exit_code().into());
                Report::new(exit, error.code(), error.to_string())
            }
            Self::Away(error) => {
                let text = format!("{} When it is back: stella-agent resume", error.what());
                Report::new(Exit::of_code(error.exit_code().into()), error.code(), text)
            }
            Self::Trust(text) => {
                Report::new(Exit::Usage, "no-trust-root", format!("{text} Then look again with: stella-agent doctor"))
            }
            Self::Usage(text) => Report::new(Exit::Usage, "usage", text),
        }
    }
}

impl From<executor::Error> for Trouble {
    fn from(error: executor::Error) -> Self {
        Self::Executor(error)
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Executor(error.into())
    }
}

impl From<delta_verify::Refusal> for Trouble {
    fn from(refusal: delta_verify::Refusal) -> Self {
        Self::Executor(refusal.into())
    }
}

/// The settings with the time that is proven to have passed, for certificates.
fn with_time(settings: &Settings, time_floor: u64) -> Settings {
    #[cfg_attr(not(feature = "net"), expect(unused_mut, reason = "only the network has a use for the time"))]
    let mut settings = settings.clone();
    #[cfg(feature = "net")]
    {
        settings.http.time_floor = time_floor;
    }
    #[cfg(not(feature = "net"))]
    let _ = time_floor;
    settings
}

/// A folder that holds a log, beside the file at `path`.
fn has_log(path: &std::path::Path) -> bool {
    path.parent().is_some_and(|folder| folder.join(LOG_FOLDER).is_dir())
}

/// A file that is not there, as the source says it.
fn missing(text: String) -> Trouble {
    SourceError::new(SourceErrorKind::Missing, text).into()
}
