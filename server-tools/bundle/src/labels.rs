//! Labels in place of references: base and target as the search for matches should see them.
//!
//! In: both images, their executables, and matches found so far. Out: copies of both, in which each reference is replaced
//! by a label of where it leads in the target. In the target that is what is written there. In the base it is what a
//! device would expect: where most references to the same address really lead, as far as they lie in matches, since that
//! is what it learns; else where the matches map the address to. So a function that only moved looks as if it had not,
//! and a call to a function that moved elsewhere looks unchanged after the first.
//!
//! Labels steer the search and nothing else; whatever they are, the delta is right.

use delta_apply::reference::{self, Form, Image, ScanState, Site};
use delta_ingest::executable::Executable;
use delta_scanner::Match;
use std::collections::{BTreeMap, BinaryHeap};

/// An image with its executables, sorted and disjoint.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// All bytes.
    pub bytes: &'a [u8],
    /// The executables in them.
    pub executables: &'a [Executable],
}

/// Gaps between matches of one diagonal up to this are the reference that was expected wrongly before.
const GAP_BYTES_MAX: u64 = 16;

/// Base and target with labels. `matches` are sorted by target.
pub fn labelled(base: Side<'_>, target: Side<'_>, matches: &[Match]) -> (Vec<u8>, Vec<u8>) {
    let (mut base_labels, mut target_labels) = (base.bytes.to_vec(), target.bytes.to_vec());
    for executable in target.executables {
        let start = executable.range.start as usize;
        for site in sites(executable, target.bytes) {
            reference::label(site.form, &mut target_labels[start + site.at as usize..], site.target);
        }
    }
    let joined = joined(matches);
    let mut by_base: Vec<&Match> = joined.iter().collect();
    by_base.sort_by_key(|found| (found.base, found.target));
    let longest = joined.iter().map(|found| found.length).max().unwrap_or(0);
    for executable in base.executables {
        let from = executable.range.start.saturating_sub(longest);
        let first = by_base.partition_point(|found| found.base < from);
        let near = by_base[first..].iter().take_while(|found| found.base < executable.range.end);
        let here = near.filter(|found| found.base + found.length > executable.range.start);
        let Some(pair) = Pair::new(executable, target, here.copied()) else { continue };
        let sites = sites(executable, base.bytes);
        let votes = pair.votes(&sites, base.bytes, target.bytes);
        let start = executable.range.start as usize;
        for site in &sites {
            let expected = votes.get(&site.target).copied().unwrap_or_else(|| pair.map(site.target));
            reference::label(site.form, &mut base_labels[start + site.at as usize..], expected);
        }
    }
    (base_labels, target_labels)
}

/// Matches that follow each other on one diagonal are one, up to a short gap.
fn joined(matches: &[Match]) -> Vec<Match> {
    let mut joined: Vec<Match> = Vec::new();
    for found in matches {
        match joined.last_mut() {
            Some(last)
                if last.diagonal() == found.diagonal()
                    && found.target >= last.end()
                    && found.target - last.end() <= GAP_BYTES_MAX =>
            {
                last.length = found.end() - last.target;
            }
            _ => joined.push(*found),
        }
    }
    joined
}

fn sites(executable: &Executable, bytes: &[u8]) -> Vec<Site> {
    let bytes = &bytes[executable.range.start as usize..executable.range.end as usize];
    let mut sites = Vec::new();
    let mut state = ScanState::new();
    for region in executable.image.regions() {
        let range = region.offset as usize..(region.end() as usize).min(bytes.len());
        let limit = range.end;
        reference::find(&executable.image, region, bytes, 0, range, limit, &mut state, &mut |site| sites.push(site));
    }
    sites
}

/// An executable of the base and the one of the target that most of it went to.
struct Pair<'a> {
    base: &'a Executable,
    target: &'a Executable,
    /// Matches from one to the other.
    matches: Vec<&'a Match>,
    /// Where the base, from this offset in the executable on, goes; the longest match wins.
    map: Vec<(u64, i64)>,
    /// The offsets that matches cover.
    covered: Vec<(u64, u64)>,
}

impl<'a> Pair<'a> {
    fn new(base: &'a Executable, target: Side<'a>, here: impl Iterator<Item = &'a Match>) -> Option<Self> {
        let here: Vec<&Match> = here.collect();
        let partner = |found: &Match| {
            let index = target.executables.partition_point(|executable| executable.range.end <= found.target);
            target.executables.get(index).filter(|executable| executable.range.start <= found.target)
        };
        let mut shares: BTreeMap<u64, u64> = BTreeMap::new();
        for found in &here {
            if let Some(executable) = partner(found) {
                *shares.entry(executable.range.start).or_default() += found.length;
            }
        }
        let (start, _) = shares.into_iter().max_by_key(|(start, share)| (*share, std::cmp::Reverse(*start)))?;
        let target = target.executables.iter().find(|executable| executable.range.start == start)?;
        let matches: Vec<&Match> = (here.into_iter())
            .filter(|found| found.target >= target.range.start && found.end() <= target.range.end)
            .filter(|found| found.base >= base.range.start && found.base + found.length <= base.range.end)
            .collect();
        let shift = base.range.start as i64 - target.range.start as i64;
        let map = skyline(matches.iter().map(|found| {
            let start = found.base - base.range.start;
            (start, start + found.length, shift - found.diagonal())
        }));
        let covered = covered(matches.iter().map(|found| (found.base - base.range.start, found.length)));
        Some(Self { base, target, matches, map, covered })
    }

    /// Where an address of the base is expected in the target.
    fn map(&self, address: u64) -> u64 {
        let image = &self.base.image;
        // What is not in the file moves like the last byte of its span that is.
        let (known, beyond) = match image.offset_of(address) {
            Some(offset) => (Some(offset), 0),
            None => nearest_end(image, address),
        };
        let mapped = known.and_then(|offset| {
            let index = self.map.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
            self.target.image.address_of(offset.checked_add_signed(self.map.get(index)?.1)?)
        });
        mapped.map_or(address, |mapped| mapped.wrapping_add(beyond))
    }

    /// Whether a match says where the address goes.
    fn is_covered(&self, address: u64) -> bool {
        let Some(offset) = self.base.image.offset_of(address) else { return false };
        let index = self.covered.partition_point(|(start, _)| *start <= offset);
        index > 0 && offset < self.covered[index - 1].1
    }

    /// For each address that the base refers to, where most of the references in matches lead in the target.
    fn votes(&self, sites: &[Site], base: &[u8], target: &[u8]) -> BTreeMap<u64, u64> {
        let base = &base[self.base.range.start as usize..self.base.range.end as usize];
        let target = &target[self.target.range.start as usize..self.target.range.end as usize];
        let mut votes: Vec<(u64, u64)> = Vec::new();
        for found in &self.matches {
            let (from, to) = (found.base - self.base.range.start, found.target - self.target.range.start);
            let first = sites.partition_point(|site| u64::from(site.at) < from);
            let end = from + found.length;
            let inside = sites[first..].iter().take_while(|site| u64::from(site.at) + u64::from(site.width) <= end);
            let mut parts = Parts::default();
            for site in inside {
                let place = to + (u64::from(site.at) - from);
                let Some(region) = self.target.image.region_at(place) else { continue };
                let address = region.address.wrapping_add(place - region.offset);
                let bytes = (&target[place as usize..], &base[site.at as usize..]);
                let read = |anchor| {
                    let read = reference::get(site.form, bytes.0, bytes.1, address, anchor)?;
                    self.target.image.contains(read).then_some(read)
                };
                let vote = match is_part(site.form) {
                    false => read(if site.anchor == 0 { 0 } else { self.map(site.anchor) }),
                    // Two parts of one address: what the first says completes the second.
                    true => match parts.other(site) {
                        Some(anchor) => read(anchor),
                        None => {
                            parts.remember(site, read(self.map(site.target)));
                            None
                        }
                    },
                };
                votes.extend(vote.map(|vote| (site.target, vote)));
            }
        }
        votes.sort_unstable();
        let same_address = votes.chunk_by(|left, right| left.0 == right.0);
        // A match has a vote, too: one table may be matched wrongly and say so of each address once.
        let decided = |votes: &[(u64, u64)]| {
            let against = usize::from(self.is_covered(votes[0].0));
            Some((votes[0].0, majority(votes, against)?))
        };
        same_address.filter_map(decided).collect()
    }
}

/// The address that more than half of the votes are for, of which `against` more are for another.
fn majority(votes: &[(u64, u64)], against: usize) -> Option<u64> {
    let same = votes.chunk_by(|left, right| left.1 == right.1);
    same.filter(|same| 2 * same.len() > votes.len() + against).map(|same| same[0].1).next()
}

/// The ranges (start, length), sorted and without overlaps, as starts and ends.
fn covered(ranges: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<_> = ranges.map(|(start, length)| (start, start + length)).collect();
    ranges.sort_unstable();
    let mut covered: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match covered.last_mut() {
            Some(last) if last.1 >= start => last.1 = last.1.max(end),
            _ => covered.push((start, end)),
        }
    }
    covered
}

/// The last byte in the file of the span that ends nearest to the address, and how far behind it the address is.
fn nearest_end(image: &Image, address: u64) -> (Option<u64>, u64) {
    let filled = image.spans().iter().filter(|span| span.file_bytes > 0 && span.memory_bytes > 0);
    let last = |span: &reference::Span| span.address.wrapping_add(span.file_bytes - 1);
    match filled.min_by_key(|span| (address.abs_diff(last(span)), span.offset)) {
        Some(span) => (Some(span.offset + span.file_bytes - 1), address.wrapping_sub(last(span))),
        None => (None, 0),
    }
}

/// Whether a field of this form holds a part of an address only.
fn is_part(form: Form) -> bool {
    matches!(form, Form::Page21 | Form::PageOffset { .. } | Form::MoveHalf { .. } | Form::High20 | Form::Low12 { .. })
}

/// Parts of addresses that were read last.
#[derive(Default)]
struct Parts {
    seen: [(u64, u64); 8],
    next: usize,
}

impl Parts {
    /// What a part of the same address, read before, says.
    fn other(&self, site: &Site) -> Option<u64> {
        self.seen.iter().find(|(target, _)| *target == site.target && *target != 0).map(|(_, read)| *read)
    }

    fn remember(&mut self, site: &Site, read: Option<u64>) {
        if let Some(read) = read {
            self.seen[self.next % self.seen.len()] = (site.target, read);
            self.next += 1;
        }
    }
}

/// From where on which of the ranges (start, end, shift) holds: the longest that covers a place, or else the one before.
fn skyline(ranges: impl Iterator<Item = (u64, u64, i64)>) -> Vec<(u64, i64)> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let mut starts = ranges.iter().peekable();
    let mut open: BinaryHeap<(u64, u64, i64)> = BinaryHeap::new();
    let mut line: Vec<(u64, i64)> = Vec::new();
    let mut at = 0;
    loop {
        while let Some((start, end, shift)) = starts.next_if(|(start, ..)| *start <= at) {
            open.push((end - start, *end, *shift));
        }
        while open.peek().is_some_and(|(_, end, _)| *end <= at) {
            open.pop();
        }
        let next_start = starts.peek().map(|(start, ..)| *start);
        let next = match open.peek() {
            Some((_, end, shift)) => {
                if line.last().is_none_or(|(_, last)| last != shift) {
                    line.push((at, *shift));
                }
                Some(next_start.map_or(*end, |start| start.min(*end)))
            }
            None => next_start,
        };
        match next {
            Some(next) => at = next,
            None => break line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest range wins where several cover a place; behind the last one its shift goes on.
    #[test]
    fn the_longest_range_wins() {
        let line = skyline([(10, 20, 1), (12, 100, 2), (15, 16, 3), (200, 210, 4)].into_iter());
        assert_eq!(line, [(10, 1), (12, 2), (200, 4)]);
        assert_eq!(skyline(std::iter::empty()), []);
    }

    /// Votes need more than a half.
    #[test]
    fn majorities() {
        assert_eq!(majority(&[(1, 5), (1, 5), (1, 6)], 0), Some(5));
        assert_eq!(majority(&[(1, 5), (1, 6)], 0), None);
        assert_eq!(majority(&[(1, 5)], 0), Some(5));
        assert_eq!(majority(&[(1, 5)], 1), None);
        assert_eq!(majority(&[(1, 5), (1, 5)], 1), Some(5));
    }

    /// Ranges that touch or overlap are one.
    #[test]
    fn covered_ranges() {
        assert_eq!(covered([(5, 5), (1, 2), (10, 1), (6, 2)].into_iter()), [(1, 3), (5, 11)]);
    }

    /// A program that did not change looks the same on both sides.
    #[test]
    fn a_program_that_stayed_looks_the_same() {
        let program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
        let executables = delta_ingest::executable::find(&program);
        let side = Side { bytes: &program, executables: &executables };
        let length = program.len() as u64;
        let (base, target) = labelled(side, side, &[Match { base: 0, target: 0, length }]);
        assert!(base == target, "the same program has the same labels");
        assert!(base != program, "and they are not its references");
    }
}
