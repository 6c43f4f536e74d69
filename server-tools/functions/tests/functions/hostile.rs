//! No bytes are a panic.

use crate::support::{Made, elf};
use delta_functions::callgraph::{CallGraph, ObjectGraph, Reachable};
use delta_functions::{Diff, Executable, Report};
use proptest::prelude::*;

/// Analyses two files and compares them, as far as they are executables.
fn compare(base: &[u8], target: &[u8]) {
    if let (Some(base), Some(target)) = (Executable::read(base), Executable::read(target)) {
        let objects = [("base", &base), ("target", &target)].map(|(name, file)| ObjectGraph::new(file, name));
        let graph = CallGraph::new(objects.to_vec(), 1);
        Reachable::new(&graph, |_| false);
    }
    if let (Some(base), Some(target)) = (Executable::read(base), Executable::read(target))
        && let Some(diff) = Diff::new(&base, &target)
    {
        Report::new(&base, &target, &diff);
    }
}

/// Broken headers and tables of a real program.
#[test]
fn broken_files_are_analysed_in_part() {
    let program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    // The whole program would take a second each time.
    let mut bytes = program[..program.len().min(1 << 18)].to_vec();
    bytes.extend_from_slice(&program[program.len().saturating_sub(1 << 13)..]);
    for _ in 0..60 {
        let mut broken = bytes.clone();
        for _ in 0..=random() % 8 {
            let place = random() % if random() % 2 == 0 { 0x400 } else { broken.len() };
            broken[place] = [0, 1, 0x7f, 0x80, 0xff][random() % 5];
        }
        broken.truncate(random() % broken.len() + 1);
        compare(&bytes, &broken);
    }
}

/// Headers of each processor and of both containers over any bytes.
fn header(choice: u8) -> Vec<u8> {
    let elf = |class: u8, machine: u16| {
        let mut header = b"\x7fELF\x00\x01\x01".to_vec();
        header[4] = class;
        header.resize(16, 0);
        header.extend([3, 0]);
        header.extend(machine.to_le_bytes());
        header
    };
    match choice % 7 {
        0 => elf(2, 62),
        1 => elf(1, 3),
        2 => elf(2, 183),
        3 => elf(1, 40),
        4 => elf(2, 243),
        _ => {
            let mut header = b"MZ".to_vec();
            header.resize(0x3c, 0);
            header.extend(0x40_u32.to_le_bytes());
            header.extend(b"PE\0\0");
            header.extend(if choice % 7 == 5 { 0x8664_u16 } else { 0xaa64 }.to_le_bytes());
            header.extend([3, 0]);
            header.resize(0x40 + 20, 0);
            header.extend([0xf0, 0, 0, 0, 0x0b, 0x02]);
            header
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_behind_a_header(choice in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut file = header(choice);
        file.extend(bytes);
        compare(&file, &file);
    }

    #[test]
    fn changed_bytes_of_a_made_program(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let functions: Vec<Made> =
            (0..20).map(|index| Made { number: 7 * index as u32, calls: vec![(index + 1) % 20] }).collect();
        let base = elf(&functions);
        let mut target = base.clone();
        for (place, value) in changes {
            let place = usize::from(place) % target.len();
            target[place] = value;
        }
        compare(&base, &target);
        compare(&target, &base);
    }
}
