//! miniz's way of searching along its chains.

use super::{Candidate, Finder, MATCH_MAX, MATCH_MIN, common};

/// miniz takes no match of three bytes from further away.
const TOO_FAR: usize = 8191;

impl Finder {
    /// The match at `place` that miniz would find, if it is longer than `longer_than`. Its places wrap around after 64
    /// KiB, so that old ones are taken for new ones; it counts three steps along a chain as one.
    pub(super) fn longest_miniz(&self, place: usize, longer_than: usize) -> Candidate {
        let known = self.end - place;
        let length_max = known.min(MATCH_MAX);
        let whole = usize::try_from(self.origin).unwrap_or(usize::MAX).saturating_add(place);
        let distance_max = whole.min(self.window_bytes - length_max).min(place);
        let mut best = Candidate { length: longer_than, distance: 0 };
        if best.length >= length_max {
            return Candidate::default();
        }
        let here = (self.origin as u16).wrapping_add(place as u16);
        let probes = if longer_than < self.effort.good { self.effort.chain } else { self.effort.chain >> 2 };
        let mut left = 1 + probes.div_ceil(3);
        let pair = |place: usize| self.bytes.get(place..place + 2);
        let mut probe = here;
        let mut last = pair(place + best.length - 1);
        'search: loop {
            let distance = 'found: loop {
                left -= 1;
                if left == 0 {
                    break 'search;
                }
                for _ in 0..3 {
                    let before = self.chain[usize::from(probe) & (self.chain.len() - 1)];
                    let distance = usize::from(here.wrapping_sub(before));
                    if before == 0 || distance > distance_max {
                        break 'search;
                    }
                    probe = before;
                    if pair(place - distance + best.length - 1) == last {
                        break 'found distance;
                    }
                }
            };
            if distance == 0 {
                break;
            }
            if pair(place - distance) == pair(place) {
                let length = common(&self.bytes, place - distance, place, length_max);
                if length > best.length {
                    best = Candidate { length, distance };
                    if length == length_max {
                        break;
                    }
                    last = pair(place + length - 1);
                }
            }
        }
        let is_too_far = best.length == MATCH_MIN && best.distance > TOO_FAR;
        // A match with the first byte of its ring buffer looks to miniz like none.
        let is_first = best.distance == usize::from(here) & (self.chain.len() - 1);
        if best.distance == 0 || is_too_far || is_first { Candidate::default() } else { best }
    }
}
