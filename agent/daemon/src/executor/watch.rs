//! One watcher, lent to everything that works at the same time: the engine reports what it wrote while the source
//! reports what it fetched.

use crate::platform::{Cancelled, Progress, Stage, Watcher};
use std::cell::RefCell;
use std::fmt;

/// The watcher of one command.
pub(super) struct Watch<'w>(RefCell<&'w mut dyn Watcher>);

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl<'w> Watch<'w> {
    pub(super) fn new(watcher: &'w mut dyn Watcher) -> Self {
        Self(RefCell::new(watcher))
    }

    pub(super) fn progress(&self, progress: Progress<'_>) -> Result<(), Cancelled> {
        self.0.borrow_mut().progress(progress)
    }

    /// Says that a step begins, and gives the engine's view of the watcher for it.
    pub(super) fn begin(&self, stage: Stage, bytes: u64) -> Result<StageWatch<'_, 'w>, Cancelled> {
        self.progress(Progress::Started { stage, bytes })?;
        Ok(StageWatch { watch: self, stage })
    }

    /// Goes on with a step that was said to have begun.
    pub(super) fn go_on(&self, stage: Stage) -> StageWatch<'_, 'w> {
        StageWatch { watch: self, stage }
    }

    /// Lends the watcher itself.
    pub(super) fn lend<T>(&self, work: impl FnOnce(&mut dyn Watcher) -> T) -> T {
        work(&mut **self.0.borrow_mut())
    }
}

/// The watcher, counting one step.
#[derive(Debug)]
pub(super) struct StageWatch<'a, 'w> {
    watch: &'a Watch<'w>,
    stage: Stage,
}

impl delta_apply::Observer for StageWatch<'_, '_> {
    fn advance(&mut self, bytes: u64) -> Result<(), Cancelled> {
        let stage = self.stage;
        self.watch.progress(Progress::Advanced { stage, bytes })
    }
}
