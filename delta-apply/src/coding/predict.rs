//! What a piece of the base becomes in the target: its references led to where their targets went.

use super::copies::SectionCopy;
use super::learned::Learned;
use super::map::{AddressMap, Trust};
use super::models::FORM_CLASSES;
use crate::reference::{Form, Image, Region, RegionKind, Site, put};
use core::ops::Range;

/// An executable of the base and the one that it becomes.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The base's.
    pub base: Image,
    /// The target's: all of the section.
    pub target: Image,
    /// Where the base's lies in the virtual base.
    pub base_range: Range<u64>,
}

/// The class of a form: what its statistics are kept by.
pub(super) fn class(form: Form) -> usize {
    let class = match form {
        Form::Call32 => 0,
        Form::Jump32 => 1,
        Form::Operand32 { .. } => 2,
        Form::Absolute64 => 3,
        Form::Absolute32 => 4,
        Form::Distance32 => 5,
        Form::Back32 => 6,
        Form::Anchored32 => 7,
        Form::Length32 => 8,
        Form::Branch26 => 9,
        Form::Branch19 => 10,
        Form::Branch14 => 11,
        Form::Near21 => 12,
        Form::Page21 => 13,
        Form::PageOffset { .. } => 14,
        Form::Branch24 => 15,
        Form::Exchange25 => 16,
        Form::ThumbBranch24 => 17,
        Form::ThumbExchange24 => 18,
        Form::ThumbBranch20 => 19,
        Form::MoveHalf { .. } => 20,
        Form::Jump20 => 21,
        Form::Branch12 => 22,
        Form::High20 => 23,
        Form::Low12 { .. } => 24,
        Form::Distance31 => 25,
        Form::Indexed32 => 26,
    };
    debug_assert!(class < FORM_CLASSES);
    class
}

/// A reference of the base at its place in the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// The field in the base.
    pub site: Site,
    /// Its address in the target.
    pub address: u64,
    /// Where it should lead.
    pub target: u64,
    /// From where it is measured.
    pub anchor: u64,
    /// How much that is worth.
    pub trust: Trust,
}

impl Pair {
    /// Where `address` of the base is in the target, as `map` of `copies` says.
    pub fn map(&self, (map, copies): (&AddressMap, &[SectionCopy]), address: u64) -> (u64, Trust) {
        if let Some(offset) = self.base.offset_of(address) {
            let (offset, trust) = map.target(copies, offset);
            return self.target.address_of(offset).map_or((address, Trust::Unknown), |address| (address, trust));
        }
        // Memory without bytes: it follows the end of the bytes of its span.
        for (base, target) in self.base.spans().iter().zip(self.target.spans()) {
            if address >= base.address && address.wrapping_sub(base.address) <= base.memory_bytes {
                let end = base.address.wrapping_add(base.file_bytes);
                let target_end = target.address.wrapping_add(target.file_bytes);
                return (target_end.wrapping_add(address.wrapping_sub(end)), Trust::Near);
            }
        }
        (address, Trust::Unknown)
    }

    /// The two regions of a copy, when both are of one kind that has references.
    pub(super) fn regions(&self, base_offset: u64, target_offset: u64) -> Option<(&Region, &Region)> {
        let base = self.base.region_at(base_offset)?;
        let target = self.target.region_at(target_offset)?;
        (base.kind == target.kind && base.kind != RegionKind::Plain).then_some((base, target))
    }

    /// Leads a site of the base to where its target went.
    pub(super) fn place(
        &self,
        map: (&AddressMap, &[SectionCopy]),
        learned: &Learned,
        regions: (&Region, &Region),
        site: Site,
        base_address: u64,
        address: u64,
    ) -> Placed {
        let look_up = |at: u64| match learned.get(at) {
            Some(target) => (target, Trust::Seen),
            None => self.map(map, at),
        };
        let (target, trust) = look_up(site.target);
        let (base, region) = regions;
        let anchor = match site.form {
            Form::Anchored32 if matches!(base.kind, RegionKind::Tables | RegionKind::TablesAndPointers64) => {
                site.anchor.wrapping_add(address).wrapping_sub(base_address)
            }
            Form::Anchored32 | Form::Indexed32 if site.anchor == base.parameter => region.parameter,
            Form::Anchored32 if site.anchor == base.address => region.address,
            Form::Page21 | Form::PageOffset { .. } | Form::MoveHalf { .. } | Form::High20 | Form::Low12 { .. } => {
                target
            }
            Form::Anchored32 | Form::Length32 => look_up(site.anchor).0,
            _ => 0,
        };
        Placed { site, address, target, anchor, trust }
    }
}

impl Placed {
    /// Writes the prediction over the base's bytes.
    pub(super) fn write(&self, field: &mut [u8]) {
        put(self.site.form, field, self.address, self.target, self.anchor);
    }
}
