//! Tables of types come back, whatever their order; hostile ones are refused.

use super::*;
use crate::coding::coder::{Decoder, Encoder, SliceSource};
use crate::coding::{Pair, Plan, SectionLimits};
use crate::io::IoError;
use crate::reference::{Image, Span};
use alloc::vec;
use proptest::prelude::*;

/// A type as a test says it.
#[derive(Clone, Debug)]
enum Kept {
    Int(&'static str, u32),
    Pointer(usize),
    Struct(String, Vec<(&'static str, usize)>),
    Function(String, usize),
}

type String = alloc::string::String;

/// A table of types in an order. Types are referred to by their places in `types`; strings lie in the order in which
/// they are first used.
fn table(types: &[Kept], order: &[usize]) -> Vec<u8> {
    let (mut strings, mut words) = (vec![0], Vec::new());
    let mut place = |name: &str| {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        let known =
            (0..strings.len()).find(|at| strings[*at..].starts_with(&text) && (*at == 0 || strings[at - 1] == 0));
        known.unwrap_or_else(|| {
            strings.extend_from_slice(&text);
            strings.len() - text.len()
        }) as u32
    };
    let number = |of: &usize| order.iter().position(|at| at == of).map_or(0, |at| at as u32 + 1);
    for at in order {
        match &types[*at] {
            Kept::Int(name, bytes) => words.extend([place(name), 1 << 24, *bytes, bytes * 8]),
            Kept::Pointer(of) => words.extend([0, 2 << 24, number(of)]),
            Kept::Struct(name, members) => {
                words.extend([place(name), 4 << 24 | members.len() as u32, 8 * members.len() as u32]);
                for (index, (name, of)) in (0..).zip(members) {
                    words.extend([place(name), number(of), 64 * index]);
                }
            }
            Kept::Function(name, of) => words.extend([place(name), 12 << 24, number(of)]),
        }
    }
    let mut table = layout::head(4 * words.len() as u64, strings.len() as u64).to_vec();
    words.iter().for_each(|word: &u32| table.extend_from_slice(&word.to_le_bytes()));
    table.extend_from_slice(&strings);
    table
}

fn some_types(count: usize) -> Vec<Kept> {
    let mut types = vec![Kept::Int("int", 4), Kept::Int("long", 8)];
    for n in 0..count {
        types.push(match n % 3 {
            0 => Kept::Pointer(n / 2),
            1 => Kept::Struct(alloc::format!("thing_{n}"), vec![("next", n), ("count", 0), ("name", n / 3)]),
            _ => Kept::Function(alloc::format!("call_{n}"), n / 2),
        });
    }
    types
}

fn image(bytes: usize) -> Image {
    let bytes = bytes as u64;
    let span = Span { offset: 0, address: 0x1000, file_bytes: bytes, memory_bytes: bytes, executable: false };
    let region = Region { offset: 0, length: bytes, address: 0x1000, kind: RegionKind::Types, parameter: 0 };
    Image::new(vec![span], vec![region])
}

struct Base<'a>(&'a [u8]);

impl ReadAt for Base<'_> {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(offset, out)
    }
}

impl crate::coding::Workspace for Base<'_> {
    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), IoError> {
        panic!("nothing is unpacked here")
    }
}

fn limits(base: &[u8], ops_max: u64) -> SectionLimits {
    SectionLimits { base_bytes: base.len() as u64, ops_max, group_bytes: 0, containers: false }
}

fn encode(base: &[u8], target: &[u8]) -> (Vec<u8>, u64) {
    let operations = operations(base, target).expect("both are sound") as u64;
    let pair = Pair { base: image(base.len()), target: image(target.len()), base_range: 0..base.len() as u64 };
    let plan = Plan::Section { truth: target, pair: Some(pair), copies: Vec::new(), types: operations };
    let (mut encoder, mut made) = (Encoder::default(), Vec::new());
    let plan = core::iter::once(plan);
    let place = (0, target.len() as u64);
    let mut engine = crate::coding::Engine::new(16);
    let coded = engine.make(&mut encoder, &mut Base(base), limits(base, operations), place, plan, &mut made);
    assert!(coded.is_ok() && made == target, "{coded:?}");
    (encoder.finish(), operations)
}

fn decode(base: &[u8], stream: &[u8], bytes: usize, ops_max: u64) -> Option<Vec<u8>> {
    let (mut decoder, mut made) = (Decoder::new(SliceSource::new(stream)), Vec::new());
    let mut engine = crate::coding::Engine::new(16);
    let place = (0, bytes as u64);
    let none = core::iter::empty();
    engine.make(&mut decoder, &mut Base(base), limits(base, ops_max), place, none, &mut made).ok().map(|()| made)
}

/// A table whose types are numbered in another order, with a changed, a new and a missing type, comes back, in little;
/// with memory for fewer runs than it has it is refused.
#[test]
fn another_order() {
    let types = some_types(3000);
    let all: Vec<usize> = (0..types.len()).collect();
    let base = table(&types, &all);
    let mut order: Vec<usize> = all[1500..].iter().chain(&all[..700]).chain(&all[705..1500]).copied().collect();
    let mut changed = types.clone();
    changed[100 * 3] = Kept::Struct("thing_298".into(), vec![("next", 298), ("size", 1), ("count", 0), ("name", 99)]);
    changed.push(Kept::Function("call_of_today".into(), 5));
    order.insert(40, types.len());
    let target = table(&changed, &order);
    let (stream, operations) = encode(&base, &target);
    assert!(stream.len() < target.len() / 100, "{} bytes for {}", stream.len(), target.len());
    assert!(decode(&base, &stream, target.len(), operations).is_some_and(|made| made == target));
    assert!(decode(&base, &stream, target.len(), operations - 1).is_none());
}

/// What is no table is not taken for one.
#[test]
fn unsound_tables() {
    let sound = table(&some_types(9), &[0, 1, 2, 3, 4]);
    assert!(is_sound(&sound));
    assert!(!is_sound(&sound[..sound.len() - 1]));
    assert!(!is_sound(&[]));
    let mut name = sound.clone();
    name[24..28].copy_from_slice(&9999_u32.to_le_bytes());
    assert!(!is_sound(&name), "a name behind the strings");
    let mut kind = sound;
    kind[31] = 25;
    assert!(!is_sound(&kind), "an unknown kind");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order of any of the types of one table is made of any other; a stream with a byte changed makes something or
    /// nothing, and never panics; nor does a base that is another one.
    #[test]
    fn any_order(
        old in Just((0..60usize).collect::<Vec<_>>()).prop_shuffle(), new in Just((0..60usize).collect::<Vec<_>>()).prop_shuffle(),
        lengths in (1..60usize, 1..60usize), at: prop::sample::Index, byte: u8,
    ) {
        let types = some_types(58);
        let (base, target) = (table(&types, &old[..lengths.0]), table(&types, &new[..lengths.1]));
        let (mut stream, operations) = encode(&base, &target);
        let decoded = decode(&base, &stream, target.len(), operations);
        prop_assert_eq!(decoded.as_deref(), Some(&target[..]));
        let place = at.index(stream.len());
        stream[place] ^= byte;
        decode(&base, &stream, target.len(), operations);
        let mut other = base;
        let place = at.index(other.len());
        other[place] ^= byte;
        decode(&other, &stream, target.len(), operations);
    }
}
