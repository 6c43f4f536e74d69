//! What the daemon is doing, for everyone who wants to follow: a short memory of events and who works.

use crate::progress::Event;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Events that a slow follower can be behind before it misses some.
const EVENTS_MAX: usize = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    /// Number of the event after the newest.
    next: u64,
    working_on: Option<&'static str>,
    closed: bool,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A follower that panicked leaves nothing half-done behind.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tells everyone.
    pub fn tell(&self, event: Event) {
        let mut inner = self.lock();
        if inner.events.len() == EVENTS_MAX {
            inner.events.pop_front();
        }
        inner.events.push_back(event);
        inner.next += 1;
        drop(inner);
        self.changed.notify_all();
    }

    /// The number that the next event will have.
    pub fn now(&self) -> u64 {
        self.lock().next
    }

    /// Waits for events from number `from` on; gives them and the number to ask for next. Empty after `patience`.
    pub fn wait(&self, from: u64, patience: Duration) -> (Vec<Event>, u64) {
        let inner = self.lock();
        let (inner, _) = self
            .changed
            .wait_timeout_while(inner, patience, |inner| inner.next <= from && !inner.closed)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let oldest = inner.next - inner.events.len() as u64;
        let skip = from.saturating_sub(oldest) as usize;
        (inner.events.iter().skip(skip).cloned().collect(), inner.next)
    }

    /// Says which verb is being done, or none.
    pub fn work_on(&self, verb: Option<&'static str>) {
        self.lock().working_on = verb;
    }

    /// The verb that is being done.
    pub fn working_on(&self) -> Option<&'static str> {
        self.lock().working_on
    }

    /// The daemon ends.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether the daemon ends.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Followers see each event once, in order; one that is far behind misses the oldest.
    #[test]
    fn followers_see_each_event_once() {
        let hub = Hub::default();
        let note = |number: usize| Event::Note(number.to_string());
        let from = hub.now();
        assert_eq!(hub.wait(from, Duration::ZERO), (vec![], 0));
        (0..3).for_each(|number| hub.tell(note(number)));
        let (events, from) = hub.wait(from, Duration::from_secs(9));
        assert_eq!((events, from), (vec![note(0), note(1), note(2)], 3));
        (3..200).for_each(|number| hub.tell(note(number)));
        let (events, from) = hub.wait(from, Duration::from_secs(9));
        assert_eq!((events.len(), events.last(), from), (EVENTS_MAX, Some(&note(199)), 200));
        hub.close();
        assert_eq!(hub.wait(from, Duration::from_secs(9)), (vec![], 200));
    }
}
