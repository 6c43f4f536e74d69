//! Runs: what follows each other in the base and in the target, by either place.

use super::{FormatError, SectionError};
use alloc::vec::Vec;

/// The place in the base of what the base does not have.
pub(super) const NEW: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Run {
    base: u32,
    target: u32,
    /// Where it starts in the target, in bytes, if that is not told by `target`.
    place: u32,
}

/// Runs in the order of the target. Each ends where the next one starts.
#[derive(Debug)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// Those that the base has, by their place there.
    by_base: Vec<u32>,
}

impl Runs {
    /// Takes memory for `max` of them.
    pub(super) fn new(max: usize) -> Self {
        let (mut runs, mut by_base) = (Vec::new(), Vec::new());
        runs.reserve_exact(max);
        by_base.reserve_exact(max);
        Self { runs, by_base }
    }

    /// Gives back memory that is not used.
    pub(super) fn close(&mut self) {
        self.runs.shrink_to_fit();
        self.by_base.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The next run, behind all others in the target.
    pub(super) fn push(&mut self, base: u32, target: u32) -> Result<(), SectionError> {
        if self.runs.len() == self.runs.capacity() {
            return Err(FormatError::LimitExceeded("operations of a section").into());
        }
        if base != NEW {
            let runs = &self.runs;
            let place = self.by_base.partition_point(|run| runs[*run as usize].base <= base);
            self.by_base.insert(place, self.runs.len() as u32);
        }
        self.runs.push(Run { base, target, place: target });
        Ok(())
    }

    /// Where a run starts.
    pub(super) fn run(&self, run: usize) -> (u32, u32) {
        self.runs.get(run).map_or((NEW, 0), |run| (run.base, run.target))
    }

    /// Where a run ends in the target; the last one at `end`.
    pub(super) fn end_of(&self, run: usize, end: u32) -> u32 {
        self.runs.get(run + 1).map_or(end, |next| next.target)
    }

    /// The run starts at `place` in bytes.
    pub(super) fn set_place(&mut self, run: usize, place: u32) {
        if let Some(run) = self.runs.get_mut(run) {
            run.place = place;
        }
    }

    /// Makes the places of all runs places of bytes; no place is looked for any more.
    pub(super) fn place_in_bytes(
        &mut self,
        mut of_base: impl FnMut(u32) -> Result<u32, SectionError>,
    ) -> Result<(), SectionError> {
        self.by_base = Vec::new();
        for run in &mut self.runs {
            run.target = run.place;
            if run.base != NEW {
                run.base = of_base(run.base)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_new_at_end(&self) -> bool {
        self.runs.last().is_some_and(|last| last.base == NEW)
    }

    /// What follows the last run in the base, when it ends at `end`.
    pub(super) fn next_base(&self, end: u32) -> Option<u32> {
        let last = self.runs.last().filter(|last| last.base != NEW)?;
        Some(last.base.wrapping_add(end.wrapping_sub(last.target)))
    }

    /// Where a place of the base went, if it is in a run. The last run ends at `end`.
    pub(super) fn target_of(&self, base: u32, end: u32) -> Option<u32> {
        let place = self.by_base.partition_point(|run| self.runs[*run as usize].base <= base).checked_sub(1)?;
        let index = self.by_base[place] as usize;
        let (from, to) = self.run(index);
        let target = to.checked_add(base - from)?;
        (target < self.end_of(index, end)).then_some(target)
    }

    /// The run that holds a place of the target, from `first` on, and the place in the base.
    pub(super) fn base_of(&self, target: u32, first: usize) -> Option<(usize, Option<u32>)> {
        let mut run = first;
        while self.runs.get(run + 1).is_some_and(|next| next.target <= target) {
            run += 1;
        }
        let (from, to) = self.run(run);
        let base = from.checked_add(target.checked_sub(to)?);
        (run < self.runs.len()).then_some((run, if from == NEW { None } else { base }))
    }
}
