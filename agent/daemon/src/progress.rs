//! What long work tells while it runs: measured once, shown everywhere (a bar, JSON Lines, the socket).
//!
//! In: the executor's [`Progress`] calls. Out: [`Event`]s, at most five a second, with rate and time left. Time is
//! taken from the monotonic clock and never decides anything.

use crate::json::{Value, object, optional};
use crate::platform::{Cancelled, Progress, Stage, Watcher};
use crate::stop::Stop;
use std::time::{Duration, Instant};

/// Least time between two events of the same step.
const PAUSE: Duration = Duration::from_millis(200);

/// One thing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// How far a step is.
    Step(Step),
    /// A sentence.
    Note(String),
}

/// How far a step is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its name: `fetch`, `apply`.
    pub stage: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes to do, 0 when nobody knows.
    pub total: u64,
    /// Bytes that came over the network since the verb began.
    pub fetched: u64,
    /// Bytes a second, over the step so far.
    pub rate: u64,
    /// Seconds that are left at this rate.
    pub left_seconds: Option<u64>,
}

impl Event {
    /// The JSON line of this event.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Step(step) => object([
                ("event", "progress".into()),
                ("stage", step.stage.as_str().into()),
                ("done", step.done.into()),
                ("total", step.total.into()),
                ("fetched", step.fetched.into()),
                ("rate", step.rate.into()),
                ("left_seconds", optional(step.left_seconds)),
            ]),
            Self::Note(text) => object([("event", "note".into()), ("text", text.as_str().into())]),
        }
    }

    /// Reads back what [`Self::to_json`] made.
    pub fn of_json(value: &Value) -> Option<Self> {
        let number = |name| value.number_of(name).and_then(|number| u64::try_from(number).ok());
        match value.text_of("event")? {
            "progress" => Some(Self::Step(Step {
                stage: value.text_of("stage")?.to_owned(),
                done: number("done")?,
                total: number("total")?,
                fetched: number("fetched")?,
                rate: number("rate")?,
                left_seconds: number("left_seconds"),
            })),
            "note" => Some(Self::Note(value.text_of("text")?.to_owned())),
            _ => None,
        }
    }
}

/// Watches the executor, measures, and hands events on.
pub struct Meter<'a> {
    stop: Stop,
    emit: Box<dyn FnMut(Event) + 'a>,
    stage: Option<Stage>,
    step: Step,
    began: Instant,
    shown: Option<Instant>,
}

impl std::fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("step", &self.step).finish_non_exhaustive()
    }
}

impl<'a> Meter<'a> {
    /// Hands events to `emit`; stops the work when `stop` is set.
    pub fn new(stop: Stop, emit: impl FnMut(Event) + 'a) -> Self {
        Self { stop, emit: Box::new(emit), stage: None, step: Step::default(), began: Instant::now(), shown: None }
    }

    fn show(&mut self, now: Instant) {
        let milliseconds = now.duration_since(self.began).as_millis().max(50);
        self.step.rate = u64::try_from(u128::from(self.step.done) * 1000 / milliseconds).unwrap_or(u64::MAX);
        let left = self.step.total.saturating_sub(self.step.done);
        self.step.left_seconds = left.checked_div(self.step.rate).filter(|_| self.step.total > 0);
        self.shown = Some(now);
        (self.emit)(Event::Step(self.step.clone()));
    }
}

impl Watcher for Meter<'_> {
    fn progress(&mut self, progress: Progress<'_>) -> Result<(), Cancelled> {
        let now = Instant::now();
        match progress {
            Progress::Started { stage, bytes } => {
                self.stage = Some(stage);
                self.step = Step {
                    stage: stage.name().to_owned(),
                    total: bytes,
                    fetched: self.step.fetched,
                    ..Step::default()
                };
                self.began = now;
                self.show(now);
            }
            Progress::Advanced { stage, bytes } => {
                if self.stage == Some(stage) {
                    self.step.done += bytes;
                }
                let due = self.shown.is_none_or(|shown| now.duration_since(shown) >= PAUSE);
                let complete = bytes > 0 && self.step.done == self.step.total;
                if self.stage == Some(stage) && (due || complete) {
                    self.show(now);
                }
            }
            Progress::Fetched { bytes } => self.step.fetched += bytes,
            Progress::Note(text) => (self.emit)(Event::Note(text.to_owned())),
        }
        if self.stop.is_set() { Err(Cancelled) } else { Ok(()) }
    }
}

/// A number of bytes for people.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Tenths in whole numbers: printing floating point numbers costs 20 KB of code.
    let unit = (count.ilog2() as usize / 10).min(units.len());
    let tenths = (u128::from(count) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_socket_and_stop_works() {
        let stop = Stop::default();
        let mut events = Vec::new();
        let mut meter = Meter::new(stop.clone(), |event| events.push(event));
        meter.progress(Progress::Fetched { bytes: 5 }).unwrap();
        meter.progress(Progress::Started { stage: Stage::Apply, bytes: 100 }).unwrap();
        meter.progress(Progress::Advanced { stage: Stage::Apply, bytes: 40 }).unwrap();
        meter.progress(Progress::Advanced { stage: Stage::Fetch, bytes: 1000 }).unwrap();
        meter.progress(Progress::Advanced { stage: Stage::Apply, bytes: 60 }).unwrap();
        meter.progress(Progress::Note("a note")).unwrap();
        stop.set();
        assert_eq!(meter.progress(Progress::Fetched { bytes: 1 }), Err(Cancelled));
        drop(meter);
        let [Event::Step(first), Event::Step(last), Event::Note(note)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((first.done, first.total, first.fetched), (0, 100, 5));
        assert_eq!((last.done, last.stage.as_str(), note.as_str()), (100, "apply", "a note"));
        for event in &events {
            assert_eq!(Event::of_json(&event.to_json()).as_ref(), Some(event));
        }
    }

    #[test]
    fn sizes_are_readable() {
        let check = |count, expected| assert_eq!(bytes(count), expected);
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(5 << 30, "5.0 GiB");
        check(3 << 50, "3072.0 TiB");
    }
}
