//! The command line: from words to a report, an output and an exit code.
//!
//! In: arguments and environment. Out: the exit code. Verbs that change something go to the daemon when one runs, else
//! they are done here, under the same lock.

pub mod args;
pub mod help;
pub mod show;
pub mod table;

use crate::boot::file::FileBoot;
use crate::config::{self, RunningBy, Settings};
use crate::daemon::Environment;
use crate::exit::{Exit, Report};
use crate::json::{object, text};
use crate::lock::Lock;
use crate::progress::Meter;
use crate::slots::running::announce;
use crate::socket::client::{self, ClientError};
use crate::socket::{Request, path as socket_path};
use crate::stop::Stop;
use crate::{daemon, doctor, logging, verbs};
use args::Arguments;
use log::LevelFilter;
use show::{Loudness, Screen};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Runs one command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|word| word == "--json");
    let arguments = match args::parse(arguments) {
        Ok(arguments) => arguments,
        Err(text) => return wrong_usage(json, "", text),
    };
    let Some(verb) = arguments.verb.filter(|_| !arguments.has("version")) else {
        return no_verb(&arguments);
    };
    if arguments.has("help") {
        print!("{}", help::verb(verb));
        return Exit::Ok;
    }
    let loudness = match (arguments.has("quiet"), arguments.has("verbose")) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    let level = match (loudness, verb.name) {
        (Loudness::Quiet, _) => LevelFilter::Error,
        (Loudness::Verbose, _) => LevelFilter::Debug,
        (Loudness::Normal, "daemon") => LevelFilter::Info,
        (Loudness::Normal, _) => LevelFilter::Warn,
    };
    logging::start(level, env::var_os("JOURNAL_STREAM").is_some());
    let lines_to = match lines_to(&arguments) {
        Ok(lines_to) => lines_to,
        Err(text) => return wrong_usage(json, verb.name, text),
    };
    let mut screen = Screen::new(arguments.has("json"), loudness, lines_to);
    let report = act(&arguments, verb.name, &mut screen);
    screen.report(verb.name, &report);
    report.exit
}

/// Who asks for JSON gets it also for a command line that cannot be understood.
fn wrong_usage(json: bool, verb: &str, text: String) -> Exit {
    Screen::new(json, Loudness::Normal, None).report(verb, &Report::new(Exit::Usage, "usage", text));
    Exit::Usage
}

fn no_verb(arguments: &Arguments) -> Exit {
    if arguments.has("version") {
        println!("stella-agent {}", env!("CARGO_PKG_VERSION"));
        return Exit::Ok;
    }
    if arguments.has("help") {
        print!("{}", help::program());
        return Exit::Ok;
    }
    eprint!("{}", help::program());
    Exit::Usage
}

/// The file of `--progress-fd`: the descriptor is opened again by its name, which needs no unsafe code.
fn lines_to(arguments: &Arguments) -> Result<Option<File>, String> {
    let Some(text) = arguments.text("progress-fd")? else {
        return Ok(None);
    };
    let number: u32 = text.parse().map_err(|_| format!("'{text}' is not the number of an open file descriptor"))?;
    let file = OpenOptions::new().append(true).open(format!("/dev/fd/{number}"));
    file.map(Some).map_err(|error| format!("the file descriptor {number} cannot be written: {error}"))
}

fn act(arguments: &Arguments, verb: &str, screen: &mut Screen) -> Report {
    let usage = |text: String| Report::new(Exit::Usage, "usage", text);
    let folder = arguments.value("config").cloned().or_else(|| env::var_os("STELLA_AGENT_CONFIG"));
    let settings = match config::load(folder.as_deref().map(Path::new)) {
        Ok(settings) => settings,
        Err(error) => {
            let text = format!("The configuration cannot be used: {error}. Correct it, then run: stella-agent doctor");
            return Report::new(Exit::Usage, "configuration", text);
        }
    };
    let request = match request(arguments, verb) {
        Ok(Some(request)) => return ask(&request, &settings, screen),
        Ok(None) => None::<Request>,
        Err(text) => return usage(text),
    };
    debug_assert!(request.is_none());
    let stop = Stop::default();
    if verb != "daemon" && verb != "monitor" {
        stop_by_signal(&stop);
    }
    let mut meter = Meter::new(stop.clone(), |event| screen.event(&event));
    match verb {
        "verify" => match place(arguments.argument.as_ref()) {
            Ok(Some(bundle)) => verbs::verify(&bundle, &settings, &stop, &mut meter),
            Ok(None) => usage("BUNDLE is missing; run: stella-agent verify --help".to_owned()),
            Err(text) => usage(text),
        },
        "doctor" => doctor::examine(&settings, &mut meter),
        "history" => verbs::history(&settings),
        "slots verify" => verbs::slots_verify(&settings, &mut meter),
        "boot simulate" => boot_simulate(&settings),
        "daemon" => {
            let value = |name| env::var(name).ok();
            let environment = Environment {
                notify_socket: value("NOTIFY_SOCKET"),
                watchdog_usec: value("WATCHDOG_USEC"),
                watchdog_pid: value("WATCHDOG_PID"),
            };
            daemon::run(settings, &environment)
        }
        _ => {
            drop(meter);
            let socket = socket_path(&settings.run_dir);
            client::monitor(&socket, &mut |event| screen.event(&event))
                .unwrap_or_else(|error| no_report(&error, &settings))
        }
    }
}

/// The request that a verb stands for, if it is one that a daemon can do.
fn request(arguments: &Arguments, verb: &str) -> Result<Option<Request>, String> {
    let from = || place(arguments.value("from"));
    let force = arguments.has("force");
    if verb == "install" && arguments.argument.is_some() && arguments.value("from").is_some() {
        return Err("name a BUNDLE or a channel with --from, not both; run: stella-agent install --help".to_owned());
    }
    Ok(Some(match verb {
        "status" => Request::Status,
        "check" => Request::Check { from: from()? },
        "install" => Request::Install { bundle: place(arguments.argument.as_ref())?, from: from()?, force },
        "resume" => Request::Resume { from: from()? },
        "cancel" => Request::Cancel,
        "commit" => Request::Commit,
        "mark-bad" => Request::MarkBad { reason: arguments.text("reason")?.map(str::to_owned) },
        "rollback" => Request::Rollback {
            attestation: place(arguments.value("attestation"))?,
            bundle: place(arguments.value("bundle"))?,
            force,
        },
        _ => return Ok(None),
    }))
}

/// An address as it is, a path made absolute: the daemon and a later `resume` run in other folders.
fn place(value: Option<&OsString>) -> Result<Option<String>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    if value.to_str().is_some_and(|text| text.contains("://")) {
        return Ok(value.to_str().map(str::to_owned));
    }
    let path = std::path::absolute(PathBuf::from(value)).map_err(|error| format!("the path {value:?}: {error}"))?;
    match path.into_os_string().into_string() {
        Ok(text) => Ok(Some(text)),
        Err(path) => Err(format!("the path {path:?} is not UTF-8 text; rename it")),
    }
}

/// Has the daemon do it, or does it here under the lock.
fn ask(request: &Request, settings: &Settings, screen: &mut Screen) -> Report {
    let socket = socket_path(&settings.run_dir);
    match client::call(&socket, request, &mut |event| screen.event(&event)) {
        Ok(report) => return with_view(report, request),
        Err(ClientError::NoDaemon) => {}
        Err(error) => return no_report(&error, settings),
    }
    let stop = Stop::default();
    if *request == Request::Status {
        return verbs::perform(request, settings, &stop, &mut ());
    }
    match Lock::take(&settings.run_dir) {
        Ok(Some(_lock)) => {
            stop_by_signal(&stop);
            let mut meter = Meter::new(stop.clone(), |event| screen.event(&event));
            verbs::perform(request, settings, &stop, &mut meter)
        }
        Ok(None) => {
            let text = "Another stella-agent is at work, and no daemon that could be asked. Wait for it, or find it with: \
                        pgrep -a stella-agent";
            Report::new(Exit::Busy, "busy", text)
        }
        Err(error) => {
            let place = settings.run_dir.display();
            let text = format!(
                "The run directory {place} cannot be used: {error}. Run as root: sudo stella-agent {}",
                request.verb()
            );
            Report::new(Exit::Failed, "run-dir", text)
        }
    }
}

/// The unit hides `/tmp` from the daemon: a file that is there for the caller may be missing for it.
fn with_view(mut report: Report, request: &Request) -> Report {
    let files = match request {
        Request::Install { bundle, from, .. } => [bundle, from],
        Request::Rollback { attestation, bundle, .. } => [attestation, bundle],
        Request::Check { from } | Request::Resume { from } => [from, from],
        _ => return report,
    };
    if report.code == "source-missing" && files.into_iter().flatten().any(|file| Path::new(file).exists()) {
        report.text.push_str(" The daemon does not see the caller's /tmp: move the file to /var/lib, /srv or /media.");
    }
    report
}

fn no_report(error: &ClientError, settings: &Settings) -> Report {
    let socket = socket_path(&settings.run_dir);
    let text = match error {
        ClientError::NoDaemon => "No daemon runs here. Start it with: systemctl start stella-agent".to_owned(),
        ClientError::NotAllowed => {
            format!("This user may not use {}. Join its group, or run as root with: sudo", socket.display())
        }
        ClientError::Io(error) => {
            format!("The daemon did not answer to the end: {error}. Look at its log with: journalctl -u stella-agent")
        }
    };
    Report::new(Exit::Failed, "daemon", text)
}

/// The first signal stops the work at its next safe place; a second one ends the process at once.
fn stop_by_signal(stop: &Stop) {
    for signal in [SIGINT, SIGTERM] {
        let second = signal_hook::flag::register_conditional_default(signal, stop.flag());
        if let Err(error) = second.and_then(|_| signal_hook::flag::register(signal, stop.flag())) {
            log::warn!("signal {signal} cannot be caught: {error}");
        }
    }
}

fn boot_simulate(settings: &Settings) -> Report {
    let started = FileBoot::new(&settings.boot_path).power_on().and_then(|slot| {
        if let RunningBy::File(path) = &settings.running_by {
            announce(path, slot)?;
        }
        Ok(slot)
    });
    match started {
        Ok(slot) => Report::ok(slot.to_string()).with(object([("slot", text(slot))])),
        Err(error) => {
            let text = format!(
                "The boot record {} cannot be used: {error}. Look for the cause with: stella-agent doctor",
                settings.boot_path.display()
            );
            Report::new(Exit::Failed, "boot-record", text)
        }
    }
}
