//! What the bytes of a payload are spent on, for reports: by kind, and by section of the executables in the target.
//!
//! In: how an encoder came through its sections. Out: sums. Nothing here decides anything.

use delta_apply::coding::coder::{Encoder, Purpose};
use delta_ingest::executable::Part;
use std::collections::BTreeMap;

/// Units in a byte: the encoder counts in 1/65536 bits.
const UNITS: u64 = 8 << 16;

/// Where the bytes of a payload go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Units of streams, by [`Purpose`].
    kinds: [u64; Purpose::ALL.len()],
    /// Bytes of frames.
    frames: u64,
    /// Units for the contents of sections, by name.
    parts: BTreeMap<String, u64>,
}

/// What is not in an executable.
const OUTSIDE: &str = "outside executables";
/// What is in an executable, but in none of its sections.
const BETWEEN: &str = "between sections";

impl Spent {
    /// What one frame takes.
    pub(crate) fn frame(bytes: usize) -> Self {
        Self { frames: bytes as u64, ..Self::default() }
    }

    /// What an encoder spent that made these sections, one after the other: the parts of each, if it is an executable.
    pub(crate) fn of(encoder: &Encoder, sections: &[Option<&[Part]>]) -> Self {
        let mut spent = Self { kinds: encoder.spent(), ..Self::default() };
        let steps = encoder.steps();
        let ends = steps.iter().skip(1).map(|step| step.spent).chain([spent.kinds.iter().sum()]);
        let mut opened = 0;
        for (step, end) in steps.iter().zip(ends) {
            let Some(at) = step.at else {
                opened += 1;
                continue;
            };
            let name = match sections.get(opened - 1) {
                Some(Some(parts)) => {
                    let next = parts.partition_point(|part| part.range.end <= at);
                    parts.get(next).filter(|part| part.range.contains(&at)).map_or(BETWEEN, |part| &part.name)
                }
                _ => OUTSIDE,
            };
            match spent.parts.get_mut(name) {
                Some(sum) => *sum += end - step.spent,
                None => drop(spent.parts.insert(name.to_owned(), end - step.spent)),
            }
        }
        spent
    }

    /// Adds what another record takes.
    pub(crate) fn add(&mut self, other: Self) {
        self.kinds.iter_mut().zip(other.kinds).for_each(|(sum, more)| *sum += more);
        self.frames += other.frames;
        for (name, more) in other.parts {
            *self.parts.entry(name).or_default() += more;
        }
    }

    /// Bytes by kind, the most first.
    pub(crate) fn by_kind(&self) -> Vec<(String, u64)> {
        let streams =
            Purpose::ALL.iter().map(|purpose| (name(*purpose).to_owned(), self.kinds[*purpose as usize] / UNITS));
        sorted(streams.chain([("frames".to_owned(), self.frames)]))
    }

    /// Bytes for the contents of the sections of executables, by name, and of the rest; the most first, the last entry
    /// sums up those that are not listed. Frames are not told apart.
    pub(crate) fn by_section(&self) -> Vec<(String, u64)> {
        let mut all = sorted(self.parts.iter().map(|(name, units)| (name.clone(), units / UNITS)));
        let rest = all.split_off(all.len().min(SECTIONS_MAX));
        let more = rest.iter().map(|(_, bytes)| bytes).sum();
        all.extend((more > 0).then(|| ("other sections".to_owned(), more)));
        all
    }
}

/// Sections that a report lists.
const SECTIONS_MAX: usize = 40;

fn sorted(entries: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut entries: Vec<(String, u64)> = entries.filter(|(_, bytes)| *bytes > 0).collect();
    entries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    entries
}

/// What reports call a purpose.
fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Tables => "tables of executables",
        Purpose::Operations => "operations",
        Purpose::Blocks => "what differs where",
        Purpose::References => "references",
        Purpose::Differences => "bytes that differ",
        Purpose::Literals => "new bytes",
        Purpose::Containers => "packing",
    }
}
