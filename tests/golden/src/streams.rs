//! Adaptive streams of the vectors: made by the product's own encoder, from items that are written down here.
//!
//! The encoder keeps to the limits that it is given. Where those are wider than a header's, or where it stops because an
//! item breaks the format, the stream holds what an attack needs: everything up to there.

use crate::vectors::hex;
use crate::verdict::Memory;
use delta_apply::IoError;
use delta_apply::coding::coder::{Decoder, Encoder, SliceSource};
use delta_apply::coding::{Engine, Pair, Plan, SectionCopy, SectionLimits, StreamError, Unpack, VirtualBase};
use delta_apply::deflate::{Packer, Sink, Survey, survey};
use delta_apply::reference::{Image, Region, RegionKind, Span};
use std::fmt::Write;

/// Log2 of the table of every stream here.
pub const TABLE_LOG2: u8 = 16;

/// What the encoder or the decoder of a stream is told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Bytes of the base.
    pub base_bytes: u64,
    /// Bytes that may be unpacked.
    pub scratch_bytes: u64,
    /// Copies of a section.
    pub ops_max: u64,
    /// Bytes of the record.
    pub target_bytes: u64,
}

impl Told {
    /// The limits of a section, when so much is unpacked.
    fn limits(&self, unpacked_bytes: u64) -> SectionLimits {
        SectionLimits {
            base_bytes: self.base_bytes + unpacked_bytes,
            ops_max: self.ops_max,
            group_bytes: self.scratch_bytes.saturating_sub(unpacked_bytes),
            containers: true,
        }
    }
}

/// Takes what is made.
struct Made(Vec<u8>);

impl Sink for Made {
    type Error = IoError;
    fn push(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The stream of a record at the start of the target, up to where the encoder finds that it breaks the format.
pub fn encode(base: &[u8], unpack: &[Unpack], items: Vec<Plan<'_>>, told: Told) -> Vec<u8> {
    let (mut encoder, mut engine) = (Encoder::default(), Engine::new(TABLE_LOG2));
    let mut scratch = Memory(vec![0; told.scratch_bytes as usize]);
    let mut made = Made(Vec::new());
    if engine.unpack(&mut encoder, unpack.to_vec(), told.base_bytes, told.scratch_bytes).is_ok() {
        let mut base =
            VirtualBase { base: &mut { base }, base_bytes: told.base_bytes, scratch: &mut scratch, scratch_bytes: 0 };
        if base.unpack(unpack).is_ok() {
            let limits = told.limits(base.scratch_bytes);
            let range = (0, told.target_bytes);
            // What the encoder refuses is what the decoder must refuse.
            let _ = engine.make(&mut encoder, &mut base, limits, range, items.into_iter(), &mut made);
        }
    }
    encoder.finish()
}

/// What a stream makes.
///
/// # Errors
/// The decoder's.
pub fn decode(base: &[u8], stream: &[u8], told: Told) -> Result<Vec<u8>, StreamError<IoError>> {
    let (mut decoder, mut engine) = (Decoder::new(SliceSource::new(stream)), Engine::new(TABLE_LOG2));
    let mut scratch = Memory(vec![0; told.scratch_bytes as usize]);
    let unpack = engine.unpack(&mut decoder, Vec::new(), told.base_bytes, told.scratch_bytes)?;
    let mut base =
        VirtualBase { base: &mut { base }, base_bytes: told.base_bytes, scratch: &mut scratch, scratch_bytes: 0 };
    base.unpack(&unpack)?;
    let limits = told.limits(base.scratch_bytes);
    let mut made = Made(Vec::new());
    engine.make(&mut decoder, &mut base, limits, (0, told.target_bytes), core::iter::empty(), &mut made)?;
    Ok(made.0)
}

/// A section without an executable.
pub fn section<'t>(truth: &'t [u8], copies: &[(u64, u32, u32)]) -> Plan<'t> {
    let copy = |&(base, target, length): &(u64, u32, u32)| SectionCopy { base, target, length };
    Plan::Section { truth, pair: None, copies: copies.iter().map(copy).collect(), types: 0 }
}

/// A deflate stream whose plaintext is one section that copies nothing.
pub fn container<'t>(stream: &'t [u8], plain: &'t [u8], plain_bytes: u64) -> Plan<'t> {
    Plan::Deflate { stream, plain_bytes, survey: surveyed(stream, plain), sections: vec![section(plain, &[])] }
}

fn surveyed(stream: &[u8], plain: &[u8]) -> Survey {
    survey(&mut Packer::new(), stream, plain, None).expect("a stream of zlib")
}

/// One stream of the vectors.
struct Case {
    name: &'static str,
    why: &'static str,
    base: Vec<u8>,
    target: Vec<u8>,
    told: Told,
    stream: Vec<u8>,
}

/// The vector: for each stream its base, its target and its bytes.
pub fn vector() -> Vec<u8> {
    let mut text = format!(
        "# adaptive streams, each the only record of its target, with a table of 2^{TABLE_LOG2} bytes; written by the \
         encoder\n"
    );
    for case in [in_sections(), of_an_executable(), of_a_container()] {
        let Case { name, why, base, target, told, stream } = &case;
        assert_eq!(decode(base, stream, *told).as_ref().ok(), Some(target), "{name}");
        let mut line = |name: &str, value: &str| writeln!(text, "{name} {value}").expect("a String takes any text");
        line("\nname", name);
        line("why", why);
        line("ops_max", &told.ops_max.to_string());
        line("scratch_bytes", &told.scratch_bytes.to_string());
        line("base", &hex(base));
        line("target", &hex(target));
        line("stream", &hex(stream));
    }
    text.into_bytes()
}

const TEXT: &str = "The gateway reads its slot back past the cache before it starts from it. A trial start counts: when \
    the count is used up, the loader takes the other slot. What was written stays where it is, and the next bundle \
    writes only the blocks that differ. The journal has two copies; one of them is always whole. ";

/// Text in which a word differs, a sentence is new and one is gone.
fn in_sections() -> Case {
    let base = TEXT.as_bytes().to_vec();
    let changed = TEXT[..150].replace("trial", "first");
    let target = [changed.as_bytes(), b"So it ends up with what ran before. ", &base[185..]].concat();
    let rest = (base.len() - 185) as u32;
    let told = Told { base_bytes: base.len() as u64, scratch_bytes: 0, ops_max: 2, target_bytes: target.len() as u64 };
    let stream = encode(&base, &[], vec![section(&target, &[(0, 0, 150), (185, 186, rest)])], told);
    let why = "one section: COPY 150 from 0, in which a word differs; 36 new bytes; COPY from 185 to the end";
    Case { name: "section", why, base, target, told, stream }
}

/// Where the code of the executable is loaded.
const ADDRESS: u64 = 0x40_0000;

/// x86-64 instructions: calls to `to`, one after the other, then functions of 16 bytes.
fn code(calls: &[u32], functions: u8) -> Vec<u8> {
    let mut code = Vec::new();
    for to in calls {
        code.push(0xe8);
        let next = code.len() as u32 + 4;
        code.extend_from_slice(&to.wrapping_sub(next).to_le_bytes());
    }
    code.resize(64, 0x90);
    for number in 0..functions {
        code.extend_from_slice(&[0x55, 0x48, 0x89, 0xe5, 0xb8, number, 0, 0, 0, 0x5d, 0xc3]);
        code.extend_from_slice(&[0x90; 5]);
    }
    code
}

fn image(bytes: &[u8]) -> Image {
    let length = bytes.len() as u64;
    let span = Span { offset: 0, address: ADDRESS, file_bytes: length, memory_bytes: length, executable: true };
    let kind = RegionKind::X86_64;
    Image::new(vec![span], vec![Region { offset: 0, length, address: ADDRESS, kind, parameter: 0 }])
}

/// Code in which a function was inserted, so that calls to what is behind it lead further; one call leads elsewhere.
fn of_an_executable() -> Case {
    let base = code(&[64, 80, 96, 112, 80, 128], 8);
    let mut target = code(&[64, 96, 112, 128, 64, 144], 1);
    let inserted = [0x53, 0x31, 0xdb, 0x5b, 0xc3, 0x90, 0x90, 0x90, 0xf3, 0x0f, 0x1e, 0xfa, 0xc3, 0xcc, 0xcc, 0xcc];
    target.extend_from_slice(&inserted);
    target.extend_from_slice(&base[80..]);
    let told = Told { base_bytes: base.len() as u64, scratch_bytes: 0, ops_max: 2, target_bytes: target.len() as u64 };
    let pair = Pair { base: image(&base), target: image(&target), base_range: 0..base.len() as u64 };
    let copies = [(0, 0, 80), (80, 96, base.len() as u32 - 80)];
    let copies = copies.map(|(base, target, length)| SectionCopy { base, target, length }).to_vec();
    let stream = encode(&base, &[], vec![Plan::Section { truth: &target, pair: Some(pair), copies, types: 0 }], told);
    let why = "one section, which is an x86-64 executable: 16 bytes are inserted at 80; four calls lead further by as \
               much, as is predicted, and the fifth leads to 64 instead";
    Case { name: "executable", why, base, target, told, stream }
}

/// Lines of text; in one of them `changed` stands instead of the usual word.
fn report(lines: usize, changed: &str) -> Vec<u8> {
    let line = |n: usize| {
        let (degrees, word) = (17 + n * n % 7, if n == 3 { changed } else { "noon" });
        format!("sensor {n}: {degrees} degrees, checked by the gateway at {word}\n")
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

/// The reports of the base and of the target.
pub fn plaintexts() -> [Vec<u8>; 2] {
    [report(6, "noon"), report(7, "midnight")]
}

/// The same, as raw deflate streams of zlib 1.2.13 at level 6.
pub fn packed() -> [Vec<u8>; 2] {
    let bytes = |text: &str| {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(digit).collect()
    };
    PACKED.map(bytes)
}

const PACKED: [&str; 2] = [
    "2b4ecd2bce2f5230b05230345748494d2f4a4d2dd65148ce484dce4e4d5148aa5428c94855484f2c492d4fac54482c51c8cbcfcfe32a8668\
     32046ab22055939195829121a99a8c81365992aac9841c4da624390f00",
    "9dd05b0a80201484e1f756310be821bbd76e4c0f2a91424788769f10418fd9023efe61983c871dd50c314093d989b884b2a456d2584e444b\
     3032d2214fc8081f822ff84622a13117d5336a918b9a549abea0cd69ef8c8d0f6cbfc277adfb33b1cf3ae302",
];

/// A deflate stream between ten bytes that stay and eight that are new; what it packs resembles what the base's packs.
fn of_a_container() -> Case {
    let ([old, new], [old_packed, new_packed]) = (plaintexts(), packed());
    let base = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &old_packed, b"checksum"].concat();
    let target = [&base[..10], &new_packed, b"another."].concat();
    let unpack = [Unpack { offset: 10, plain_bytes: old.len() as u64, group: None }];
    let base_bytes = base.len() as u64;
    let told = Told { base_bytes, scratch_bytes: old.len() as u64, ops_max: 2, target_bytes: target.len() as u64 };
    let equal = old.iter().zip(&new).take_while(|(old, new)| old == new).count() as u32;
    let rest = old.len() as u32 - equal - 4;
    let copies = [(base_bytes, 0, equal), (base_bytes + u64::from(equal) + 4, equal + 8, rest)];
    let items = vec![
        section(&target[..10], &[(0, 0, 10)]),
        Plan::Deflate {
            stream: &new_packed,
            plain_bytes: new.len() as u64,
            survey: surveyed(&new_packed, &new),
            sections: vec![section(&new, &copies)],
        },
        section(&target[target.len() - 8..], &[]),
    ];
    let stream = encode(&base, &unpack, items, told);
    let why = "the deflate stream at 10 of the base is unpacked; a section of ten bytes, a container whose plaintext is \
               a section of two COPYs from what was unpacked, and a section of eight new bytes";
    Case { name: "container", why, base, target, told, stream }
}
