//! Proofs: sim.
