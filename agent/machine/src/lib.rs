//! The update machine: states, events, effects.
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;

/// Bytes of a failure's detail (output of a health check, last kernel lines) that the journal keeps.
pub const DETAIL_BYTES_MAX: usize = 1024;
pub use boot::{BootId, BootState, Slot, Stage, TrialBoot};
