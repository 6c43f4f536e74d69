//! The device daemon and its command line.

pub mod executor;
pub mod platform;
