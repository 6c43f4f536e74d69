//! From the functions that tables list to all that code leads to.
//!
//! Each round decodes the functions whose bounds are new, and adds the targets of their calls, of their jumps to other
//! places, and where nothing lists functions, addresses that they compute. A function without an end in a table ends
//! where the next one starts. On ARM and RISC-V, whose tables are incomplete, control is followed to where it ends, and
//! code behind that is a function if it starts like one; calls that are always the last thing in a function are taken as
//! calls that do not return.

use super::{Bound, Bounds, Mode, Sources};
use crate::decode::{Code, Kind, Reference};
use crate::features::Features;
use crate::image::{Image, Machine};
use crate::limits::{DECODED_TIMES_MAX, DISCOVERY_ROUNDS_MAX, FUNCTION_BYTES_MAX};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A function with its features.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bound: Bound,
    pub(crate) features: Features,
}

/// A function as the last round left it.
struct Decoded {
    /// Where the bytes end that were decoded, padding included.
    limit: u64,
    end: u64,
    /// How far it certainly reaches.
    cover: u64,
    features: Features,
}

struct Closure<'i> {
    image: &'i Image<'i>,
    bounds: Bounds,
    decoded: BTreeMap<u64, Decoded>,
    /// Functions that do not return.
    stops: Vec<u64>,
    /// Whether control is followed to find ends.
    follows: bool,
    /// Bytes that may still be decoded.
    left: u64,
    /// Whether addresses in code are taken as functions: only where no table lists any.
    takes_addresses: bool,
}

/// Finds all functions, and whether there were too many.
pub(crate) fn functions(image: &Image<'_>, mut bounds: Bounds) -> (Vec<Found>, bool) {
    let is_listed = bounds.starts.values().any(|bound| bound.end.is_some());
    for (_, target) in &image.pointers {
        if !is_inside_listed(&bounds, image.machine.code(*target)) {
            bounds.add_pointer(image, *target, Sources::POINTER);
        }
    }
    let code = image.sections.iter().filter(|section| section.is_code).map(|section| section.bytes.len() as u64);
    let left = DECODED_TIMES_MAX * code.sum::<u64>();
    let follows = matches!(image.machine, Machine::Arm | Machine::RiscV64);
    let mut closure = Closure {
        image,
        bounds,
        decoded: BTreeMap::new(),
        stops: Vec::new(),
        follows,
        left,
        takes_addresses: !is_listed,
    };
    closure.run();
    if follows {
        for _ in 0..DISCOVERY_ROUNDS_MAX {
            let has_stops = closure.add_stops();
            if !closure.add_prologues() && !has_stops {
                break;
            }
            closure.run();
        }
    }
    let Closure { bounds, decoded, .. } = closure;
    let found = decoded.into_iter().filter_map(|(start, Decoded { end, features, .. })| {
        let bound = *bounds.starts.get(&start)?;
        (end > start).then_some(Found { start, end, bound, features })
    });
    (found.collect(), bounds.is_truncated)
}

/// Whether an address is inside a function whose end a table tells, and not its start.
fn is_inside_listed(bounds: &Bounds, address: u64) -> bool {
    let before = bounds.starts.range(..address).next_back();
    before.is_some_and(|(_, bound)| bound.end.is_some_and(|end| address < end))
}

impl Closure<'_> {
    /// Rounds until nothing is new.
    fn run(&mut self) {
        for _ in 0..DISCOVERY_ROUNDS_MAX {
            let open = self.open();
            if open.is_empty() {
                return;
            }
            let bytes: u64 = open.iter().map(|(start, limit, ..)| limit - start).sum();
            let Some(left) = self.left.checked_sub(bytes) else {
                self.bounds.is_truncated = true;
                return;
            };
            self.left = left;
            let (image, stops, follows) = (self.image, self.stops.as_slice(), self.follows);
            let decode = |&(start, limit, mode, is_listed): &(u64, u64, Mode, bool)| {
                (start, decoded(image, start, limit, mode, is_listed, stops, follows))
            };
            let round: Vec<(u64, Decoded)> = open.par_iter().map(decode).collect();
            let starts: Vec<u64> = round.iter().map(|(start, _)| *start).collect();
            self.decoded.extend(round);
            for start in starts {
                self.add_targets(start);
            }
        }
    }

    /// Functions that are new or whose end moved: start, limit, mode, and whether a table tells the end.
    fn open(&self) -> Vec<(u64, u64, Mode, bool)> {
        let mut open = Vec::new();
        let mut starts = self.bounds.starts.iter().peekable();
        while let Some((&start, bound)) = starts.next() {
            let section = self.image.code(start).map_or(start, |section| section.end());
            let next = starts.peek().map_or(u64::MAX, |(next, _)| **next);
            // No byte is in two functions, so that a round takes no longer than the code is.
            let limit = bound.end.unwrap_or(next).min(next).min(section).min(start.saturating_add(FUNCTION_BYTES_MAX));
            if self.decoded.get(&start).is_none_or(|decoded| decoded.limit != limit) {
                open.push((start, limit, bound.mode, bound.end.is_some()));
            }
        }
        open
    }

    /// Whether a function certainly reaches over an address, and does not start there.
    fn is_covered(&self, address: u64) -> bool {
        let before = self.decoded.range(..address).next_back();
        before.is_some_and(|(_, decoded)| address < decoded.cover) || is_inside_listed(&self.bounds, address)
    }

    /// Adds what the references of a function lead to.
    fn add_targets(&mut self, start: u64) {
        let Some(decoded) = self.decoded.get(&start) else { return };
        let limit = decoded.limit;
        let mut targets: Vec<(u64, Sources)> = Vec::new();
        for (index, Reference { target, kind }) in decoded.features.references.iter().enumerate() {
            let source = match kind {
                Kind::Call => Sources::CALL,
                // What control does not reach may be no code, or of the other mode.
                _ if self.follows && index >= decoded.features.reached => continue,
                Kind::Jump => Sources::TAIL_JUMP,
                // Elsewhere compilers leave a function on a condition only for another part of it.
                Kind::Branch if self.image.machine == Machine::Arm => Sources::TAIL_JUMP,
                Kind::Address if self.takes_addresses => Sources::CODE_ADDRESS,
                _ => continue,
            };
            targets.push((*target, source));
        }
        for (target, source) in targets {
            let address = self.image.machine.code(target);
            let is_known = self.bounds.starts.contains_key(&address);
            let is_near = address > start && address < limit;
            let fits = match source {
                Sources::CALL => !is_inside_listed(&self.bounds, address),
                _ => !self.is_covered(address) && !is_near,
            };
            if is_known || fits && self.is_plausible(target, source) {
                self.bounds.add_pointer(self.image, target, source);
            }
        }
    }

    /// Whether what a guess found may start a function: there are instructions. Pointers to T32 say so by bit 0; of A32
    /// nearly all instructions are executed on no condition, and constants rarely look like that.
    fn is_plausible(&self, target: u64, source: Sources) -> bool {
        let word = self.image.word(self.image.machine.code(target)).unwrap_or(0);
        match source {
            Sources::CALL => true,
            Sources::CODE_ADDRESS if self.image.machine == Machine::Arm && target & 1 == 0 => {
                word >> 28 == 14 && target.is_multiple_of(4)
            }
            _ => word != 0 && word != u32::MAX,
        }
    }

    /// Finds functions that do not return: calls of them are the last thing before the start of another function, more
    /// than once. What calls the new ones is to be decoded again. Whether there are new ones.
    fn add_stops(&mut self) -> bool {
        let mut last: Vec<u64> = Vec::new();
        for decoded in self.decoded.values() {
            let next = self.bounds.starts.get(&decoded.limit);
            if next.is_some_and(|next| next.sources != Sources::PROLOGUE) {
                last.extend(decoded.features.last_call.map(|target| self.image.machine.code(target)));
            }
        }
        last.sort_unstable();
        let twice = last.chunk_by(|a, b| a == b).filter(|calls| calls.len() > 1).filter_map(|calls| calls.first());
        let new: Vec<u64> = twice.copied().filter(|stop| self.stops.binary_search(stop).is_err()).collect();
        let calls_new = |decoded: &Decoded| {
            decoded.features.references.iter().any(|Reference { target, kind }| {
                *kind == Kind::Call && new.binary_search(&self.image.machine.code(*target)).is_ok()
            })
        };
        self.decoded.retain(|_, decoded| !calls_new(decoded));
        self.stops.extend(&new);
        self.stops.sort_unstable();
        !new.is_empty()
    }

    /// Adds code that control does not reach from the function before, if it starts as functions do.
    fn add_prologues(&mut self) -> bool {
        let mut new = Vec::new();
        for (start, decoded) in &self.decoded {
            let Some(bound) = self.bounds.starts.get(start).filter(|bound| bound.end.is_none()) else { continue };
            let at = skip_padding(self.image, decoded.cover, decoded.end, bound.mode);
            if at < decoded.end && starts_like_a_function(self.image, at, bound.mode) {
                new.push((at, bound.mode));
            }
        }
        new.into_iter().fold(false, |is_new, (at, mode)| self.bounds.add(at, None, mode, Sources::PROLOGUE) || is_new)
    }
}

fn decoded(
    image: &Image<'_>,
    start: u64,
    limit: u64,
    mode: Mode,
    is_listed: bool,
    stops: &[u64],
    follows: bool,
) -> Decoded {
    let code = Code::new(image, start, limit, mode);
    let padding = if is_listed { 0 } else { padding(code.bytes, image.machine, mode) };
    let code = Code { bytes: code.bytes.get(..code.bytes.len() - padding).unwrap_or_default(), ..code };
    let end = start + code.bytes.len() as u64;
    let features = Features::of(code, stops);
    let cover = match (is_listed, follows) {
        (true, _) => end,
        (false, true) => features.reach.unwrap_or(end).min(end),
        // Nothing is known of its end.
        (false, false) => start,
    };
    Decoded { limit, end, cover, features }
}

/// Bytes of padding at the end of code.
fn padding(bytes: &[u8], machine: Machine, mode: Mode) -> usize {
    const LONG_NOPS: [&[u8]; 9] = [
        &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
        &[0x66, 0x0f, 0x1f, 0x44, 0, 0],
        &[0x0f, 0x1f, 0x44, 0, 0],
        &[0x0f, 0x1f, 0x40, 0],
        &[0x0f, 0x1f, 0],
    ];
    let is_x86 = matches!(machine, Machine::X86_64 | Machine::X86);
    let words: &[&[u8]] = match (machine, mode) {
        (Machine::X86_64 | Machine::X86, _) => &[&[0xcc], &[0x66, 0x90], &[0x90]],
        (Machine::Aarch64, _) => &[&[0; 4], &[0x1f, 0x20, 0x03, 0xd5]],
        (Machine::Arm, Mode::Plain) => &[&[0; 4], &[0, 0xf0, 0x20, 0xe3], &[0, 0, 0xa0, 0xe1], &[0xd4; 4]],
        (Machine::Arm, Mode::Thumb) => &[&[0; 2], &[0, 0xbf], &[0xc0, 0x46], &[0xd4, 0xd4]],
        (Machine::RiscV64, _) => &[&[0; 2], &[1, 0]],
    };
    let mut left = bytes;
    let all = words.iter().chain(if is_x86 { &LONG_NOPS[..] } else { &[] });
    loop {
        let shorter = all.clone().find_map(|pad| left.strip_suffix(*pad));
        match shorter {
            Some(shorter) if !shorter.is_empty() => left = shorter,
            _ => return bytes.len() - left.len(),
        }
    }
}

/// The first address from `at` on that is not padding.
fn skip_padding(image: &Image<'_>, at: u64, end: u64, mode: Mode) -> u64 {
    let step = if mode == Mode::Thumb || image.machine == Machine::RiscV64 { 2 } else { 4 };
    let is_padding = |at: u64| {
        let bytes = image.bytes(at).get(..step as usize).unwrap_or_default();
        let nops: [&[u8]; 6] = [&[0; 2], &[0; 4], &[0, 0xbf], &[0xc0, 0x46], &[0, 0xf0, 0x20, 0xe3], &[1, 0]];
        nops.contains(&bytes)
    };
    let mut at = at.next_multiple_of(step);
    while at < end && is_padding(at) {
        at += step;
    }
    at
}

/// Whether code saves registers that functions must save, or makes room on the stack.
fn starts_like_a_function(image: &Image<'_>, at: u64, mode: Mode) -> bool {
    let word = image.word(at).unwrap_or(0);
    let (first, second) = (word & 0xffff, word >> 16);
    match (image.machine, mode) {
        (Machine::Arm, Mode::Plain) => {
            // push {.., lr}, str lr, [sp, #-4]!, sub sp, sp, #n; or a function that only moves on.
            word & 0xffff_4000 == 0xe92d_4000 || word == 0xe52d_e004 || word & 0xffff_f000 == 0xe24d_d000
        }
        (Machine::Arm, Mode::Thumb) => {
            let pushes = first & 0xff00 == 0xb500 || first == 0xe92d && second & 0x4000 != 0;
            pushes || first & 0xff80 == 0xb080 || word & 0xffff == 0xf84d && second & 0xff00 == 0xed00
        }
        // c.addi sp, -n; c.addi16sp -n; addi sp, sp, -n
        (Machine::RiscV64, _) => {
            first & 0xff03 == 0x1101 || first & 0xff83 == 0x7101 || word & 0x800f_ffff == 0x8001_0113
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::listed;
    use crate::image::Root;

    const PUSH: u32 = 0xe92d_4010;
    const POP: u32 = 0xe8bd_8010;

    /// A32 code at 0x1000, where the program starts: the functions in it, by start and surest source.
    fn check(code: &[u32], expected: &[(u64, &str)]) {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut image = Image::of_code(Machine::Arm, 0x1000, &bytes);
        image.roots = vec![(0x1000, Root::Entry)];
        let bounds = listed(&mut image);
        let (found, is_truncated) = functions(&image, bounds);
        let found: Vec<(u64, &str)> =
            found.iter().map(|found| (found.start, found.bound.sources.names().next().unwrap_or_default())).collect();
        assert_eq!((found.as_slice(), is_truncated), (expected, false), "{code:08x?}");
    }

    #[test]
    fn code_behind_an_end_is_a_function_if_it_starts_like_one() {
        check(&[PUSH, POP, PUSH, POP], &[(0x1000, "entry"), (0x1008, "prologue")]);
        check(&[PUSH, POP, 0xe1a0_0000, POP], &[(0x1000, "entry")]);
    }

    /// `beq` leads over the first end, so the function goes on.
    #[test]
    fn a_jump_over_an_end_belongs_to_the_function() {
        check(&[PUSH, 0x0a00_0000, POP, PUSH, POP], &[(0x1000, "entry")]);
    }

    /// Two functions end with a call of the last one, so it does not return, and the third one ends with it too.
    #[test]
    fn calls_that_end_functions_do_not_return() {
        let calls = [PUSH, 0xeb00_0002, 0xeb00_0003, 0xeb00_0004, POP];
        let ends = [PUSH, 0xeb00_0005, PUSH, 0xeb00_0003, PUSH, 0xeb00_0001];
        let last = [PUSH, POP, 0xeaff_fffe];
        let expected = [
            (0x1000, "entry"),
            (0x1014, "call"),
            (0x101c, "call"),
            (0x1024, "call"),
            (0x102c, "prologue"),
            (0x1034, "call"),
        ];
        check(&[&calls[..], &ends, &last].concat(), &expected);
    }

    /// The end that a table tells stays, and what points into the function is no other one.
    #[test]
    fn listed_functions_are_not_cut() {
        let code = [0x90; 64];
        let mut image = Image::of_code(Machine::X86_64, 0x1000, &code);
        image.pointers = vec![(0x9000, 0x1008), (0x9008, 0x1020)];
        let mut bounds = Bounds::default();
        bounds.add(0x1000, Some(0x1020), Mode::Plain, Sources::UNWIND);
        let (found, _) = functions(&image, bounds);
        let found: Vec<(u64, u64)> = found.iter().map(|found| (found.start, found.end)).collect();
        // Padding alone remains of the other one, but for its first byte.
        assert_eq!(found, [(0x1000, 0x1020), (0x1020, 0x1021)]);
    }
}
