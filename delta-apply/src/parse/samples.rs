//! Plaintext that tests of packed streams share.

use alloc::format;
use alloc::vec::Vec;

/// Text, code-like bytes and noise.
pub(super) fn sample(bytes: usize) -> Vec<u8> {
    let (mut state, mut out) = (1u32, Vec::new());
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    while out.len() < bytes {
        match next() % 8 {
            0..4 => out.extend_from_slice(format!("value {} of {}\n", next() % 50, next() % 9).as_bytes()),
            4..6 => {
                out.push(0xe8);
                out.extend_from_slice(&(next() % 100_000).to_le_bytes());
            }
            6 => out.extend((0..next() % 40).map(|at| (at * 3) as u8)),
            _ => out.extend((0..next() % 300).map(|_| next() as u8)),
        }
    }
    out
}
