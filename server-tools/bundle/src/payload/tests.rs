//! Payloads of every kind of image are applied again; they are the same for any number of threads.

use super::*;
use delta_apply::{Applied, Applier, ApplyError, GroupIndex, IoError, ReadAt, Target};
use delta_format::header::{ArtifactType, BundleHeader, ImageId, ManifestId};
use delta_format::ops::Watermark;
use proptest::prelude::*;

fn options() -> delta_scanner::Options {
    delta_scanner::Options::new(16, OPS_MAX).expect("within the limits")
}

/// A slot in memory, or storage for what is unpacked: nothing outside of it is touched.
struct Memory(Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        (&self.0[..]).read_at(offset, out)
    }
}

impl Target for Memory {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn sync(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

struct Groups<'a>(&'a [u8]);

impl delta_apply::Payload for Groups<'_> {
    type Error = IoError;
    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(group * GROUP_BYTES, out)
    }
}

fn image(bytes: &[u8]) -> ImageId {
    delta_ingest::digest(bytes, |_| ())
}

fn header(base: &[u8], target: &[u8], payload: &Payload) -> BundleHeader {
    let manifest = image(&[]).sha256;
    BundleHeader {
        format: 1,
        product: "p".parse().expect("a name"),
        hardware: heapless::Vec::from_slice(&["h".parse().expect("a name")]).expect("one"),
        version: "1".parse().expect("a version"),
        artifact_type: ArtifactType::Blob,
        base: image(base),
        target: image(target),
        payload: payload.id,
        manifest: ManifestId { length: 0, sha256: manifest, stored_length: 0, stored_sha256: manifest },
        limits: payload.limits,
        base_block_log2: 16,
        expires: None,
    }
}

/// The payload, coded by so many threads.
fn coded(base: &[u8], target: &[u8], profile: Profile, threads: usize) -> (Vec<u8>, Payload) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| {
        let control = delta_scanner::Control::silent();
        let scan = delta_scanner::scan(base, target, control).expect("not cancelled");
        let mut bytes = Vec::new();
        let payload = encode(base, target, &scan.equal, (options(), profile), &mut bytes, control, &|_| ())
            .expect("memory does not fail");
        (bytes, payload)
    })
}

/// Encodes for devices of the default profile, applies in steps of `budget`, and gives the slot and the bytes of the
/// payload.
fn round_trip(base: &[u8], target: &[u8], budget: u64) -> (Vec<u8>, usize) {
    round_trip_for(Profile::Default, base, target, budget)
}

fn round_trip_for(profile: Profile, base: &[u8], target: &[u8], budget: u64) -> (Vec<u8>, usize) {
    let (bytes, payload) = coded(base, target, profile, 4);
    let (again, other) = coded(base, target, profile, 1);
    assert!(payload.limits.memory_bytes <= profile.memory_bytes(), "{:?}", payload.limits);
    assert!(bytes == again && payload.limits == other.limits, "the number of threads shows");
    assert_eq!(bytes.len() as u64, payload.id.length);
    assert_eq!(blake3::hash(&bytes).as_bytes(), payload.id.root.as_bytes(), "the root is plain BLAKE3");
    let header = header(base, target, &payload);
    let mut room = [0; delta_format::limits::HEADER_BYTES_MAX];
    header.encode(&mut room).expect("a header that devices accept");
    let index = GroupIndex::verify(payload.id, payload.index).expect("the index is right");
    let mut applier = Applier::new::<IoError>(&header, index).expect("the limits hold");
    let (mut slot, mut at) = (Memory(vec![0; target.len()]), Watermark::default());
    let mut scratch = Memory(vec![0; header.limits.scratch_bytes as usize]);
    loop {
        match applier.apply(at, &mut Groups(&bytes), &mut { base }, &mut slot, &mut scratch, budget, &mut ()) {
            Ok(Applied::Complete) => return (slot.0, bytes.len()),
            Ok(Applied::Until(next)) => {
                assert!(next > at, "each step goes on");
                at = next;
                // Nothing that was unpacked for one record is there for the next.
                scratch.0.fill(0xa5);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// A program without sections: one loaded span of x86-64 code, a call every 16 bytes of it. What is inserted moves the
/// code behind it and all calls over it.
fn program(seed: u64, code_bytes: usize, inserted: (usize, usize)) -> Vec<u8> {
    const HEAD: usize = 64 + 56;
    let (place, more) = (inserted.0 / 16 * 16, inserted.1);
    let mut code = noise(seed, code_bytes / 16 * 16);
    let (place, calls) = (place.min(code.len()), code.len() / 16);
    code.splice(place..place, noise(seed ^ 99, more));
    let moved = |at: usize| if at < place { at } else { at + more };
    for call in 0..calls {
        let (at, to) = (moved(call * 16), moved(call * 7919 % calls * 16));
        code[at] = 0xe8;
        code[at + 1..at + 5].copy_from_slice(&(to as i32 - at as i32 - 5).to_le_bytes());
    }
    let length = (HEAD + code.len()) as u64;
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    [0x40_0000 + HEAD as u64, 64, 0].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    out.extend_from_slice(&[0; 4]);
    [64u16, 56, 1, 64, 0, 0].iter().for_each(|half| out.extend_from_slice(&half.to_le_bytes()));
    out.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    [0, 0x40_0000, 0x40_0000, length, length, 0x1000]
        .iter()
        .for_each(|word: &u64| out.extend_from_slice(&word.to_le_bytes()));
    assert_eq!(out.len(), HEAD);
    out.extend_from_slice(&code);
    out
}

/// A device of the tiny profile makes a program, and an image without a base, in 1 MiB and without frames.
#[test]
fn tiny_devices_have_streams_alone() {
    let (base, target) = (program(7, 200_000, (0, 0)), program(7, 200_000, (90_000, 48)));
    for base in [&base[..], &[]] {
        let (_, payload) = coded(base, &target, Profile::Tiny, 2);
        assert_eq!((payload.limits.window_log2, payload.limits.scratch_bytes), (0, 0));
        let (slot, _) = round_trip_for(Profile::Tiny, base, &target, 1 << 16);
        assert!(slot == target, "{} bytes of base", base.len());
    }
}

/// Lines of text, some of which differ between two versions.
fn text(seed: u64, lines: usize, version: u8) -> Vec<u8> {
    let numbers = noise(seed, lines);
    let line = |(at, number): (usize, &u8)| match at % 50 == 7 {
        true => format!("{number:02x} is what version {version} says\n"),
        false => format!("{} words of line {at} and number {number}\n", number % 7),
    };
    numbers.iter().enumerate().map(line).collect::<String>().into_bytes()
}

fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory does not fail")
}

/// An xz file whose chunks are stored: it needs no encoder.
fn xz(plain: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let number = |number: usize| -> Vec<u8> {
        let byte = |at: usize| (number >> (7 * at)) as u8 & 0x7f | if at < 3 { 0x80 } else { 0 };
        (0..4).map(byte).collect()
    };
    let head = [2, 0, 0x21, 1, 0, 0, 0, 0];
    let mut body = [&head[..], &crc(&head)].concat();
    for (at, piece) in plain.chunks(1 << 16).enumerate() {
        let [high, low] = ((piece.len() - 1) as u16).to_be_bytes();
        body.extend_from_slice(&[if at == 0 { 1 } else { 2 }, high, low]);
        body.extend_from_slice(piece);
    }
    body.push(0);
    let unpadded = body.len() + 4;
    body.resize(body.len().next_multiple_of(4), 0);
    let mut index = [vec![0, 1], number(unpadded), number(plain.len())].concat();
    index.resize(index.len().next_multiple_of(4), 0);
    let tail = [(index.len() / 4) as u8, 0, 0, 0, 0, 1];
    let ends = [index.clone(), crc(&index).to_vec(), crc(&tail).to_vec(), tail.to_vec()].concat();
    [&b"\xfd7zXZ\0\0\x01"[..], &crc(&[0, 1]), &body, &crc(plain), &ends, b"YZ"].concat()
}

/// A part of an image and what the next version made of it.
#[derive(Clone, Debug)]
enum Part {
    Noise {
        bytes: usize,
        flips: Vec<usize>,
    },
    Zeros(usize),
    Program {
        code_bytes: usize,
        inserted: (usize, usize),
    },
    Packed {
        lines: usize,
        level: u32,
        changed: bool,
    },
    /// A program in an archive.
    PackedProgram {
        code_bytes: usize,
        inserted: (usize, usize),
    },
    New(usize),
    Gone(usize),
}

impl Part {
    /// The part in the base and in the target.
    fn both(&self, seed: u64) -> (Vec<u8>, Vec<u8>) {
        let programs = |code_bytes, inserted| (program(seed, code_bytes, (0, 0)), program(seed, code_bytes, inserted));
        match *self {
            Self::Noise { bytes, ref flips } => {
                let old = noise(seed, bytes);
                let mut new = old.clone();
                flips.iter().filter(|_| bytes > 0).for_each(|flip| new[flip % bytes] ^= 0x55);
                (old, new)
            }
            Self::Zeros(bytes) => (vec![0; bytes], vec![0; bytes]),
            Self::Program { code_bytes, inserted } => programs(code_bytes, inserted),
            Self::Packed { lines, level, changed } => {
                let new = text(seed, lines, u8::from(changed));
                (gzip(&text(seed, lines, 0), level), gzip(&new, level))
            }
            Self::PackedProgram { code_bytes, inserted } => {
                let (old, new) = programs(code_bytes, inserted);
                (gzip(&old, 6), gzip(&new, 6))
            }
            Self::New(bytes) => (Vec::new(), noise(seed ^ 5, bytes)),
            Self::Gone(bytes) => (noise(seed ^ 6, bytes), Vec::new()),
        }
    }
}

fn part() -> impl Strategy<Value = Part> {
    let inserted = || (0usize..60_000, 0usize..200);
    prop_oneof![
        (0usize..150_000, proptest::collection::vec(any::<usize>(), 0..20))
            .prop_map(|(bytes, flips)| Part::Noise { bytes, flips }),
        (0usize..200_000).prop_map(Part::Zeros),
        (16usize..60_000, inserted()).prop_map(|(code_bytes, inserted)| Part::Program { code_bytes, inserted }),
        (1usize..3000, 0u32..10, any::<bool>()).prop_map(|(lines, level, changed)| Part::Packed {
            lines,
            level,
            changed
        }),
        (16usize..40_000, inserted()).prop_map(|(code_bytes, inserted)| Part::PackedProgram { code_bytes, inserted }),
        (0usize..70_000).prop_map(Part::New),
        (0usize..70_000).prop_map(Part::Gone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The target comes out again, whatever was moved, inserted, cut or replaced, and however often work stops.
    #[test]
    fn target_comes_out(
        length in 0usize..400_000,
        cut in 0usize..400_000,
        insert in 0usize..70_000,
        flips in proptest::collection::vec(0usize..400_000, 0..20),
        budget in prop_oneof![Just(1u64), Just(100_000), Just(u64::MAX)],
    ) {
        let base = noise(7, length);
        let mut target = base.clone();
        let cut = cut.min(target.len());
        target.splice(cut..cut, noise(9, insert));
        target.rotate_left(cut / 2);
        let bytes = target.len();
        flips.iter().filter(|_| bytes > 0).for_each(|flip| target[flip % bytes] ^= 0x55);
        prop_assert!(round_trip(&base, &target, budget).0 == target);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// So it does when there are programs and packed data in both, alone and in each other, at other places than before.
    #[test]
    fn programs_and_archives_come_out(
        parts in proptest::collection::vec(part(), 1..7),
        rotate in 0usize..7,
        budget in prop_oneof![Just(1u64), Just(100_000), Just(u64::MAX)],
    ) {
        let both: Vec<(Vec<u8>, Vec<u8>)> = (1..).zip(&parts).map(|(seed, part)| part.both(seed * 77)).collect();
        let base: Vec<u8> = both.iter().flat_map(|(old, _)| old).copied().collect();
        let (first, second) = both.split_at(rotate.min(both.len()));
        let target: Vec<u8> = second.iter().chain(first).flat_map(|(_, new)| new).copied().collect();
        prop_assert!(round_trip(&base, &target, budget).0 == target);
    }
}

/// Nothing to nothing, nothing to something (a full image), something to itself, and exact segment ends.
#[test]
fn corners() {
    let some = noise(1, 3 * 65536);
    for (base, target) in [(&some[..0], &some[..0]), (&[], &some), (&some, &some), (&some[1..], &some[..65536])] {
        assert!(round_trip(base, target, 1).0 == target);
    }
}

/// What moves in a program costs what was inserted, not what refers to it; in an archive too.
#[test]
fn moved_code_costs_little() {
    let (old, new) = (program(3, 200_000, (0, 0)), program(3, 200_000, (100_000, 64)));
    for (base, target) in [(old.clone(), new.clone()), (gzip(&old, 6), gzip(&new, 6))] {
        let (made, bytes) = round_trip(&base, &target, u64::MAX);
        assert!(made == target);
        assert!(bytes < 64 + 400, "{bytes} bytes");
    }
}

/// An archive whose text changed costs what changed in the text.
#[test]
fn a_changed_archive_costs_its_changes() {
    let (old, new) = (gzip(&text(5, 20_000, 1), 6), gzip(&text(5, 20_000, 2), 6));
    let (made, bytes) = round_trip(&old, &new, 100_000);
    assert!(made == new);
    assert!(bytes < new.len() / 20, "{bytes} of {} bytes", new.len());
}

/// Deflate streams in an xz file are made aside: those that changed cost what changed in their text, wherever an
/// interrupted device begins again.
#[test]
fn archives_in_an_xz_file_cost_their_changes() {
    let member = |seed: u64, version: u8| [noise(seed, 3000), gzip(&text(seed, 6000, version), 6)].concat();
    let old = xz(&[member(1, 1), member(2, 1), noise(3, 500)].concat());
    let new = xz(&[member(1, 2), member(2, 1), member(4, 1)[..3000].to_vec(), member(3, 2), noise(3, 500)].concat());
    let one = gzip(&text(3, 6000, 2), 6).len();
    for budget in [u64::MAX, 30_000] {
        let (made, bytes) = round_trip(&old, &new, budget);
        assert!(made == new);
        // New are one stretch of noise before, one member and the noise in front of it.
        assert!(bytes < one + 6000 + one / 10, "{bytes} bytes, {one} of one member");
    }
}

/// A flipped payload byte is found before it is decoded, in whichever group it stands.
#[test]
fn damaged_group_is_named() {
    let target = noise(5, 300_000);
    let (mut bytes, payload) = coded(&[], &target, Profile::Default, 1);
    let header = header(&[], &target, &payload);
    bytes[200_000] ^= 1;
    let index = GroupIndex::verify(payload.id, payload.index).expect("the index is right");
    let mut applier = Applier::new::<IoError>(&header, index).expect("the limits hold");
    let (mut slot, mut scratch) = (Memory(vec![0; target.len()]), None::<Memory>);
    let at = Watermark::default();
    let result = applier.apply(at, &mut Groups(&bytes), &mut &[][..], &mut slot, &mut scratch, u64::MAX, &mut ());
    assert_eq!(result, Err(ApplyError::GroupDamaged { group: 200_000 / GROUP_BYTES }));
}
