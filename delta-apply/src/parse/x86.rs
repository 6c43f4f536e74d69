//! The filter of xz for x86 code: targets of calls and jumps are packed as addresses instead of distances.
//!
//! Plaintext that is compared is the code as it runs; what LZMA has seen is the filtered one. Both have the same length,
//! so it is converted in place, in either direction. As in liblzma, whose choices what an operand is are part of the
//! format.

use super::track::Store;
use crate::io::IoError;

/// An instruction: an opcode and four bytes of operand.
const CALL: u8 = 0xe8;
const JUMP: u8 = 0xe9;
const BYTES: usize = 5;
/// Bytes that are converted at once.
const PIECE: usize = 4096;

/// Converts one stream from left to right.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Whether distances become addresses.
    packs: bool,
    /// Bytes that are done, the place of the last opcode, and what stood around the last ones.
    done: u32,
    last: u32,
    mask: u32,
}

impl Filter {
    /// Starts a stream.
    pub fn new(packs: bool) -> Self {
        Self { packs, done: 0, last: 0u32.wrapping_sub(BYTES as u32), mask: 0 }
    }

    /// Converts what it can of `bytes`, all but the last four or fewer; gives how many are done.
    pub fn convert(&mut self, bytes: &mut [u8]) -> usize {
        /// The byte of an address that decides, by the opcodes around.
        const DECIDING: [u32; 5] = [0, 1, 2, 2, 3];
        let is_sign = |byte: u8| byte == 0 || byte == 0xff;
        let mut at = 0;
        while at + BYTES <= bytes.len() {
            if !matches!(bytes[at], CALL | JUMP) {
                at += 1;
                continue;
            }
            let here = self.done.wrapping_add(at as u32);
            let behind = here.wrapping_sub(self.last);
            self.last = here;
            self.mask = match behind {
                0..=5 => (0..behind).fold(self.mask, |mask, _| (mask & 0x77) << 1),
                _ => 0,
            };
            let operand = [bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4]];
            let around = (self.mask >> 1) as usize;
            if !is_sign(operand[3]) || around > 4 || around == 3 {
                self.mask |= if is_sign(operand[3]) { 0x11 } else { 1 };
                at += 1;
                continue;
            }
            let next = here.wrapping_add(BYTES as u32);
            let mut from = u32::from_le_bytes(operand);
            let to = loop {
                let to = if self.packs { from.wrapping_add(next) } else { from.wrapping_sub(next) };
                let byte = DECIDING[around] * 8;
                if self.mask == 0 || !is_sign((to >> (24 - byte)) as u8) {
                    break to;
                }
                from = to ^ (u32::MAX >> byte);
            };
            let sign = if to >> 24 & 1 == 1 { 0xff00_0000 } else { 0 };
            bytes[at + 1..at + BYTES].copy_from_slice(&(to & 0x00ff_ffff | sign).to_le_bytes());
            self.mask = 0;
            at += BYTES;
        }
        self.done = self.done.wrapping_add(at as u32);
        at
    }

    /// Converts what is stored from `from` to `to` in place; gives up to where it came.
    ///
    /// # Errors
    /// [`IoError`] of the store.
    pub fn run(&mut self, store: &mut impl Store, mut from: u64, to: u64) -> Result<u64, IoError> {
        let mut piece = [0; PIECE];
        loop {
            let bytes = to.saturating_sub(from).min(PIECE as u64) as usize;
            let piece = &mut piece[..bytes];
            store.read(from, piece)?;
            let done = self.convert(piece);
            if done == 0 {
                return Ok(from);
            }
            store.write(from, &piece[..done])?;
            from += done as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Converts all of `bytes`, in pieces.
    fn all(packs: bool, mut bytes: Vec<u8>, piece: usize) -> Vec<u8> {
        let (mut filter, mut at) = (Filter::new(packs), 0);
        while bytes.len() - at >= BYTES {
            let end = bytes.len().min(at + piece);
            at += filter.convert(&mut bytes[at..end]);
        }
        bytes
    }

    proptest! {
        /// What was packed comes back, whatever the pieces.
        #[test]
        fn code_comes_back(bytes in proptest::collection::vec(prop_oneof![Just(0xe8u8), Just(0), Just(0xff), any::<u8>()], 0..400), piece in 10usize..100) {
            let packed = all(true, bytes.clone(), 1000);
            prop_assert_eq!(&all(true, bytes.clone(), piece), &packed);
            prop_assert_eq!(all(false, packed, piece), bytes);
        }
    }
}
