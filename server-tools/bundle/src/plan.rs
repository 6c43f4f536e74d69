//! Cuts a target into sections, and finds for each what it resembles in the base.
//!
//! In: both images. Out: [`Section`]s in target order that cover it: executables, each with the executable of the base
//! that it was built from, and everything else. Executables are sketched first, which pairs them; then matched on copies
//! of both in which references are replaced by what they lead to, so that code that only moved is equal.
//! It codes nothing; the same images give the same sections with any number of threads.

use crate::labels::{Side, labelled};
use crate::unpacked::{Opened, Packed, Virtual};
use delta_apply::coding::{Pair, SectionCopy, operations, table_regions};
use delta_apply::reference::{Image, Region, RegionKind};
use delta_ingest::executable::{self, Executable, Part};
use delta_scanner::{Cancelled, Control, Costs, Match, MatchOptions, Rope, common_prefix, matches, sketch};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of the target that is coded with its own copies.
#[derive(Debug)]
pub(crate) struct Section {
    /// Where it is in the target.
    pub range: Range<u64>,
    /// The executable that it is, if it has one to compare with.
    pub pair: Option<Pair>,
    /// What it copies, targets counted from the start of the section.
    pub copies: Vec<SectionCopy>,
    /// Operations that a table of types in it takes.
    pub types: u64,
    /// The sections of the executable, for reports.
    pub parts: Arc<[Part]>,
}

/// How a target is made.
#[derive(Debug, Default)]
pub(crate) struct TargetPlan {
    /// The sections, in target order.
    pub sections: Vec<Section>,
    /// Executables of the virtual base, and what they became in the opened target.
    pub pairs: Vec<(Range<u64>, Range<u64>)>,
    /// Executables of the opened target that have no older self.
    pub new: Vec<Range<u64>>,
}

/// Sections of nothing but new bytes.
pub(crate) fn new_bytes(target_bytes: u64) -> Vec<Section> {
    let starts = (0..target_bytes).step_by(SECTION_BYTES_MAX as usize);
    let section = |start| Section {
        range: start..target_bytes.min(start + SECTION_BYTES_MAX),
        pair: None,
        copies: Vec::new(),
        parts: Arc::default(),
        types: 0,
    };
    starts.map(section).collect()
}

/// How often an executable is sketched again with the references of the last time, and then matched. A third match
/// gains one part in a hundred; the sketch seven in a thousand for a fifth of the time, a second one in a thousand.
const SKETCHES: usize = 1;
const PASSES: usize = 2;

/// Shortest equal range of an executable that is taken over from one time to the next. Shorter ones are weighed anew:
/// with 256 bytes deltas were 2 % larger.
const KEPT_BYTES_MIN: u64 = 16 << 10;

/// The longest section: copies count in 32 bits.
const SECTION_BYTES_MAX: u64 = 1 << 30;

/// What matches of bytes whose references are labels cost: a label that differs is four bytes, and one reference.
const COMPARABLE: Costs = Costs {
    switch: 16 * BIT,
    switch_distance: BIT,
    resume: 10 * BIT,
    literal_percent: 50,
    literals: 2 * BIT,
    equal: 1,
    equal_again: 24,
    differs: 8 * BIT,
    differs_again: 2 * BIT,
    differs_alike: 2 * BIT,
};
const BIT: u32 = 32;

/// Bytes of a target executable that a match must cover before the base's is taken to be its older self: one in this
/// many.
const SHARED_PART: u64 = 20;

/// Finds the sections of the opened target. They end where its containers do, and their copies stay within a piece of
/// the virtual base. `equal` are long equal ranges of base and target.
pub(crate) fn plan(
    of_base: &Virtual<'_>,
    of_target: &Opened<'_>,
    equal: &[Match],
    control: Control<'_>,
) -> Result<TargetPlan, Cancelled> {
    let TargetPlan { sections, pairs, new } =
        whole_sections(&of_base.bytes, &of_target.bytes, &of_target.opened(equal), control)?;
    let mut borders = of_target.packed.iter().flat_map(Packed::borders).peekable();
    let mut cut = Vec::new();
    for mut section in sections {
        section.copies = section.copies.iter().flat_map(|copy| in_pieces(*copy, of_base)).collect();
        while let Some(border) = borders.next_if(|border| *border < section.range.end) {
            if border > section.range.start {
                let (before, after) = section.split(border);
                cut.push(before);
                section = after;
            }
        }
        cut.push(section);
    }
    for packed in of_target.packed.iter().filter(|packed| !packed.asides.is_empty()) {
        let first = cut.partition_point(|section| section.range.end <= packed.plain.start);
        let own = cut[first..].iter_mut().take_while(|section| section.range.start < packed.plain.end);
        own.for_each(|section| section.copy_asides(packed));
    }
    Ok(TargetPlan { sections: cut, pairs, new })
}

/// The copies of sections as matches of the closed images; what is inside of containers has none.
pub(crate) fn of_closed(sections: &[Section], of_target: &Opened<'_>, base_bytes: u64) -> Vec<Match> {
    let closed = |section: &Section| -> Vec<Match> {
        let Some(start) = of_target.closed(section.range.start) else { return Vec::new() };
        let copies = section.copies.iter().filter(|copy| copy.base < base_bytes);
        let of_copy = |copy: &SectionCopy| Match {
            base: copy.base,
            target: start + u64::from(copy.target),
            length: copy.length.into(),
        };
        copies.map(of_copy).collect()
    };
    sections.iter().flat_map(closed).collect()
}

/// A copy, cut where the pieces of the virtual base end.
fn in_pieces(mut copy: SectionCopy, of_base: &Virtual<'_>) -> impl Iterator<Item = SectionCopy> {
    std::iter::from_fn(move || {
        let bytes = (of_base.piece_end(copy.base) - copy.base).min(copy.length.into()) as u32;
        let part = SectionCopy { length: bytes, ..copy };
        copy = SectionCopy {
            base: copy.base + u64::from(bytes),
            target: copy.target + bytes,
            length: copy.length - bytes,
        };
        (bytes > 0).then_some(part)
    })
}

/// The sections of a target as if it had no containers.
fn whole_sections(
    base: &Rope<'_>,
    target: &Rope<'_>,
    equal: &[Match],
    control: Control<'_>,
) -> Result<TargetPlan, Cancelled> {
    let (of_base, of_target) = rayon::join(|| executables(base), || executables(target));
    control.check()?;
    let ranges = |executables: &[Executable]| -> Vec<Range<u64>> {
        executables.iter().map(|executable| executable.range.clone()).collect()
    };
    let sketched = sketch((base, &ranges(&of_base)), (target, &ranges(&of_target)), equal, control)?;
    let (mut known, mut paired, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for executable in of_target.into_iter().filter(|one| !is_unchanged(&sketched, &one.range, base, target)) {
        match older_self(&sketched, &executable.range, &of_base) {
            Some(older) => {
                // They are matched with each other alone, so all that is around them may take this for granted.
                let Range { start, end } = executable.range;
                known.push(Match { base: older.range.start, target: start, length: end - start });
                paired.push((executable, older));
            }
            None => new.push(executable),
        }
    }
    let mut apart: Vec<Range<u64>> = known.iter().map(|pair| pair.target..pair.end()).chain(ranges(&new)).collect();
    apart.sort_unstable_by_key(|range| range.start);
    known.extend(outside(&sketched, &apart));
    known.sort_unstable_by_key(|found| found.target);
    let found = matches(base, target, &known, &MatchOptions::default(), control)?;
    let pairs = paired.iter().map(|(executable, older)| (older.range.clone(), executable.range.clone())).collect();
    let executables: Vec<Section> = paired
        .into_par_iter()
        .map(|(executable, older)| executable_section(base, target, &sketched, &executable, older, control))
        .collect::<Result<_, _>>()?;

    let mut sections = Vec::new();
    let mut at = 0;
    for executable in executables {
        plain(&found, at..executable.range.start, &mut sections);
        at = executable.range.end;
        sections.push(executable);
    }
    plain(&found, at..target.len() as u64, &mut sections);
    Ok(TargetPlan { sections, pairs, new: ranges(&new) })
}

/// The executables of an image, none of which crosses the end of a part.
fn executables(of: &Rope<'_>) -> Vec<Executable> {
    let mut found = Vec::new();
    for part in of.parts() {
        let start = part.start as u64;
        let shifted = |one: Executable| Executable { range: start + one.range.start..start + one.range.end, ..one };
        found.extend(executable::find(part.bytes).into_iter().map(shifted));
    }
    found
}

/// A range that is within one part.
pub(crate) fn bytes<'a>(of: &'a Rope<'_>, range: &Range<u64>) -> &'a [u8] {
    of.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// The matches that overlap a range of the target, cut to it.
fn within<'m>(matches: &'m [Match], range: &Range<u64>) -> impl Iterator<Item = Match> + use<'m> {
    let Range { start, end } = *range;
    let first = matches.partition_point(|found| found.end() <= start);
    matches[first..].iter().take_while(move |found| found.target < end).map(move |found| {
        let skipped = start.saturating_sub(found.target);
        let target = found.target + skipped;
        Match { base: found.base + skipped, target, length: found.end().min(end) - target }
    })
}

/// The matches outside of ranges, which are sorted.
fn outside(matches: &[Match], ranges: &[Range<u64>]) -> Vec<Match> {
    let ends = ranges.iter().map(|range| range.end);
    let starts = ranges.iter().map(|range| range.start).chain([u64::MAX]);
    let between = std::iter::once(0).chain(ends).zip(starts).map(|(start, end)| start..end);
    // Nothing lies between ranges that touch.
    between.filter(|range| !range.is_empty()).flat_map(|range| within(matches, &range)).collect()
}

/// Whether one match makes all of a range, and makes it exactly.
fn is_unchanged(matches: &[Match], range: &Range<u64>, base: &Rope<'_>, target: &Rope<'_>) -> bool {
    let mut found = within(matches, range);
    let Some(only) = found.next().filter(|found| found.length == range.end - range.start) else { return false };
    bytes(base, &(only.base..only.base + only.length)) == bytes(target, range)
}

/// The executable of the base that most of the bytes of `range` come from.
fn older_self<'e>(matches: &[Match], range: &Range<u64>, of_base: &'e [Executable]) -> Option<&'e Executable> {
    let mut shared: BTreeMap<usize, u64> = BTreeMap::new();
    for found in within(matches, range) {
        let next = of_base.partition_point(|executable| executable.range.start <= found.base);
        let Some(index) = next.checked_sub(1).filter(|&index| found.base < of_base[index].range.end) else { continue };
        *shared.entry(index).or_default() += found.length;
    }
    let (index, bytes) = shared.into_iter().max_by_key(|&(index, bytes)| (bytes, usize::MAX - index))?;
    (bytes >= (range.end - range.start) / SHARED_PART).then(|| &of_base[index])
}

/// An executable and its older self: matched again with references made comparable.
fn executable_section(
    base: &Rope<'_>,
    target: &Rope<'_>,
    found: &[Match],
    executable: &Executable,
    older: &Executable,
    control: Control<'_>,
) -> Result<Section, Cancelled> {
    let range = executable.range.clone();
    let base_range = older.range.clone();
    let (old, new) = (bytes(base, &base_range), bytes(target, &range));
    let alone =
        |executable: &Executable, bytes: &[u8]| Executable { range: 0..bytes.len() as u64, ..executable.clone() };
    let (of_old, of_new) = ([alone(older, old)], [alone(executable, new)]);
    let (old, new) = (Side { bytes: old, executables: &of_old }, Side { bytes: new, executables: &of_new });
    // Matches from the older self alone, counted from the starts of both.
    let mut found: Vec<Match> = within(found, &range)
        .filter(|found| found.base >= base_range.start && found.base + found.length <= base_range.end)
        .map(|found| Match { base: found.base - base_range.start, target: found.target - range.start, ..found })
        .collect();
    let (mut of_base, mut of_target) = (older.image.clone(), executable.image.clone());
    let tables = table_regions(of_base.regions(), of_target.regions());
    let within = |bytes: &[u8], table: &Region| bytes[table.offset as usize..table.end() as usize].to_vec();
    let types = tables.and_then(|(from, to)| operations(&within(old.bytes, &from), &within(new.bytes, &to)));
    let types = types.filter(|operations| *operations as u64 <= TYPES_OPERATIONS_MAX);
    let made_whole = tables.filter(|_| types.is_some()).map(|(_, to)| to.offset..to.end());
    if types.is_none() {
        (of_base, of_target) = (without_types(&of_base), without_types(&of_target));
    }
    let mut options = MatchOptions { costs: COMPARABLE, ..MatchOptions::default() };
    for pass in 0..SKETCHES + PASSES {
        let (mut old, mut new) = labelled(old, new, &found);
        if let (Some((from, to)), true) = (tables, types.is_some()) {
            // Made as a whole, without copies.
            old[from.offset as usize..from.end() as usize].fill(0);
            new[to.offset as usize..to.end() as usize].fill(0);
        }
        let (old, new): (Rope<'_>, Rope<'_>) = (old[..].into(), new[..].into());
        found = if pass < SKETCHES {
            let whole = |of: &Rope<'_>| std::iter::once(0..of.len() as u64).collect::<Vec<_>>();
            sketch((&old, &whole(&old)), (&new, &whole(&new)), &[], control)?
        } else {
            let kept = equal_runs(&old, &new, &found);
            let found = matches(&old, &new, &kept, &options, control)?;
            // Long equal ranges are known from then on.
            options.block_match_bytes_min = usize::MAX;
            found
        };
    }
    let copy = |found: Match| SectionCopy {
        base: base_range.start + found.base,
        target: found.target as u32,
        length: found.length as u32,
    };
    let found = match made_whole {
        Some(whole) => outside(&found, &[whole]),
        None => found,
    };
    let copies = found.into_iter().map(copy).collect();
    let pair = Pair { base: of_base, target: of_target, base_range };
    let types = types.unwrap_or(0) as u64;
    Ok(Section { range, pair: Some(pair), copies, types, parts: executable.parts.clone() })
}

/// Operations that a table of types may take of those that a device has memory for.
const TYPES_OPERATIONS_MAX: u64 = 32 << 10;

/// An image whose tables of types are bytes like others.
fn without_types(image: &Image) -> Image {
    let regions = image.regions().iter().filter(|region| region.kind != RegionKind::Types).copied();
    Image::new(image.spans().to_vec(), regions.collect())
}

/// The runs of at least [`KEPT_BYTES_MIN`] equal bytes in matches.
fn equal_runs(base: &Rope<'_>, target: &Rope<'_>, found: &[Match]) -> Vec<Match> {
    let mut runs = Vec::new();
    for one in found {
        let (old, new) = (bytes(base, &(one.base..one.base + one.length)), bytes(target, &(one.target..one.end())));
        let mut at = 0;
        while at < one.length {
            let (old, new) = (&old[at as usize..], &new[at as usize..]);
            let equal = common_prefix(old, new) as u64;
            if equal >= KEPT_BYTES_MIN {
                runs.push(Match { base: one.base + at, target: one.target + at, length: equal });
            }
            let differing =
                old[equal as usize..].iter().zip(&new[equal as usize..]).take_while(|(a, b)| a != b).count();
            at += equal + differing as u64;
        }
    }
    runs
}

/// Sections of a range without executables.
fn plain(matches: &[Match], range: Range<u64>, sections: &mut Vec<Section>) {
    let mut start = range.start;
    while start < range.end {
        let limit = range.end.min(start + SECTION_BYTES_MAX);
        let copies: Vec<SectionCopy> = within(matches, &(start..limit))
            .map(|found| SectionCopy {
                base: found.base,
                target: (found.target - start) as u32,
                length: found.length as u32,
            })
            .collect();
        sections.push(Section { range: start..limit, pair: None, copies, types: 0, parts: Arc::default() });
        start = limit;
    }
}

impl Section {
    /// Bytes that are copied from nowhere.
    pub(crate) fn new_bytes(&self) -> u64 {
        let copied: u64 = self.copies.iter().map(|copy| u64::from(copy.length)).sum();
        self.range.end - self.range.start - copied
    }

    /// Copies what was made aside, instead of whatever else was found.
    fn copy_asides(&mut self, packed: &Packed) {
        for aside in &packed.asides {
            let (start, end) = (packed.plain.start + aside.inside.start, packed.plain.start + aside.inside.end);
            let (start, end) = (start.max(self.range.start), end.min(self.range.end));
            if start >= end {
                continue;
            }
            let inside = (start - self.range.start) as u32..(end - self.range.start) as u32;
            let around = |copy: SectionCopy| {
                let until = copy.target.max(inside.end);
                let before = SectionCopy { length: inside.start.saturating_sub(copy.target).min(copy.length), ..copy };
                let after = SectionCopy {
                    base: copy.base + u64::from(until - copy.target),
                    target: until,
                    length: copy.end().saturating_sub(until.into()) as u32,
                };
                [before, after].into_iter().filter(|copy| copy.length > 0)
            };
            let mut copies: Vec<SectionCopy> = self.copies.drain(..).flat_map(around).collect();
            let next = copies.partition_point(|copy| copy.target < inside.start);
            let base = aside.place + (start - packed.plain.start - aside.inside.start);
            copies.insert(next, SectionCopy { base, target: inside.start, length: inside.end - inside.start });
            self.copies = copies;
        }
    }

    /// Cuts a section without an executable in two at `at`, inside of its range.
    pub(crate) fn split(self, at: u64) -> (Self, Self) {
        assert!(self.pair.is_none(), "executables stay whole");
        let cut = (at - self.range.start) as u32;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for copy in self.copies {
            if copy.target < cut {
                before.push(SectionCopy { length: copy.length.min(cut - copy.target), ..copy });
            }
            if copy.end() > cut.into() {
                let skipped = cut.saturating_sub(copy.target);
                after.push(SectionCopy {
                    base: copy.base + u64::from(skipped),
                    target: copy.target + skipped - cut,
                    length: copy.length - skipped,
                });
            }
        }
        let part = |range, copies| Self { range, pair: None, copies, types: 0, parts: Arc::default() };
        (part(self.range.start..at, before), part(at..self.range.end, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges are cut out of the matches that reach into them; between ranges that touch nothing is left over.
    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
    fn matches_outside_of_ranges() {
        let whole = [Match { base: 50, target: 10, length: 100 }];
        let cut = [Match { base: 50, target: 10, length: 10 }, Match { base: 80, target: 40, length: 70 }];
        assert_eq!(outside(&whole, &[20..30, 30..40]), cut);
        assert_eq!(outside(&whole, &[]), whole);
        assert_eq!(outside(&whole, &[0..200]), []);
    }
}
