//! The only verifier: envelopes, inclusion, checkpoints, witnesses, floors.
