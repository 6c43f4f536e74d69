//! Proofs: tidy.
