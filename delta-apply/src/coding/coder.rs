//! The binary arithmetic coder: a bit and its probability in, coded bytes out, and back.
//!
//! Carry-free range coding with 32-bit bounds (Matt Mahoney, "Data Compression Explained", section 3.2). Integers only,
//! so encoder and decoder agree on every machine. Encoder and decoder are two sides of one trait: whatever is coded is
//! written down once, as a function over [`BitCoder`], and cannot disagree with itself.

#[cfg(any(feature = "encode", test))]
use alloc::vec::Vec;

/// One side of the arithmetic coder.
pub trait BitCoder {
    /// Whether bits are taken from the caller (true) or given to it (false).
    const ENCODES: bool;

    /// Codes one bit. `one` is the probability that it is set, in 1/65536, 1 to 65535. The encoder writes `bit` and
    /// gives it back; the decoder ignores it and gives what it reads.
    fn code(&mut self, bit: bool, one: u16) -> bool;

    /// Whether the input has failed; the decoder gives clear bits from then on. Asked at coarse steps.
    fn failed(&self) -> bool;

    /// What the bits from here on are spent on. Only an encoder that keeps accounts listens.
    fn account(&mut self, _purpose: Purpose) {}

    /// What the bits from here on make: the target from that offset in the section at work, or nothing of it. Only an
    /// encoder that keeps accounts listens.
    fn locate(&mut self, _at: Option<u64>) {}
}

/// What bits are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The tables of executables.
    Tables = 0,
    /// Operations.
    Operations = 1,
    /// Which pieces and blocks are as predicted.
    Blocks = 2,
    /// References that lead elsewhere.
    References = 3,
    /// Bytes inside copies that differ.
    Differences = 4,
    /// New bytes.
    Literals = 5,
    /// How containers were packed.
    Containers = 6,
}

/// A step of an encoder's way through its sections.
#[cfg(any(feature = "encode", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the bits from here on make: an offset in the section at work. `None` opens the next section: its tables and
    /// operations.
    pub at: Option<u64>,
    /// What was spent before, in 1/65536 bits.
    pub spent: u64,
}

impl Purpose {
    /// All of them, by their numbers.
    pub const ALL: [Self; 7] = [
        Self::Tables,
        Self::Operations,
        Self::Blocks,
        Self::References,
        Self::Differences,
        Self::Literals,
        Self::Containers,
    ];
}

/// Where a decoder takes its bytes from. After an error or at the end it gives zeros and remembers.
pub trait ByteSource {
    /// The next byte.
    fn next(&mut self) -> u8;

    /// Whether [`Self::next`] could not be served, now or before.
    fn failed(&self) -> bool;
}

/// Bytes that follow the last bit: a decoder reads that far ahead.
pub const FLUSH_BYTES: usize = 4;

/// Reads bits.
#[derive(Debug)]
pub struct Decoder<S> {
    low: u32,
    high: u32,
    value: u32,
    source: S,
}

impl<S: ByteSource> Decoder<S> {
    /// Starts to read from `source`.
    pub fn new(mut source: S) -> Self {
        let value = (0..FLUSH_BYTES).fold(0, |value, _| value << 8 | u32::from(source.next()));
        Self { low: 0, high: u32::MAX, value, source }
    }

    /// The source, read up to the last byte that the bits needed.
    pub fn into_source(self) -> S {
        self.source
    }
}

impl<S: ByteSource> BitCoder for Decoder<S> {
    const ENCODES: bool = false;

    #[inline]
    fn code(&mut self, _bit: bool, one: u16) -> bool {
        let middle = split(self.low, self.high, one);
        let bit = self.value <= middle;
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.value = self.value << 8 | u32::from(self.source.next());
        }
        bit
    }

    fn failed(&self) -> bool {
        self.source.failed()
    }
}

/// Writes bits.
#[cfg(any(feature = "encode", test))]
#[derive(Debug)]
pub struct Encoder {
    low: u32,
    high: u32,
    bytes: Vec<u8>,
    purpose: Purpose,
    spent: [u64; Purpose::ALL.len()],
    steps: Vec<Step>,
}

#[cfg(any(feature = "encode", test))]
impl Default for Encoder {
    fn default() -> Self {
        let spent = [0; Purpose::ALL.len()];
        Self { low: 0, high: u32::MAX, bytes: Vec::new(), purpose: Purpose::Tables, spent, steps: Vec::new() }
    }
}

#[cfg(any(feature = "encode", test))]
impl Encoder {
    /// Bytes written so far, without what [`Self::finish`] adds.
    pub fn written(&self) -> usize {
        self.bytes.len()
    }

    /// What was spent on each purpose, in 1/65536 bits.
    pub fn spent(&self) -> [u64; Purpose::ALL.len()] {
        self.spent
    }

    /// How it came through the sections.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Ends the stream; gives its bytes. Any value between the bounds will do: the decoder reads [`FLUSH_BYTES`] in all.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&self.high.to_be_bytes());
        self.bytes
    }
}

#[cfg(any(feature = "encode", test))]
impl BitCoder for Encoder {
    const ENCODES: bool = true;

    #[inline]
    fn code(&mut self, bit: bool, one: u16) -> bool {
        let chance = if bit { one } else { one.wrapping_neg() };
        self.spent[self.purpose as usize] += u64::from(COST[usize::from(chance >> 4)]);
        let middle = split(self.low, self.high, one);
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.bytes.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }

    fn failed(&self) -> bool {
        false
    }

    fn account(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    fn locate(&mut self, at: Option<u64>) {
        self.steps.push(Step { at, spent: self.spent.iter().sum() });
    }
}

/// What a bit of a probability in 1/4096 costs, in 1/65536 bits: -log2, digit by digit.
#[cfg(any(feature = "encode", test))]
static COST: [u32; 4096] = {
    let (mut table, mut p) = ([0; 4096], 0usize);
    while p < 4096 {
        // The middle of the step, in 2^-62 after scaling to [1, 2).
        let value = (2 * p + 1) as u64;
        let whole = 13 - (63 - value.leading_zeros());
        let mut rest = (value as u128) << (61 - (63 - value.leading_zeros()));
        let (mut fraction, mut digit) = (0u32, 0);
        while digit < 16 {
            rest = (rest * rest) >> 61;
            fraction <<= 1;
            if rest >> 62 != 0 {
                rest >>= 1;
                fraction |= 1;
            }
            digit += 1;
        }
        table[p] = (whole << 16) - fraction;
        p += 1;
    }
    table
};

/// The last value that stands for a set bit. The bounds differ in their first byte, so both parts are never empty.
#[inline]
fn split(low: u32, high: u32, one: u16) -> u32 {
    debug_assert!(one > 0, "a certain bit needs no coding");
    low + ((u64::from(high - low) * u64::from(one)) >> 16) as u32
}

/// Bytes in memory as a source.
#[derive(Debug)]
pub struct SliceSource<'a> {
    bytes: &'a [u8],
    failed: bool,
}

impl<'a> SliceSource<'a> {
    /// Reads `bytes` from their start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, failed: false }
    }

    /// What was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

impl ByteSource for SliceSource<'_> {
    #[inline]
    fn next(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => {
                self.failed = true;
                0
            }
        }
    }

    fn failed(&self) -> bool {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every sequence of bits with any probabilities comes back and uses up its bytes exactly.
        #[test]
        fn bits_round_trip(bits in proptest::collection::vec((any::<bool>(), 1u16..), 0..2000)) {
            let mut encoder = Encoder::default();
            bits.iter().for_each(|&(bit, one)| { encoder.code(bit, one); });
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(SliceSource::new(&bytes));
            for &(bit, one) in &bits {
                prop_assert_eq!(decoder.code(!bit, one), bit);
            }
            prop_assert!(!decoder.failed());
            prop_assert!(decoder.into_source().rest().is_empty());
        }
    }

    /// A stream that ends early is noticed, and gives no more than clear bits.
    #[test]
    fn the_end_is_noticed() {
        let mut decoder = Decoder::new(SliceSource::new(&[1, 2]));
        (0..100).for_each(|_| {
            decoder.code(false, 30_000);
        });
        assert!(decoder.failed());
    }
}
