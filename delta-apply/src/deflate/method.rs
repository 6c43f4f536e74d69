//! Who made a stream: the encoder that is imitated and its settings.

use super::format::MATCH_MAX;
use super::models::Symbol;
use super::tree::TreeStyle;
use crate::coding::coder::BitCoder;

/// An encoder whose choices can be imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// zlib and its faithful descendants: Python, Java, pigz, git.
    Zlib,
    /// GNU gzip: zlib's ancestor, with larger blocks that may end early.
    Gzip,
    /// miniz and miniz_oxide: what Rust programs pack with unless told otherwise.
    Miniz,
    /// zlib-ng and zlib-rs, but for levels 1 and 9.
    Ng,
}

/// All of them, in the order in which they are numbered.
const MAKERS: [Maker; 4] = [Maker::Zlib, Maker::Gzip, Maker::Miniz, Maker::Ng];

/// An encoder and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub(super) maker: Maker,
    /// 0 to 9; level 0 finds no matches.
    pub(super) level: u8,
    /// zlib's memLevel, 1 to 9: the size of its hash table and how many tokens make a block.
    pub(super) memory: u8,
    /// Log2 of the window in bytes, 9 to 15.
    pub(super) window: u8,
}

/// How hard matches are searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// A match this long makes the search for a better one short.
    pub(super) good: usize,
    /// A match this long is taken without a look at the next byte; without lazy matching: the longest match whose bytes
    /// are all entered into the hash table.
    pub(super) lazy: usize,
    /// A match this long is long enough.
    pub(super) nice: usize,
    /// Candidates that are looked at.
    pub(super) chain: usize,
    /// Whether a match may give way to a longer one at the next byte.
    pub(super) is_lazy: bool,
    /// Whether the first candidate that is no better ends the search.
    pub(super) gives_up: bool,
}

/// zlib's configuration table: good, lazy, nice, chain.
const EFFORTS: [(usize, usize, usize, usize); 10] = [
    (0, 0, 0, 0),
    (4, 4, 8, 4),
    (4, 5, 16, 8),
    (4, 6, 32, 32),
    (4, 4, 16, 16),
    (8, 16, 32, 32),
    (8, 16, 128, 128),
    (8, 32, 128, 256),
    (32, 128, 258, 1024),
    (32, 258, 258, 4096),
];

/// miniz's numbers of probes.
const PROBES: [usize; 10] = [0, 1, 6, 32, 16, 32, 128, 256, 512, 768];

impl Method {
    /// The usual one: zlib at level 6.
    pub(super) const USUAL: Self = Self { maker: Maker::Zlib, level: 6, memory: 8, window: 15 };

    pub(super) fn effort(self) -> Effort {
        let level = usize::from(self.level.min(9));
        let is_lazy = level > 3;
        match self.maker {
            Maker::Zlib | Maker::Gzip => {
                let (good, lazy, nice, chain) = EFFORTS[level];
                Effort { good, lazy, nice, chain, is_lazy, gives_up: false }
            }
            Maker::Miniz => {
                let chain = PROBES[level];
                Effort { good: 32, lazy: 128, nice: MATCH_MAX, chain, is_lazy, gives_up: false }
            }
            Maker::Ng => {
                let (good, lazy, nice, chain) = match level {
                    3 => (4, 6, 16, 6),
                    4 => (4, 12, 32, 24),
                    _ => EFFORTS[level],
                };
                Effort { good, lazy, nice, chain, is_lazy: level > 6, gives_up: level < 5 }
            }
        }
    }

    /// Log2 of the slots of the hash table.
    pub(super) fn hash_bits(self) -> u32 {
        if self.maker == Maker::Ng { 16 } else { u32::from(self.memory) + 7 }
    }

    /// Tokens after which a block ends.
    pub(super) fn block_tokens(self) -> usize {
        match self.maker {
            Maker::Zlib | Maker::Ng => (1 << (self.memory + 6)) - 1,
            Maker::Gzip => (1 << 15) - 1,
            // It counts bytes of its own buffer.
            Maker::Miniz => usize::MAX,
        }
    }

    pub(super) fn trees(self) -> TreeStyle {
        match self.maker {
            Maker::Zlib | Maker::Gzip | Maker::Ng => TreeStyle::Zlib,
            Maker::Miniz => TreeStyle::Sorted,
        }
    }
}

/// Models of methods: the last one is the likeliest.
#[derive(Debug, Default)]
pub(super) struct MethodModel {
    fields: [Symbol<4>; 4],
}

impl MethodModel {
    /// Codes a method; None when it is none.
    pub(super) fn code<C: BitCoder>(&mut self, coder: &mut C, method: Method) -> Option<Method> {
        let maker = MAKERS.iter().position(|maker| *maker == method.maker).unwrap_or(0);
        let known = [maker as u8, method.level, method.memory, method.window];
        let [maker, level, memory, window] = core::array::from_fn(|field| self.fields[field].code(coder, known[field]));
        let valid = level <= 9 && (1..=9).contains(&memory) && (9..=15).contains(&window);
        // miniz has one window and one hash table.
        let valid = valid && (usize::from(maker) != Maker::Miniz as usize || (memory, window) == (8, 15));
        valid.then_some(Method { maker: *MAKERS.get(usize::from(maker))?, level, memory, window })
    }
}
