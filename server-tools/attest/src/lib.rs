//! Keys, envelopes, transparency log, witnesses.
