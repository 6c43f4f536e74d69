//! The cheapest cover of a gap by copies along its tracks and additions.
//!
//! In: both images, a gap, its tracks. Out: the copies, sorted and disjoint. A shortest path over the bytes of the gap:
//! each byte is either added or copied along one track, and the state remembers on which track the last copy was, since
//! to go on there after a few changed bytes is much cheaper to encode than to go elsewhere. Ties are broken by fixed
//! preference (stay, then resume, then switch; earlier track first).
//! The costs are estimates in sixteenths of a bit, fitted to what the operations and additions of real images cost after
//! general compression; they choose, they are not written anywhere.

use super::tracks::{TRACKS_MAX, Track};
use super::{Gap, Span};

/// What the parts of a cover cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// A copy that goes on along the diagonal of the last copy.
    resume: u32,
    /// A copy elsewhere.
    switch: u32,
}

/// Cost of one added byte.
const COST_ADD: u32 = 72;

impl Costs {
    /// What general compression makes of operations. Costs of half to twice this change a delta by 2 %.
    pub(super) const FITTED: Self = Self { resume: 10 * 16, switch: 36 * 16 };

    /// The next dearer copies, for covers with fewer operations; None after three steps, which make a copy cost as much
    /// as eighteen added bytes.
    pub(super) fn dearer(self) -> Option<Self> {
        let dearer = Self { resume: self.resume * 2, switch: self.switch * 3 / 2 };
        (dearer.resume < 2000).then_some(Self { switch: dearer.switch.max(dearer.resume), ..dearer })
    }
}

/// Bytes covered in one go; bounds the memory of the path to a few MiB for each thread.
pub(super) const PIECE_BYTES_MAX: usize = 1 << 20;
/// No path leads here. Far above any cost of a piece, and far enough from overflow.
const UNREACHED: u32 = u32::MAX / 2;

/// Trace bits: how a state at a position was reached.
const COPY_STAYED: u8 = 0;
const COPY_RESUMED: u8 = 1;
const COPY_SWITCHED: u8 = 2;
const COPY_MASK: u8 = 3;
/// The addition follows a copy along the track, not another addition.
const ADD_AFTER_COPY: u8 = 4;

/// A track while the path runs over it.
struct Lane {
    track: usize,
    diagonal: i64,
    end: usize,
    /// Cheapest way to have copied the last byte along this track.
    copy: u32,
    /// Cheapest way to have added the last byte with the last copy on this track.
    add: u32,
    /// Where the trace of the next byte goes.
    trace: usize,
}

/// Memory of the path, kept between gaps.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// For each byte: the track whose copy is the cheapest way there, plus one; 0 when it is an addition.
    best_tracks: Vec<u32>,
    /// Trace bits of all lanes, one lane after the other.
    traces: Vec<u8>,
    /// For each track: where its trace starts, and the first byte that it describes.
    lane_traces: Vec<(usize, usize)>,
}

/// Where a path stands, read backwards.
#[derive(Clone, Copy)]
enum State {
    /// The cheapest state, whichever that is.
    Cheapest,
    /// The last byte was copied along the track.
    Copied(usize),
    /// The last byte was added, and the last copy was along the track.
    Added(usize),
}

/// Finds the copies of `gap`, which is at most [`PIECE_BYTES_MAX`] long, along `tracks`, which are sorted by start and
/// lie inside the gap.
pub(super) fn cover(
    base: &[u8],
    target: &[u8],
    gap: Gap,
    tracks: &[Track],
    costs: Costs,
    scratch: &mut Scratch,
) -> Vec<Span> {
    assert!(gap.end - gap.start <= PIECE_BYTES_MAX, "a piece fits the costs and the memory");
    scratch.best_tracks.clear();
    scratch.traces.clear();
    scratch.lane_traces.clear();
    let mut lanes: Vec<Lane> = Vec::new();
    let mut best = 0u32;
    for at in gap.start..gap.end {
        lanes.retain(|lane| lane.end > at);
        while let Some(track) = tracks.get(scratch.lane_traces.len())
            && track.start <= at
        {
            let trace = scratch.traces.len();
            if lanes.len() < TRACKS_MAX {
                let continued = at == gap.start && gap.before == Some(track.diagonal);
                lanes.push(Lane {
                    track: scratch.lane_traces.len(),
                    diagonal: track.diagonal,
                    end: track.end,
                    copy: if continued { 0 } else { UNREACHED },
                    add: UNREACHED,
                    trace,
                });
                scratch.traces.resize(trace + track.end - at, 0);
            }
            scratch.lane_traces.push((trace, at));
        }
        let switched = best + costs.switch;
        best += COST_ADD;
        let mut best_track = 0;
        for lane in &mut lanes {
            let equal = base[(at as i64 + lane.diagonal) as usize] == target[at];
            scratch.traces[lane.trace] = lane.step(equal, costs.resume, switched);
            lane.trace += 1;
            if lane.copy < best {
                best = lane.copy;
                best_track = lane.track as u32 + 1;
            }
        }
        scratch.best_tracks.push(best_track);
    }
    let mut end = (best + costs.switch, State::Cheapest);
    for lane in lanes.iter().filter(|lane| gap.after == Some(lane.diagonal)) {
        if lane.add + costs.resume < end.0 {
            end = (lane.add + costs.resume, State::Added(lane.track));
        }
        if lane.copy < end.0 {
            end = (lane.copy, State::Copied(lane.track));
        }
    }
    walk_back(gap, tracks, end.1, scratch)
}

impl Lane {
    /// Goes one byte further, which is `equal` on both sides or not. `resume` is the cost of going on after an addition,
    /// `switched` that of the cheapest path here and a copy that starts now. Returns the trace.
    fn step(&mut self, equal: bool, resume: u32, switched: u32) -> u8 {
        let resumed = self.add + resume;
        let after_copy = self.copy < self.add;
        let add = self.copy.min(self.add) + COST_ADD;
        let mut trace = if after_copy { ADD_AFTER_COPY } else { 0 };
        if !equal {
            self.copy = UNREACHED;
        } else if self.copy > resumed.min(switched) {
            trace |= if resumed <= switched { COPY_RESUMED } else { COPY_SWITCHED };
            self.copy = resumed.min(switched);
        }
        self.add = add.min(UNREACHED);
        trace
    }
}

/// Reads the path from its end and returns its copies in order.
fn walk_back(gap: Gap, tracks: &[Track], end: State, scratch: &Scratch) -> Vec<Span> {
    let mut copies: Vec<Span> = Vec::new();
    let mut state = end;
    let mut at = gap.end;
    while at > gap.start {
        let trace_of = |track: usize| {
            let (trace, first) = scratch.lane_traces[track];
            scratch.traces[trace + at - 1 - first]
        };
        match state {
            State::Cheapest => match scratch.best_tracks[at - 1 - gap.start] {
                0 => at -= 1,
                track => state = State::Copied(track as usize - 1),
            },
            State::Added(track) => {
                if trace_of(track) & ADD_AFTER_COPY != 0 {
                    state = State::Copied(track);
                }
                at -= 1;
            }
            State::Copied(track) => {
                let how = trace_of(track) & COPY_MASK;
                at -= 1;
                let base_at = (at as i64 + tracks[track].diagonal) as usize;
                match copies.last_mut() {
                    Some(later) if later.target == at + 1 && later.base == base_at + 1 => {
                        *later = Span { target: at, base: base_at, length: later.length + 1 };
                    }
                    _ => copies.push(Span { target: at, base: base_at, length: 1 }),
                }
                match how {
                    COPY_STAYED => {}
                    COPY_RESUMED => state = State::Added(track),
                    _ => state = State::Cheapest,
                }
            }
        }
    }
    copies.reverse();
    copies
}
