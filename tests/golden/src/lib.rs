//! Proofs: golden.
