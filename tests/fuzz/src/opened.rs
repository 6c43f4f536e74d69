//! What hosts look for in any image, containers and executables; and tables of types, which hosts and devices read.

use crate::payload::{LIMITS, Slot};
use crate::streams::{Decisions, Made};
use delta_apply::coding::coder::{BitCoder, Decoder, Encoder, SliceSource};
use delta_apply::coding::{Engine, Pair, Plan, SectionError, SectionLimits, StreamError, VirtualBase};
use delta_apply::coding::{is_sound, operations};
use delta_apply::reference::{Image, Region, RegionKind, Span};
use delta_ingest::container::{self, Container};
use delta_ingest::executable;
use std::convert::Infallible;

/// What stands in front of the input: the heads by which containers and executables are known.
const HEADS: [&[u8]; 8] = [
    b"",
    b"hsqs",
    b"\xe2\xe1\xf5\xe0",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x8b\x08\0\0\0\0\0\0\0",
    b"PK\x03\x04\x14\0\0\0\x08\0",
    b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0",
];

/// Where the head of EROFS is.
const EROFS_AT: usize = 1024;

/// Any bytes behind the head that the first one names: containers lie inside of what they are in, do not overlap, and are
/// as long as they say; executables too.
///
/// # Panics
/// When they do not.
pub fn containers(bytes: &[u8]) {
    let (&choice, bytes) = bytes.split_first().unwrap_or((&0, bytes));
    let head = HEADS[usize::from(choice) % HEADS.len()];
    let before = if choice & 7 == 2 { EROFS_AT } else { 0 };
    let image = [&vec![0; before][..], head, bytes].concat();
    lie_inside(&container::find(&image), &image);
    lie_inside(&container::find_deflate(&image), &image);
    for found in executable::find(&image) {
        let range = found.range.clone();
        assert!(range.start <= range.end && range.end <= image.len() as u64, "{range:?}");
    }
}

fn lie_inside(found: &[Container], parent: &[u8]) {
    let mut end = 0;
    for container in found {
        assert!(container.range.start >= end && container.range.end <= parent.len(), "{:?}", container.range);
        end = container.range.end;
        if let Some(plain) = container.unpack(parent) {
            assert_eq!(plain.len(), container.plain_bytes);
            lie_inside(&container.children, &plain);
        }
    }
}

/// A table of types out of any bytes: each three of them are a type, whose references lead to types.
fn table(bytes: &[u8]) -> Vec<u8> {
    let types = bytes.chunks_exact(3).take(200);
    let (count, strings) = (types.len().max(1) as u32, b"\0int\0next\0call\0a\0");
    let names = [0u32, 1, 5, 10, 15];
    let mut words = Vec::new();
    for kept in types {
        let name = names[usize::from(kept[1]) % names.len()];
        let of = u32::from(kept[2]) % (count + 1);
        match kept[0] % 5 {
            0 => words.extend([1, 1 << 24, 4, 32]),
            1 => words.extend([0, 2 << 24, of]),
            2 => words.extend([name, 4 << 24 | 2, 16, 5, of, 0, name, count - of.min(count), 64]),
            3 => words.extend([0, 13 << 24 | 1, of, name, of]),
            _ => words.extend([name, 12 << 24 | u32::from(kept[1] & 1), of]),
        }
    }
    let lengths = [24u32, 0, 4 * words.len() as u32, 4 * words.len() as u32, strings.len() as u32];
    let mut table = vec![0x9f, 0xeb, 1, 0];
    lengths.iter().chain(&words).for_each(|word| table.extend_from_slice(&word.to_le_bytes()));
    table.extend_from_slice(strings);
    table
}

fn pair(base: &[u8], target: &[u8]) -> Pair {
    let image = |bytes: &[u8]| {
        let length = bytes.len() as u64;
        let span = Span { offset: 0, address: 0x1000, file_bytes: length, memory_bytes: length, executable: false };
        let region = Region { offset: 0, length, address: 0x1000, kind: RegionKind::Types, parameter: 0 };
        Image::new(vec![span], vec![region])
    };
    Pair { base: image(base), target: image(target), base_range: 0..base.len() as u64 }
}

/// Two tables out of any bytes: the one that is made out of the other.
struct Update {
    base: Vec<u8>,
    target: Vec<u8>,
    ops_max: u64,
}

type Outcome = Result<Vec<u8>, StreamError<Infallible>>;

impl Update {
    /// Makes the target's bytes, or what a decoder takes for them.
    fn make<'t>(&'t self, coder: &mut impl BitCoder, plan: Option<Plan<'t>>) -> Outcome {
        let base_bytes = self.base.len() as u64;
        let limits = SectionLimits { base_bytes, ops_max: self.ops_max, group_bytes: 0, containers: false };
        let (mut there, mut scratch) = (&self.base[..], Slot(Vec::new()));
        let mut base = VirtualBase { base: &mut there, base_bytes, scratch: &mut scratch, scratch_bytes: 0 };
        let mut made = Made { bytes: Vec::new(), room: self.target.len() };
        let whole = (0, self.target.len() as u64);
        let mut engine = Engine::new(LIMITS.table_log2);
        engine.make(coder, &mut base, limits, whole, plan.into_iter(), &mut made)?;
        Ok(made.bytes)
    }

    /// The stream that makes the target as a table of types.
    fn encode(&self) -> Vec<u8> {
        let pair = Some(pair(&self.base, &self.target));
        let plan = Plan::Section { truth: &self.target, pair, copies: Vec::new(), types: self.ops_max };
        let mut encoder = Encoder::default();
        let made = self.make(&mut encoder, Some(plan));
        assert!(made.as_ref().is_ok_and(|made| *made == self.target), "{made:?}");
        encoder.finish()
    }

    /// What a decoder makes of a stream.
    fn decode(&self, stream: &[u8]) -> Outcome {
        self.make(&mut Decoder::new(SliceSource::new(stream)), None)
    }

    fn made_or_refused(&self, made: &Outcome) {
        match made {
            Ok(made) => assert_eq!(made.len(), self.target.len()),
            Err(StreamError::Section(SectionError::Format(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Two tables out of any bytes, and one that is the bytes themselves. What is sound is made again out of the other; a
/// stream with another byte, and any bytes as decisions, make a table of that length or are refused.
///
/// # Panics
/// When a table comes back otherwise, or the work fails in another way.
pub fn types(bytes: &[u8]) {
    is_sound(bytes);
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let mut base = table(one);
    if let Some((at, value)) = one.first().zip(one.last()) {
        // Most tables stay sound.
        let place = usize::from(*at) * 7 % base.len();
        base[place] ^= if *value & 7 == 0 { *value } else { 0 };
    }
    operations(&base, bytes);
    let target = table(other);
    let operations = operations(&base, &target).filter(|_| is_sound(&base) && is_sound(&target));
    let update = Update { base, target, ops_max: operations.map_or(u64::from(LIMITS.ops_max), |count| count as u64) };
    if operations.is_some() {
        let mut stream = update.encode();
        let again = update.decode(&stream);
        assert!(again.as_ref().is_ok_and(|made| *made == update.target), "{again:?}");
        let at = usize::from(bytes.first().copied().unwrap_or(0)) * 3 % stream.len();
        stream[at] ^= bytes.last().map_or(1, |last| last | 1);
        update.made_or_refused(&update.decode(&stream));
    }
    update.made_or_refused(&update.make(&mut Decisions::new(bytes), None));
}
