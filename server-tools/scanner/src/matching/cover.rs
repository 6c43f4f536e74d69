//! The cheapest way through a gap along its tracks and by literals.
//!
//! In: both images, a gap, its tracks, what literals cost. Out: matches, sorted and disjoint. A shortest path over the
//! bytes of the gap: each byte is a literal, or is predicted by one track and costs more when it differs. Ties are
//! broken by fixed preference (stay, then resume, then switch; earlier track first).
//! The costs are estimates in thirty-seconds of a bit; they choose, they are not written anywhere.

use super::literals::LiteralCosts;
use super::seeds::{TRACKS_MAX, Track};
use super::{Gap, Match, PIECE_BYTES};
use crate::rope::{Part, Rope};
use std::cmp::Reverse;

/// One bit in the unit of costs.
pub(super) const BIT: u32 = 32;

/// What the parts of a delta cost, in thirty-seconds of a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// A match elsewhere: its length, and its offset apart from the distance.
    pub switch: u32,
    /// Added to it for each binary digit of the distance between its diagonal and the last.
    pub switch_distance: u32,
    /// A match on the diagonal of the last one, behind literals.
    pub resume: u32,
    /// Part of a literal's cost by its byte pair that is left when the coder knows more than one byte before it.
    pub literal_percent: u32,
    /// The first literal behind a match.
    pub literals: u32,
    /// An equal byte behind an equal one.
    pub equal: u32,
    /// An equal byte behind one that differs.
    pub equal_again: u32,
    /// A byte that differs, behind an equal one.
    pub differs: u32,
    /// A byte that differs, behind another.
    pub differs_again: u32,
    /// A byte that differs by as much as one of the last two that did: shifted addresses in code and tables.
    pub differs_alike: u32,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            switch: 18 * BIT,
            switch_distance: BIT,
            resume: 16 * BIT,
            literal_percent: 80,
            literals: 4 * BIT,
            equal: 1,
            equal_again: 24,
            differs: 7 * BIT,
            differs_again: 5 * BIT,
            differs_alike: 4 * BIT,
        }
    }
}

/// No path leads here. Far above any cost of a piece, and far enough from overflow.
const UNREACHED: u32 = u32::MAX / 2;

/// Trace bits of a track: how its match state was reached, whether the byte before differed on the path, and whether
/// its literal state was reached from a match.
const STAYED: u8 = 0;
const RESUMED: u8 = 1;
const SWITCHED: u8 = 2;
const MATCH_MASK: u8 = 3;
const LITERAL_AFTER_MATCH: u8 = 4;

/// The cheapest state at a byte is that of literals behind whatever was cheapest.
const BEST_IS_LITERAL: u32 = 0;

/// A track while the path runs over it.
struct Lane<'a> {
    track: usize,
    diagonal: i64,
    end: usize,
    /// The base from the next byte on.
    base: &'a [u8],
    /// Cheapest way to have predicted the last byte along this track.
    matched: u32,
    /// Whether that byte differed.
    differed: bool,
    /// By how much the last two differed that did.
    differences: [u8; 2],
    /// Cheapest way to have the last byte as a literal with the last match on this track.
    literal: u32,
}

/// Memory of the path, kept between gaps.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// For each byte: the track whose match is the cheapest way there, plus one, or [`BEST_IS_LITERAL`].
    best_tracks: Vec<u32>,
    /// For each byte: whether the literal there follows a match, when the cheapest way to a literal is taken.
    literal_after_match: Vec<bool>,
    /// Trace bits of the lanes at each byte, one byte after the other.
    traces: Vec<u8>,
    /// For each byte: where the trace bits of its lanes start.
    rows: Vec<u32>,
    /// For each track: its lane.
    lanes: Vec<usize>,
}

/// Where a path stands, read backwards.
#[derive(Clone, Copy)]
enum State {
    /// The cheapest state, whichever that is.
    Cheapest,
    /// The last byte is a literal, with the last match anywhere.
    Literal,
    /// The last byte was predicted along the track.
    Matched(usize),
    /// The last byte is a literal, and the last match was along the track.
    LiteralBehind(usize),
}

/// Finds the matches of `gap` along `tracks`, which are sorted by start and lie inside the gap.
pub(super) fn cover(
    base: &Rope<'_>,
    target: Part<'_>,
    gap: Gap,
    tracks: &[Track],
    costs: &Costs,
    literals: &LiteralCosts,
    scratch: &mut Scratch,
) -> Vec<Match> {
    assert!(gap.end - gap.start <= PIECE_BYTES, "a piece fits the costs and the memory");
    scratch.best_tracks.clear();
    scratch.literal_after_match.clear();
    scratch.traces.clear();
    scratch.rows.clear();
    scratch.lanes.clear();
    let mut lanes: Vec<Option<Lane<'_>>> = Vec::new();
    let mut byte_before = if gap.start > target.start { target.range(gap.start - 1..gap.start)[0] } else { 0 };
    // Cheapest way to the byte before; its diagonal; cheapest way that ends with a literal.
    let (mut best, mut best_diagonal) = (0u32, gap.before.unwrap_or(0));
    let mut best_literal = if gap.before.is_some() { UNREACHED } else { 0 };
    // Where the next track starts or ends.
    let mut next_change = gap.start;
    for (at, &byte) in (gap.start..).zip(target.range(gap.start..gap.end)) {
        if at == next_change {
            next_change = gap.end;
            for lane in &mut lanes {
                match lane {
                    Some(there) if there.end > at => next_change = next_change.min(there.end),
                    _ => *lane = None,
                }
            }
            while let Some(track) = tracks.get(scratch.lanes.len()).filter(|track| track.start <= at) {
                let continued = at == gap.start && gap.before == Some(track.diagonal);
                let number = free_lane(&mut lanes);
                let base = base.bytes_from((at as i64 + track.diagonal) as usize);
                lanes[number] = Some(Lane::new(scratch.lanes.len(), track, base, continued));
                scratch.lanes.push(number);
                next_change = next_change.min(track.end);
            }
            while lanes.pop_if(|last| last.is_none()).is_some() {}
            next_change = tracks.get(scratch.lanes.len()).map_or(next_change, |track| next_change.min(track.start));
        }
        let literal = literals.cost(byte_before, byte);
        byte_before = byte;
        let after_match = best + costs.literals < best_literal;
        best_literal = best_literal.min(best + costs.literals) + literal;
        scratch.literal_after_match.push(after_match);
        let mut next_best = (best_literal, best_diagonal, BEST_IS_LITERAL);
        let row = scratch.traces.len();
        scratch.rows.push(row as u32);
        scratch.traces.resize(row + lanes.len(), 0);
        for (lane, trace) in lanes.iter_mut().zip(&mut scratch.traces[row..]) {
            let Some(lane) = lane else { continue };
            let Some((&expected, later)) = lane.base.split_first() else { continue };
            lane.base = later;
            let difference = byte.wrapping_sub(expected);
            let mut switched = best + costs.switch;
            if difference == 0 && switched < lane.matched {
                let distance = lane.diagonal.abs_diff(best_diagonal);
                switched += costs.switch_distance * (u64::BITS - distance.leading_zeros());
            }
            *trace = lane.step(difference, literal, costs, switched);
            if lane.matched < next_best.0 {
                next_best = (lane.matched, lane.diagonal, lane.track as u32 + 1);
            }
        }
        let best_track;
        (best, best_diagonal, best_track) = next_best;
        scratch.best_tracks.push(best_track);
    }
    let mut end = (best + costs.switch, State::Cheapest);
    for lane in lanes.iter().flatten().filter(|lane| gap.after == Some(lane.diagonal)) {
        if lane.literal + costs.resume < end.0 {
            end = (lane.literal + costs.resume, State::LiteralBehind(lane.track));
        }
        if lane.matched < end.0 {
            end = (lane.matched, State::Matched(lane.track));
        }
    }
    walk_back(gap, tracks, end.1, scratch)
}

/// The number of a free lane. When all are taken, the one with the dearest path is given up.
fn free_lane(lanes: &mut Vec<Option<Lane<'_>>>) -> usize {
    if let Some(free) = lanes.iter().position(Option::is_none) {
        return free;
    }
    if lanes.len() < TRACKS_MAX {
        lanes.push(None);
        return lanes.len() - 1;
    }
    let cost = |lane: &Option<Lane<'_>>| lane.as_ref().map_or(0, |lane| lane.matched.min(lane.literal));
    (0..lanes.len()).max_by_key(|&number| (cost(&lanes[number]), Reverse(number))).unwrap_or(0)
}

impl<'a> Lane<'a> {
    fn new(track: usize, of: &Track, base: &'a [u8], continued: bool) -> Self {
        Self {
            track,
            base,
            diagonal: of.diagonal,
            end: of.end,
            matched: if continued { 0 } else { UNREACHED },
            differed: false,
            differences: [0; 2],
            literal: UNREACHED,
        }
    }

    /// Goes one byte further, whose `difference` is 0 when it is equal and which costs `literal` as a literal; `switched`
    /// is the cost of the cheapest path here and a match that starts now, or less when that does not matter. Returns the
    /// trace.
    fn step(&mut self, difference: u8, literal: u32, costs: &Costs, switched: u32) -> u8 {
        let equal = difference == 0;
        let resumed = self.literal + costs.resume;
        let literal_after_match = self.matched + costs.literals < self.literal;
        let literals = self.literal.min(self.matched + costs.literals) + literal;
        let mut trace = if literal_after_match { LITERAL_AFTER_MATCH } else { STAYED };
        let mut matched = self.matched;
        let mut differed = self.differed;
        // A match starts with an equal byte.
        if equal && resumed.min(switched) < matched {
            trace |= if resumed <= switched { RESUMED } else { SWITCHED };
            matched = resumed.min(switched);
            differed = false;
        }
        matched += match (equal, differed) {
            (true, false) => costs.equal,
            (true, true) => costs.equal_again,
            (false, _) if self.differences.contains(&difference) => costs.differs_alike,
            (false, false) => costs.differs,
            (false, true) => costs.differs_again,
        };
        if !equal && difference != self.differences[0] {
            self.differences = [difference, self.differences[0]];
        }
        self.matched = matched.min(UNREACHED);
        self.differed = !equal;
        self.literal = literals.min(UNREACHED);
        trace
    }
}

/// Reads the path from its end and returns its matches in order.
fn walk_back(gap: Gap, tracks: &[Track], end: State, scratch: &Scratch) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut state = end;
    let mut at = gap.end;
    while at > gap.start {
        let byte = at - 1 - gap.start;
        let trace_of = |track: usize| scratch.traces[scratch.rows[byte] as usize + scratch.lanes[track]];
        match state {
            State::Cheapest => match scratch.best_tracks[byte] {
                BEST_IS_LITERAL => state = State::Literal,
                track => state = State::Matched(track as usize - 1),
            },
            State::Literal => {
                if scratch.literal_after_match[byte] {
                    state = State::Cheapest;
                }
                at -= 1;
            }
            State::LiteralBehind(track) => {
                if trace_of(track) & LITERAL_AFTER_MATCH != 0 {
                    state = State::Matched(track);
                }
                at -= 1;
            }
            State::Matched(track) => {
                let how = trace_of(track) & MATCH_MASK;
                at -= 1;
                let base_at = (at as i64 + tracks[track].diagonal) as u64;
                let target_at = at as u64;
                match found.last_mut() {
                    Some(later) if later.target == target_at + 1 && later.base == base_at + 1 => {
                        *later = Match { base: base_at, target: target_at, length: later.length + 1 };
                    }
                    _ => found.push(Match { base: base_at, target: target_at, length: 1 }),
                }
                match how {
                    RESUMED => state = State::LiteralBehind(track),
                    SWITCHED => state = State::Cheapest,
                    _ => {}
                }
            }
        }
    }
    found.reverse();
    found
}
