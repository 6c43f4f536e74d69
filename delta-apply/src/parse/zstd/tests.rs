//! Frames of libzstd, and frames that nobody made.

use super::{extent, survey};
use proptest::prelude::*;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// Text, code-like bytes and noise.
fn sample(bytes: usize) -> Vec<u8> {
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

fn packed(plain: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(plain, level).expect("memory is enough")
}

/// Frames of all levels are made again, and what libzstd computes is expected.
#[test]
fn frames_of_all_levels_come_back() {
    let plain = sample(700_000);
    for level in (-5..=22).filter(|level| *level != 0) {
        for plain in [&plain[..], &plain[..100_000], &plain[..3000], &plain[..200], &plain[..20], &plain[..1]] {
            let frame = packed(plain, level);
            let surveyed = survey(&frame, plain.len()).unwrap_or_else(|| panic!("level {level}, {}", plain.len()));
            assert_eq!(surveyed.plain, plain, "level {level}");
            assert_eq!(survey(&frame, plain.len() - 1), None, "level {level}: no more than allowed");
        }
    }
}
