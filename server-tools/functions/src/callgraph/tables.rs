//! Tables that code refers to: of jumps into functions, and of pointers to functions.

use super::sites::Callee;
use crate::fields::Fields;
use crate::image::Format;
use crate::limits::{FOREIGN_JUMPS_MAX, TABLE_POINTERS_MAX};
use crate::program::{Function, Program};

/// A table of jumps.
#[derive(Debug)]
pub(super) struct Table {
    /// Other functions that it leads to: parts that the compiler moved away.
    pub(super) functions: Vec<u32>,
}

/// The table of jumps at an address, if there is one: distances from itself (of PE from the base), or addresses, of
/// which the first ones lead to code, and one at least to the function that refers to it.
pub(super) fn jump_table(
    program: &Program<'_>,
    index: u32,
    function: &Function,
    (start, end): (u64, u64),
    budget: &mut u32,
) -> Option<Table> {
    let image = &program.image;
    let base = if image.format == Format::Pe { image.base } else { start };
    let bytes = Fields(image.bytes(start));
    let distance = |place: u64| {
        let distance = bytes.word(4 * place)? as i32;
        (distance != 0).then(|| base.wrapping_add_signed(distance.into()))
    };
    let pointers = image.pointers_in(start, end);
    let is_long = image.machine.is_long();
    let number = |place: u64| bytes.number(place * if is_long { 8 } else { 4 }, is_long);
    let relative = led(program, index, function, (end - start) / 4, &distance, budget);
    if relative.is_some() {
        return relative;
    }
    if image.is_fixed {
        return led(program, index, function, (end - start) / if is_long { 8 } else { 4 }, &number, budget);
    }
    let pointer = |place: u64| pointers.get(place as usize).map(|(_, target)| *target);
    led(program, index, function, pointers.len() as u64, &pointer, budget)
}

/// Follows the entries as far as they lead into code.
fn led(
    program: &Program<'_>,
    index: u32,
    function: &Function,
    count: u64,
    target: &dyn Fn(u64) -> Option<u64>,
    budget: &mut u32,
) -> Option<Table> {
    let is_inside = |target: u64| target > function.start && target < function.end;
    let is_part = |other: u32, target: u64| other != index && program.functions[other as usize].start < target;
    let (mut functions, mut own) = (Vec::new(), 0_u32);
    for place in 0..count {
        let Some(target) = target(place).filter(|_| *budget > 0) else { break };
        *budget -= 1;
        if is_inside(target) {
            own += 1;
            continue;
        }
        match program.index_around(target) {
            // A jump to the very start of a function is what a table of handlers looks like.
            Some(other) if is_part(other, target) && place < FOREIGN_JUMPS_MAX || own > 0 => {
                functions.extend((other != index).then_some(other));
            }
            _ => break,
        }
    }
    functions.sort_unstable();
    functions.dedup();
    (own > 0).then_some(Table { functions })
}

/// Functions and imports that the pointers in a range lead to.
pub(super) fn pointer_table<'a>(program: &Program<'a>, start: u64, end: u64, budget: &mut u32) -> Vec<Callee<'a>> {
    let image = &program.image;
    let own = image.pointers_in(start, end).iter().take(TABLE_POINTERS_MAX.min(*budget as usize));
    *budget = budget.saturating_sub(own.len() as u32 + 1);
    let own = own.filter_map(|(_, target)| {
        image.code(image.machine.code(*target))?;
        program.index_around(image.machine.code(*target)).map(Callee::Own)
    });
    let left = *budget;
    let named = |list: &[(u64, &'a [u8])]| {
        let from = list.partition_point(|(place, _)| *place < start);
        let to = list.partition_point(|(place, _)| *place < end).max(from);
        list.get(from..to)
            .unwrap_or_default()
            .iter()
            .take(TABLE_POINTERS_MAX.min(left as usize))
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
    };
    let (imports, preemptible) = (named(&image.imports), named(&image.preemptible));
    *budget = budget.saturating_sub((imports.len() + preemptible.len()) as u32);
    let imports = imports.into_iter().map(Callee::Import);
    let preemptible = preemptible.into_iter().map(Callee::Preemptible);
    own.chain(imports).chain(preemptible).collect()
}

/// Indices of functions that data holds the address of in files that run at fixed addresses and list no pointers.
pub(super) fn numbers(program: &Program<'_>) -> Vec<u32> {
    let image = &program.image;
    if !image.is_fixed || image.format == Format::Pe && !image.pointers.is_empty() {
        return Vec::new();
    }
    let word = if image.machine.is_long() { 8 } else { 4 };
    let mut found = Vec::new();
    for section in image.sections.iter().filter(|section| !section.is_code) {
        let first = (section.address.next_multiple_of(word as u64) - section.address) as usize;
        let words = section.bytes.get(first..).unwrap_or_default().chunks_exact(word);
        let number = |word: &[u8]| Fields(word).number(0, image.machine.is_long());
        found.extend(words.filter_map(number).filter_map(|number| program.function_at(number)));
    }
    found.sort_unstable();
    found.dedup();
    found
}
