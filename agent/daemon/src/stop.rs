//! The wish to stop, shared between whoever asks (a signal, `cancel`) and whoever works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A flag that is set once and seen by every clone. Work looks at it between two steps, never inside one, but at least
/// every few seconds: so looking is also the sign of life that the watchdog counts.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    // 32 bits: some devices have no wider atomic numbers.
    looks: Arc<AtomicU32>,
}

impl Stop {
    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Takes the wish back, before the next piece of work.
    pub fn clear(&self) {
        self.flag.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.flag.load(Ordering::Relaxed)
    }

    /// How often anybody looked, modulo 2^32.
    pub fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Sleeps for `wait`, or until somebody asks to stop.
    pub fn sleep(&self, wait: Duration) {
        let start = Instant::now();
        while !self.is_set() {
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}
