//! Copied bytes of a section: predicted from the base with their references led on, and corrected.

use super::{AARCH64, ARM, PIECE_BYTES, PIECE_BYTES_MAX, Section, SectionError, TAIL_BYTES, X86_64, truth_at};
use crate::coding::coder::{BitCoder, Purpose};
use crate::coding::copies::SectionCopy;
use crate::coding::flags::hash;
use crate::coding::instructions::Place;
use crate::coding::map::Trust;
use crate::coding::models::{Models, RESIDUAL_CONTEXTS};
use crate::coding::predict::{Placed, class};
use crate::io::ReadAt;
use crate::reference::{Form, MARGIN_BYTES, find, get, granularity_log2, put};
use core::ops::Range;

/// Bytes of a block, which is coded as a whole when it is as predicted.
const BLOCK_BYTES: usize = 64;
/// A byte is taken for one that hardly differs where no context expects that it does with more than this, in 1/65536.
const QUIET: u16 = 1 << 10;

impl Section {
    pub(super) fn copy<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        copy: SectionCopy,
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        let left = copy.end() - self.made;
        let from = copy.base + u64::from(copy.length) - left;
        self.read(base, from, left.min(PIECE_BYTES_MAX as u64) as usize)?;
        let (bytes, kind) = self.find_sites(from, left);
        let window = MARGIN_BYTES..MARGIN_BYTES + bytes;
        self.expected[..bytes].copy_from_slice(&self.window[window]);
        self.predict(models, from, 0..self.placed.len());

        let dirty = C::ENCODES && self.expected[..bytes] != truth[..bytes];
        let kind = kind as u32;
        let some = u32::from(!self.placed.is_empty());
        let contexts = [kind << 8 | self.pieces & 7, self.pieces & 0xff, some | u32::from(bytes == PIECE_BYTES) << 1];
        coder.account(Purpose::Blocks);
        let dirty = models.piece.code(coder, contexts, 0, dirty);
        self.pieces = self.pieces << 1 | u32::from(dirty);
        if !dirty {
            return Ok(bytes);
        }
        let (mut start, mut site, learned) = (0, 0, models.learned.changes());
        while start < bytes {
            let mut end = (start + BLOCK_BYTES).min(bytes);
            let first = site;
            while let Some(placed) = self.placed.get(site).filter(|p| ((p.site.at as usize) - MARGIN_BYTES) < end) {
                end = end.max(placed.site.at as usize - MARGIN_BYTES + usize::from(placed.site.width));
                site += 1;
            }
            // What the blocks before have taught counts here.
            if models.learned.changes() != learned {
                self.predict(models, from, first..site);
            }
            self.block(coder, models, kind, start..end, first..site, truth);
            start = end;
        }
        Ok(bytes)
    }

    /// Finds the references of the next piece of a copy, and so where the piece ends. Gives its bytes and its kind.
    fn find_sites(&mut self, from: u64, left: u64) -> (usize, u64) {
        self.placed.clear();
        let mut bytes = left.min(PIECE_BYTES as u64) as usize;
        let Some(pair) = &self.pair else { return (bytes, 15) };
        let target_kind = pair.target.region_at(self.made).map_or(14, |region| region.kind.number());
        if !pair.base_range.contains(&from) {
            return (bytes, target_kind);
        }
        let offset = from - pair.base_range.start;
        // A piece lies in one region on either side, so that its fields and addresses are those of the region.
        let within = |end: Option<u64>, at: u64| end.map_or(u64::MAX, |end| end - at);
        let next = |image: &crate::reference::Image, at: u64| match image.region_at(at) {
            Some(region) => Some(region.end()),
            None => {
                let next = image.regions().partition_point(|region| region.offset <= at);
                image.regions().get(next).map(|region| region.offset)
            }
        };
        let limit = within(next(&pair.base, offset), offset)
            .min(within(next(&pair.target, self.made), self.made))
            .min(pair.base_range.end - from)
            .min(left);
        bytes = bytes.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let Some(regions) = pair.regions(offset, self.made) else { return (bytes, target_kind) };
        let limit = limit.min(PIECE_BYTES_MAX as u64) as usize;
        let (base, region) = regions;
        let origin = offset.wrapping_sub(MARGIN_BYTES as u64);
        let (placed, made) = (&mut self.placed, self.made);
        let mut end = bytes;
        let window = &self.window;
        find(
            &pair.base,
            base,
            window,
            origin,
            MARGIN_BYTES..MARGIN_BYTES + bytes,
            MARGIN_BYTES + limit,
            &mut self.scan,
            &mut |site| {
                let at = site.at as usize - MARGIN_BYTES;
                end = end.max(at + usize::from(site.width));
                let address = region.address.wrapping_add(made + at as u64 - region.offset);
                placed.push(Placed { site, address, target: 0, anchor: 0, trust: Trust::Unknown });
            },
        );
        (end, target_kind)
    }

    /// Writes what the sites of a range should become into what is expected.
    fn predict(&mut self, models: &Models, from: u64, sites: Range<usize>) {
        let Some(pair) = &self.pair else { return };
        if sites.is_empty() {
            return;
        }
        let offset = from - pair.base_range.start;
        let Some(regions) = pair.regions(offset, self.made) else { return };
        let base = regions.0;
        for placed in &mut self.placed[sites] {
            let at = placed.site.at as usize;
            let base_address = base.address.wrapping_add(offset + (at - MARGIN_BYTES) as u64 - base.offset);
            *placed = pair.place(
                (&self.map, &self.copies),
                &models.learned,
                regions,
                placed.site,
                base_address,
                placed.address,
            );
            let field = at - MARGIN_BYTES..at - MARGIN_BYTES + usize::from(placed.site.width);
            self.expected[field.clone()].copy_from_slice(&self.window[at..at + usize::from(placed.site.width)]);
            placed.write(&mut self.expected[field]);
        }
    }

    /// Codes one block of a piece that is not all as predicted.
    fn block<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        range: Range<usize>,
        mut sites: Range<usize>,
        truth: &[u8],
    ) {
        let dirty = C::ENCODES && self.expected[range.clone()] != truth[range.clone()];
        let count = sites.len().min(7) as u32;
        let weak = self.placed[sites.clone()].iter().filter(|p| p.trust < Trust::Inside).count().min(3) as u32;
        let contexts = [
            kind << 8 | self.blocks & 15,
            kind << 8 | count | weak << 4,
            self.blocks & 0x3ff,
            kind << 16 | self.blocks & 3 | count << 2 | weak << 6 | (self.misses & 3) << 9,
        ];
        coder.account(Purpose::Blocks);
        let dirty = models.block.code(coder, contexts, (kind & 15) as usize, dirty);
        self.blocks = self.blocks << 1 | u32::from(dirty);
        if !dirty {
            return;
        }
        let mut at = range.start;
        let mut clean = true;
        let mut place = Place::default();
        let is_x86 = kind == X86_64;
        if is_x86 {
            let before = at.min(TAIL_BYTES);
            self.tail[before..].iter().for_each(|byte| place.push(*byte));
            self.expected[at - before..at].iter().for_each(|byte| place.push(*byte));
        }
        let mut read = at;
        while at < range.end {
            if is_x86 {
                self.expected[read..at].iter().for_each(|byte| place.push(*byte));
                read = at;
            }
            let placed = sites.clone().next().map(|site| self.placed[site]);
            if let Some(placed) = placed.filter(|p| p.site.at as usize - MARGIN_BYTES == at) {
                sites.start += 1;
                let width = usize::from(placed.site.width);
                if self.site(coder, models, kind, at, placed, truth) {
                    at += width;
                    continue;
                }
                clean = false;
                for inside in at..at + width {
                    self.byte(coder, models, kind, inside, true, false, Some(&place), truth);
                }
                at += width;
                continue;
            }
            clean &= self.byte(coder, models, kind, at, false, clean, Some(&place), truth);
            at += 1;
        }
    }

    /// Codes a reference of a block that differs. Gives false when its bytes have to be coded one by one.
    fn site<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        at: usize,
        placed: Placed,
        truth: &[u8],
    ) -> bool {
        let Placed { site, address, target, anchor, trust } = placed;
        let width = usize::from(site.width);
        let (form, field) = (class(site.form), at..at + width);
        let moved = target.wrapping_sub(site.target);
        let before = &self.window[site.at as usize - 2..site.at as usize];
        let opcode = u32::from(before[0]) << 8 | u32::from(before[1]);
        let trusted = (form as u32) << 2 | trust as u32;
        let wrong = C::ENCODES && self.expected[field.clone()] != truth[field.clone()];
        let contexts = [
            trusted << 4 | self.sites & 15,
            hash(site.target as u32, form as u32),
            trusted << 8 | kind << 3 | self.misses & 7,
            (form as u32) << 16 | opcode,
            trusted << 10 | hash(moved as u32, 7) >> 22,
        ];
        coder.account(Purpose::References);
        let wrong = models.site.code(coder, contexts, form.min(15), wrong);
        self.sites = self.sites << 1 | u32::from(wrong);
        if !wrong {
            return true;
        }
        let original = &self.window[site.at as usize..site.at as usize + width];
        // Where such a field can lead: the prediction, rounded as the field rounds.
        let grain = granularity_log2(site.form);
        let target = match site.form {
            Form::Page21 | Form::High20 | Form::MoveHalf { .. } => target,
            Form::PageOffset { .. } | Form::ThumbExchange24 => target & !((1 << grain) - 1),
            _ => target.wrapping_sub(target.wrapping_sub(address) & ((1 << grain) - 1)),
        };
        let actual = if C::ENCODES {
            get(site.form, &truth[field.clone()], original, address, anchor).filter(|&actual| {
                let mut field_again = [0; 8];
                let field_again = &mut field_again[..width];
                field_again.copy_from_slice(original);
                put(site.form, field_again, address, actual, anchor);
                let offset = (actual.wrapping_sub(target) as i64) >> grain;
                *field_again == truth[field.clone()] && target.wrapping_add((offset << grain) as u64) == actual
            })
        } else {
            None
        };
        if !models.known[form].code(coder, actual.is_some()) {
            self.expected[field.clone()].copy_from_slice(original);
            return false;
        }
        let offset = (actual.unwrap_or(0).wrapping_sub(target) as i64) >> grain;
        // What leads into one region often moves together, whatever is known of each address.
        let slot = self.pair.as_ref().map_or(0, |pair| pair.base.region_index(site.target)) % super::MOVES;
        let together = (site.target.wrapping_add(self.moves[slot]).wrapping_sub(target) as i64) >> grain;
        let recent = &mut self.last_offset[form];
        let offset = if models.together[form].code(coder, offset == together) {
            together
        } else if models.again[form][0].code(coder, offset == recent[0]) {
            recent[0]
        } else if models.again[form][1].code(coder, offset == recent[1]) {
            recent[1]
        } else {
            {
                let near = |offset: i64| (offset.clamp(-1000, 1000) + 1000) as u32;
                let class = form as u32;
                let contexts = [
                    class,
                    hash(class, near(recent[0])),
                    trusted << 8 | kind,
                    hash(class, moved as u32),
                    hash(class, opcode),
                ];
                let folded = ((offset << 1) ^ (offset >> 63)) as u64;
                let folded = models.offset.number(coder, contexts, (class & 7) + 8, folded);
                (folded >> 1) as i64 ^ -((folded & 1) as i64)
            }
        };
        if offset != recent[0] {
            *recent = [offset, recent[0]];
        }
        let actual = target.wrapping_add((offset << grain) as u64);
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(original);
        put(site.form, &mut bytes[..width], address, actual, anchor);
        self.expected[field].copy_from_slice(&bytes[..width]);
        self.moves[slot] = actual.wrapping_sub(site.target);
        if !matches!(site.form, Form::Length32) {
            models.learned.set(site.target, actual);
        }
        true
    }

    /// Codes a byte of a block that differs. Gives whether it is as predicted.
    #[allow(clippy::too_many_arguments, reason = "all of it is context")]
    #[inline]
    fn byte<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        at: usize,
        in_site: bool,
        clean: bool,
        place: Option<&Place>,
        truth: &[u8],
    ) -> bool {
        let byte = u32::from(self.expected[at]);
        let next = self.expected.get(at + 1).map_or(0, |&next| u32::from(next));
        let (last, last_expected) = match at {
            0 => (self.history as u32 & 0xff, u32::from(self.window[MARGIN_BYTES - 1])),
            _ => (u32::from(self.expected[at - 1]), u32::from(self.window[MARGIN_BYTES + at - 1])),
        };
        let last_2 = if at > 1 { u32::from(self.expected[at - 2]) } else { self.history as u32 >> 8 & 0xff };
        let column = (self.made as u32).wrapping_add(at as u32) & 7;
        // A number of two bytes that went elsewhere often went there before.
        let pair = match column & 1 {
            0 => byte | next << 8,
            _ => last_expected | byte << 8 | 1 << 16 | (self.misses & 1) << 17,
        };
        let syntax = match kind {
            X86_64 => place.map_or(0, |place| {
                u32::from(place.opcode)
                    | (place.part as u32) << 12
                    | u32::from(place.left) << 16
                    | u32::from(place.operands) << 20
            }),
            AARCH64 | ARM => {
                let opcode =
                    self.expected.get(at - (column & 3).min(at as u32) as usize + 3).map_or(0, |byte| u32::from(*byte));
                opcode | (column & 3) << 8 | 1 << 12
            }
            _ => pair | kind << 18,
        };
        let misses = self.misses;
        let inside = u32::from(in_site);
        let contexts = [
            kind << 10 | inside << 9 | u32::from(clean) << 8 | misses & 0xff,
            byte | kind << 8 | inside << 12 | (misses & 7) << 13,
            byte | last << 8 | (misses & 1) << 16 | inside << 17,
            column | kind << 3 | inside << 7 | (misses & 15) << 8 | u32::from(clean) << 12,
            next | byte << 8 | last_expected << 16 | (misses & 3) << 24,
            u32::from(self.last_difference[0]) | (misses & 3) << 8 | kind << 10,
            pair | inside << 18 | (misses & 1) << 19,
            hash(syntax, byte) ^ (misses & 1),
        ];
        let miss = C::ENCODES && truth[at] != self.expected[at];
        coder.account(Purpose::Differences);
        let seen = models.quiet.look_up([contexts[0], contexts[1], hash(syntax, kind)]);
        let miss = if seen.most < QUIET {
            models.quiet.code_at(coder, &seen, (kind & 15) as usize, miss)
        } else {
            let miss = models.miss.code(coder, contexts, (kind & 15) as usize, miss);
            models.quiet.learn(&seen, miss);
            miss
        };
        self.misses = misses << 1 | u32::from(miss);
        if !miss {
            return true;
        }
        let guess = |difference: u8| byte.wrapping_add(u32::from(difference)) & 0xff;
        let [difference, difference_2] = self.last_difference;
        let contexts: [u32; RESIDUAL_CONTEXTS] = [
            byte | kind << 8,
            byte | last << 8,
            last | last_2 << 8,
            byte | next << 8 | last_expected << 16,
            guess(difference) | kind << 8,
            guess(difference) | column << 8 | u32::from(difference_2) << 16,
            hash(syntax, byte),
            hash(syntax, u32::from(difference)) ^ byte,
        ];
        let made = models.residual.code(coder, &contexts, (kind as usize & 15, byte as u8), truth_at::<C>(truth, at));
        self.last_difference = [made.wrapping_sub(byte as u8), difference];
        self.expected[at] = made;
        false
    }
}
