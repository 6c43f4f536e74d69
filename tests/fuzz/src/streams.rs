//! Adaptive streams: any bytes through the whole applier, and the stream's engine with each decision taken by the input.

use crate::payload::{LIMITS, Slot, apply, header, made_or_refused};
use delta_apply::coding::coder::{BitCoder, Encoder};
use delta_apply::coding::{
    Engine, Pair, Plan, SectionCopy, SectionError, SectionLimits, StreamError, Unpack, UnpackGroup, VirtualBase,
};
use delta_apply::deflate::{Packer, Sink, inflate, survey};
use delta_apply::parse::{Format, Layout, Part};
use delta_apply::reference::{Image, Region, RegionKind, Span};
use delta_format::Blake3;
use delta_format::ops::{RecordKind, RecordTag};
use flate2::{Compress, Compression, FlushCompress};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::OnceLock;
use tests_golden::build::varint;
use tests_golden::images::noise;

/// Bytes of the code at the start of base and target, and where it is loaded.
const CODE_BYTES: usize = 12_000;
const CODE_ADDRESS: u64 = 0x40_1000;
/// Bytes that the code of the target has more, and where they stand.
const INSERTED: (usize, usize) = (5008, 48);

/// A base, a target, and the stream that makes one out of the other.
#[derive(Debug)]
pub struct Sample {
    /// Code, a deflate stream of text, noise, LZ4 blocks of the text.
    pub base: Vec<u8>,
    /// The code a little longer, the text in other words, new bytes, LZ4 blocks of that text.
    pub target: Vec<u8>,
    /// A stream with an executable, with something unpacked of the base, with a container, a group and new bytes.
    pub stream: Vec<u8>,
}

/// x86-64 code with a call every 16 bytes, each to a place that the insertion may have moved.
fn code(inserted: usize) -> Vec<u8> {
    let mut out = noise("fuzz code", CODE_BYTES);
    let moved = |at: usize| if at < INSERTED.0 { at } else { at + inserted };
    out.splice(INSERTED.0..INSERTED.0, noise("fuzz inserted", inserted));
    for call in 0..CODE_BYTES / 16 {
        let (at, to) = (moved(call * 16), moved(call * 16 * 7 % CODE_BYTES));
        let distance = (to as i32).wrapping_sub(at as i32 + 5);
        out[at] = 0xe8;
        out[at + 1..at + 5].copy_from_slice(&distance.to_le_bytes());
    }
    out
}

fn text(word: &str) -> Vec<u8> {
    let digits = noise("fuzz text", 3000);
    let lines = digits.iter().map(|digit| format!("{word} {}\n", digit % 40));
    lines.collect::<String>().into_bytes()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 100);
    let mut encoder = Compress::new(Compression::new(6), false);
    encoder.compress_vec(plain, &mut out, FlushCompress::Finish).expect("memory does not fail");
    out
}

fn image(code_bytes: usize) -> Image {
    let (length, address) = (code_bytes as u64, CODE_ADDRESS);
    let span = Span { offset: 0, address, file_bytes: length, memory_bytes: length, executable: true };
    let region = Region { offset: 0, length, address, kind: RegionKind::X86_64, parameter: 0 };
    Image::new(vec![span], vec![region])
}

/// The sample, which is made once.
///
/// # Panics
/// Never: its own parts fit together.
pub fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(make_sample)
}

impl Sample {
    /// The deflate stream of the base and what stands behind it.
    pub fn packed(&self) -> &[u8] {
        &self.base[CODE_BYTES..]
    }
}

fn make_sample() -> Sample {
    let (old_code, new_code) = (code(0), code(INSERTED.1));
    let (old_text, new_text) = (text("one"), text("another"));
    let (old_packed, new_packed) = (deflate(&old_text), deflate(&new_text));
    let new = noise("fuzz new", 700);
    let base = [&old_code[..], &old_packed, &noise("fuzz end", 5000)].concat();
    let target = [&new_code[..], &new_packed, &new].concat();

    let layout = Layout { format: Format::Lz4, align_log2: 4, is_filtered: false };
    let (old_blocks, old_parts) = blocks(layout, &old_text);
    let (new_blocks, new_parts) = blocks(layout, &new_text);
    let base = [&base[..], &old_blocks].concat();
    let target = [&target[..], &new_blocks].concat();
    let group_at = (base.len() - old_blocks.len()) as u64;
    let plain_bytes = old_text.len() as u64;
    let (_, tracked) = delta_apply::parse::survey(layout, &old_parts, &old_blocks, plain_bytes).expect("LZ4 blocks");
    let entries = (tracked.track().len() / 8) as u32;
    let group = Some(UnpackGroup { layout, entries, parts: old_parts });
    let unpack = vec![
        Unpack { offset: old_code.len() as u64, plain_bytes, group: None },
        Unpack { offset: group_at, plain_bytes, group },
    ];
    let copy = |base: usize, target: usize, length: usize| SectionCopy {
        base: base as u64,
        target: target as u32,
        length: length as u32,
    };
    let (at, inserted) = INSERTED;
    let pair =
        Pair { base: image(old_code.len()), target: image(new_code.len()), base_range: 0..old_code.len() as u64 };
    let executable = Plan::Section {
        truth: &new_code,
        pair: Some(pair),
        types: 0,
        copies: vec![copy(0, 0, at), copy(at, at + inserted, CODE_BYTES - at)],
    };
    // The text is copied from what was unpacked behind the base, word by different word.
    let plain = Plan::Section { truth: &new_text, pair: None, copies: vec![copy(base.len() + 3, 7, 300)], types: 0 };
    let how = survey(&mut Packer::new(), &new_packed, &new_text, None).expect("zlib is imitated");
    let packed =
        Plan::Deflate { stream: &new_packed, plain_bytes: new_text.len() as u64, survey: how, sections: vec![plain] };
    let rest = Plan::Section { truth: &new, pair: None, copies: Vec::new(), types: 0 };
    let unpacked_at = base.len() + old_text.len();
    let plain = Plan::Section { truth: &new_text, pair: None, copies: vec![copy(unpacked_at + 3, 7, 9000)], types: 0 };
    let plain_bytes = new_text.len() as u64;
    let (_, how) = delta_apply::parse::survey(layout, &new_parts, &new_blocks, plain_bytes).expect("LZ4 blocks");
    let group = Plan::Group { layout, plain_bytes, survey: how, sections: vec![plain] };

    let (mut encoder, mut engine) = (Encoder::default(), Engine::new(LIMITS.table_log2));
    let base_bytes = base.len() as u64;
    let mut scratch = Slot(vec![0; LIMITS.scratch_bytes as usize]);
    let mut bytes = &base[..];
    let mut whole = VirtualBase { base: &mut bytes, base_bytes, scratch: &mut scratch, scratch_bytes: 0 };
    engine
        .unpack_each(&mut encoder, &unpack, base_bytes, LIMITS.scratch_bytes, |unpack| whole.unpack_one(&unpack))
        .expect("it is a deflate stream");
    let limits = limits(base_bytes, whole.scratch_bytes);
    let mut made = Made { bytes: Vec::new(), room: target.len() };
    let plans = [executable, packed, rest, group].into_iter();
    let range = (0, target.len() as u64);
    engine.make(&mut encoder, &mut whole, limits, range, plans, &mut made).expect("a sound plan");
    assert!(made.bytes == target, "the encoder makes what it was given");
    Sample { base, target, stream: encoder.finish() }
}

/// LZ4 blocks of a text, made by an encoder that takes the first match that it sees; between them two raw bytes.
fn blocks(layout: Layout, plain: &[u8]) -> (Vec<u8>, Vec<Part>) {
    let (mut out, mut parts, mut at) = (Vec::new(), Vec::new(), 0);
    while at < plain.len() {
        let raw = 2.min(plain.len() - at);
        out.extend_from_slice(&plain[at..at + raw]);
        parts.push(Part::Raw { bytes: raw as u64 });
        at += raw;
        let piece = &plain[at..plain.len().min(at + 7000)];
        if piece.is_empty() {
            break;
        }
        let block = lz4(piece);
        let packed_bytes = block.len() as u64;
        out.resize(out.len() + layout.zeros(packed_bytes) as usize, 0);
        out.extend_from_slice(&block);
        parts.push(Part::Stream { packed_bytes });
        at += piece.len();
    }
    (out, parts)
}

fn lz4(plain: &[u8]) -> Vec<u8> {
    let (mut out, mut last, mut at, mut literals) = (Vec::new(), BTreeMap::new(), 0, 0);
    let length = |out: &mut Vec<u8>, mut more: usize| {
        while more >= 255 {
            out.push(255);
            more -= 255;
        }
        out.push(more as u8);
    };
    let run = |out: &mut Vec<u8>, bytes: &[u8], nibble: usize| {
        out.push((bytes.len().min(15) << 4 | nibble) as u8);
        if bytes.len() >= 15 {
            length(out, bytes.len() - 15);
        }
        out.extend_from_slice(bytes);
    };
    while at + 12 < plain.len() {
        let known = last.insert(&plain[at..at + 4], at);
        let Some(from) = known else {
            at += 1;
            continue;
        };
        let limit = plain.len() - 5 - at;
        let same = (0..limit).take_while(|&byte| plain[from + byte] == plain[at + byte]).count();
        run(&mut out, &plain[literals..at], (same - 4).min(15));
        out.extend_from_slice(&((at - from) as u16).to_le_bytes());
        if same - 4 >= 15 {
            length(&mut out, same - 4 - 15);
        }
        at += same;
        literals = at;
    }
    run(&mut out, &plain[literals..], 0);
    out
}

fn limits(base_bytes: u64, unpacked_bytes: u64) -> SectionLimits {
    SectionLimits {
        base_bytes: base_bytes + unpacked_bytes,
        ops_max: u64::from(LIMITS.ops_max),
        group_bytes: LIMITS.scratch_bytes - unpacked_bytes,
        containers: true,
    }
}

/// Keeps what is made, up to the length that was announced.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: usize,
}

impl Sink for Made {
    type Error = Infallible;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(bytes);
        assert!(self.bytes.len() <= self.room, "more than was announced");
        Ok(())
    }
}

/// The record of a stream that makes the whole target.
fn record(segments: u64, stream: &[u8]) -> Vec<u8> {
    let tag = RecordTag { kind: RecordKind::Stream, segments };
    [varint(tag.to_varint()), varint(stream.len() as u64), stream.to_vec()].concat()
}

/// Any bytes as a stream, through the whole applier. The target is that of the sample, or very long: an end of the input
/// is an end of the work.
pub fn stream(bytes: &[u8]) {
    let Sample { base, target, stream } = sample();
    let mut header = header();
    header.base.length = base.len() as u64;
    header.target.length = target.len() as u64;
    header.target.blake3 = Blake3::new(*blake3::hash(target).as_bytes());
    let segments = header.segments();
    let result = apply(&mut header, base, &record(segments, bytes), u64::MAX);
    made_or_refused(&result);
    assert!(bytes != stream || result.is_ok_and(|made| made == *target), "the sample makes its target");
    // A stream that is not the record's whole length, and one of more bytes than the payload has.
    let lengths = [bytes.len() / 2, bytes.len() + 1].map(|length| varint(length as u64));
    for length in lengths {
        let tag = RecordTag { kind: RecordKind::Stream, segments };
        let payload = [varint(tag.to_varint()), length, bytes.to_vec()].concat();
        made_or_refused(&apply(&mut header, base, &payload, u64::MAX));
    }
}

/// Bits out of the input: of a coin, or as likely as the models say. It ends as a decoder's input does, and the work must
/// end soon after.
pub(crate) struct Decisions<'a> {
    bytes: &'a [u8],
    bit: u32,
    fair: bool,
    ended: bool,
    /// Bits that may be asked for behind the end.
    left: u32,
}

/// Bits behind the end of the input: what the largest block of a container asks for before it ends.
const BITS_AFTER_END_MAX: u32 = 1 << 23;

impl<'a> Decisions<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let (mode, bytes) = bytes.split_first().map_or((0, bytes), |(mode, rest)| (*mode, rest));
        Self { bytes, bit: 0, fair: mode & 1 == 1, ended: false, left: BITS_AFTER_END_MAX }
    }
}

impl BitCoder for Decisions<'_> {
    const ENCODES: bool = false;

    fn code(&mut self, _bit: bool, one: u16) -> bool {
        assert!(one > 0, "a bit that cannot be set");
        let Some((&byte, rest)) = self.bytes.split_first() else {
            self.ended = true;
            self.left = self.left.checked_sub(1).expect("the work goes on without input");
            return false;
        };
        if !self.fair {
            // A byte for each bit; those that surprise are rare.
            self.bytes = rest;
            return u32::from(byte) << 8 < u32::from(one);
        }
        let bit = byte >> self.bit & 1 == 1;
        self.bit = (self.bit + 1) % 8;
        if self.bit == 0 {
            self.bytes = rest;
        }
        bit
    }

    fn failed(&self) -> bool {
        self.ended
    }
}

/// Any bytes as the decisions of a stream: what is unpacked, executables, copies, containers. The bytes in front of them
/// choose how long the target is.
pub fn decisions(bytes: &[u8]) {
    let Sample { base, .. } = sample();
    let (lengths, bytes) = bytes.split_at(bytes.len().min(2));
    let length = lengths.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)) * 8 + 1;
    let mut coder = Decisions::new(bytes);
    let mut engine = Engine::new(LIMITS.table_log2);
    let base_bytes = base.len() as u64;
    let mut scratch = Slot(vec![0; LIMITS.scratch_bytes as usize]);
    let mut there = &base[..];
    let mut whole = VirtualBase { base: &mut there, base_bytes, scratch: &mut scratch, scratch_bytes: 0 };
    let mut made = Made { bytes: Vec::new(), room: length as usize };
    let unpack = |unpack| whole.unpack_one(&unpack);
    let result = engine.unpack_each(&mut coder, &[], base_bytes, LIMITS.scratch_bytes, unpack).map(|()| {
        assert!(whole.scratch_bytes <= LIMITS.scratch_bytes);
        let limits = limits(base_bytes, whole.scratch_bytes);
        engine.make(&mut coder, &mut whole, limits, (0, length), std::iter::empty(), &mut made)
    });
    match result {
        Ok(Ok(())) => assert_eq!(made.bytes.len() as u64, length),
        Err(SectionError::Format(_)) | Ok(Err(StreamError::Section(SectionError::Format(_)))) => {}
        other => panic!("{other:?}"),
    }
}

/// LZMA2: any bytes, and any bytes as a chunk behind one that is stored; what is accepted is made again.
///
/// # Panics
/// When the plaintext is longer than allowed.
pub fn lzma(bytes: &[u8]) {
    const PLAIN_MAX: usize = 1 << 16;
    let bytes = &bytes[..bytes.len().min(4000)];
    let [high, low] = (bytes.len() as u16).to_be_bytes();
    let stored = [1, 0, 2, b'a', b'b', b'c'];
    for plain in [1u8, 0xff] {
        let chunk = [&stored[..], &[0xc0, plain, 0, high, low, 0x5d, 0], bytes, &[0]].concat();
        for stream in [bytes, &chunk[..]] {
            if let Some(surveyed) = delta_apply::parse::lzma::survey(stream, PLAIN_MAX) {
                assert!(surveyed.plain.len() <= PLAIN_MAX);
            }
        }
    }
}

/// Zstandard: any bytes, any bytes as a packed block, and a frame of libzstd with bytes changed; what is accepted is made
/// again.
///
/// # Panics
/// When the plaintext is longer than allowed.
pub fn zstd(bytes: &[u8]) {
    const PLAIN_MAX: usize = 1 << 16;
    static FRAME: OnceLock<Vec<u8>> = OnceLock::new();
    let sound = FRAME.get_or_init(|| ::zstd::bulk::compress(&text("one"), 19).expect("memory is enough"));
    let bytes = &bytes[..bytes.len().min(4000)];
    let header = 1 | 2 << 1 | (bytes.len() as u32) << 3;
    let block = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], &header.to_le_bytes()[..3], bytes].concat();
    let mut changed = sound.clone();
    for change in bytes.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    for frame in [bytes, &block, &changed] {
        if let Some(surveyed) = delta_apply::parse::zstd::survey(frame, PLAIN_MAX) {
            assert!(surveyed.plain.len() <= PLAIN_MAX);
        }
    }
}

/// Any bytes as a deflate stream: it stays within its length, and what is made of it another decoder makes too.
pub fn inflated(bytes: &[u8]) {
    const LENGTH_MAX: usize = 1 << 17;
    for room in [LENGTH_MAX, 100] {
        let mut made = Made { bytes: Vec::new(), room };
        let result = inflate(bytes, &mut made, room as u64);
        let again = miniz_oxide::inflate::decompress_to_vec_with_limit(bytes, room);
        match (result, again) {
            (Ok((used, length)), again) => {
                assert!(used <= bytes.len() as u64 && length == made.bytes.len() as u64);
                assert!(again.is_ok_and(|again| again == made.bytes), "another decoder makes something else");
            }
            (Err(error), Ok(again)) => panic!("{error:?}, but another decoder makes {} bytes", again.len()),
            (Err(_), Err(_)) => {}
        }
    }
}

/// Plaintext that comes in pieces.
struct Pieces<'a>(&'a [u8]);

impl<C> delta_apply::deflate::Plain<C> for Pieces<'_> {
    type Error = Infallible;

    fn read(&mut self, _: &mut C, out: &mut [u8]) -> Result<usize, Infallible> {
        let (now, later) = self.0.split_at(self.0.len().min(out.len()).min(1000));
        out[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}

/// Takes a stream up to a length, as a record does.
struct Bounded(usize);

impl Sink for Bounded {
    type Error = ();

    fn push(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(())?;
        Ok(())
    }
}

/// Any bytes as the corrections of a deflate stream, over text and over noise: a stream, or an error. A packer serves for
/// the next stream whatever became of the last one.
pub fn corrections(bytes: &[u8]) {
    thread_local! {
        static PACKER: std::cell::RefCell<Packer> = std::cell::RefCell::new(Packer::new());
    }
    let texts = [text("one"), noise("fuzz plain", 3000), Vec::new()];
    PACKER.with_borrow_mut(|packer| {
        for plain in &texts {
            let mut coder = Decisions::new(bytes);
            // What is refused is refused; it ends, and writes no further than it may.
            let _ = packer.pack(&mut coder, &mut Default::default(), &mut Pieces(plain), &mut Bounded(1 << 18));
        }
        let (plain, packed) = (&texts[0], deflate(&texts[0]));
        let how = survey(packer, &packed, plain, None).expect("zlib is imitated");
        assert!(how.cost() < 40, "{}", how.describe());
    });
}
