//! The one thread that works on the device: jobs in, reports out, one at a time.
//!
//! In: [`Job`]s from the socket, the timer and the start. Out: reports, events on the [`Hub`]. It is the only part of
//! the daemon that blocks for long; everything else stays responsive meanwhile.

use super::hub::Hub;
use super::mailbox::Mailbox;
use crate::config::{PollAction, RebootWhen, Settings};
use crate::exit::{Exit, Report};
use crate::platform::Watcher;
use crate::progress::{Event, Meter};
use crate::socket::Request;
use crate::stop::Stop;
use crate::{health, verbs};
use agent_machine::State;
use std::sync::Arc;
use std::time::Duration;

/// Time that the command gets that restarts the device.
const REBOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the worker sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_secs(3600);

/// One piece of work.
#[derive(Debug)]
pub enum Job {
    /// After the start: check a slot on trial, finish what a cut left.
    Settle,
    /// The timer: look for news.
    Poll,
    /// Somebody asked.
    Request(Request, Arc<Mailbox<Report>>),
}

impl Job {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Poll => "poll",
            Self::Request(request, _) => request.verb(),
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Worker {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Where events go.
    pub hub: Arc<Hub>,
    /// Stops the job at hand.
    pub stop: Stop,
    /// Ends the worker after the job at hand.
    pub ending: Stop,
}

impl Worker {
    /// Works until the mailbox is closed. `done` is called after each job.
    pub fn run(&self, jobs: &Mailbox<Job>, done: impl Fn()) {
        while !jobs.is_closed() {
            let Some(job) = jobs.take(IDLE) else {
                continue;
            };
            self.stop.clear();
            // The end may have come between the two lines above.
            if self.ending.is_set() {
                return;
            }
            self.hub.work_on(Some(job.name()));
            let report = self.work(&job);
            self.tell(job.name(), &report);
            self.hub.work_on(None);
            if let Job::Request(_, answer) = job {
                // The asker may be gone.
                let _ = answer.put(report.clone());
            }
            self.restart_if_due(&report);
            done();
        }
    }

    fn work(&self, job: &Job) -> Report {
        let hub = Arc::clone(&self.hub);
        let mut meter = Meter::new(self.stop.clone(), move |event| {
            if let Event::Note(text) = &event {
                log::info!("{text}");
            }
            hub.tell(event);
        });
        match job {
            Job::Settle => self.settle(&mut meter),
            Job::Poll => self.poll(&mut meter),
            Job::Request(request, _) => verbs::perform(request, &self.settings, &self.stop, &mut meter),
        }
    }

    /// After a start: what needs no bundle first, then an install that was cut off.
    fn settle(&self, watcher: &mut dyn Watcher) -> Report {
        let report = verbs::settle(&self.settings, watcher);
        if report.code != "resumable" {
            return report;
        }
        // From here on it may take long, and others are told so instead of being queued.
        self.hub.work_on(Some("resume"));
        let report = self.request(&Request::Resume { from: None }, watcher);
        if report.code == "other-bundle" {
            // Somebody put another bundle in its place: the install that began can never be finished from there.
            log::warn!("{}", report.text);
            return self.request(&Request::Cancel, watcher);
        }
        report
    }

    fn poll(&self, watcher: &mut dyn Watcher) -> Report {
        match verbs::record(&self.settings).map(|record| record.state) {
            Ok(State::Idle(_)) => {}
            Ok(State::AwaitingReboot(_) | State::Returning(_) | State::Trial(_)) => {
                return Report::new(Exit::Nothing, "waiting", "An update waits for a restart or for its commit.");
            }
            _ => return self.settle(watcher),
        }
        if self.settings.source.is_none() {
            return Report::new(Exit::Nothing, "no-source", "No source is configured.");
        }
        self.request(
            &match self.settings.poll_action {
                PollAction::Check => Request::Check { from: None },
                PollAction::Install => Request::Install { bundle: None, from: None, force: false },
            },
            watcher,
        )
    }

    fn request(&self, request: &Request, watcher: &mut dyn Watcher) -> Report {
        verbs::perform(request, &self.settings, &self.stop, watcher)
    }

    fn tell(&self, name: &str, report: &Report) {
        let text = report.text.lines().last().unwrap_or_default();
        match report.exit {
            Exit::Nothing => log::debug!("{name}: {text}"),
            // Stopped on purpose, by a signal or by cancel.
            _ if report.code == "stopped" => log::info!("{name}: {text}"),
            exit if exit.is_failure() => log::error!("{name}: {text}"),
            _ => log::info!("{name}: {text}"),
        }
        self.hub.tell(Event::Note(format!("{name}: {text}")));
    }

    /// A slot that failed is left at once; a new one is tried at once only where the configuration says so.
    fn restart_if_due(&self, report: &Report) {
        let automatic = self.settings.reboot_when == RebootWhen::Automatic;
        let due = report.code == "falling-back" || (automatic && report.code == "reboot-required");
        if !due || self.ending.is_set() {
            return;
        }
        let command = &self.settings.reboot_command;
        log::warn!("restarting the device: {command}");
        match health::run(command, REBOOT_TIMEOUT, &mut ()) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => log::error!("the device could not be restarted: {command}: {reason}"),
            Err(_) => {}
        }
    }
}
