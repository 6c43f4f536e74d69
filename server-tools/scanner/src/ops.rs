//! The exact operations that make a target from a base, and the check that they do.
//!
//! In: matches, or a finished list and both images. Out: a list that covers the target exactly, in order, with neighbours
//! merged; or the first operation that is wrong. A copy reads the base only, never bytes of the target already made, so
//! operations have no order of effect and a segment can be redone alone.
//! It does not encode: how operations look in a payload is a matter of the bundle.

use crate::Options;
use crate::bytes::common_prefix;
use crate::control::{Cancelled, Control, Meter, Stage};
use crate::matching::Match;
use core::fmt;
pub use delta_format::ops::Op;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Shortest run of equal bytes that is a copy: general compression spends about as much on the operation.
const COPY_BYTES_MIN: u64 = 8;

/// Why a list of operations does not make the target. `op` counts from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpsError {
    /// The operation makes no bytes.
    Empty {
        /// The operation.
        op: usize,
    },
    /// The copy reads behind the end of the base.
    OutsideBase {
        /// The operation.
        op: usize,
    },
    /// The operation writes behind the end of the target.
    OutsideTarget {
        /// The operation.
        op: usize,
    },
    /// The copied bytes are not the target's.
    Differs {
        /// The operation.
        op: usize,
    },
    /// The list ends before the target does.
    Incomplete {
        /// Bytes of the target that the list makes.
        made: u64,
    },
}

impl fmt::Display for OpsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { op } => write!(f, "operation {op} makes no bytes"),
            Self::OutsideBase { op } => write!(f, "operation {op} copies from behind the end of the base"),
            Self::OutsideTarget { op } => write!(f, "operation {op} writes behind the end of the target"),
            Self::Differs { op } => write!(f, "operation {op} copies bytes that are not those of the target"),
            Self::Incomplete { made } => write!(f, "the operations end after {made} bytes of the target"),
        }
    }
}

impl std::error::Error for OpsError {}

/// Checks that `ops` make `target` from `base`: every copy reproduces its bytes and the target is covered exactly.
pub fn verify_ops(base: &[u8], target: &[u8], ops: &[Op]) -> Result<(), OpsError> {
    let range = |offset: u64, length: u64, image: &[u8]| {
        let end = usize::try_from(offset.checked_add(length)?).ok()?;
        (end <= image.len()).then_some(offset as usize..end)
    };
    let mut made = 0;
    for (op, step) in ops.iter().enumerate() {
        if step.length() == 0 {
            return Err(OpsError::Empty { op });
        }
        let written = range(made, step.length(), target).ok_or(OpsError::OutsideTarget { op })?;
        if let Op::Copy { base_offset, length } = *step {
            let read = range(base_offset, length, base).ok_or(OpsError::OutsideBase { op })?;
            if base[read] != target[written] {
                return Err(OpsError::Differs { op });
            }
        }
        made += step.length();
    }
    if made == target.len() as u64 { Ok(()) } else { Err(OpsError::Incomplete { made }) }
}

/// The operations that make `target` out of the equal bytes of `matches`, which are sorted and disjoint in the target.
/// Where a segment would have more operations than `options` allow, its longest copies are kept.
///
/// # Errors
/// [`Cancelled`].
pub fn operations(
    base: &[u8],
    target: &[u8],
    matches: &[Match],
    options: Options,
    control: Control<'_>,
) -> Result<Vec<Op>, Cancelled> {
    let meter = Meter::new(control, Stage::Check, target.len() as u64);
    let segment_bytes = 1u64 << options.segment_log2;
    let copies_max = (options.segment_ops_max as usize / 2).saturating_sub(1);
    let segments: Vec<Vec<Match>> = (0..(target.len() as u64).div_ceil(segment_bytes))
        .into_par_iter()
        .map(|segment| {
            let start = segment * segment_bytes;
            let end = (target.len() as u64).min(start + segment_bytes);
            let mut copies = copies(base, target, matches, start, end);
            if copies.len() > copies_max {
                copies.sort_unstable_by_key(|copy| (Reverse(copy.length), copy.target));
                copies.truncate(copies_max);
                copies.sort_unstable_by_key(|copy| copy.target);
            }
            meter.add(end - start)?;
            Ok(copies)
        })
        .collect::<Result<_, Cancelled>>()?;
    let mut ops = OpList::default();
    for copy in segments.into_iter().flatten() {
        ops.copy(copy.target, copy.base, copy.length);
    }
    let ops = ops.finish(target.len() as u64);
    let checked = verify_ops(base, target, &ops);
    assert_eq!(checked, Ok(()), "equal bytes make the target");
    Ok(ops)
}

/// The runs of equal bytes in the matches that touch the segment `start..end`, cut to it.
fn copies(base: &[u8], target: &[u8], matches: &[Match], start: u64, end: u64) -> Vec<Match> {
    let mut copies = Vec::new();
    let first = matches.partition_point(|found| found.end() <= start);
    for found in matches[first..].iter().take_while(|found| found.target < end) {
        let mut at = found.target.max(start);
        let last = found.end().min(end);
        while at < last {
            let base_at = at.wrapping_add_signed(found.diagonal());
            let (here, there) = (&target[at as usize..last as usize], &base[base_at as usize..]);
            let length = common_prefix(here, there) as u64;
            // What the segment's ends cut goes on beyond them.
            if length >= COPY_BYTES_MIN || (length > 0 && (at == start || at + length == end)) {
                copies.push(Match { base: base_at, target: at, length });
            }
            let behind = length as usize;
            let differing = here[behind..].iter().zip(&there[behind..]).take_while(|(a, b)| a != b).count();
            at += length + differing as u64;
        }
    }
    copies
}

/// Collects spans of equal bytes in target order and fills what is between them with additions.
#[derive(Debug, Default)]
pub(crate) struct OpList {
    ops: Vec<Op>,
    made: u64,
}

impl OpList {
    /// The `length` bytes of the target from `target_offset` on equal the base from `base_offset` on. What lies before
    /// them and is not covered yet becomes an addition; a copy that continues the last one is merged with it.
    pub(crate) fn copy(&mut self, target_offset: u64, base_offset: u64, length: u64) {
        assert!(length > 0, "a copy makes bytes");
        self.add_until(target_offset);
        self.made += length;
        if let Some(Op::Copy { base_offset: last, length: so_far }) = self.ops.last_mut()
            && *last + *so_far == base_offset
        {
            *so_far += length;
            return;
        }
        self.ops.push(Op::Copy { base_offset, length });
    }

    /// Ends the list at the end of the target.
    pub(crate) fn finish(mut self, target_length: u64) -> Vec<Op> {
        self.add_until(target_length);
        self.ops
    }

    fn add_until(&mut self, target_offset: u64) {
        assert!(target_offset >= self.made, "spans are sorted and disjoint");
        let length = target_offset - self.made;
        if length > 0 {
            self.ops.push(Op::Add { length });
            self.made = target_offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &[u8] = b"0123456789";
    const TARGET: &[u8] = b"345xy012";

    #[test]
    fn every_kind_of_wrong_list_is_named() {
        let copy = |base_offset, length| Op::Copy { base_offset, length };
        let add = |length| Op::Add { length };
        for (ops, expected) in [
            (vec![copy(3, 3), add(2), copy(0, 3)], Ok(())),
            (vec![add(8)], Ok(())),
            (vec![], Err(OpsError::Incomplete { made: 0 })),
            (vec![copy(3, 3), add(2)], Err(OpsError::Incomplete { made: 5 })),
            (vec![copy(3, 3), add(0)], Err(OpsError::Empty { op: 1 })),
            (vec![copy(3, 0)], Err(OpsError::Empty { op: 0 })),
            (vec![copy(3, 4)], Err(OpsError::Differs { op: 0 })),
            (vec![add(8), add(1)], Err(OpsError::OutsideTarget { op: 1 })),
            (vec![add(1), add(u64::MAX)], Err(OpsError::OutsideTarget { op: 1 })),
            (vec![copy(8, 3)], Err(OpsError::OutsideBase { op: 0 })),
            (vec![copy(u64::MAX, 3)], Err(OpsError::OutsideBase { op: 0 })),
        ] {
            assert_eq!(verify_ops(BASE, TARGET, &ops), expected, "{ops:?}");
        }
    }

    #[test]
    fn copies_that_continue_are_merged_and_gaps_are_filled() {
        let mut list = OpList::default();
        list.copy(2, 10, 3);
        list.copy(5, 13, 4);
        list.copy(10, 18, 1);
        let expected = [
            Op::Add { length: 2 },
            Op::Copy { base_offset: 10, length: 7 },
            Op::Add { length: 1 },
            Op::Copy { base_offset: 18, length: 1 },
            Op::Add { length: 3 },
        ];
        assert_eq!(list.finish(14), expected);
        assert_eq!(OpList::default().finish(0), []);
    }
}
