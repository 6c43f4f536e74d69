//! Linux kernels for AArch64 as boot loaders take them: the flat image of the program, dressed as a program for EFI.
//!
//! Its headers say nothing of what is inside. Code is told by what its instructions look like, the table of relocations
//! by its entries, which also say at which address the kernel is linked, the table of types by its head.

use super::fields::Fields;
use super::{Headers, places};
use delta_apply::coding::is_sound;
use delta_apply::reference::{Image, Region, RegionKind, Span};
use std::ops::Range;

/// Where the header of the image says what it is, and how much memory it takes.
const MAGIC_AT: usize = 0x38;
const MAGIC: &[u8] = b"ARM\x64";
const MEMORY_BYTES_AT: u64 = 16;
/// What stands for "relative" in an entry of a table of relocations, and the bytes of an entry.
const RELATIVE: u64 = 1027;
const ENTRY_BYTES: usize = 24;
/// A table of relocations has this many entries at least.
const ENTRIES_MIN: usize = 1000;
/// Kernels are linked at multiples of this.
const LINK_ALIGN: u64 = 1 << 16;
/// Code is told in pages; gaps between pages of code up to this are code, too.
const PAGE_BYTES: usize = 4096;
const GAP_BYTES_MAX: usize = 4 * PAGE_BYTES;
const CODE_BYTES_MIN: usize = 8 * PAGE_BYTES;
/// The start of a table of types of version 1.
const TYPES: &[u8] = &[0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0];

/// What is in the image; nothing if it is none. `headers` are what it looks like to EFI.
pub(super) fn read(bytes: &[u8], headers: &Headers) -> Option<Image> {
    let bytes = bytes.get(..headers.bytes)?;
    if !bytes.get(MAGIC_AT..)?.starts_with(MAGIC) {
        return None;
    }
    let relocations = relocations(bytes);
    let (address, table) = match &relocations {
        Some((range, address)) => (*address, Some((range.clone(), RegionKind::Relocations64))),
        None => (0, None),
    };
    let types = places(bytes, TYPES).find_map(|at| types(bytes, at)).map(|range| (range, RegionKind::Types));
    let mut known: Vec<(Range<usize>, RegionKind)> = table.into_iter().chain(types).collect();
    let code = code(bytes)
        .into_iter()
        .filter(|range| known.iter().all(|(known, _)| known.end <= range.start || known.start >= range.end));
    let code: Vec<_> = code.map(|range| (range, RegionKind::Aarch64)).collect();
    known.extend(code);
    let region = |(range, kind): (Range<usize>, RegionKind)| {
        let (offset, length) = (range.start as u64, range.len() as u64);
        Region { offset, length, address: address.wrapping_add(offset), kind, parameter: 0 }
    };
    let file_bytes = bytes.len() as u64;
    let memory_bytes = Fields(bytes).long(MEMORY_BYTES_AT)?.clamp(file_bytes, file_bytes.saturating_mul(4));
    let span = Span { offset: 0, address, file_bytes, memory_bytes, executable: true };
    Some(Image::new(vec![span], known.into_iter().map(region).collect()))
}

/// The longest run of relative relocations, and the address of the image that follows from where they lead.
fn relocations(bytes: &[u8]) -> Option<(Range<usize>, u64)> {
    let fields = Fields(bytes);
    let kind = |at: usize| fields.long(at as u64 + 8);
    let (mut longest, mut at) = (0..0, 0);
    while at + ENTRY_BYTES <= bytes.len() {
        let mut end = at;
        while kind(end) == Some(RELATIVE) && end + ENTRY_BYTES <= bytes.len() {
            end += ENTRY_BYTES;
        }
        if end - at > longest.len() {
            longest = at..end;
        }
        at = end.max(at + 8);
    }
    let entries = longest.clone().step_by(ENTRY_BYTES).map(|at| at as u64);
    let lowest = entries.filter_map(|at| Some(fields.long(at)?.min(fields.long(at + 16)?))).min()?;
    (longest.len() >= ENTRIES_MIN * ENTRY_BYTES).then_some((longest, lowest & !(LINK_ALIGN - 1)))
}

/// The table of types at `at`, if there is one.
fn types(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let word = |field: u64| Fields(bytes).word(at as u64 + field);
    let length = 24u64.checked_add(word(12)?)?.checked_add(word(20)?)?;
    let range = at..at.checked_add(usize::try_from(length).ok()?)?;
    is_sound(bytes.get(range.clone())?).then_some(range)
}

/// Where the words look like instructions.
fn code(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, page) in (0..).step_by(PAGE_BYTES).zip(bytes.chunks(PAGE_BYTES)) {
        let words = page.chunks_exact(4).filter_map(|word| word.first_chunk()).map(|word| u32::from_le_bytes(*word));
        // One in four is a branch, the page of an address, or a common load, store, sum or move.
        if 4 * words.filter(|word| is_common(*word)).count() < page.len() / 4 {
            continue;
        }
        let end = start + page.len();
        match ranges.last_mut() {
            Some(last) if start - last.end <= GAP_BYTES_MAX => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges.retain(|range| range.len() >= CODE_BYTES_MIN);
    ranges
}

fn is_common(word: u32) -> bool {
    let is_branch = matches!(word >> 26, 0b00_0101 | 0b10_0101);
    let is_page = word >> 24 & 0x9f == 0x90;
    is_branch || is_page || matches!(word >> 24, 0xf9 | 0xb9 | 0x91 | 0xa9 | 0xd5 | 0x54 | 0xaa | 0xb4 | 0x34 | 0x52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executable::Machine;

    /// An image with two pages of code eight times over, and a table of relocations behind.
    #[test]
    fn a_small_image() {
        let mut bytes = vec![0; 64];
        bytes[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(MAGIC);
        bytes[16..24].copy_from_slice(&(1u64 << 20).to_le_bytes());
        // bl, adrp, ldr, add and a word that is none of them.
        (0..16 * PAGE_BYTES / 20).for_each(|_| {
            [0x9400_0001_u32, 0x9000_0000, 0xf940_0000, 0x9100_0000, 7].iter().for_each(|word| {
                bytes.extend_from_slice(&word.to_le_bytes());
            });
        });
        bytes.resize(20 * PAGE_BYTES, 0);
        let start = bytes.len();
        let address = 0xffff_8000_0800_0000_u64;
        for entry in 0..ENTRIES_MIN as u64 {
            for word in [address + 8 * entry, RELATIVE, address + 4 * entry] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        let headers =
            Headers { bytes: bytes.len(), image: Image::default(), machine: Machine::Aarch64, parts: Vec::new() };
        let image = read(&bytes, &headers).expect("it is an image");
        let found: Vec<_> = image.regions().iter().map(|region| (region.kind, region.offset, region.address)).collect();
        let table = (RegionKind::Relocations64, start as u64, address + start as u64);
        assert_eq!(found, [(RegionKind::Aarch64, 0, address), table]);
        bytes[MAGIC_AT] = 0;
        assert!(read(&bytes, &headers).is_none());
    }
}
