//! Reads this repository as text: sources without comments and strings, the dependency graph, pages and constants.
//!
//! In: the working tree and `cargo metadata`. Out: small facts that the tests compare with tables. It compiles none of
//! the product's crates, so that it runs in seconds.

pub mod constants;
pub mod packages;
pub mod pages;
pub mod source;
pub mod tree;
