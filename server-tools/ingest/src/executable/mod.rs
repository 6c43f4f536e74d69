//! Executables in an artifact: where each of them is, and which of its ranges hold which kind of reference.
//!
//! In: the bytes of a file, or of an image of many files. Out: an [`Image`] for each executable, as the coding of
//! references wants it. Nothing is an error here: a header that makes no sense means that there is no executable, a
//! table that makes no sense that there are no regions. What is told wrong makes a delta larger, never wrong.

mod elf;
mod fields;
mod go;
mod kernel;
mod pe;
mod sections;

use delta_apply::reference::Image;
use std::ops::Range;
use std::sync::Arc;

/// The instruction set of an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Machine {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, with or without Thumb.
    Arm,
    /// 64-bit RISC-V.
    RiscV64,
}

/// An executable inside of other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Where it is.
    pub range: Range<u64>,
    /// Its spans and regions; offsets count from the start of the range.
    pub image: Image,
    /// What it runs on.
    pub machine: Machine,
    /// Its sections by name, for reports; offsets count from the start of the range.
    pub parts: Arc<[Part]>,
}

/// A section of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the file.
    pub name: String,
    /// Its bytes.
    pub range: Range<u64>,
}

/// What the headers at the start of a file say.
struct Headers {
    bytes: usize,
    image: Image,
    machine: Machine,
    parts: Vec<Part>,
}

/// Sections of these names, in the order of the file; what overlaps the one before is left out.
fn parts<'n>(sections: impl Iterator<Item = (&'n [u8], Range<u64>)>) -> Vec<Part> {
    let part = |(name, range): (&[u8], _)| Part { name: String::from_utf8_lossy(name).into_owned(), range };
    let mut parts: Vec<Part> = sections.filter(|(_, range)| !range.is_empty()).map(part).collect();
    parts.sort_by_key(|part| part.range.start);
    let mut end = 0;
    parts.retain(|part| {
        let follows = part.range.start >= end;
        end = end.max(part.range.end);
        follows
    });
    parts
}

/// Finds the executables in `bytes`, sorted and disjoint: the file itself, or files in the image of a file system, in an
/// archive, or in anything else that leaves them whole. One that lies inside of another is part of that.
pub fn find(bytes: &[u8]) -> Vec<Executable> {
    let mut starts: Vec<usize> = places(bytes, b"\x7fELF").collect();
    starts.extend(places(bytes, b"PE\0\0\x64\x86").filter_map(|header| pe::start(bytes, header)));
    starts.extend(places(bytes, b"PE\0\0\x64\xaa").filter_map(|header| pe::start(bytes, header)));
    starts.sort_unstable();
    let mut end = 0;
    let mut executables = Vec::new();
    for start in starts {
        if start < end {
            continue;
        }
        let rest = &bytes[start..];
        if let Some(Headers { bytes, image, machine, parts }) =
            elf::read(rest).or_else(|| pe::read(rest)).map(|headers| in_kernel(rest, headers))
        {
            end = start + bytes;
            executables.push(Executable { range: start as u64..end as u64, image, machine, parts: parts.into() });
        }
    }
    executables
}

/// What is inside of a kernel, whose headers do not say it.
fn in_kernel(bytes: &[u8], headers: Headers) -> Headers {
    match kernel::read(bytes, &headers) {
        Some(image) => Headers { image, ..headers },
        None => headers,
    }
}

/// Where `magic` is.
fn places<'b>(bytes: &'b [u8], magic: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let skipped = bytes.get(at..)?.iter().position(|byte| *byte == magic[0])?;
            let place = at + skipped;
            at = place + 1;
            if bytes[place..].starts_with(magic) {
                return Some(place);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use delta_apply::reference::{self, RegionKind, ScanState};

    /// The program that runs this test is found as itself, and behind other bytes; its code holds references, each of
    /// which reads as what the scan saw.
    #[test]
    fn this_program() {
        let program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
        let mut image = vec![b'E'; 513];
        image.extend_from_slice(&program);
        let found = find(&image);
        let [executable] = &found[..] else { panic!("{} executables in one", found.len()) };
        assert_eq!(executable.range, 513..513 + program.len() as u64);
        let mut code = 0;
        for region in executable.image.regions() {
            let (from, to) = (region.offset as usize, region.end() as usize);
            let mut last = from;
            reference::find(&executable.image, region, &program, 0, from..to, to, &mut ScanState::new(), &mut |site| {
                let at = site.at as usize;
                let end = at + usize::from(site.width);
                assert!(at >= last && end <= to, "sites are in order");
                last = end;
                let address = region.address + (at - from) as u64;
                let field = &program[at..end];
                assert_eq!(reference::get(site.form, field, field, address, site.anchor), Some(site.target));
                code += u64::from(region.kind == RegionKind::X86_64);
            });
        }
        if cfg!(target_arch = "x86_64") {
            assert!(code > 1000, "{code} references in code");
        }
    }

    /// No bytes behind a magic are a panic.
    #[test]
    fn headers_of_any_bytes() {
        let program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let mut bytes = program[..program.len().min(1 << 16)].to_vec();
        let tables = program.len().saturating_sub(1 << 13);
        bytes.extend_from_slice(&program[tables..]);
        for _ in 0..300 {
            let mut broken = bytes.clone();
            for _ in 0..=random() % 8 {
                let place = random() % if random() % 2 == 0 { 0x400 } else { broken.len() };
                broken[place] = [0, 1, 0x7f, 0x80, 0xff][random() % 5];
            }
            broken.truncate(random() % broken.len() + 1);
            find(&broken);
        }
    }
}
