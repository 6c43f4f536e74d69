//! Proofs over the golden vectors; each file opens with what it proves.

mod attacks;
mod canonical;
mod determinism;
mod formats;
mod mutations;
mod pages;
