//! Performs the machine's effects over a [`crate::platform::Platform`].

pub mod witness;
