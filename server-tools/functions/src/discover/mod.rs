//! Where functions start and end, each bound with the sources that name it.
//!
//! In: an image. Out: [`Bound`]s by address, without overlap of starts. Tables of the file come first: unwind tables,
//! the table of Go, exports, entries, relocated pointers; then `closure` follows calls until nothing new is found. There
//! are no guesses from bytes that look like the start of a function, but for ARM, whose files list too few
//! (`closure`). It does not read symbols: a stripped file gives the same bounds.

pub(crate) mod closure;
mod eh_frame;
mod exidx;
mod gopclntab;
mod pdata;

use crate::degraded::Degraded;
use crate::image::{Image, Root};
use crate::limits::FUNCTIONS_MAX;
use std::collections::BTreeMap;
use std::fmt;

pub(crate) use gopclntab::names as go_names;

/// What says that a function starts at an address. Several may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sources(u16);

impl Sources {
    /// An entry of an unwind table: `.eh_frame`, `.pdata` or `.ARM.exidx`.
    pub const UNWIND: Self = Self(1);
    /// An entry of Go's table of functions.
    pub const GO_TABLE: Self = Self(1 << 1);
    /// An exported symbol.
    pub const EXPORT: Self = Self(1 << 2);
    /// The entry point, or a function that the loader calls.
    pub const ENTRY: Self = Self(1 << 3);
    /// A pointer that the loader fills in, or a list of targets of guarded calls.
    pub const POINTER: Self = Self(1 << 4);
    /// The target of a direct call.
    pub const CALL: Self = Self(1 << 5);
    /// The target of a jump from another function.
    pub const TAIL_JUMP: Self = Self(1 << 6);
    /// An address that code computes.
    pub const CODE_ADDRESS: Self = Self(1 << 7);
    /// Code behind the end of a function, that starts as functions do.
    pub const PROLOGUE: Self = Self(1 << 8);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::UNWIND, "unwind"),
        (Self::GO_TABLE, "go-table"),
        (Self::EXPORT, "export"),
        (Self::ENTRY, "entry"),
        (Self::POINTER, "pointer"),
        (Self::CALL, "call"),
        (Self::TAIL_JUMP, "tail-jump"),
        (Self::CODE_ADDRESS, "code-address"),
        (Self::PROLOGUE, "prologue"),
    ];

    /// Whether one of `others` is among them.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Both.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Their names, the surest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(source, _)| self.has(*source)).map(|(_, name)| name)
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

/// How the bytes of a function are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// The processor's only way; A32 on ARM.
    #[default]
    Plain,
    /// T32.
    Thumb,
}

/// A function's start, and its end where a table tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) end: Option<u64>,
    pub(crate) mode: Mode,
    pub(crate) sources: Sources,
}

/// Bounds by start.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) starts: BTreeMap<u64, Bound>,
    pub(crate) is_truncated: bool,
}

impl Bounds {
    /// Adds what a source knows; the first end that is told stays. Whether the start is new.
    pub(crate) fn add(&mut self, start: u64, end: Option<u64>, mode: Mode, source: Sources) -> bool {
        let is_full = self.starts.len() >= FUNCTIONS_MAX;
        match self.starts.get_mut(&start) {
            Some(bound) => {
                bound.sources = bound.sources.and(source);
                bound.end = bound.end.or(end);
                false
            }
            None if is_full => {
                self.is_truncated = true;
                false
            }
            None => {
                self.starts.insert(start, Bound { end, mode, sources: source });
                true
            }
        }
    }

    /// Adds a pointer to code.
    pub(crate) fn add_pointer(&mut self, image: &Image<'_>, pointer: u64, source: Sources) -> bool {
        let start = image.machine.code(pointer);
        let mode = if start == pointer { Mode::Plain } else { Mode::Thumb };
        let is_code = image.code(start).is_some() && start.is_multiple_of(image.machine.alignment());
        is_code && self.add(start, None, mode, source)
    }
}

/// What the tables of a file say.
pub(crate) fn listed(image: &mut Image<'_>) -> Bounds {
    let mut bounds = Bounds::default();
    let personalities = eh_frame::add(image, &mut bounds);
    image.roots.extend(personalities.into_iter().map(|personality| (personality, Root::Guarded)));
    pdata::add(image, &mut bounds);
    exidx::add(image, &mut bounds);
    gopclntab::add(image, &mut bounds);
    if !bounds.starts.values().any(|bound| bound.sources.has(Sources::UNWIND.and(Sources::GO_TABLE))) {
        image.degraded.push(Degraded::NoUnwindTable);
    }
    for (pointer, root) in &image.roots {
        let source = match root {
            Root::Export => Sources::EXPORT,
            Root::Entry | Root::Initializer | Root::Finalizer | Root::ThreadCallback | Root::Resolver => Sources::ENTRY,
            Root::Guarded => Sources::POINTER,
        };
        bounds.add_pointer(image, *pointer, source);
    }
    bounds
}
