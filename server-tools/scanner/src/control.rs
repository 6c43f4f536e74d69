//! What a caller may watch and stop while a scan runs.
//!
//! In: a progress callback and a cancel flag of the caller. Out: calls of the callback, and [`Cancelled`] when the
//! flag was set. It measures no time: rate and time left are the caller's, who owns the clock.

use core::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The stages of a scan, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Both images are cut into chunks and hashed; counted in bytes of base plus target.
    Chunk,
    /// Long equal ranges are found by the ids of chunks and the hashes of blocks; counted in bytes of the target.
    Match,
    /// Short equal ranges are searched in what is left; counted in unmatched bytes of the target.
    Search,
    /// Equal bytes are made into operations, which are replayed against both images; counted in bytes of the target.
    Check,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chunk => "chunking",
            Self::Match => "matching",
            Self::Search => "searching",
            Self::Check => "checking",
        })
    }
}

/// Called from any thread with (stage, done, total). `done` may repeat and, between threads, may step back a little.
pub type Progress<'a> = &'a (dyn Fn(Stage, u64, u64) + Sync);

/// The cancel flag was set before the scan ended; nothing was produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scan was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Progress and cancellation, handed down to every stage.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    progress: Progress<'a>,
    cancel: &'a AtomicBool,
}

impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

impl<'a> Control<'a> {
    /// Watches with `progress`; stops soon after `cancel` becomes true.
    pub fn new(progress: Progress<'a>, cancel: &'a AtomicBool) -> Self {
        Self { progress, cancel }
    }

    /// Nobody watches and nobody cancels.
    pub fn silent() -> Control<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Control { progress: &|_, _, _| {}, cancel: &NEVER }
    }

    /// The only place that reads the cancel flag.
    ///
    /// # Errors
    /// [`Cancelled`] when it is set.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancel.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }
}

/// Counts the work of one stage over all its threads.
pub(crate) struct Meter<'a> {
    control: Control<'a>,
    stage: Stage,
    total: u64,
    done: AtomicU64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(control: Control<'a>, stage: Stage, total: u64) -> Self {
        (control.progress)(stage, 0, total);
        Self { control, stage, total, done: AtomicU64::new(0) }
    }

    /// `amount` more units are done; fails when the caller cancelled.
    pub(crate) fn add(&self, amount: u64) -> Result<(), Cancelled> {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        (self.control.progress)(self.stage, done, self.total);
        self.control.check()
    }
}
