//! Small images with the edits of a real update: code that moves, tables that change, new files, most of it the same.

use crate::Chance;

const KIB: usize = 1024;

/// An image of `kib` KiB: stretches of noise (code), of repeated records (tables) and of zeros (free blocks).
pub fn image(seed: u64, kib: usize) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let mut image = Vec::with_capacity(kib * KIB);
    while image.len() < kib * KIB {
        let count = 8 * KIB + chance.up_to(24 * KIB as u64) as usize;
        match chance.up_to(7) {
            0 => image.extend(std::iter::repeat_n(0, count)),
            1 | 2 => {
                let record = chance.bytes(48);
                image.extend(record.iter().cycle().zip(0u32..).map(|(byte, at)| byte ^ (at / 48) as u8).take(count));
            }
            _ => image.extend(chance.bytes(count)),
        }
    }
    image.truncate(kib * KIB);
    image
}

/// The next version of an image: `fresh_kib` KiB of new content in pieces, one stretch moved by a few bytes, a stamp
/// changed in many places. The length stays.
pub fn update(base: &[u8], seed: u64, fresh_kib: usize) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let mut target = base.to_vec();
    let place = |chance: &mut Chance, count: usize| chance.up_to((base.len() - count) as u64) as usize;
    let stretch = base.len() / 5;
    let (from, shift) = (place(&mut chance, stretch + KIB), 1 + chance.up_to(900) as usize);
    target.copy_within(from..from + stretch, from + shift);
    for _ in 0..24 {
        let at = place(&mut chance, 8);
        target[at..at + 8].copy_from_slice(&seed.to_le_bytes());
    }
    let mut left = fresh_kib * KIB;
    while left > 0 {
        let count = left.min(4 * KIB + chance.up_to(28 * KIB as u64) as usize);
        let at = place(&mut chance, count);
        target[at..at + count].copy_from_slice(&chance.bytes(count));
        left -= count;
    }
    target
}
