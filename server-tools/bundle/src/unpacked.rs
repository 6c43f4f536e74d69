//! Both images with their containers opened: what is compared instead of packed bytes.
//!
//! In: base and target. Out: the *virtual base*, which is the base followed by the plaintext of its deflate streams, and
//! the *opened target*, in which each deflate stream that can be made again bit for bit is replaced by its plaintext.
//! Streams that both have are left closed: they are copied as they are. It compares nothing and codes nothing.

use delta_apply::coding::{GROUPS_MAX, PARTS_MAX, Unpack, UnpackGroup, Workspace};
use delta_apply::deflate::{self, Packer};
use delta_apply::parse::{self, Layout};
use delta_apply::{IoError, ReadAt};
use delta_ingest::container::{self, Codec, Container};
use delta_ingest::executable;
use delta_scanner::{Match, Rope};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

/// A deflate stream of the target and its plaintext.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Where the stream is in the target.
    pub stream: Range<u64>,
    /// Where its plaintext is in the opened target.
    pub plain: Range<u64>,
    /// How it is made again.
    pub survey: Survey,
    /// Deflate streams in its plaintext that are made on their own; their plaintexts stand in front of it.
    pub asides: Vec<Aside>,
}

/// A deflate stream in the plaintext of a container: it is made aside, and the container copies it.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Where the stream is in the container's plaintext.
    pub inside: Range<u64>,
    /// Where its plaintext is in the opened target.
    pub plain: Range<u64>,
    /// Where copies of it start, from [`ASIDES`] on: all of a target stand one behind the other.
    pub place: u64,
    /// How it is made again.
    pub survey: deflate::Survey,
}

impl Packed {
    /// All that belongs to it in the opened target.
    pub(crate) fn whole(&self) -> Range<u64> {
        self.asides.first().map_or(self.plain.start, |aside| aside.plain.start)..self.plain.end
    }

    /// Where its plaintexts start and end in the opened target.
    pub(crate) fn borders(&self) -> impl Iterator<Item = u64> {
        let plaintexts = self.asides.iter().map(|aside| &aside.plain).chain([&self.plain]);
        plaintexts.flat_map(|plain| [plain.start, plain.end])
    }
}

/// Places from here on are in no virtual base, but among the streams that are made aside.
pub(crate) const ASIDES: u64 = 1 << 60;

/// How a container is made again.
#[derive(Clone, Debug)]
pub(crate) enum Survey {
    Deflate(deflate::Survey),
    Group(Layout, parse::Survey),
}

/// The target, opened.
#[derive(Debug)]
pub(crate) struct Opened<'t> {
    /// Its bytes; each plaintext is a part.
    pub bytes: Rope<'t>,
    /// What was opened, in order.
    pub packed: Vec<Packed>,
}

/// The base and what was unpacked of it.
#[derive(Debug)]
pub(crate) struct Virtual<'b> {
    /// All bytes; each plaintext is a part.
    pub bytes: Rope<'b>,
    base_bytes: u64,
    /// The streams behind the base, and where their plaintexts start.
    streams: Vec<(Unpack, u64)>,
    /// The tracks of the streams.
    tracks: Vec<Vec<u8>>,
}

/// Corrections that take more than one in this many bytes of a stream are not worth it.
const CORRECTED_PART: u64 = 4;

/// Streams of the base that are opened: as many as one record may unpack.
const STREAMS_MAX: usize = 1 << 16;

/// Opens both images.
pub(crate) fn open<'b, 't>(base: &'b [u8], target: &'t [u8]) -> (Virtual<'b>, Opened<'t>) {
    let (of_base, of_target) = rayon::join(|| container::find(base), || container::find(target));
    let (known, kept) = (streams_of(&of_base, base), streams_of(&of_target, target));
    let changed: Vec<Container> =
        of_target.into_iter().filter(|found| !known.contains(&digest(&target[found.range.clone()]))).collect();
    if changed.is_empty() {
        return closed(base, target);
    }
    let (of_base, changed) = rayon::join(
        || {
            of_base
                .into_par_iter()
                .filter(|found| !kept.contains(&digest(&base[found.range.clone()])))
                .filter_map(|found| BaseStream::unpack(found, base))
                .collect::<Vec<_>>()
        },
        || changed.into_par_iter().filter_map(|found| TargetStream::unpack(found, target)).collect::<Vec<_>>(),
    );
    let inner_of_base = of_base.par_iter().flat_map_iter(|stream| digests(&stream.inner, &stream.plain)).collect();
    let inner_of_target = changed.par_iter().flat_map_iter(|stream| digests(&stream.inner, &stream.plain)).collect();
    rayon::join(
        || open_base(base, of_base, &[kept, inner_of_target]),
        || open_target(target, changed, &[known, inner_of_base]),
    )
}

/// Both images as they are.
pub(crate) fn closed<'b, 't>(base: &'b [u8], target: &'t [u8]) -> (Virtual<'b>, Opened<'t>) {
    let virtual_base =
        Virtual { bytes: base.into(), base_bytes: base.len() as u64, streams: Vec::new(), tracks: Vec::new() };
    (virtual_base, Opened { bytes: target.into(), packed: Vec::new() })
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// The digests of the outermost streams.
fn streams_of(containers: &[Container], bytes: &[u8]) -> BTreeSet<[u8; 32]> {
    containers.par_iter().map(|found| digest(&bytes[found.range.clone()])).collect()
}

fn digests<'s>(containers: &'s [Container], bytes: &'s [u8]) -> impl Iterator<Item = [u8; 32]> + 's {
    containers.iter().map(|found| digest(&bytes[found.range.clone()]))
}

/// The deflate streams in the plaintext of a container, but for those in executables, which stay whole.
fn inner(found: &mut Container, plain: &[u8]) -> Vec<Container> {
    let mut found = match found.codec {
        Codec::Deflate => std::mem::take(&mut found.children),
        Codec::Group(..) => container::find_deflate(plain),
    };
    if !found.is_empty() {
        let executables: Vec<Range<u64>> = executable::find(plain).into_iter().map(|one| one.range).collect();
        found.retain(|found| {
            let apart =
                |range: &Range<u64>| found.range.end as u64 <= range.start || range.end <= found.range.start as u64;
            executables.iter().all(apart)
        });
    }
    found
}

/// A stream of the base that the target does not have, unpacked.
struct BaseStream {
    start: u64,
    plain: Vec<u8>,
    track: Track,
    /// What is in its plaintext.
    inner: Vec<Container>,
}

impl BaseStream {
    fn unpack(mut found: Container, base: &[u8]) -> Option<Self> {
        let (plain, track) = unpack(&found, base)?;
        let inner = inner(&mut found, &plain);
        Some(Self { start: found.range.start as u64, plain, track, inner })
    }
}

/// `known` are digests of streams that both have.
fn open_base<'b>(base: &'b [u8], streams: Vec<BaseStream>, known: &[BTreeSet<[u8; 32]>]) -> Virtual<'b> {
    let mut opened =
        Virtual { bytes: base.into(), base_bytes: base.len() as u64, streams: Vec::new(), tracks: Vec::new() };
    for BaseStream { start, plain, track, mut inner } in streams {
        inner.retain(|inner| known.iter().all(|known| !known.contains(&digest(&plain[inner.range.clone()]))));
        opened.append(start, plain, track, &inner);
    }
    opened
}

/// What a group of the base leaves behind its plaintext.
type Track = Option<(UnpackGroup, Vec<u8>)>;

/// The plaintext of a container, and its track.
fn unpack(found: &Container, parent: &[u8]) -> Option<(Vec<u8>, Track)> {
    let Codec::Group(layout, parts) = &found.codec else { return Some((found.unpack(parent)?, None)) };
    if parts.len() > PARTS_MAX {
        return None;
    }
    let (plain, survey) = found.survey(parent)?;
    let track = survey.track();
    let entries = u32::try_from(track.len() / parse::track::ENTRY_BYTES as usize).ok()?;
    Some((plain, Some((UnpackGroup { layout: *layout, entries, parts: parts.clone() }, track))))
}

impl Virtual<'_> {
    /// Appends the plaintext of a stream at `offset`, then those of the streams in it.
    fn append(&mut self, offset: u64, plain: Vec<u8>, track: Track, children: &[Container]) {
        let groups = self.streams.iter().filter(|(unpack, _)| unpack.group.is_some()).count();
        if self.streams.len() == STREAMS_MAX || (track.is_some() && groups == GROUPS_MAX) {
            return;
        }
        let (group, track) = track.map_or((None, Vec::new()), |(group, track)| (Some(group), track));
        let at = self.bytes.len() as u64;
        self.streams.push((Unpack { offset, plain_bytes: plain.len() as u64, group }, at));
        self.tracks.push(track);
        let inner: Vec<(&Container, (Vec<u8>, Track))> =
            children.iter().filter_map(|child| Some((child, unpack(child, &plain)?))).collect();
        self.bytes.push(plain);
        for (child, (plain, track)) in inner {
            self.append(at + child.range.start as u64, plain, track, &child.children);
        }
    }

    /// Where the piece that holds `at` ends: the base, or the plaintext of one stream.
    pub(crate) fn piece_end(&self, at: u64) -> u64 {
        self.bytes.part(at as usize).end() as u64
    }

    /// The part of the virtual base that a record needs, which reads `ranges` of it.
    pub(crate) fn part(&self, ranges: impl Iterator<Item = Range<u64>>) -> Part<'_> {
        let mut needed = vec![false; self.streams.len()];
        let stream_at = |at: u64| self.streams.partition_point(|(_, start)| *start <= at).checked_sub(1);
        for range in ranges {
            if let Some(stream) = stream_at(range.start) {
                needed[stream] = true;
            }
        }
        // A stream inside of another needs that.
        for stream in (0..self.streams.len()).rev() {
            if let Some(outer) = stream_at(self.streams[stream].0.offset).filter(|_| needed[stream]) {
                needed[outer] = true;
            }
        }
        let mut part =
            Part { whole: self, unpack: Vec::new(), places: vec![(0, 0)], pieces: vec![(0, 0)], plain: Vec::new() };
        let mut at = self.base_bytes;
        for (index, (unpack, start)) in self.streams.iter().enumerate().filter(|(index, _)| needed[*index]) {
            let offset = part.place(unpack.offset);
            part.unpack.push(Unpack { offset, ..unpack.clone() });
            part.places.push((at, *start));
            part.pieces.push((at, *start));
            if unpack.group.is_some() {
                part.pieces.push((at + unpack.plain_bytes, TRACKS + index as u64 * TRACK_STEP));
            }
            at += unpack.bytes();
        }
        part.pieces.push((at, WORKSPACE));
        part
    }
}

/// See [`Virtual::part`].
#[derive(Debug)]
pub(crate) struct Part<'v> {
    whole: &'v Virtual<'v>,
    /// What a device unpacks for it.
    pub unpack: Vec<Unpack>,
    /// Where each piece starts in the part, and in the whole.
    places: Vec<(u64, u64)>,
    /// The same with tracks and the workspace between them.
    pieces: Vec<(u64, u64)>,
    /// The workspace: plaintext of a group of the target.
    plain: Vec<u8>,
}

/// Places of the whole that stand for tracks, and for the workspace.
const TRACKS: u64 = 1 << 56;
const TRACK_STEP: u64 = 1 << 36;
const WORKSPACE: u64 = 1 << 62;

impl Part<'_> {
    /// Bytes that are unpacked.
    pub(crate) fn scratch_bytes(&self) -> u64 {
        self.unpack.iter().map(Unpack::bytes).sum()
    }

    /// The place in the part of a place in the whole, which one of its ranges holds.
    pub(crate) fn place(&self, at: u64) -> u64 {
        let next = self.places.partition_point(|(_, start)| *start <= at);
        let (part, whole) = self.places[next - 1];
        part + (at - whole)
    }
}

impl ReadAt for Part<'_> {
    fn read_at(&mut self, mut offset: u64, mut out: &mut [u8]) -> Result<(), IoError> {
        while !out.is_empty() {
            let next = self.pieces.partition_point(|(part, _)| *part <= offset);
            let (part, whole) = self.pieces[next - 1];
            let end = self.pieces.get(next).map_or(u64::MAX, |(part, _)| *part);
            let inside = (offset - part) as usize;
            let there = match whole {
                WORKSPACE => self.plain.get(inside..),
                TRACKS.. => self.whole.tracks[((whole - TRACKS) / TRACK_STEP) as usize].get(inside..),
                _ => {
                    let at = whole as usize + inside;
                    let piece = self.whole.bytes.part(at);
                    piece.bytes.get(at - piece.start..)
                }
            };
            let there = there.filter(|there| !there.is_empty()).ok_or(IoError::EIO)?;
            let bytes = (end - offset).min(there.len().min(out.len()) as u64) as usize;
            let (now, later) = out.split_at_mut(bytes);
            now.copy_from_slice(&there[..bytes]);
            offset += bytes as u64;
            out = later;
        }
        Ok(())
    }
}

impl Workspace for Part<'_> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let at = self.pieces.last().map_or(0, |(part, _)| offset - part) as usize;
        if self.plain.len() < at + bytes.len() {
            self.plain.resize(at + bytes.len(), 0);
        }
        self.plain[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// A stream of the target that the base does not have, unpacked.
struct TargetStream {
    range: Range<usize>,
    plain: Vec<u8>,
    survey: Survey,
    /// What is in its plaintext.
    inner: Vec<Container>,
}

impl TargetStream {
    fn unpack(mut found: Container, target: &[u8]) -> Option<Self> {
        if let Codec::Group(layout, _) = found.codec {
            let (plain, survey) = found.survey(target)?;
            let inner = inner(&mut found, &plain);
            return Some(Self { range: found.range, plain, survey: Survey::Group(layout, survey), inner });
        }
        let (plain, survey) = surveyed(&found, target)?;
        let inner = inner(&mut found, &plain);
        Some(Self { range: found.range, plain, survey: Survey::Deflate(survey), inner })
    }

    /// Plaintexts and surveys of what is in its plaintext and in none of the `known` digests.
    fn asides(&self, known: &[BTreeSet<[u8; 32]>]) -> Vec<(Range<usize>, Vec<u8>, deflate::Survey)> {
        let of_inner = |inner: &Container| {
            let digest = digest(&self.plain[inner.range.clone()]);
            if known.iter().any(|known| known.contains(&digest)) {
                return None;
            }
            let (plain, survey) = surveyed(inner, &self.plain)?;
            Some((inner.range.clone(), plain, survey))
        };
        self.inner.par_iter().filter_map(of_inner).collect()
    }
}

/// The plaintext of a deflate stream, and how it is made again, if that is worth it.
fn surveyed(found: &Container, parent: &[u8]) -> Option<(Vec<u8>, deflate::Survey)> {
    let plain = found.unpack(parent)?;
    let stream = &parent[found.range.clone()];
    let survey = deflate::survey(&mut Packer::new(), stream, &plain, None)?;
    (survey.cost() <= stream.len() as u64 / CORRECTED_PART).then_some((plain, survey))
}

/// `known` are digests of streams that both have.
fn open_target<'t>(target: &'t [u8], streams: Vec<TargetStream>, known: &[BTreeSet<[u8; 32]>]) -> Opened<'t> {
    let asides: Vec<_> = streams.par_iter().map(|stream| stream.asides(known)).collect();
    let mut opened = Opened { bytes: Rope::default(), packed: Vec::new() };
    let (mut at, mut place) = (0, ASIDES);
    for (TargetStream { range, plain, survey, .. }, inner) in streams.into_iter().zip(asides) {
        opened.bytes.push(&target[at..range.start]);
        let mut asides = Vec::new();
        for (inside, plain, survey) in inner {
            let start = opened.bytes.len() as u64;
            opened.bytes.push(plain);
            let plain = start..opened.bytes.len() as u64;
            let inside = inside.start as u64..inside.end as u64;
            place += inside.end - inside.start;
            asides.push(Aside { place: place - (inside.end - inside.start), inside, plain, survey });
        }
        let start = opened.bytes.len() as u64;
        opened.bytes.push(plain);
        at = range.end;
        let stream = range.start as u64..range.end as u64;
        opened.packed.push(Packed { stream, plain: start..opened.bytes.len() as u64, survey, asides });
    }
    opened.bytes.push(&target[at..]);
    opened
}

impl Opened<'_> {
    /// Where the target's byte `at` is in the opened target; `None` inside of a stream.
    pub(crate) fn place(&self, at: u64) -> Option<u64> {
        let before = self.packed.partition_point(|packed| packed.stream.start < at);
        match before.checked_sub(1).map(|last| &self.packed[last]) {
            None => Some(at),
            Some(last) if last.stream.end <= at => Some(at - last.stream.end + last.plain.end),
            Some(_) => None,
        }
    }

    /// The parts of matches of the target that lie outside of what was opened, as matches of the opened target.
    pub(crate) fn opened(&self, matches: &[Match]) -> Vec<Match> {
        let mut packed = self.packed.iter().peekable();
        let mut found = Vec::with_capacity(matches.len());
        for &one in matches {
            let mut at = one.target;
            while packed.next_if(|packed| packed.stream.end <= at).is_some() {}
            let mut inside = packed.clone();
            while at < one.end() {
                let next = inside.next();
                let end = next.map_or(one.end(), |packed| packed.stream.start.min(one.end()));
                if let Some(target) = self.place(at).filter(|_| end > at) {
                    found.push(Match { base: one.base + (at - one.target), target, length: end - at });
                }
                at = next.map_or(end, |packed| packed.stream.end.max(at));
            }
        }
        found
    }

    /// Where the byte `at` of the opened target is in the target; `None` inside of a plaintext.
    pub(crate) fn closed(&self, at: u64) -> Option<u64> {
        let before = self.packed.partition_point(|packed| packed.whole().start <= at);
        match before.checked_sub(1).map(|last| &self.packed[last]) {
            None => Some(at),
            Some(last) if last.plain.end <= at => Some(at - last.plain.end + last.stream.end),
            Some(_) => None,
        }
    }
}
