//! Lengths of equal bytes, the inner loop of every pass.
//!
//! In: two byte slices. Out: how many bytes are equal from the front or from the back. Bytewise twins in the tests.

/// Bytes compared at once; the compiler turns an equality of this size into a few vector compares.
const WIDE: usize = 64;

/// Number of equal bytes at the start of `a` and `b`.
pub fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let limit = a.len().min(b.len());
    let (a, b) = (&a[..limit], &b[..limit]);
    let mut same = 0;
    // Most pairs differ soon: a wide compare is a call, and pays behind that.
    while same + 8 <= limit.min(WIDE) {
        let differing = word(a, same) ^ word(b, same);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    while same + WIDE <= limit && a[same..same + WIDE] == b[same..same + WIDE] {
        same += WIDE;
    }
    while same + 8 <= limit {
        let differing = word(a, same) ^ word(b, same);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    while same < limit && a[same] == b[same] {
        same += 1;
    }
    same
}

/// Number of equal bytes at the end of `a` and `b`.
pub(crate) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let limit = a.len().min(b.len());
    let (a, b) = (&a[a.len() - limit..], &b[b.len() - limit..]);
    let mut same = 0;
    while same + WIDE <= limit && a[limit - same - WIDE..limit - same] == b[limit - same - WIDE..limit - same] {
        same += WIDE;
    }
    while same + 8 <= limit {
        let differing = word(a, limit - same - 8) ^ word(b, limit - same - 8);
        if differing != 0 {
            return same + differing.leading_zeros() as usize / 8;
        }
        same += 8;
    }
    while same < limit && a[limit - same - 1] == b[limit - same - 1] {
        same += 1;
    }
    same
}

/// The eight bytes from `at` on, least significant first on every machine.
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Both lengths equal those of a loop over single bytes, at every length around the wide steps.
        #[test]
        fn lengths_equal_the_bytewise_twin(a in prop::collection::vec(0u8..2, 0..300), flip in 0usize..300, cut in 0usize..5) {
            let mut b = a.clone();
            if let Some(byte) = b.get_mut(flip) {
                *byte ^= 1;
            }
            b.truncate(b.len().saturating_sub(cut));
            let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common_prefix(&a, &b), prefix);
            prop_assert_eq!(common_suffix(&a, &b), suffix);
        }
    }
}
