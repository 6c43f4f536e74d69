//! Frames of libzstd, and frames that nobody made.

use super::bits::Written;
use super::fse::{Counts, SYMBOLS};
use super::{PREDEFINED_TABLES, extent, huffman, survey};
use crate::parse::samples::sample;
use proptest::prelude::*;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

fn packed(plain: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(plain, level).expect("memory is enough")
}

/// Frames of all levels and lengths are made again.
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

/// What libzstd computes from literals and sequences is expected: hardly a decision is left to say.
#[test]
fn tables_are_expected() {
    let plain = sample(3_000_000);
    for level in [1, 3, 9, 15, 19] {
        let surveyed = survey(&packed(&plain, level), plain.len()).expect("it is made again");
        let blocks = surveyed.shape.blocks.len();
        assert!(surveyed.shape_bytes() < 12 * blocks + 30, "level {level}: {} bytes", surveyed.shape_bytes());
    }
}

/// Frames with checksums, without content sizes, with small windows, of one byte, of noise, of several pieces.
#[test]
fn frames_of_all_kinds_come_back() {
    let text = sample(400_000);
    let mut state = 7u64;
    let noise = (0..300_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.collect();
    let mixed = [&text[..], &noise, &[0; 500_000], &text, &[7; 100], &noise[..1000]].concat();
    for (plain, level) in [(&text, 3), (&noise, 3), (&vec![9; 300_000], 1), (&mixed, 1), (&mixed, 12), (&mixed, 19)] {
        for (checksum, size, window) in [(true, true, 20), (false, false, 10), (true, false, 17), (false, true, 25)] {
            let mut compressor = Compressor::new(level).expect("a level");
            for parameter in
                [CParameter::ChecksumFlag(checksum), CParameter::ContentSizeFlag(size), CParameter::WindowLog(window)]
            {
                compressor.set_parameter(parameter).expect("a parameter");
            }
            let frame = compressor.compress(plain).expect("memory is enough");
            let extent = extent(&[&frame[..], b"behind"].concat(), plain.len()).expect("a frame");
            assert_eq!(extent.checksum_bytes, if checksum { 4 } else { 0 });
            assert_eq!((extent.packed_bytes + extent.checksum_bytes) as usize, frame.len());
            assert_eq!(extent.plain_bytes as usize, plain.len());
            let surveyed = survey(&frame[..extent.packed_bytes as usize], plain.len());
            assert!(surveyed.is_some_and(|surveyed| surveyed.plain == *plain), "level {level}, window {window}");
        }
    }
    // What is flushed ends blocks anywhere, the last one may be empty.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 5).expect("a level");
    for piece in text.chunks(30_001) {
        use std::io::Write;
        encoder.write_all(piece).and_then(|()| encoder.flush()).expect("memory is enough");
    }
    let frame = encoder.finish().expect("memory is enough");
    assert!(survey(&frame, text.len()).is_some_and(|surveyed| surveyed.plain == text));
}

/// What makes records of containers fits into the memory of a device, together with groups and read-back.
#[test]
fn memory_is_bounded() {
    assert!(crate::coding::Engine::memory_bytes(18, 10 << 10, true) <= (4 << 20) - (128 << 10));
}

/// The tables of the specification have as many states as they should.
#[test]
fn predefined_tables_are_sound() {
    assert!(PREDEFINED_TABLES.iter().all(Counts::is_sound));
}

proptest! {
    /// Counts come back from their description.
    #[test]
    fn counts_come_back(seen in proptest::collection::vec((0u32..2000, 0u32..3), 2..SYMBOLS), log_max in 5u32..10) {
        let mut counts = [0; SYMBOLS];
        counts.iter_mut().zip(&seen).for_each(|(count, (seen, rare))| *count = if *rare == 0 { *seen } else { rare - 1 });
        let made = Counts::normalised(&counts, log_max);
        if made.is_sound() && counts.iter().filter(|count| **count > 0).count() > 1 {
            let mut out = Written::new();
            made.write(&mut out);
            prop_assert_eq!(Counts::read(&out.bytes, made.log, SYMBOLS), Some((made, out.bytes.len())));
        }
    }

    /// Codes are complete, none is longer than the limit, and they come back from their description.
    #[test]
    fn codes_come_back(seen in proptest::collection::vec((0u32..20, any::<u32>()), 2..256), limit in 8u32..12) {
        let mut counts = [0; 256];
        counts.iter_mut().zip(&seen).for_each(|(count, (log2, bits))| *count = bits & ((1 << log2) - 1));
        let lengths = huffman::expected(&counts, limit);
        if counts.iter().filter(|count| **count > 0).count() > 1 {
            let sum: u32 = lengths.iter().filter(|length| **length > 0).map(|length| 1 << (limit - u32::from(*length))).sum();
            prop_assert_eq!(sum, 1 << limit);
            let mut out = Written::new();
            let table = huffman::table(&lengths);
            if huffman::write(&lengths, table.as_ref(), &mut out).is_some() {
                prop_assert_eq!(huffman::read(&out.bytes), Some((lengths, table, out.bytes.len())));
            }
        }
    }

    /// Any bytes, and frames with some bytes changed, give plaintext or an error.
    #[test]
    fn hostile_frames_are_errors(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        level in -3i32..20,
        length in 1usize..40_000,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        survey(&bytes, 1 << 20);
        survey(&[&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], &bytes[..]].concat(), 1 << 20);
        let mut frame = packed(&sample(length), level);
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        survey(&frame, 1 << 20);
        extent(&frame, 1 << 20);
    }
}
