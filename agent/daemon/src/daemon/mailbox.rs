//! A bounded queue between threads. The standard library's channels would do as well, and cost 15 KB of the device's
//! budget for ways of waiting that nobody here uses.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// See the module's text.
#[derive(Debug)]
pub struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    room: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// An open mailbox for `room` items.
    pub fn new(room: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), room }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing is half-done when a holder panics.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts an item in; `false` when there is no room or the mailbox is closed.
    pub fn put(&self, item: T) -> bool {
        let mut inner = self.lock();
        let fits = !inner.closed && inner.items.len() < self.room;
        if fits {
            inner.items.push_back(item);
            self.changed.notify_one();
        }
        fits
    }

    /// Waits for an item; `None` after `patience`, or when the mailbox is closed.
    pub fn take(&self, patience: Duration) -> Option<T> {
        let waits = |inner: &mut Inner<T>| inner.items.is_empty() && !inner.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waits);
        let (mut inner, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if inner.closed { None } else { inner.items.pop_front() }
    }

    /// Lets nobody wait any more; what is inside is dropped.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.items.clear();
        drop(inner);
        self.changed.notify_all();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_and_closing_wakes() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.put(1) && mailbox.put(2) && !mailbox.put(3));
        assert_eq!([mailbox.take(Duration::ZERO), mailbox.take(Duration::ZERO)], [Some(1), Some(2)]);
        assert_eq!(mailbox.take(Duration::from_millis(1)), None);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.take(Duration::from_secs(60)));
            mailbox.close();
            assert_eq!(waiter.join().unwrap(), None);
        });
        assert!(!mailbox.put(4) && mailbox.is_closed());
    }
}
