//! The parts of a Go program's table of functions, `.gopclntab`, and its types.

use super::elf::Section;
use super::fields::Fields;
use delta_apply::reference::{Region, RegionKind};

/// Go 1.18 and 1.19, and since 1.20.
const MAGICS: [u64; 2] = [0xffff_fff0, 0xffff_fff1];

/// Places in the runtime's table of a module, in words.
const TYPES: u64 = 37;
const TYPES_END: u64 = 38;
const FUNCTION_DATA: u64 = 40;
/// The first of the places where the table of links to types may be: address, entries, and entries again.
const LINKS: u64 = 41;
const LINKS_PLACES: u64 = 5;
/// Linkers start the table at multiples of at least this.
const TABLE_ALIGN: usize = 8;
/// Fewer links are taken for something else.
const LINKS_MIN: u64 = 8;

/// The program around the table.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) fields: Fields<'a>,
    /// Whether addresses have 64 bits.
    pub(super) is_long: bool,
    /// Whether addresses stand in its bytes, and not in relocations.
    pub(super) is_fixed: bool,
    pub(super) sections: &'a [Section<'a>],
    /// The lowest address that counts as one.
    pub(super) lowest: u64,
}

/// The regions of `constants`, a section that holds the table, types and more, as linkers make it for Windows; none if
/// there is no such table. What is before them is something else.
pub(super) fn merged(program: &Program<'_>, constants: &Section<'_>) -> Option<Vec<Region>> {
    let is_magic = |at: &u64| program.fields.word(*at).is_some_and(|word| MAGICS.contains(&word));
    let places = (constants.offset..constants.offset + constants.length).step_by(TABLE_ALIGN).filter(is_magic);
    let from = |at: u64| {
        let skipped = at - constants.offset;
        let (address, length) = (constants.address.wrapping_add(skipped), constants.length - skipped);
        regions(program, &Section { offset: at, address, length, ..*constants })
    };
    let mut regions = places.filter_map(from).next()?;
    regions.retain(|region| region.length > 0);
    regions.sort_by_key(|region| region.offset);
    // Behind all that are pointers to tables of methods.
    let end = regions.last()?.end();
    let (address, length) =
        (constants.address.wrapping_add(end - constants.offset), constants.end().saturating_sub(end));
    regions.push(Region { offset: end, length, address, kind: RegionKind::Pointers64, parameter: program.lowest });
    Some(regions)
}

/// The regions of the section; none if it is of another version.
pub(super) fn regions(program: &Program<'_>, table: &Section<'_>) -> Option<Vec<Region>> {
    let Program { fields, is_long, sections, .. } = *program;
    let word_bytes = if is_long { 8 } else { 4 };
    let word = |index: u64| fields.number(table.offset + 8 + index * word_bytes, is_long);
    if !MAGICS.contains(&fields.word(table.offset)?) || u64::from(fields.byte(table.offset + 7)?) != word_bytes {
        return None;
    }
    let functions = word(0)?;
    let [names, units, files, programs, index] = [word(3)?, word(4)?, word(5)?, word(6)?, word(7)?];
    let records = index.checked_add(functions.checked_mul(8)?)?.checked_add(4)?;
    let order = [8 + 8 * word_bytes, names, units, files, programs, index, records, table.length];
    if functions == 0 || !order.is_sorted() {
        return None;
    }
    let part = |kind, from: u64, to: u64, parameter| Region {
        offset: table.offset + from,
        length: to - from,
        address: table.address.wrapping_add(from),
        kind,
        parameter,
    };
    let module = module(program, table.address, table.address.wrapping_add(names));
    let data = module.as_ref().and_then(|module| module.function_data);
    let types = module.as_ref().and_then(|module| module.types);
    let links = sections.iter().find(|section| section.name.ends_with(b".typelink") && section.is_filled());
    let links = links.map(|links| (links.address, links.length)).or(module.and_then(|module| module.links));
    // Where sections are merged, links are behind the table.
    let behind = links.map(|(address, _)| address).filter(|links| table.holds(*links));
    let length = behind.map_or(table.length, |links| links - table.address);
    // Newer linkers put the data behind the records.
    let end = data.filter(|data| table.holds(*data)).map_or(length, |data| data - table.address).max(records);
    let end = end.min(length);
    let mut regions = vec![
        part(RegionKind::GoNames, names, units, 0),
        part(RegionKind::Distances32, units, files, table.address.wrapping_add(files)),
        part(RegionKind::GoPrograms, programs, index, 0),
        part(RegionKind::GoIndex, index, records, 0),
        part(RegionKind::GoRecords, records, end, data.unwrap_or(0)),
        part(RegionKind::GoInlined, end, length.max(end), 0),
    ];
    let holder = |address: u64| sections.iter().find(|section| section.is_filled() && section.holds(address));
    let mut found = |(address, length): (u64, u64), kind, parameter| {
        let Some(holder) = holder(address) else { return };
        let skipped = address - holder.address;
        let (offset, length) = (holder.offset + skipped, length.min(holder.length - skipped));
        regions.push(Region { offset, length, address, kind, parameter });
    };
    if let Some((start, end)) = types {
        // Types lie at the start of a section of constants, or are one, or of the one that has the table, too.
        let end = if start < table.address { end.min(table.address) } else { end };
        if is_long {
            let lowest = if program.is_fixed { program.lowest } else { u64::MAX };
            found((start, end.saturating_sub(start)), RegionKind::GoTypes, lowest);
        }
        if let Some(links) = links {
            found(links, RegionKind::Distances32, start);
        }
    }
    Some(regions)
}

/// What the runtime's table of a module says.
struct Module {
    /// From where data of functions counts.
    function_data: Option<u64>,
    /// From where types count, and where they end.
    types: Option<(u64, u64)>,
    /// Where the distances to types are that can be found by name, and their bytes.
    links: Option<(u64, u64)>,
}

/// Finds the table, which begins with two addresses in the table of functions.
fn module(program: &Program<'_>, table: u64, names: u64) -> Option<Module> {
    let Program { fields, is_long, sections, .. } = *program;
    let word_bytes = if is_long { 8 } else { 4 };
    let is_module =
        |at: &u64| fields.number(*at, is_long) == Some(table) && fields.number(at + word_bytes, is_long) == Some(names);
    let writable = sections.iter().filter(|section| section.is_filled() && section.is_writable());
    let module = writable
        .flat_map(|section| (section.offset..section.offset + section.length).step_by(word_bytes as usize))
        .find(is_module)?;
    let word = |word: u64| fields.number(module + word * word_bytes, is_long);
    let is_filled = |address: u64| sections.iter().any(|section| section.is_filled() && section.holds(address));
    let address = |place: u64| word(place).filter(|address| is_filled(*address));
    let list = |place: u64| {
        let entries = word(place + 1).filter(|entries| *entries >= LINKS_MIN && word(place + 2) == Some(*entries))?;
        Some((address(place)?, entries.checked_mul(4)?))
    };
    Some(Module {
        function_data: address(FUNCTION_DATA),
        types: address(TYPES).zip(word(TYPES_END)),
        links: (LINKS..LINKS + LINKS_PLACES).find_map(list),
    })
}
