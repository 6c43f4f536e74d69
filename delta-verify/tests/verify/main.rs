//! The tests of delta-verify, as one program: what is accepted, what is refused and why, other people's vectors.
#![allow(unreachable_pub, reason = "test helpers")]

mod bundle;
mod channel;
mod common;
mod continuity;
mod golden;
mod merkle;
mod mutants;
mod note;
mod policy;
mod rollback;
mod stack;
mod tiles;
mod trust;
mod vectors;
