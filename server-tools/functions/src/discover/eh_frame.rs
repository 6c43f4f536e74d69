//! `.eh_frame`: start and length of every function that may be unwound (DWARF 5 section 6.4.1, LSB section 10.6).

use super::{Bounds, Mode, Sources};
use crate::image::{Format, Image};
use crate::limits::FUNCTIONS_MAX;
use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, Pointer, UnwindSection};

/// Adds the functions; gives those that the table itself names to be called while unwinding, sorted.
pub(super) fn add(image: &Image<'_>, bounds: &mut Bounds) -> Vec<u64> {
    let mut personalities = Vec::new();
    let Some((address, length)) = image.unwind.eh_frame.filter(|_| image.format == Format::Elf) else {
        return personalities;
    };
    let bytes = image.bytes(address);
    let bytes = bytes.get(..usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len())).unwrap_or_default();
    let mut section = EhFrame::new(bytes, LittleEndian);
    section.set_address_size(if image.machine.is_long() { 8 } else { 4 });
    let text = image.section_named(".text").map_or(0, |text| text.address);
    let bases = BaseAddresses::default().set_eh_frame(address).set_text(text);
    let mut entries = section.entries(&bases);
    let mut left = FUNCTIONS_MAX;
    // Most entries share one of a few headers, and parsing a header is what costs.
    let mut last = None;
    while let Ok(Some(entry)) = entries.next()
        && left > 0
    {
        left -= 1;
        let CieOrFde::Fde(partial) = entry else { continue };
        let entry = partial.parse(|section, bases, offset| match &last {
            Some((known, header)) if *known == offset.0 => Ok(gimli::CommonInformationEntry::clone(header)),
            _ => {
                let header = section.cie_from_offset(bases, offset)?;
                // Behind an indirection it is a pointer in data like others.
                if let Some(Pointer::Direct(personality)) = header.personality() {
                    personalities.push(personality);
                }
                last = Some((offset.0, header.clone()));
                Ok(header)
            }
        });
        let Ok(entry) = entry else { continue };
        let mask = if image.machine.is_long() { u64::MAX } else { u64::from(u32::MAX) };
        let start = entry.initial_address() & mask;
        let end = start.saturating_add(entry.len());
        if entry.len() > 0 && image.code(start).is_some_and(|section| end <= section.end()) {
            bounds.add(start, Some(end), Mode::Plain, Sources::UNWIND);
        }
    }
    personalities.sort_unstable();
    personalities.dedup();
    personalities
}
