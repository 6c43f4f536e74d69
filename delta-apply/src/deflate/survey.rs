//! The host's side: finds out how a stream was made, and codes what its imitation gets wrong.
//!
//! In: a deflate stream and its plaintext. Out: a [`Survey`], with which [`Packer::code`] writes the corrections. Methods
//! are found by trying them on the start of the stream; the cheapest one is kept.

use super::inflate::{Blocks, Kind};
use super::method::{Maker, Method};
use super::models::Models;
use super::walk::{TrueBlock, Truth, Verdict, Walker};
use super::{PackError, Packer, Plain, Sink};
use crate::coding::coder::BitCoder;
use alloc::vec;
use alloc::vec::Vec;

/// Plaintext on which methods are tried.
const TRIAL_BYTES: usize = 192 << 10;
/// A trial that costs no more bits than this has found the method.
const SURE_BITS: u64 = 300;

/// How a stream was made.
#[derive(Clone, Debug)]
pub struct Survey {
    method: Method,
    verdicts: Vec<Verdict>,
    bits: u64,
}

impl Survey {
    /// Bytes that the corrections take, more or less, when nothing was learned from other streams.
    pub fn cost(&self) -> u64 {
        self.bits / 8 + 1
    }

    /// What was found out, for people.
    pub fn describe(&self) -> alloc::string::String {
        let perfect = self.verdicts.iter().filter(|verdict| verdict.perfect).count();
        let natural = self.verdicts.iter().filter(|verdict| verdict.natural).count();
        let Method { maker, level, memory, window } = self.method;
        alloc::format!("{maker:?} {level}/{memory}/{window}, {} blocks, {perfect} p, {natural} n", self.verdicts.len())
    }

    /// The method, to be tried first on a neighbour.
    pub fn method(&self) -> Method {
        self.method
    }
}

/// Finds out how `stream`, whose plaintext is `plain`, was made; `likely` is tried first. None when it cannot be packed.
/// What comes back has been proven: the stream was made again and compared.
pub fn survey(packer: &mut Packer, stream: &[u8], plain: &[u8], likely: Option<Method>) -> Option<Survey> {
    let walker = &mut packer.walker;
    let mut best: Option<Survey> = None;
    for method in find_methods(walker, stream, plain, likely) {
        let found = survey_with(walker, stream, plain, method);
        let Some(found) = found.filter(|found| best.as_ref().is_none_or(|best| found.bits < best.bits)) else {
            continue;
        };
        // zlib and gzip find the same matches, but end their blocks elsewhere.
        let sibling = match method {
            Method { maker: Maker::Zlib, memory: 8 | 9, window: 15, .. } => {
                Some(Method { maker: Maker::Gzip, memory: 8, ..method })
            }
            Method { maker: Maker::Gzip, .. } => Some(Method { maker: Maker::Zlib, ..method }),
            _ => None,
        };
        let odd_ends = found.verdicts.iter().filter(|verdict| !verdict.natural).count();
        let other = sibling.filter(|_| odd_ends > 1).and_then(|method| survey_with(walker, stream, plain, method));
        best = Some(other.filter(|other| other.bits < found.bits).unwrap_or(found));
    }
    best
}

/// Goes over the whole stream with one method: once to see where it errs, once to count what that costs.
fn survey_with(walker: &mut Walker, stream: &[u8], plain: &[u8], method: Method) -> Option<Survey> {
    let mut first = Real::new(stream, method, Vec::new());
    let bits = run(walker, &mut first, plain, stream, usize::MAX, u64::MAX)?;
    let verdicts = first.learned;
    if verdicts.iter().all(|verdict| verdict.perfect && verdict.natural) {
        // The flag of each block replaces those of its tokens.
        return Some(Survey { method, bits: bits.min(80 + verdicts.len() as u64 / 8), verdicts });
    }
    let mut second = Real::new(stream, method, verdicts.clone());
    let bits = run(walker, &mut second, plain, stream, usize::MAX, u64::MAX)?;
    Some(Survey { method, verdicts, bits })
}

impl Packer {
    /// As [`Packer::pack`] on the side that knows the stream: the corrections go into `coder`.
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn code<C: BitCoder, P: Plain<C>, S: Sink>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        plain: &mut P,
        sink: &mut S,
        stream: &[u8],
        survey: &Survey,
    ) -> Result<(), PackError<P::Error, S::Error>> {
        let mut truth = Real::new(stream, survey.method, survey.verdicts.clone());
        self.walker.walk(coder, models, plain, sink, &mut truth)
    }
}

/// The methods worth trying, the likeliest first.
fn candidates(stream: &[u8], likely: Option<Method>) -> Vec<Method> {
    let mut first = Real::new(stream, Method::USUAL, Vec::new());
    let (tokens, is_only) = first.next().map_or((0, true), |block| (block.tokens.len(), block.last));
    let memory = (1..=9u8).rev().find(|memory| !is_only && tokens == (1 << (memory + 6)) - 1);
    let looks_like_gzip = tokens > 0 && (tokens % 4096 == 0 || tokens == (1 << 15) - 1);
    let usual = Method { memory: memory.unwrap_or(8), ..Method::USUAL };
    let levels = [6, 9, 1, 5, 4, 7, 8, 2, 3];
    let zlib = levels.map(|level| Method { level, ..usual });
    let gzip = levels.map(|level| Method { maker: Maker::Gzip, level, memory: 8, window: 15 });
    let miniz = [6, 9, 4, 5, 7, 8, 2, 3].map(|level| Method { maker: Maker::Miniz, level, memory: 8, window: 15 });
    let mut all: Vec<Method> = likely.into_iter().collect();
    match looks_like_gzip {
        true => all.extend(gzip.into_iter().chain(zlib)),
        false => all.extend(zlib.into_iter().chain(gzip)),
    }
    all.extend(miniz);
    all.extend([6, 5, 7, 8, 4, 3].map(|level| Method { maker: Maker::Ng, level, ..usual }));
    all.push(Method { level: 0, ..usual });
    all
}

/// Close relatives of a method: other sizes of hash table and window.
fn relatives(method: Method) -> impl Iterator<Item = Method> {
    let memories = (1..=9).map(move |memory| Method { memory, ..method });
    let windows = (9..=14).rev().map(move |window| Method { window, ..method });
    memories.chain(windows)
}

/// The method of a stream, or, when none fits, the two that come nearest.
fn find_methods(walker: &mut Walker, stream: &[u8], plain: &[u8], likely: Option<Method>) -> Vec<Method> {
    let mut tried: Vec<(u64, Method)> = Vec::new();
    let mut attempt = |method: Method, tried: &mut Vec<(u64, Method)>| -> bool {
        // A little more than the best costs so far is allowed: the second best is wanted too.
        let limit = tried.iter().map(|(bits, _)| bits.saturating_mul(2)).min().unwrap_or(u64::MAX);
        let bits = run(walker, &mut Real::new(stream, method, Vec::new()), plain, &[], TRIAL_BYTES, limit);
        tried.extend(bits.map(|bits| (bits, method)));
        bits.is_some_and(|bits| bits <= SURE_BITS)
    };
    for method in candidates(stream, likely) {
        if attempt(method, &mut tried) {
            return vec![method];
        }
    }
    let best_zlib = tried.iter().filter(|(_, method)| method.maker == Maker::Zlib).min_by_key(|(bits, _)| *bits);
    for method in best_zlib.into_iter().flat_map(|(_, method)| relatives(*method)).collect::<Vec<_>>() {
        if attempt(method, &mut tried) {
            return vec![method];
        }
    }
    tried.sort_by_key(|(bits, _)| *bits);
    let best = tried.first().map(|(_, method)| *method);
    let second =
        tried.iter().map(|(_, method)| *method).find(|method| Some(method.maker) != best.map(|best| best.maker));
    best.into_iter().chain(second).collect()
}

/// Walks a stream, with a coder that only counts; gives the bits, None when it fails. With `stream` given, what is made
/// is compared with it. A walk over `bytes_max` of plaintext or `bits_max` ends there.
fn run(
    walker: &mut Walker,
    truth: &mut Real<'_>,
    plain: &[u8],
    stream: &[u8],
    bytes_max: usize,
    bits_max: u64,
) -> Option<u64> {
    let mut coder = Cost { parts: 0 };
    let mut models = Models::default();
    let mut source = Limited { plain, left: bytes_max, bits_max };
    let mut sink = Compared { expected: stream, compares: !stream.is_empty() };
    match walker.walk(&mut coder, &mut models, &mut source, &mut sink, truth) {
        Ok(()) | Err(PackError::Plain(Stop)) => Some(coder.bits()),
        Err(_) => None,
    }
}

/// The real stream, block by block.
struct Real<'a> {
    blocks: Blocks<&'a [u8]>,
    block: TrueBlock,
    method: Method,
    verdicts: Vec<Verdict>,
    learned: Vec<Verdict>,
}

impl<'a> Real<'a> {
    fn new(stream: &'a [u8], method: Method, verdicts: Vec<Verdict>) -> Self {
        Self { blocks: Blocks::new(stream), block: TrueBlock::new(), method, verdicts, learned: Vec::new() }
    }
}

impl Truth for Real<'_> {
    fn method(&self) -> Method {
        self.method
    }

    fn next(&mut self) -> Option<&TrueBlock> {
        let (last, kind) = self.blocks.next_block().ok()?;
        let block = &mut self.block;
        (block.last, block.kind) = (last, kind);
        block.verdict = self.verdicts.get(self.learned.len()).copied().unwrap_or_default();
        block.tokens.clear();
        match kind {
            Kind::Stored { length, .. } => {
                let mut bytes = [0; 1024];
                let mut left = usize::from(length);
                while left > 0 {
                    let piece = left.min(bytes.len());
                    self.blocks.stored(&mut bytes[..piece]).ok()?;
                    left -= piece;
                }
                return Some(&self.block);
            }
            Kind::Dynamic => block.header.clone_from(self.blocks.header()),
            Kind::Fixed => {}
        }
        while let Some((token, _)) = self.blocks.token().ok()? {
            block.tokens.push(token);
        }
        Some(&self.block)
    }

    fn learn(&mut self, verdict: Verdict) {
        self.learned.push(verdict);
    }

    fn padding(&mut self) -> u8 {
        self.blocks.padding()
    }
}

/// Enough was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop;

/// Plaintext in memory, up to a limit of bytes or of bits that it costs.
struct Limited<'a> {
    plain: &'a [u8],
    left: usize,
    bits_max: u64,
}

impl Plain<Cost> for Limited<'_> {
    type Error = Stop;

    fn read(&mut self, coder: &mut Cost, out: &mut [u8]) -> Result<usize, Stop> {
        let piece = out.len().min(self.plain.len());
        if piece > 0 && self.left == 0 || coder.bits() >= self.bits_max {
            return Err(Stop);
        }
        let piece = piece.min(self.left);
        let (now, later) = self.plain.split_at(piece);
        out[..piece].copy_from_slice(now);
        self.plain = later;
        self.left -= piece;
        Ok(piece)
    }
}

/// Compares what is made with what it should be.
struct Compared<'a> {
    expected: &'a [u8],
    compares: bool,
}

impl Sink for Compared<'_> {
    type Error = Stop;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.compares {
            self.expected = self.expected.strip_prefix(bytes).ok_or(Stop)?;
        }
        Ok(())
    }
}

/// A coder that counts what bits would cost.
struct Cost {
    /// In 1/1024 of a bit.
    parts: u64,
}

impl Cost {
    fn bits(&self) -> u64 {
        self.parts >> 10
    }
}

impl BitCoder for Cost {
    const ENCODES: bool = true;

    #[inline]
    fn code(&mut self, bit: bool, one: u16) -> bool {
        let probability = if bit { u32::from(one) } else { (1 << 16) - u32::from(one) }.max(1);
        // The logarithm, its fraction read off a straight line: good enough to compare.
        let whole = probability.ilog2();
        let fraction = ((probability << (16 - whole)) & 0xffff) >> 6;
        self.parts += u64::from((16 << 10) - (whole << 10) - fraction);
        bit
    }

    fn failed(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::coder::{Decoder, Encoder, SliceSource};
    use crate::deflate::{InflateError, inflate};
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// Plaintext that comes in pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl<C> Plain<C> for Pieces<'_> {
        type Error = ();
        fn read(&mut self, _: &mut C, out: &mut [u8]) -> Result<usize, ()> {
            let (now, later) = self.0.split_at(self.0.len().min(out.len()).min(self.1));
            out[..now.len()].copy_from_slice(now);
            self.0 = later;
            Ok(now.len())
        }
    }

    fn zlib(plain: &[u8], level: u32, window: u8) -> Vec<u8> {
        let mut stream = Vec::with_capacity(plain.len() + plain.len() / 100 + 1000);
        let mut encoder = Compress::new_with_window_bits(Compression::new(level), false, window);
        encoder.compress_vec(plain, &mut stream, FlushCompress::Finish).expect("memory does not fail");
        stream
    }

    /// Words in a row that repeat, are varied and are cut off: something to match.
    fn text(bytes: usize, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below
        };
        let words: Vec<Vec<u8>> =
            (0..300).map(|_| (0..2 + random(9)).map(|_| b'a' + random(20) as u8).collect()).collect();
        let mut out = Vec::new();
        while out.len() < bytes {
            match random(40) {
                0 => out.extend((0..random(400)).map(|_| random(256) as u8)),
                1 => out.resize(out.len() + random(700), b'-'),
                2 if !out.is_empty() => {
                    let from = random(out.len());
                    let to = (from + random(500)).min(out.len());
                    out.extend_from_within(from..to);
                }
                _ => {
                    let common = random(300) + 1;
                    out.extend_from_slice(&words[random(common)]);
                }
            }
        }
        out.truncate(bytes);
        out
    }

    /// Takes a stream apart and makes it again; gives the bytes of its corrections.
    fn round_trip(stream: &[u8]) -> Option<usize> {
        let mut plain = Vec::new();
        let (used, length) = inflate(stream, &mut plain, 1 << 24).ok()?;
        assert_eq!(length as usize, plain.len());
        let stream = &stream[..used as usize];
        let mut packer = Packer::new();
        let survey = survey(&mut packer, stream, &plain, None)?;
        let (mut coder, mut made) = (Encoder::default(), Vec::new());
        let mut source = Pieces(&plain, 70_000);
        packer.code(&mut coder, &mut Models::default(), &mut source, &mut made, stream, &survey).expect("was proven");
        assert!(made == stream);
        let coded = coder.finish();
        let (mut decoder, mut made) = (Decoder::new(SliceSource::new(&coded)), Vec::new());
        let mut source = Pieces(&plain, 10_007);
        packer.pack(&mut decoder, &mut Models::default(), &mut source, &mut made).expect("was just coded");
        assert!(made == stream && !decoder.failed());
        Some(coded.len())
    }

    /// zlib is imitated exactly, at every level and window: a stream costs a few bytes.
    #[test]
    fn streams_of_zlib_cost_a_few_bytes() {
        let plain = text(700_000, 1);
        for (level, window) in (1..=9).map(|level| (level, 15)).chain([(6, 9), (6, 12), (1, 10)]) {
            let corrections = round_trip(&zlib(&plain, level, window)).expect("zlib can be packed");
            assert!(corrections < 40, "level {level}, window {window}: {corrections} bytes");
        }
    }

    /// So is miniz, but for its lowest level.
    #[test]
    fn streams_of_miniz_cost_a_few_bytes() {
        let plain = text(700_000, 3);
        for level in 2..=9 {
            let stream = miniz_oxide::deflate::compress_to_vec(&plain, level);
            let corrections = round_trip(&stream).expect("miniz can be packed");
            assert!(corrections < 40, "level {level}: {corrections} bytes");
        }
        for (bytes, level) in [(0, 6), (47, 6), (48, 6), (300, 6), (5000, 1)] {
            round_trip(&miniz_oxide::deflate::compress_to_vec(&plain[..bytes], level)).expect("small ones too");
        }
    }

    /// So is zlib-ng, but for its lowest and highest levels.
    #[test]
    fn streams_of_zlib_ng_cost_a_few_bytes() {
        let plain = text(700_000, 4);
        for level in 3..=8 {
            let mut stream = vec![0; zlib_rs::compress_bound(plain.len())];
            let config = zlib_rs::DeflateConfig { window_bits: -15, ..zlib_rs::DeflateConfig::new(level) };
            let (stream, _) = zlib_rs::compress_slice(&mut stream, &plain, config);
            let corrections = round_trip(stream).expect("zlib-ng can be packed");
            assert!(corrections < 60, "level {level}: {corrections} bytes");
        }
    }

    /// Stored blocks, flushes in the middle, and next to nothing at all.
    #[test]
    fn odd_streams_come_back() {
        let plain = text(200_000, 2);
        round_trip(&zlib(&plain, 0, 15)).expect("stored blocks can be packed");
        for bytes in [0, 1, 2, 3, 4, 261, 262, 263, 1000] {
            assert!(round_trip(&zlib(&plain[..bytes], 6, 15)).expect("small ones too") < 10);
        }
        let mut stream = Vec::with_capacity(plain.len());
        let mut encoder = Compress::new(Compression::new(6), false);
        for piece in plain.chunks(30_000) {
            encoder.compress_vec(piece, &mut stream, FlushCompress::Sync).expect("memory does not fail");
        }
        encoder.compress_vec(&[], &mut stream, FlushCompress::Finish).expect("memory does not fail");
        assert!(round_trip(&stream).expect("flushes can be packed") < 200);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Any plaintext at any level comes back.
        #[test]
        fn every_stream_comes_back(
            seed in any::<u32>(), bytes in 0usize..80_000, level in 0u32..10, window in 9u8..16,
        ) {
            prop_assert!(round_trip(&zlib(&text(bytes, seed), level, window)).is_some());
        }

        /// Damaged streams are refused or taken for what they say; corrections that are damaged make something or fail.
        #[test]
        fn damage_does_no_harm(seed in any::<u32>(), flips in proptest::collection::vec(any::<(u32, u8)>(), 1..4)) {
            let plain = text(20_000, seed);
            let mut stream = zlib(&plain, 6, 15);
            let length = stream.len();
            flips.iter().for_each(|&(at, bits)| stream[at as usize % length] ^= bits);
            if let Ok((used, made)) = inflate(&stream[..], &mut Vec::new(), 1 << 20) {
                prop_assert!(used as usize <= length && made <= 1 << 20);
                round_trip(&stream);
            }
            inflate(&stream[..length / 2], &mut Vec::new(), 1 << 20).ok();
            let corrections: Vec<u8> = flips.iter().flat_map(|(at, bits)| [at.to_le_bytes().as_slice(), &[*bits]].concat()).collect();
            let mut decoder = Decoder::new(SliceSource::new(&corrections));
            let mut packer = Packer::new();
            packer.pack(&mut decoder, &mut Models::default(), &mut Pieces(&plain, 999), &mut Vec::new()).ok();
        }
    }

    /// The plaintext is never longer than allowed.
    #[test]
    fn the_declared_length_holds() {
        let stream = zlib(&[0; 100_000], 6, 15);
        let mut plain = Vec::new();
        assert_eq!(inflate(&stream[..], &mut plain, 99_999), Err(InflateError::TooLong));
        assert!(plain.len() <= 99_999);
        assert_eq!(inflate(&stream[..], &mut Vec::<u8>::new(), 100_000), Ok((stream.len() as u64, 100_000)));
    }
}
