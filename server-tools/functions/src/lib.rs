//! Finds the functions of two executables and says what an update changed, function by function.
//!
//! In: the bytes of two files, ELF or PE, for x86-64, i386, aarch64, ARM or RISC-V, stripped or not. Out: a [`Diff`]:
//! pairs of functions with their class, each with the stage that found it, and functions that are on one side only.
//! The path of the data is the order of the modules: image, discover, decode, features, data, program, matching,
//! same, classify, impact. Any bytes are taken: what cannot be analysed gives a reason ([`Degraded`]), never a panic, and time and
//! memory are bounded by [`limits`]. The same bytes give the same result with any number of threads; the caller chooses
//! the threads by calling inside a rayon pool.
//! [`Pairing`] says which executable of a tree is the older self of which.
//! [`callgraph`] says who may call whom, over several files.
//! It does not read files, compare names to match, or judge: a name is a label.

#![forbid(unsafe_code)]

pub mod callgraph;
mod classify;
mod data;
mod decode;
mod degraded;
mod discover;
mod executable;
mod features;
mod fields;
mod hash;
mod image;
mod impact;
pub mod label;
pub mod limits;
mod matching;
mod pairing;
mod program;
mod same;

pub use classify::{Class, Diff, Pair};
pub use degraded::Degraded;
pub use discover::Sources;
pub use executable::{Executable, Fan, FunctionInfo};
pub use image::{Format, Machine};
pub use impact::{Change, ChangeClass, Counts, Report};
pub use matching::Stage;
pub use pairing::{Identity, Member, PairedBy, Pairing};
