//! Reachability graphs.
#![forbid(unsafe_code)]

pub mod callgrind;
pub mod closure;
mod error;

pub use error::Error;
