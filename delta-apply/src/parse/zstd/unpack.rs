//! Unpacks frames.

use super::bits::Backward;
use super::fse::{Counts, Reading};
use super::{
    BLOCK_MAX, Block, DESCRIBED, Distances, FIRST_DISTANCES, Header, LENGTHS, LOGS_MAX, MAGIC, ONLY, PACKED,
    PREDEFINED, PREDEFINED_TABLES_OF, RAW, RUN, RUNS, SAME_CODE, SYMBOLS, Token, UnpackError, huffman,
};
use crate::deflate::Input;
use crate::io::IoError;
use crate::parse::{Unpacked, lz4::Bytes};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Who wants to know how a frame was packed.
pub(super) trait Watch {
    /// A frame starts.
    fn header(&mut self, _header: Header) {}
    /// A block ends that made so many bytes.
    fn block(&mut self, _block: &Block, _plain_bytes: u64) {}
    /// A sequence says its distance so.
    fn offset(&mut self, _last: &Distances, _offset: u32, _is_behind_run: bool) {}
}

impl Watch for () {}

/// Unpacks one frame of `packed_bytes`, without its checksum.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack<I: Input<Error = IoError>>(
    input: I,
    packed_bytes: u64,
    out: &mut impl Unpacked,
) -> Result<(), UnpackError> {
    let mut bytes = Bytes::new(input, packed_bytes);
    frame(&mut bytes, out, &mut ())?;
    if bytes.left() == 0 { Ok(()) } else { Err(UnpackError::Invalid) }
}

/// What is kept from block to block.
struct Tables {
    block: Block,
    has_code: bool,
    has_tables: [bool; 3],
    codes: huffman::Decoding,
    states: [Reading; 3],
}

/// Unpacks one frame.
pub(super) fn frame<I: Input<Error = IoError>>(
    input: &mut Bytes<I>,
    out: &mut impl Unpacked,
    watch: &mut impl Watch,
) -> Result<(), UnpackError> {
    let mut number = |count: usize| -> Result<u64, UnpackError> {
        (0..count).try_fold(0, |number, at| Ok(number | u64::from(input.next()?) << (8 * at)))
    };
    let magic = number(4)?;
    let mut header = Header { descriptor: number(1)? as u8, window: 0 };
    if magic != u64::from(u32::from_le_bytes(MAGIC)) || header.is_foreign() {
        return Err(UnpackError::Invalid);
    }
    if !header.is_single() {
        header.window = number(1)? as u8;
    }
    let size_bytes = header.size_bytes();
    let size = number(size_bytes)? + if size_bytes == 2 { 256 } else { 0 };
    watch.header(header);
    out.begin()?;
    let start = out.made();
    let mut distances = Distances(FIRST_DISTANCES);
    let mut tables = Box::new(Tables {
        block: Block::NONE,
        has_code: false,
        has_tables: [false; 3],
        codes: huffman::Decoding::EMPTY,
        states: [Reading::EMPTY; 3],
    });
    let mut packed = Vec::new();
    loop {
        let header =
            (0..3).try_fold(0, |header, at| Ok::<_, UnpackError>(header | u32::from(input.next()?) << (8 * at)))?;
        let (kind, bytes) = ((header >> 1 & 3) as u8, header >> 3);
        let made = out.made();
        out.cut()?;
        tables.block.kind = kind;
        if u64::from(bytes) > BLOCK_MAX {
            return Err(UnpackError::Invalid);
        }
        match kind {
            RAW => (0..bytes).try_for_each(|_| out.literal(input.next()?))?,
            RUN => {
                let byte = input.next()?;
                (0..bytes).try_for_each(|_| out.literal(byte))?;
            }
            PACKED => {
                if packed.capacity() == 0 {
                    packed.reserve_exact(BLOCK_MAX as usize);
                }
                packed.clear();
                for _ in 0..bytes {
                    packed.push(input.next()?);
                }
                tables.block(&packed, &mut distances, out, watch)?;
            }
            _ => return Err(UnpackError::Invalid),
        }
        let plain_bytes = out.made() - made;
        if plain_bytes > BLOCK_MAX {
            return Err(UnpackError::Invalid);
        }
        watch.block(&tables.block, plain_bytes);
        if header & 1 == 1 {
            break;
        }
    }
    if size_bytes > 0 && size != out.made() - start {
        return Err(UnpackError::Invalid);
    }
    Ok(())
}

/// The literals of a block, as they are taken.
struct Literals {
    kind: u8,
    left: usize,
    /// Where raw ones are, or the byte of a run.
    at: usize,
    streams: [Backward; 4],
    /// The stream at work, what is left of it, and how many each of them has.
    stream: usize,
    left_in_stream: usize,
    each: usize,
}

impl Literals {
    #[inline]
    fn next(&mut self, bytes: &[u8], codes: &huffman::Decoding) -> Result<u8, UnpackError> {
        self.left = self.left.checked_sub(1).ok_or(UnpackError::Invalid)?;
        if self.kind < PACKED {
            let byte = *bytes.get(self.at).ok_or(UnpackError::Invalid)?;
            self.at += usize::from(self.kind == RAW);
            return Ok(byte);
        }
        if self.left_in_stream == 0 {
            self.stream += 1;
            self.left_in_stream = self.each;
        }
        self.left_in_stream -= 1;
        let stream = self.streams.get_mut(self.stream).ok_or(UnpackError::Invalid)?;
        let byte = codes.next(bytes, stream);
        if stream.left() < 0 {
            return Err(UnpackError::Invalid);
        }
        Ok(byte)
    }
}

impl Tables {
    fn block<U: Unpacked>(
        &mut self,
        bytes: &[u8],
        distances: &mut Distances,
        out: &mut U,
        watch: &mut impl Watch,
    ) -> Result<(), UnpackError> {
        let (mut literals, mut at) = self.literals(bytes).ok_or(UnpackError::Invalid)?;
        let (count, states) = self.sequences(bytes, &mut at).ok_or(UnpackError::Invalid)?;
        if count == 0 {
            return (0..literals.left).try_for_each(|_| out.literal(literals.next(bytes, &self.codes)?));
        }
        let mut from = states.ok_or(UnpackError::Invalid)?;
        let mut states = [0; 3];
        for (state, table) in states.iter_mut().zip(&self.states) {
            *state = table.start(bytes, &mut from);
        }
        for left in (0..count).rev() {
            let [run, offset, length] = [0, 1, 2].map(|which| usize::from(self.states[which].symbol(states[which])));
            if offset > 31 || run >= RUNS.firsts.len() || length >= LENGTHS.firsts.len() {
                return Err(UnpackError::Invalid);
            }
            let offset = (1 << offset) | from.read(bytes, offset as u32);
            let length = LENGTHS.firsts[length] + from.read(bytes, LENGTHS.widths[length].into());
            let run = RUNS.firsts[run] + from.read(bytes, RUNS.widths[run].into());
            if left > 0 {
                for which in [0, 2, 1] {
                    states[which] = self.states[which].next(states[which], bytes, &mut from);
                }
            }
            if from.left() < 0 || u64::from(length) > BLOCK_MAX + 2 {
                return Err(UnpackError::Invalid);
            }
            (0..run).try_for_each(|_| out.literal(literals.next(bytes, &self.codes)?))?;
            watch.offset(distances, offset, run > 0);
            let distance = distances.take(offset, run > 0);
            if distance == 0 {
                return Err(UnpackError::Invalid);
            }
            out.repeat(Token { length, distance })?;
        }
        if from.left() != 0 {
            return Err(UnpackError::Invalid);
        }
        (0..literals.left).try_for_each(|_| out.literal(literals.next(bytes, &self.codes)?))
    }

    /// The section of literals, and where it ends.
    fn literals(&mut self, bytes: &[u8]) -> Option<(Literals, usize)> {
        let first = *bytes.first()?;
        let (kind, format) = (first & 3, usize::from(first >> 2 & 3));
        let number = |count: usize| {
            Some(bytes.get(..count)?.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
        };
        let mut literals = Literals {
            kind,
            left: 0,
            at: 0,
            streams: [Backward::default(); 4],
            stream: 0,
            left_in_stream: usize::MAX,
            each: 0,
        };
        self.block.literals = kind;
        if kind < PACKED {
            let (count, shift) = [(1, 3), (2, 4), (1, 3), (3, 4)][format];
            (literals.left, literals.at) = ((number(count)? >> shift) as usize, count);
            let used = if kind == RAW { literals.left } else { 1 };
            return Some((literals, count + used));
        }
        let (count, width) = [(3, 10), (3, 10), (4, 14), (5, 18)][format];
        let sizes = number(count)? >> 4;
        let (plain, packed) = (sizes as usize & ((1 << width) - 1), (sizes >> width) as usize);
        let (mut at, end) = (count, count + packed);
        let section = bytes.get(at..end)?;
        if kind == SAME_CODE {
            self.has_code.then_some(())?;
        } else {
            let (lengths, weights, used) = huffman::read(section)?;
            (self.block.lengths, self.block.weights) = (lengths, weights);
            self.codes.make(&lengths);
            self.has_code = true;
            at += used;
        }
        literals.left = plain;
        self.block.is_four = format > 0;
        if format == 0 {
            literals.streams[0] = Backward::new(bytes, at..end)?;
            return Some((literals, end));
        }
        let jumps = bytes.get(at..end)?.first_chunk::<6>()?;
        at += jumps.len();
        for stream in 0..4 {
            let next = match jumps.get(stream * 2..stream * 2 + 2) {
                Some(size) => at + usize::from(u16::from_le_bytes([size[0], size[1]])),
                None => end,
            };
            literals.streams[stream] = Backward::new(bytes.get(..end)?, at..next)?;
            at = next;
        }
        literals.each = plain.div_ceil(4);
        literals.left_in_stream = literals.each;
        Some((literals, end))
    }

    /// How many sequences there are, and where their states come from.
    fn sequences(&mut self, bytes: &[u8], at: &mut usize) -> Option<(u32, Option<Backward>)> {
        let mut next = || {
            let byte = *bytes.get(*at)?;
            *at += 1;
            Some(u32::from(byte))
        };
        let count = match next()? {
            low @ 0..128 => low,
            255 => next()? + (next()? << 8) + LONG_COUNT,
            high => (high - 128) << 8 | next()?,
        };
        if count == 0 {
            return (*at == bytes.len()).then_some((0, None));
        }
        let modes = next()?;
        if modes & 3 != 0 {
            return None;
        }
        for which in 0..3 {
            let mode = (modes >> (6 - 2 * which) & 3) as u8;
            self.block.modes[which] = mode;
            let counts = match mode {
                PREDEFINED => PREDEFINED_TABLES_OF[which],
                ONLY => {
                    let symbol = *bytes.get(*at)?;
                    *at += 1;
                    Counts::only(symbol).filter(|_| usize::from(symbol) < SYMBOLS[which])?
                }
                DESCRIBED => {
                    let (counts, used) = Counts::read(bytes.get(*at..)?, LOGS_MAX[which], SYMBOLS[which])?;
                    *at += used;
                    counts
                }
                _ => {
                    self.has_tables[which].then_some(())?;
                    continue;
                }
            };
            self.has_tables[which] = true;
            self.block.tables[which] = counts;
            self.states[which].make(&counts);
        }
        Some((count, Some(Backward::new(bytes, *at..bytes.len())?)))
    }
}

/// A number of sequences from here on takes three bytes.
pub(super) const LONG_COUNT: u32 = 0x7F00;
