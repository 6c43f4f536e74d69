//! The update machine: what a device has to do next, and what it remembers.
//!
//! In: a stored [`Record`], what the boot loader and the kernel say ([`BootFacts`]), and events. Out: one [`Effect`] at a
//! time. The machine does nothing itself: it has no I/O, no clock, no memory of its own beyond the record, and it
//! checks no signature. The executor of `stella-agent` performs the effects and reports back.
//!
//! The rules that everything rests on:
//! - A state is the journal record. A state is stored before the effect that it waits for is performed
//!   ([`Effect::Store`] comes first), so the points where power can fail are exactly the effects.
//! - Each state waits for one thing and is named for it; an event that it does not wait for is a typed error
//!   ([`Rejected`]) and changes nothing.
//! - Each effect may be repeated. After a restart [`Machine::start`] decides from the record and the boot loader
//!   which one is due; proofs (verified bundle, read-back, health) are earned again, never stored.
//! - Each state has an exit that needs no person. `docs/develop/machine.md` draws them.
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
mod event;
mod facts;
mod failure;
mod goal;
mod machine;
pub mod policy;
mod record;
mod state;
mod step;

pub use boot::{BootFacts, BootId, BootState, Slot, Stage, TrialBoot};
pub use event::{Effect, Event, Learned, Rejected};
pub use facts::{ChannelSeen, Content, Ended, Facts, FailedHere, LastResult};
pub use failure::{Class, Failure, Line};
pub use goal::{BundleRef, Goal, Kind, Origin};
pub use machine::Machine;
pub use record::{RECORD_FORMAT, Record};
pub use state::*;

/// Bytes of a failure's detail (output of a health check, last kernel lines) that the journal keeps.
pub const DETAIL_BYTES_MAX: usize = 1024;
/// Bytes of a failure's sentence.
pub const MESSAGE_BYTES_MAX: usize = 256;
/// Bytes of the path or URL that a bundle came from.
pub const ORIGIN_BYTES_MAX: usize = 256;
/// Logs whose heads a device keeps: its own, and a few to change over.
pub const HEADS_MAX: usize = 4;
/// Releases on the 'failed here' list; the oldest is dropped for a ninth.
pub const FAILED_HERE_MAX: usize = 8;
