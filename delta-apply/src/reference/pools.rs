//! Words of literal pools, which lie behind the functions that load them.

use super::{Scan, signed};

/// Words that are remembered at once: a pool lies at most 4 KiB behind the first load from it.
const WORDS: usize = 256;

/// Where the next words of literal pools are, and from where each of them counts. What is remembered is true for one
/// executable wherever the scan goes on.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// By the word's address: the address, and what is added to it.
    words: [(u32, u32); WORDS],
}

impl Default for Pools {
    fn default() -> Self {
        Self { words: [(0, 0); WORDS] }
    }
}

fn slot(address: u64) -> usize {
    (address >> 2) as usize % WORDS
}

impl Pools {
    /// Remembers the word at `address`, to which `counter` is added; 0 if nothing is known to be added.
    pub(super) fn add(&mut self, address: u64, counter: u64) {
        let word = &mut self.words[slot(address)];
        // A load that says more wins over one that says nothing.
        if word.0 != address as u32 || counter != 0 {
            *word = (address as u32, counter as u32);
        }
    }

    /// Where the word at `at` leads, and from where it counts.
    pub(super) fn take(&self, scan: &Scan<'_>, at: usize) -> Option<(u64, u64)> {
        let address = scan.address(at);
        let (_, counter) = *self.words.get(slot(address)).filter(|word| word.0 != 0 && word.0 == address as u32)?;
        let value = scan.word(at)?;
        if counter != 0 {
            let anchor = u64::from(counter);
            let target = anchor.wrapping_add(signed(value));
            return scan.image.contains(target).then_some((target, anchor));
        }
        let lowest = scan.region.parameter;
        let target = u64::from(value);
        (lowest != 0 && target >= lowest && scan.image.contains(target)).then_some((target, 0))
    }
}
