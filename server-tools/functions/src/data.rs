//! What code refers to that is no code: constants, tables, variables.
//!
//! In: the addresses that code and pointers name. Out: for each the bytes up to the next one, as a label: a hash of what
//! an update leaves alone when only addresses move. Variables have no content that counts; tables of jumps are compared
//! by where in their function they lead; pointers by the text they lead to.

use crate::fields::Fields;
use crate::hash::{mix, mix_bytes};
use crate::image::{Format, Image, Section};
use crate::limits::{LITERAL_BYTES_MAX, TABLE_POINTERS_MAX};
use crate::program::Program;
use rayon::prelude::*;

/// Entries of one table of jumps that are looked at.
const TABLE_JUMPS_MAX: u64 = 1_024;

/// Something that is referred to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datum {
    pub(crate) address: u64,
    /// Where the next one starts, or the section ends.
    pub(crate) end: u64,
    /// Hash of its content.
    pub(crate) label: u64,
    /// Whether the content says what it is: it is neither a variable nor empty.
    pub(crate) is_constant: bool,
    /// Whether it is one pointer of the global offset table.
    pub(crate) is_slot: bool,
}

/// All of them, by address.
#[derive(Debug, Default)]
pub(crate) struct Data(Vec<Datum>);

impl Data {
    /// Finds what starts at the given addresses and at the targets of pointers.
    pub(crate) fn new(program: &Program<'_>, addresses: impl Iterator<Item = u64>) -> Self {
        let image = &program.image;
        let mut starts: Vec<u64> = addresses.chain(image.pointers.iter().map(|(_, target)| *target)).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|start| program.function_at(*start).is_none() && image.holds(*start));
        let ends = starts.iter().skip(1).chain([&u64::MAX]);
        let data: Vec<(u64, u64)> = starts.iter().copied().zip(ends.copied()).collect();
        Self(data.into_par_iter().map(|(start, next)| datum(program, start, next)).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Datum> {
        self.0.iter()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Datum> {
        self.0.get(index as usize)
    }

    pub(crate) fn find(&self, address: u64) -> Option<u32> {
        self.0.binary_search_by_key(&address, |datum| datum.address).ok().map(|index| index as u32)
    }
}

fn datum(program: &Program<'_>, start: u64, next: u64) -> Datum {
    let image = &program.image;
    let section = image.section(start);
    let is_slot = section.is_some_and(|section| section.name.starts_with(".got"));
    let word = if image.machine.is_long() { 8 } else { 4 };
    let end =
        next.min(section.map_or(start, Section::end)).min(if is_slot { start.saturating_add(word) } else { u64::MAX });
    let class = match section {
        None => 0,
        Some(section) if section.is_code => 1,
        Some(section) if is_relocated(section) => 2,
        Some(section) if section.is_writable => 3,
        Some(_) => 2,
    };
    let variable = Datum { address: start, end, label: class, is_constant: false, is_slot };
    if class != 2 || is_slot {
        return variable;
    }
    let label = jumps(program, start, end).unwrap_or_else(|| content(image, start, end));
    if image.unwind.go_table.is_some() && !is_telling(image, start, end) {
        return variable;
    }
    Datum { label: mix(class, label), is_constant: true, ..variable }
}

/// Whether a constant of Go is text or a number: others hold addresses and distances that nothing lists.
fn is_telling(image: &Image<'_>, start: u64, end: u64) -> bool {
    let is_address = |at: u64| Fields(image.bytes(start)).long(at).is_some_and(|word| image.holds(word));
    let is_number = end - start <= 16 && !is_address(0) && !is_address(8);
    image.literal(start, end - start).len() >= 4 || is_number
}

/// Whether only the loader writes to a section.
fn is_relocated(section: &Section<'_>) -> bool {
    section.name.starts_with(".data.rel.ro") || section.name.starts_with(".got") || !section.is_writable
}

/// The label of a table of jumps: distances from the start of the function that they lead to.
pub(crate) fn jumps(program: &Program<'_>, start: u64, end: u64) -> Option<u64> {
    let table = Fields(program.image.bytes(start));
    let base = if program.image.format == Format::Pe { program.image.base } else { start };
    let target = |index: u64| {
        let distance = table.word(4 * index)? as i32;
        (distance != 0).then(|| base.wrapping_add_signed(distance.into()))
    };
    let function = program.function_around(target(0)?)?;
    let count = ((end - start) / 4).min(TABLE_JUMPS_MAX);
    let distance = |target: u64| target.checked_sub(function.start).filter(|distance| *distance < function.bytes());
    let distances = (0..count).map_while(|index| target(index).and_then(distance));
    let (count, hash) = distances.fold((0, 5), |(count, hash), distance| (count + 1, mix(hash, distance)));
    (count > 1).then_some(hash)
}

/// The label of anything else that is constant.
fn content(image: &Image<'_>, start: u64, end: u64) -> u64 {
    let pointers = image.pointers_in(start, end);
    let word = if image.machine.is_long() { 8 } else { 4 };
    let mut bytes = [0; LITERAL_BYTES_MAX as usize];
    let own = Fields(image.bytes(start)).range_cut(0, (end - start).min(LITERAL_BYTES_MAX));
    for (to, byte) in bytes.iter_mut().zip(own) {
        *to = *byte;
    }
    let mut hash = 6;
    for (place, target) in pointers.iter().take(TABLE_POINTERS_MAX) {
        let at = (place - start) as usize;
        bytes.iter_mut().skip(at).take(word).for_each(|byte| *byte = 0);
        let text = if image.code(*target).is_some() { &[] } else { image.literal(*target, LITERAL_BYTES_MAX) };
        hash = mix_bytes(mix(hash, at as u64), text);
    }
    // Text ends with a zero, and what follows is another constant that nothing here refers to.
    let own = bytes.get(..own.len()).unwrap_or_default();
    let is_text = |byte: &u8| (0x20..0x7f).contains(byte) || matches!(byte, b'\t' | b'\n' | b'\r');
    let text = own.iter().take_while(|byte| is_text(byte)).count();
    let own = if text >= 4 && own.get(text) == Some(&0) { own.get(..text).unwrap_or_default() } else { own };
    mix_bytes(hash, own)
}
