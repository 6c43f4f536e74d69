//! Writes frames from tokens: a block is kept until it ends, then its decisions are coded and it is written.

use super::bits::Written;
use super::fse::{Counts, Writing};
use super::unpack::LONG_COUNT;
use super::{
    Block, DESCRIBED, Distances, FIRST_DISTANCES, Header, LENGTHS, LOGS_MAX, MAGIC, MATCH_MIN, ONLY, PACKED,
    PREDEFINED, PREDEFINED_TABLES_OF, RAW, REPEATS, RUN, RUNS, SAME_CODE, SYMBOLS, Token, UnpackError, huffman,
};
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;
use crate::deflate::Sink;
use crate::parse::Plaintext;
use alloc::vec::Vec;

/// Sequences of a block, at most. A block of more has hardly a match that is longer than the shortest.
const SEQUENCES_MAX: usize = 1 << 15;
/// Literals of a block, at most.
const LITERALS_MAX: usize = super::BLOCK_MAX as usize;
/// Offsets end below this power of two.
const OFFSET_BITS: u32 = 30;
const RUN_BITS: u32 = 17;

/// What plaintext and tokens of a frame do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) header: Header,
    /// Bytes of its plaintext.
    pub(super) plain_bytes: u64,
    /// Its blocks. Only the encoder has them, and what is next.
    pub(super) blocks: Vec<Block>,
    /// How distances are said that are among the last ones, in order: 1 to 3, or 0 for as a new one.
    pub(super) said: Vec<u8>,
}

impl Shape {
    /// Where blocks end in the plaintext.
    #[cfg(any(feature = "encode", test))]
    pub(in crate::parse) fn block_ends(&self) -> impl Iterator<Item = u64> {
        self.blocks.iter().scan(0, |end, block| {
            *end += block.plain_bytes;
            Some(*end)
        })
    }
}

/// What a decoder knows.
pub(in crate::parse) static UNKNOWN: Shape =
    Shape { header: Header { descriptor: 0, window: 0 }, plain_bytes: 0, blocks: Vec::new(), said: Vec::new() };

/// What is learned about frames while they are coded.
#[derive(Debug, Default)]
pub struct Models {
    bytes: Number,
    /// Numbers that are hardly ever needed.
    rare: Number,
    /// Has a frame the header of the last one, its length?
    same: [Bit; 2],
    /// Does a block end early? By what is known of the base, and whether a run does.
    cut: [Bit; 6],
    last: Bit,
    /// What a block is, without sequences and with them; what its literals are, by what they were and how many.
    kind: [Bit; 2],
    literals: [[[Bit; 4]; 4]; 4],
    four: [Bit; 3],
    /// Is the limit of codes the usual one, are lengths as expected, are weights said as expected, with that table?
    limit: [Bit; 16],
    is_expected: [Bit; 6],
    /// How tables are given, by table, how the last one was, and by how many sequences there are.
    modes: [[[[Bit; 4]; 4]; 4]; 3],
    /// Is a distance said as the last one that it equals? Behind a run or not.
    said: [[Bit; 3]; 2],
}

/// Two bits of a choice among four.
fn choice<C: BitCoder>(coder: &mut C, bits: &mut [Bit; 4], given: u8) -> u8 {
    let high = bits[0].code(coder, given >= 2);
    let low = bits[1 + usize::from(high)].code(coder, given & 1 == 1);
    u8::from(high) << 1 | u8::from(low)
}

/// Four classes of how many there are.
fn class(count: usize, log2: u32) -> usize {
    (count.checked_ilog2().map_or(0, |bits| bits + 1).saturating_sub(log2) as usize).div_ceil(2).min(3)
}

/// A sequence: a run of literals, how the distance is said, a length.
#[derive(Clone, Copy, Debug)]
struct Sequence(u64);

impl Sequence {
    fn new(run: u32, offset: u32, length: u32) -> Option<Self> {
        let length = length.checked_sub(MATCH_MIN)?;
        let fits = run >> RUN_BITS == 0 && length >> RUN_BITS == 0 && offset >> OFFSET_BITS == 0;
        let word = u64::from(run) | u64::from(length) << RUN_BITS | u64::from(offset) << (2 * RUN_BITS);
        fits.then_some(Self(word))
    }

    /// Run, offset and length: the code of each, and the bits behind it.
    fn codes(self) -> [(u8, u32, u32); 3] {
        let offset = (self.0 >> (2 * RUN_BITS)) as u32;
        let width = offset.checked_ilog2().unwrap_or(0);
        let number = |word: u64| word as u32 & ((1 << RUN_BITS) - 1);
        [
            RUNS.code(number(self.0)),
            (width as u8, offset & ((1 << width) - 1), width),
            LENGTHS.code(number(self.0 >> RUN_BITS) + MATCH_MIN),
        ]
    }
}

/// Writes one frame after the other.
#[derive(Debug)]
pub struct Writer {
    header: Header,
    plain_bytes: u64,
    /// Where the frame starts in the plaintext of its group, and where the block at hand does.
    start: u64,
    block: u64,
    /// Blocks and said distances so far.
    blocks: usize,
    said: usize,
    distances: Distances,
    /// Literals that wait for their match.
    run: u32,
    literals: Vec<u8>,
    sequences: Vec<Sequence>,
    /// The last block: its tables may be used again.
    last: Block,
    states: [Writing; 3],
    out: Written,
}

impl Writer {
    /// Bytes of memory that a writer and its models take at most.
    pub const BYTES: usize = size_of::<Self>()
        + SEQUENCES_MAX * size_of::<Sequence>()
        + LITERALS_MAX
        + super::bits::BYTES_MAX
        + size_of::<Models>();

    /// Has memory for a block.
    #[allow(clippy::new_without_default, reason = "it takes memory")]
    pub fn new() -> Self {
        Self {
            header: Header::default(),
            plain_bytes: 0,
            start: 0,
            block: 0,
            blocks: 0,
            said: 0,
            distances: Distances(FIRST_DISTANCES),
            run: 0,
            literals: Vec::with_capacity(LITERALS_MAX),
            sequences: Vec::with_capacity(SEQUENCES_MAX),
            last: Block::NONE,
            states: [Writing::EMPTY; 3],
            out: Written::new(),
        }
    }

    /// Starts a frame whose plaintext starts at `at`; gives where that ends.
    ///
    /// # Errors
    /// [`UnpackError::Invalid`] when there is no such frame; the sink's.
    pub fn start<C: BitCoder, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        at: u64,
        sink: &mut S,
    ) -> Result<u64, S::Error> {
        if !models.same[0].code(coder, given.header == self.header) {
            let mut byte = |given: u8| models.rare.code(coder, given.into()) as u8;
            self.header = Header { descriptor: byte(given.header.descriptor), window: byte(given.header.window) };
        }
        if !models.same[1].code(coder, given.plain_bytes == self.plain_bytes) {
            self.plain_bytes = models.bytes.code(coder, given.plain_bytes);
        }
        let end = at.checked_add(self.plain_bytes).filter(|end| *end > at).ok_or(UnpackError::Invalid)?;
        (self.start, self.block, self.blocks, self.said) = (at, at, 0, 0);
        self.distances = Distances(FIRST_DISTANCES);
        self.last = Block { lengths: [0; 256], tables: PREDEFINED_TABLES_OF, ..self.last };
        self.restart(at);
        sink.push(&MAGIC)?;
        sink.push(&[self.header.descriptor])?;
        if !self.header.is_single() {
            sink.push(&[self.header.window])?;
        }
        let size_bytes = self.header.size_bytes();
        let size = self.plain_bytes.wrapping_sub(if size_bytes == 2 { 256 } else { 0 });
        sink.push(&size.to_le_bytes()[..size_bytes])?;
        Ok(end)
    }

    fn restart(&mut self, at: u64) {
        self.block = at;
        self.run = 0;
        self.literals.clear();
        self.sequences.clear();
        self.out.clear();
    }

    /// Bytes of plaintext from `at` to where the block ends at the latest.
    pub(in crate::parse) fn left(&self, at: u64) -> u64 {
        let most = self.block.saturating_add(self.header.block_max());
        most.min(self.start.saturating_add(self.plain_bytes)).saturating_sub(at)
    }

    /// Takes a token; `at` is the place of its plaintext.
    ///
    /// # Errors
    /// [`UnpackError`] of the plaintext, or for a token that no frame has.
    pub fn token<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        token: Token,
        at: u64,
        plain: &mut impl Plaintext,
    ) -> Result<(), UnpackError> {
        let Token { length, distance } = token;
        if distance == 0 {
            let from = self.literals.len();
            if length as usize > LITERALS_MAX - from {
                return Err(UnpackError::Invalid);
            }
            self.literals.resize(from + length as usize, 0);
            self.run += length;
            return plain.read(at, &mut self.literals[from..]);
        }
        if u64::from(distance) > at - self.start || self.sequences.len() == SEQUENCES_MAX {
            return Err(UnpackError::Invalid);
        }
        let run = core::mem::take(&mut self.run);
        let offset = self.offset(coder, models, given, distance, run > 0)?;
        self.distances.take(offset, run > 0);
        self.sequences.push(Sequence::new(run, offset, length).ok_or(UnpackError::Invalid)?);
        Ok(())
    }

    /// How a distance is said.
    fn offset<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        distance: u32,
        is_behind_run: bool,
    ) -> Result<u32, UnpackError> {
        let is_known = (1..=REPEATS).any(|offset| self.distances.get(offset, is_behind_run) == distance);
        if is_known {
            let known = given.said.get(self.said).copied().unwrap_or(0);
            self.said += 1;
            for offset in 1..=REPEATS {
                let bit = &mut models.said[usize::from(is_behind_run)][offset as usize - 1];
                let is_equal = self.distances.get(offset, is_behind_run) == distance;
                if is_equal && bit.code(coder, u32::from(known) == offset) {
                    return Ok(offset);
                }
            }
        }
        distance.checked_add(REPEATS).ok_or(UnpackError::Invalid)
    }

    /// Whether the block ends at `at`; `known` is whether one of the base ends there, if something is there.
    pub(in crate::parse) fn ends<C: BitCoder>(
        &self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        at: u64,
        known: Option<bool>,
    ) -> bool {
        if self.left(at) == 0 || at == self.block {
            return self.left(at) == 0;
        }
        let known = known.map_or(2, usize::from);
        let ends = given.blocks.get(self.blocks).is_some_and(|block| self.block + block.plain_bytes == at);
        models.cut[known * 2 + usize::from(self.run > 0)].code(coder, ends)
    }

    /// Ends the block at `at` and writes it; gives whether it is the last one.
    ///
    /// # Errors
    /// [`UnpackError`] for what is no block; the sink's.
    pub fn end_block<C: BitCoder, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        at: u64,
        sink: &mut S,
    ) -> Result<bool, S::Error> {
        let is_end = at == self.start + self.plain_bytes;
        let is_empty = at == self.block;
        let is_last = is_end && (is_empty || models.last.code(coder, self.blocks + 1 == given.blocks.len()));
        let block = given.blocks.get(self.blocks).unwrap_or(&Block::NONE);
        self.blocks += 1;
        let mut kind = PACKED;
        if self.sequences.is_empty() && !models.kind[0].code(coder, block.kind == PACKED) {
            kind = if models.kind[1].code(coder, block.kind == RUN) { RUN } else { RAW };
        }
        self.last.kind = kind;
        let (bytes, body) = match kind {
            RAW => (self.literals.len(), &self.literals[..]),
            RUN => (self.literals.len(), self.literals.get(..1).ok_or(UnpackError::Invalid)?),
            _ => {
                self.pack(coder, models, block).ok_or(UnpackError::Invalid)?;
                (self.out.bytes.len(), &self.out.bytes[..])
            }
        };
        let header = u32::from(is_last) | u32::from(kind) << 1 | (bytes as u32) << 3;
        sink.push(&header.to_le_bytes()[..3])?;
        sink.push(body)?;
        self.restart(at);
        Ok(is_last)
    }

    fn pack<C: BitCoder>(&mut self, coder: &mut C, models: &mut Models, given: &Block) -> Option<()> {
        self.pack_literals(coder, models, given)?;
        self.pack_sequences(coder, models, given)
    }

    fn pack_literals<C: BitCoder>(&mut self, coder: &mut C, models: &mut Models, given: &Block) -> Option<()> {
        let count = self.literals.len();
        let kinds = &mut models.literals[usize::from(self.last.literals) & 3][class(count, 5)];
        let kind = choice(coder, kinds, given.literals);
        self.last.literals = kind;
        if kind < PACKED {
            let (bytes, shift, format) = match count {
                0..32 => (1, 3, 0),
                32..4096 => (2, 4, 1),
                _ => (3, 4, 3),
            };
            let header = (count as u32) << shift | format << 2 | u32::from(kind);
            self.out.extend(&header.to_le_bytes()[..bytes]);
            self.out.extend(if kind == RAW { &self.literals } else { self.literals.get(..1)? });
            return Some(());
        }
        let is_four = models.four[usize::from(count >= 256) + usize::from(count >= 1024)].code(coder, given.is_four);
        let (header_bytes, width) = match count {
            0..1024 => (3, 10),
            1024..16384 => (4, 14),
            _ => (5, 18),
        };
        let format = if is_four { header_bytes as u64 - 2 } else { 0 };
        if !is_four && header_bytes > 3 {
            return None;
        }
        self.out.extend(&[0; 5][..header_bytes]);
        if kind != SAME_CODE {
            let mut seen = [0; 256];
            self.literals.iter().for_each(|byte| seen[usize::from(*byte)] += 1);
            self.code_lengths(coder, models, given, &seen)?;
        }
        self.write_literals(is_four)?;
        let packed = (self.out.bytes.len() - header_bytes) as u64;
        let header = u64::from(kind) | format << 2 | (count as u64) << 4 | packed << (4 + width);
        self.out.bytes.get_mut(..header_bytes)?.copy_from_slice(&header.to_le_bytes()[..header_bytes]);
        Some(())
    }

    /// Codes and writes the code of the literals.
    fn code_lengths<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Block,
        seen: &[u32; 256],
    ) -> Option<()> {
        let usual = huffman::usual_limit(seen);
        let mut limit = usual;
        if C::ENCODES {
            let fits = |limit: &u32| huffman::expected(seen, *limit) == given.lengths;
            limit = [usual].into_iter().chain((5..=huffman::LENGTH_MAX).rev()).find(fits).unwrap_or(usual);
        }
        // Which of them it is, as one of eight.
        let shift = limit.wrapping_sub(usual) & 7;
        let mut made = 1;
        for at in (0..3).rev() {
            made = made << 1 | usize::from(models.limit[made & 15].code(coder, shift >> at & 1 == 1));
        }
        limit = (usual + (made as u32 & 7) - 5) % 8 + 5;
        let mut lengths = huffman::expected(seen, limit.min(huffman::LENGTH_MAX));
        if !models.is_expected[0].code(coder, lengths == given.lengths) {
            for (length, given) in lengths.iter_mut().zip(given.lengths) {
                let known = i64::from(*length);
                let off = models.rare.code_signed(coder, i64::from(given) - known);
                let sum = known.checked_add(off).filter(|sum| (0..=huffman::LENGTH_MAX.into()).contains(sum));
                *length = sum? as u8;
            }
        }
        // The description: with a table where that is shorter.
        let start = self.out.bytes.len();
        let last = lengths.iter().rposition(|length| *length > 0)?;
        let expected = huffman::table(&lengths).filter(|table| {
            let bytes = huffman::write(&lengths, Some(table), &mut self.out);
            self.out.bytes.truncate(start);
            bytes.is_some_and(|bytes| bytes - 1 < last / 2)
        });
        let is_direct = models.is_expected[1 + usize::from(expected.is_some())].code(coder, given.weights.is_none());
        let weights = match is_direct {
            true => None,
            false => {
                let expected = huffman::table(&lengths).unwrap_or(Counts::NONE);
                let bit = &mut models.is_expected[3];
                Some(counts(coder, bit, &mut models.rare, expected, given.weights.as_ref())?)
            }
        };
        huffman::write(&lengths, weights.as_ref(), &mut self.out)?;
        (self.last.lengths, self.last.weights) = (lengths, weights);
        Some(())
    }

    fn write_literals(&mut self, is_four: bool) -> Option<()> {
        let codes = huffman::codes(&self.last.lengths);
        let each = if is_four { self.literals.len().div_ceil(4) } else { self.literals.len() };
        let jumps = self.out.bytes.len();
        if is_four {
            self.out.extend(&[0; 6]);
        }
        for stream in 0..if is_four { 4 } else { 1 } {
            let start = self.out.bytes.len();
            let end = if stream == 3 { self.literals.len() } else { (stream + 1) * each };
            for byte in self.literals.get(stream * each..end)?.iter().rev() {
                let byte = usize::from(*byte);
                self.out.push(codes[byte].into(), self.last.lengths[byte].into());
            }
            self.out.end();
            let bytes = (self.out.bytes.len() - start) as u16;
            if is_four && stream < 3 {
                let jump = self.out.bytes.get_mut(jumps + 2 * stream..)?.first_chunk_mut()?;
                *jump = bytes.to_le_bytes();
            }
        }
        Some(())
    }

    fn pack_sequences<C: BitCoder>(&mut self, coder: &mut C, models: &mut Models, given: &Block) -> Option<()> {
        let count = self.sequences.len() as u32;
        match count {
            0..128 => self.out.extend(&[count as u8]),
            128..LONG_COUNT => self.out.extend(&[(count >> 8) as u8 | 128, count as u8]),
            _ => {
                let [low, high] = ((count - LONG_COUNT) as u16).to_le_bytes();
                self.out.extend(&[255, low, high]);
            }
        }
        let Some(last) = self.sequences.last() else { return Some(()) };
        let modes_at = self.out.bytes.len();
        self.out.extend(&[0]);
        let last = last.codes();
        let mut modes = 0;
        for which in 0..3 {
            let mut seen = [0u32; super::fse::SYMBOLS];
            self.sequences.iter().for_each(|sequence| seen[usize::from(sequence.codes()[which].0)] += 1);
            let bits = &mut models.modes[which][usize::from(self.last.modes[which])][class(count as usize, 4)];
            let mode = choice(coder, bits, given.modes[which]);
            self.last.modes[which] = mode;
            modes = modes << 2 | mode;
            let table = &mut self.last.tables[which];
            match mode {
                PREDEFINED => *table = PREDEFINED_TABLES_OF[which],
                ONLY => {
                    *table = Counts::only(last[which].0)?;
                    self.out.extend(&[last[which].0]);
                }
                DESCRIBED => {
                    // The last symbol needs no bits.
                    let seen_last = &mut seen[usize::from(last[which].0)];
                    *seen_last -= u32::from(*seen_last > 1);
                    let expected = Counts::normalised(&seen, LOGS_MAX[which]);
                    let bit = &mut models.is_expected[4 + usize::from(which == 1)];
                    *table = counts(coder, bit, &mut models.rare, expected, Some(&given.tables[which]))?;
                    table.counts[SYMBOLS[which]..].iter().all(|count| *count == 0).then_some(())?;
                    table.write(&mut self.out);
                }
                _ => {}
            }
            self.states[which].make(table);
        }
        *self.out.bytes.get_mut(modes_at)? = modes << 2;
        self.write_sequences()
    }

    fn write_sequences(&mut self) -> Option<()> {
        let out = &mut self.out;
        let mut states = [0; 3];
        for (at, sequence) in self.sequences.iter().rev().enumerate() {
            let codes = sequence.codes();
            for which in [1, 2, 0] {
                let (code, ..) = codes[which];
                let table = &self.states[which];
                states[which] = if at == 0 { table.start(code)? } else { table.step(code, states[which], out)? };
            }
            for which in [0, 2, 1] {
                let (_, value, width) = codes[which];
                out.push(value, width);
            }
        }
        for which in [2, 1, 0] {
            self.states[which].end(states[which], out);
        }
        out.end();
        Some(())
    }
}

/// Codes counts that are expected to be `expected`.
fn counts<C: BitCoder>(
    coder: &mut C,
    is_expected: &mut Bit,
    rare: &mut Number,
    expected: Counts,
    given: Option<&Counts>,
) -> Option<Counts> {
    let given = given.unwrap_or(&Counts::NONE);
    let mut made = expected;
    if !is_expected.code(coder, *given == expected) {
        made.log = u32::try_from(rare.code(coder, given.log.into())).ok()?;
        for (count, given) in made.counts.iter_mut().zip(given.counts) {
            let off = rare.code_signed(coder, i64::from(given) - i64::from(*count));
            *count = i64::from(*count).checked_add(off).and_then(|count| i16::try_from(count).ok())?;
        }
    }
    made.is_sound().then_some(made)
}
