//! What LZMA says about a stretch of plaintext and how it says it: the symbols and their probabilities, for both
//! directions at once.

use super::range::{Chance, EVEN, Range};
use alloc::vec;
use alloc::vec::Vec;

/// The shortest and the longest match.
pub(in crate::parse) const LENGTH_MIN: u32 = 2;
pub(in crate::parse) const LENGTH_MAX: u32 = 273;
/// States after a literal come first.
const STATES: usize = 12;
const LITERAL_STATES: u8 = 7;
/// Positions in the plaintext that have probabilities of their own, at most.
const POSITIONS: usize = 16;
/// Literals have this many probabilities for each context.
const LITERAL_CHANCES: usize = 0x300;
/// The longest literal context, in bits of the byte before and of the position.
const LITERAL_BITS_MAX: u32 = 4;

/// One step of an LZMA stream. Distances count from 0, the byte before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// The next byte stands for itself.
    Literal,
    /// Bytes from a distance that is said.
    Match {
        /// Bytes, 2 to 273.
        length: u32,
        /// Bytes back, less one.
        distance: u32,
    },
    /// Bytes from one of the last four distances.
    Repeat {
        /// Which of them, the last one first.
        which: u8,
        /// Bytes: 2 to 273, or 1 from the last distance.
        length: u32,
    },
}

impl Symbol {
    /// Bytes of plaintext.
    pub(super) fn length(self) -> u32 {
        match self {
            Self::Literal => 1,
            Self::Match { length, .. } | Self::Repeat { length, .. } => length,
        }
    }
}

/// Literal context bits, literal position bits, position bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Properties {
    literal_context: u32,
    literal_position: u32,
    position: u32,
}

impl Properties {
    /// What the byte of an LZMA stream says; `None` when LZMA2 does not allow it.
    pub(super) fn parse(byte: u8) -> Option<Self> {
        let (byte, literal_context) = (u32::from(byte) / 9, u32::from(byte) % 9);
        let (position, literal_position) = (byte / 5, byte % 5);
        let valid = position < 5 && literal_context + literal_position <= LITERAL_BITS_MAX;
        valid.then_some(Self { literal_context, literal_position, position })
    }
}

/// Where the bytes are that symbols refer to.
pub(super) trait History {
    /// Why they cannot be had.
    type Error;

    /// The byte at a distance.
    fn byte(&mut self, distance: u32) -> Result<u8, Self::Error>;
}

/// Lengths: which of three ranges, then a number.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    choice: [Chance; 2],
    low: [[Chance; 8]; POSITIONS],
    middle: [[Chance; 8]; POSITIONS],
    high: [Chance; 256],
}

impl Lengths {
    const NEW: Self =
        Self { choice: [EVEN; 2], low: [[EVEN; 8]; POSITIONS], middle: [[EVEN; 8]; POSITIONS], high: [EVEN; 256] };

    fn code<R: Range>(&mut self, range: &mut R, position: usize, length: u32) -> u32 {
        let above = length.wrapping_sub(LENGTH_MIN);
        if !range.bit(&mut self.choice[0], above >= 8) {
            LENGTH_MIN + tree(range, &mut self.low[position], 3, above)
        } else if !range.bit(&mut self.choice[1], above >= 16) {
            LENGTH_MIN + 8 + tree(range, &mut self.middle[position], 3, above.wrapping_sub(8))
        } else {
            LENGTH_MIN + 16 + tree(range, &mut self.high, 8, above.wrapping_sub(16))
        }
    }
}

/// The lowest `bits` of a number, the highest first.
#[inline]
fn tree<R: Range>(range: &mut R, chances: &mut [Chance], bits: u32, value: u32) -> u32 {
    let mut made = 1;
    for at in (0..bits).rev() {
        let bit = range.bit(&mut chances[made as usize], value >> at & 1 == 1);
        made = made << 1 | u32::from(bit);
    }
    made - (1 << bits)
}

/// The lowest `bits` of a number, the lowest first. `chances` starts at index 1.
fn tree_reversed<R: Range>(range: &mut R, chances: &mut [Chance], bits: u32, value: u32) -> u32 {
    let (mut made, mut node) = (0, 1);
    for at in 0..bits {
        let bit = range.bit(&mut chances[node - 1], value >> at & 1 == 1);
        node = node << 1 | usize::from(bit);
        made |= u32::from(bit) << at;
    }
    made
}

/// Distances below this have probabilities for all their bits.
const DISTANCES_FULL: usize = 128;
const ALIGN_BITS: u32 = 4;

/// All that an LZMA stream learns.
#[derive(Debug)]
pub(super) struct Model {
    properties: Properties,
    state: u8,
    /// The last four distances.
    pub(super) last: [u32; 4],
    is_match: [[Chance; POSITIONS]; STATES],
    /// Whether it is a repeat; whether not of the last distance; not of the second; not of the third.
    is_repeat: [[Chance; STATES]; 4],
    is_long: [[Chance; POSITIONS]; STATES],
    slots: [[Chance; 64]; 4],
    distances: [Chance; DISTANCES_FULL],
    align: [Chance; 1 << ALIGN_BITS],
    lengths: [Lengths; 2],
    literals: Vec<Chance>,
}

impl Model {
    /// Bytes of memory that it takes.
    pub(super) const BYTES: usize = size_of::<Self>() + (LITERAL_CHANCES << LITERAL_BITS_MAX) * size_of::<Chance>();

    pub(super) fn new() -> Self {
        let properties = Properties { literal_context: 3, literal_position: 0, position: 2 };
        Self::with(properties, vec![EVEN; LITERAL_CHANCES << LITERAL_BITS_MAX])
    }

    fn with(properties: Properties, literals: Vec<Chance>) -> Self {
        Self {
            properties,
            state: 0,
            last: [0; 4],
            is_match: [[EVEN; POSITIONS]; STATES],
            is_repeat: [[EVEN; STATES]; 4],
            is_long: [[EVEN; POSITIONS]; STATES],
            slots: [[EVEN; 64]; 4],
            distances: [EVEN; DISTANCES_FULL],
            align: [EVEN; 1 << ALIGN_BITS],
            lengths: [Lengths::NEW; 2],
            literals,
        }
    }

    /// Forgets everything; says how literals and positions are told apart from now on.
    pub(super) fn reset(&mut self, properties: Option<Properties>) {
        let mut literals = core::mem::take(&mut self.literals);
        literals.fill(EVEN);
        *self = Self::with(properties.unwrap_or(self.properties), literals);
    }

    /// Whether a literal at this place is told with the help of the byte at the last distance.
    pub(super) fn compares(&self) -> bool {
        self.state >= LITERAL_STATES
    }

    /// Codes a symbol at `position` of the plaintext; `byte` is the byte of a literal. The decoder gets what it reads.
    #[inline]
    pub(super) fn code<R: Range, H: History>(
        &mut self,
        range: &mut R,
        history: &mut H,
        position: u64,
        (symbol, byte): (Symbol, u8),
    ) -> Result<(Symbol, u8), H::Error> {
        let state = usize::from(self.state);
        let place = position as usize & ((1 << self.properties.position) - 1);
        if !range.bit(&mut self.is_match[state][place], symbol != Symbol::Literal) {
            let byte = self.literal(range, history, position, byte)?;
            self.state = match self.state {
                0..4 => 0,
                4..10 => self.state - 3,
                _ => self.state - 6,
            };
            return Ok((Symbol::Literal, byte));
        }
        let is_late = self.state >= LITERAL_STATES;
        if !range.bit(&mut self.is_repeat[0][state], matches!(symbol, Symbol::Repeat { .. })) {
            let (length, distance) = match symbol {
                Symbol::Match { length, distance } => (length, distance),
                _ => (LENGTH_MIN, 0),
            };
            let length = self.lengths[0].code(range, place, length);
            let distance = self.distance(range, length, distance);
            self.last = [distance, self.last[0], self.last[1], self.last[2]];
            self.state = if is_late { 10 } else { 7 };
            return Ok((Symbol::Match { length, distance }, 0));
        }
        let (which, length) = match symbol {
            Symbol::Repeat { which, length } => (which, length),
            _ => (0, 1),
        };
        let mut made = 0;
        if !range.bit(&mut self.is_repeat[1][state], which > 0) {
            if !range.bit(&mut self.is_long[state][place], length > 1) {
                self.state = if is_late { 11 } else { 9 };
                return Ok((Symbol::Repeat { which: 0, length: 1 }, 0));
            }
        } else {
            made = 1;
            while made < 3 && range.bit(&mut self.is_repeat[usize::from(made) + 1][state], which > made) {
                made += 1;
            }
        }
        self.last[..=usize::from(made)].rotate_right(1);
        let length = self.lengths[1].code(range, place, length);
        self.state = if is_late { 11 } else { 8 };
        Ok((Symbol::Repeat { which: made, length }, 0))
    }

    #[inline]
    fn literal<R: Range, H: History>(
        &mut self,
        range: &mut R,
        history: &mut H,
        position: u64,
        byte: u8,
    ) -> Result<u8, H::Error> {
        let Properties { literal_context, literal_position, .. } = self.properties;
        let before = if position > 0 { history.byte(0)? } else { 0 };
        let place = position as usize & ((1 << literal_position) - 1);
        let context = place << literal_context | usize::from(before) >> (8 - literal_context);
        let compared = if self.compares() { Some(history.byte(self.last[0])?) } else { None };
        let chances = &mut self.literals[context * LITERAL_CHANCES..][..LITERAL_CHANCES];
        let mut made = 1;
        let (mut offset, mut like) = match compared {
            Some(like) => (0x100, usize::from(like)),
            None => (0, 0),
        };
        for at in (0..8).rev() {
            like <<= 1;
            let bit = range.bit(&mut chances[offset + (like & offset) + made], byte >> at & 1 == 1);
            made = made << 1 | usize::from(bit);
            offset &= if bit { like } else { !like };
        }
        Ok(made as u8)
    }

    fn distance<R: Range>(&mut self, range: &mut R, length: u32, distance: u32) -> u32 {
        let lengths = (length - LENGTH_MIN).min(3) as usize;
        let slot = match distance {
            0..4 => distance,
            _ => {
                let log = distance.ilog2();
                log << 1 | distance >> (log - 1) & 1
            }
        };
        let slot = tree(range, &mut self.slots[lengths], 6, slot);
        if slot < 4 {
            return slot;
        }
        let bits = (slot >> 1) - 1;
        let base = (2 | slot & 1) << bits;
        let above = distance.wrapping_sub(base);
        if (base as usize) < DISTANCES_FULL {
            let chances = &mut self.distances[(base - slot) as usize..];
            return base + tree_reversed(range, chances, bits, above);
        }
        let high = range.direct(above >> ALIGN_BITS & ((1 << (bits - ALIGN_BITS)) - 1), bits - ALIGN_BITS);
        base.wrapping_add(high << ALIGN_BITS).wrapping_add(tree_reversed(
            range,
            &mut self.align,
            ALIGN_BITS,
            above & ((1 << ALIGN_BITS) - 1),
        ))
    }
}
