//! The real agent over a simulated device: machine, executor, engine, journal, verifier and real signed bundles, with a
//! disk, a boot loader and a network that fail in every way that the model knows. `docs/develop/simulation.md`.
//!
//! In: a scenario and faults. Out: which rule was broken, and how to see it again. Nothing here is a copy of the agent's
//! code; what is simulated is what the agent cannot control.

pub mod boot;
pub mod bundles;
pub mod crash;
pub mod device;
pub mod explore;
pub mod fs;
pub mod image;
pub mod platform;
pub mod rng;
pub mod scenario;
pub mod source;
pub mod world;
