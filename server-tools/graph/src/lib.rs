//! Reachability graphs of programs: built, kept, signed in parts, proven in a few kilobytes. `docs/formats/graph.md`.
//!
//! In: a program with its libraries. Out: `richgraph-v1` as canonical JSON with its BLAKE3, statements for envelopes, edge
//! bundles, and proofs about one edge or one function that are verified without the graph. The steps, in the order of the
//! flow:
//!
//! | step | module |
//! |---|---|
//! | find the programs and their libraries, analyse every file | [`services`], [`closure`] |
//! | nodes with ids, edges, roots | [`mod@build`], [`model`], [`kind`], [`symbol`] |
//! | canonical JSON, digests | [`json`] |
//! | Merkle roots over edges and over what is reachable | [`merkle`], [`commitment`] |
//! | statements, envelopes | [`statement`], [`envelope`] |
//! | edges told apart | [`bundle`] |
//! | a folder by digest | [`cas`] |
//! | everything again, offline; quarantine | [`verify`] |
//! | small proofs | [`proof`] |
//! | edges that were seen to run | [`runtime`], [`callgrind`] |
//! | two builds | [`mod@diff`] |
//!
//! It makes no signature (`delta-attest` does), verifies none by itself (`delta-verify` does), and asks no clock and no
//! network. Files are touched in [`services`], [`closure`] and [`cas`]; [`callgrind`] asks where
//! files are.
#![forbid(unsafe_code)]

pub mod build;
pub mod bundle;
pub mod callgrind;
pub mod cas;
pub mod closure;
pub mod commitment;
pub mod diff;
pub mod envelope;
mod error;
pub mod json;
pub mod kind;
pub mod limits;
pub mod merkle;
pub mod model;
pub mod proof;
mod root;
pub mod runtime;
pub mod services;
pub mod statement;
pub mod symbol;
pub mod verify;

pub use error::{Error, Refused};
pub use model::RichGraph;
