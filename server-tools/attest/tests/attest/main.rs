//! The tests of delta-attest, as one program: from key to verified file, and everything that must stop on the way.
#![allow(unreachable_pub, reason = "test helpers")]

mod checkpoints;
mod common;
mod flow;
mod golden;
mod keys;
mod logs;
mod proofs;
mod trust;
mod witnesses;
