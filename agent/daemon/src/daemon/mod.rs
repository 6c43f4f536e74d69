//! `stella-agent daemon`: a timer, a socket, a worker, and the service manager.
//!
//! ```text
//! main thread      waits for signals, the timer and the end of jobs; feeds the watchdog
//! worker thread    does one job at a time on the device (worker.rs)
//! socket threads   one for each connection (../socket/server.rs)
//! ```
//! The main thread sleeps on one pipe that signals and the worker write to, so an idle daemon wakes up for its timer
//! and its watchdog only. There is no async runtime: it would cost 100 KB and seven packages and replace three threads.

pub mod hub;
pub mod mailbox;
pub mod notify;
pub mod worker;

use crate::config::Settings;
use crate::exit::{Exit, Report};
use crate::lock::Lock;
use crate::progress::Event;
use crate::socket::server::{Service, accept, listen};
use crate::socket::{Request, request};
use crate::stop::Stop;
use crate::{socket, verbs};
use hub::Hub;
use mailbox::Mailbox;
use notify::{Notifier, watchdog_interval};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use worker::{Job, Worker};

/// Jobs that may wait: a cancel and a poll, and room.
const JOBS_MAX: usize = 4;
/// How often a connection looks whether its report is there.
const LOOK: Duration = Duration::from_millis(200);
/// How often a monitor without news looks whether its peer is still there.
const MONITOR_LOOK: Duration = Duration::from_secs(5);
/// The first poll comes soon after the start, spread over the jitter, but not before the network had a chance.
const FIRST_POLL: Duration = Duration::from_secs(5);

/// What the environment says to a service.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NOTIFY_SOCKET`
    pub notify_socket: Option<String>,
    /// `WATCHDOG_USEC`
    pub watchdog_usec: Option<String>,
    /// `WATCHDOG_PID`
    pub watchdog_pid: Option<String>,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(settings: Settings, environment: &Environment) -> Report {
    match Lock::take(&settings.run_dir) {
        Ok(Some(lock)) => serve(settings, environment, &lock).unwrap_or_else(|error| {
            let text = format!("The daemon cannot run: {error}. Look for the cause with: stella-agent doctor");
            Report::new(Exit::Failed, "daemon", text)
        }),
        Ok(None) => Report::new(Exit::Busy, "busy", "Another stella-agent is at work. Look with: stella-agent status"),
        Err(error) => {
            let place = settings.run_dir.display();
            let text =
                format!("The run directory {place} cannot be used: {error}. Run as root: sudo stella-agent daemon");
            Report::new(Exit::Failed, "run-dir", text)
        }
    }
}

fn serve(settings: Settings, environment: &Environment, _lock: &Lock) -> io::Result<Report> {
    let (mut wake, waker) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
    }
    // Signals write bytes that the library chooses; the flag tells them from the worker's.
    let ending = Stop::default();
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, ending.flag())?;
    }
    let notifier = Notifier::new(environment.notify_socket.as_deref());
    let watchdog = watchdog_interval(environment.watchdog_usec.as_deref(), environment.watchdog_pid.as_deref());
    let desk = Arc::new(Desk {
        settings: Arc::new(settings),
        hub: Arc::new(Hub::default()),
        stop: Stop::default(),
        jobs: Arc::new(Mailbox::new(JOBS_MAX)),
    });
    let worker = Worker {
        settings: Arc::clone(&desk.settings),
        hub: Arc::clone(&desk.hub),
        stop: desk.stop.clone(),
        ending: ending.clone(),
    };
    let (bell, queue) = (waker.try_clone()?, Arc::clone(&desk.jobs));
    let worker = thread::Builder::new().name("worker".to_owned()).spawn(move || {
        worker.run(&queue, || {
            // A full pipe wakes as well as an empty one.
            let _ = (&bell).write(&[0]);
        });
    })?;
    let listener = listen(&desk.settings.run_dir)?;
    let service = Arc::clone(&desk);
    thread::Builder::new().name("socket".to_owned()).spawn(move || accept(&listener, &service))?;
    notifier.ready();
    log::info!(
        "stella-agent {} is up for {} on {}",
        env!("CARGO_PKG_VERSION"),
        desk.settings.product,
        desk.settings.hardware
    );
    desk.submit(Job::Settle);
    let wait = |interval: Duration| interval + spread(desk.settings.poll_jitter);
    let mut poll_at = desk.settings.poll_interval.map(|_| Instant::now() + wait(FIRST_POLL));
    let mut beat_at = watchdog.map(|interval| Instant::now() + interval);
    let mut life = desk.stop.looks();
    let mut shown = "";
    while !ending.is_set() {
        let now = Instant::now();
        let working_on = desk.hub.working_on().unwrap_or("idle");
        if working_on != shown {
            shown = working_on;
            notifier.status(shown);
        }
        if let (Some(at), Some(interval)) = (&mut beat_at, watchdog)
            && *at <= now
        {
            *at = now + interval;
            // A worker that did not look at its flag since the last beat hangs; then the watchdog shall bite.
            let looks = desk.stop.looks();
            if working_on == "idle" || looks != life {
                notifier.watchdog();
            }
            life = looks;
        }
        if let (Some(at), Some(interval)) = (&mut poll_at, desk.settings.poll_interval)
            && *at <= now
        {
            *at = now + wait(interval);
            if working_on == "idle" {
                desk.submit(Job::Poll);
            }
        }
        let next = [poll_at, beat_at].into_iter().flatten().min();
        wait_for_news(&mut wake, next.map(|at| at.saturating_duration_since(Instant::now())))?;
    }
    log::info!("stopping");
    notifier.stopping();
    desk.stop.set();
    desk.hub.close();
    desk.jobs.close();
    // The job at hand ends at its next safe place; what it reached is in the journal.
    let _ = worker.join();
    let _ = std::fs::remove_file(socket::path(&desk.settings.run_dir));
    Ok(Report::ok("Stopped."))
}

/// Sleeps until somebody writes to the pipe or the time is over.
fn wait_for_news(wake: &mut UnixStream, patience: Option<Duration>) -> io::Result<()> {
    // A timeout of zero would mean for ever.
    wake.set_read_timeout(patience.map(|patience| patience.max(Duration::from_millis(1))))?;
    match wake.read(&mut [0; 64]) {
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A random part of a time.
fn spread(jitter: Duration) -> Duration {
    Duration::from_secs(u64::from(crate::source::random()) % (jitter.as_secs() + 1))
}

/// Where the socket's threads hand in their requests.
#[derive(Debug)]
struct Desk {
    settings: Arc<Settings>,
    hub: Arc<Hub>,
    stop: Stop,
    jobs: Arc<Mailbox<Job>>,
}

impl Desk {
    /// Whether the job was taken.
    fn submit(&self, job: Job) -> bool {
        let name = job.name();
        let taken = self.jobs.put(job);
        if !taken {
            log::warn!("no room for another job: {name}");
        }
        taken
    }
}

impl Service for Desk {
    fn serve(&self, request: Request, show: &mut dyn FnMut(&Event) -> bool) -> Report {
        if request == Request::Status {
            let mut report = verbs::status(&self.settings);
            let working_on = self.hub.working_on();
            report.data.push("working_on", crate::json::optional(working_on));
            if let Some(verb) = working_on {
                report.text.push_str(&format!("\nworking    {verb}; follow it with: stella-agent monitor"));
            }
            return report;
        }
        let busy = self.hub.working_on();
        match (&request, busy) {
            (Request::Cancel, Some(_)) => self.stop.set(),
            // The look around after the start is short: who comes with READY=1 waits for it.
            (_, Some("settle")) => {}
            (_, Some(verb)) => {
                let text = format!(
                    "The daemon is at work ({verb}). Follow it with: stella-agent monitor, or stop it with: stella-agent cancel"
                );
                return Report::new(Exit::Busy, "busy", text);
            }
            (_, None) => {}
        }
        let mut from = self.hub.now();
        let answer = Arc::new(Mailbox::new(1));
        let verb = request::Request::verb(&request);
        if !self.submit(Job::Request(request, Arc::clone(&answer))) {
            return Report::new(Exit::Busy, "busy", format!("The daemon has too much to do for '{verb}'. Try again."));
        }
        loop {
            let ended = answer.take(LOOK);
            let (events, next) = self.hub.wait(from, Duration::ZERO);
            from = next;
            // The work goes on when the asker leaves: it may be a whole fleet's operator on a bad link.
            events.iter().all(&mut *show);
            // A daemon that ends takes this thread with it, after the job at hand has answered.
            if let Some(report) = ended {
                return report;
            }
        }
    }

    fn monitor(&self, show: &mut dyn FnMut(Option<&Event>) -> bool) -> Report {
        let mut from = self.hub.now();
        loop {
            let (events, next) = self.hub.wait(from, MONITOR_LOOK);
            from = next;
            if !events.iter().all(|event| show(Some(event))) || !show(None) {
                return Report::ok("");
            }
            if self.hub.is_closed() {
                return Report::ok("The daemon stopped.");
            }
        }
    }
}
