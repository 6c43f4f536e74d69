//! The parts of a Go program's table of functions, `.gopclntab`.

use super::elf::{Header, Section};
use delta_apply::reference::{Region, RegionKind};

/// Go 1.18 and 1.19, and since 1.20.
const MAGICS: [u64; 2] = [0xffff_fff0, 0xffff_fff1];

/// Places in the runtime's table of a module, in words.
const TYPES: u64 = 37;
const TYPES_END: u64 = 38;
const FUNCTION_DATA: u64 = 40;

/// The regions of the section; none if it is of another version.
///
/// `lowest` is the lowest address that counts as one.
pub(super) fn regions(
    header: &Header<'_>,
    table: &Section<'_>,
    sections: &[Section<'_>],
    lowest: u64,
) -> Option<Vec<Region>> {
    let fields = header.fields;
    let word_bytes = if header.is_long { 8 } else { 4 };
    let word = |index: u64| fields.number(table.offset + 8 + index * word_bytes, header.is_long);
    if !MAGICS.contains(&fields.word(table.offset)?) || u64::from(fields.byte(table.offset + 7)?) != word_bytes {
        return None;
    }
    let functions = word(0)?;
    let [names, units, files, programs, index] = [word(3)?, word(4)?, word(5)?, word(6)?, word(7)?];
    let records = index.checked_add(functions.checked_mul(8)?)?.checked_add(4)?;
    let order = [names, units, files, programs, index, records, table.length];
    if !order.is_sorted() {
        return None;
    }
    let part = |kind, from: u64, to: u64, parameter| Region {
        offset: table.offset + from,
        length: to - from,
        address: table.address.wrapping_add(from),
        kind,
        parameter,
    };
    let module = module(header, table.address, table.address.wrapping_add(names), sections);
    let data = module.as_ref().and_then(|module| module.function_data);
    // Newer linkers put the data behind the records.
    let end = data.filter(|data| table.holds(*data)).map_or(table.length, |data| data - table.address).max(records);
    let end = end.min(table.length);
    let types = module.and_then(|module| module.types);
    let links = sections.iter().find(|section| section.name.ends_with(b".typelink") && section.is_filled());
    let mut regions = vec![
        part(RegionKind::GoNames, names, units, 0),
        part(RegionKind::Distances32, units, files, table.address.wrapping_add(files)),
        part(RegionKind::GoPrograms, programs, index, 0),
        part(RegionKind::GoIndex, index, records, 0),
        part(RegionKind::GoRecords, records, end, data.unwrap_or(0)),
        part(RegionKind::GoInlined, end, table.length, 0),
    ];
    // Types lie at the start of a section of constants, or are one.
    let holder =
        types.and_then(|(start, _)| sections.iter().find(|section| section.is_filled() && section.holds(start)));
    if let (Some((start, end)), Some(holder), true) = (types, holder, header.is_long) {
        let offset = holder.offset + (start - holder.address);
        let length = end.saturating_sub(start).min(holder.length - (start - holder.address));
        let lowest = if header.is_fixed { lowest } else { u64::MAX };
        regions.push(Region { offset, length, address: start, kind: RegionKind::GoTypes, parameter: lowest });
    }
    if let (Some((parameter, _)), Some(links)) = (types, links) {
        let Section { offset, length, address, .. } = *links;
        regions.push(Region { offset, length, address, kind: RegionKind::Distances32, parameter });
    }
    Some(regions)
}

/// What the runtime's table of a module says.
struct Module {
    /// From where data of functions counts.
    function_data: Option<u64>,
    /// From where types count, and where they end.
    types: Option<(u64, u64)>,
}

/// Finds the table, which begins with two addresses in the table of functions.
fn module(header: &Header<'_>, table: u64, names: u64, sections: &[Section<'_>]) -> Option<Module> {
    let (fields, is_long) = (header.fields, header.is_long);
    let word_bytes = if is_long { 8 } else { 4 };
    let is_module =
        |at: &u64| fields.number(*at, is_long) == Some(table) && fields.number(at + word_bytes, is_long) == Some(names);
    let writable = sections.iter().filter(|section| section.is_filled() && section.is_writable());
    let module = writable
        .flat_map(|section| (section.offset..section.offset + section.length).step_by(word_bytes as usize))
        .find(is_module)?;
    let word = |word: u64| fields.number(module + word * word_bytes, is_long);
    let address = |place: u64| {
        let address = word(place)?;
        sections.iter().any(|section| section.is_filled() && section.holds(address)).then_some(address)
    };
    Some(Module { function_data: address(FUNCTION_DATA), types: address(TYPES).zip(word(TYPES_END)) })
}
