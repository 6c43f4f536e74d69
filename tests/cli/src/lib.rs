//! Proofs: cli.
