//! `.ARM.exidx`: starts of functions, but linkers merge neighbours that unwind alike, so it lists few of them and no ends
//! (ARM, "Exception handling ABI for the Arm architecture" section 6).

use super::{Bounds, Mode, Sources};
use crate::fields::Fields;
use crate::image::{Image, Machine};
use crate::limits::FUNCTIONS_MAX;

pub(super) fn add(image: &Image<'_>, bounds: &mut Bounds) {
    let Some((address, length)) = image.unwind.exidx.filter(|_| image.machine == Machine::Arm) else { return };
    let table = Fields(Fields(image.bytes(address)).range_cut(0, length));
    for index in 0..(table.0.len() / 8).min(FUNCTIONS_MAX) as u64 {
        let Some(start) = table.word(8 * index).map(|word| distance(address + 8 * index, word)) else { return };
        let mode = if start & 1 == 1 { Mode::Thumb } else { Mode::Plain };
        let start = start & !1;
        if image.code(start).is_some() {
            bounds.add(start, None, mode, Sources::UNWIND);
        }
    }
}

/// A distance of 31 bits from where it stands.
pub(super) fn distance(place: u64, word: u32) -> u64 {
    let distance = i64::from((word << 1) as i32 >> 1);
    place.wrapping_add_signed(distance) & 0xffff_ffff
}
