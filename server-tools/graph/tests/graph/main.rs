//! What a graph promises, proven from outside: what ran is never called unreachable, the same program gives the same
//! bytes, what was changed is refused, and proofs hold for what is so and for nothing else.

mod callgrind;
mod changes;
mod closure;
mod format;
mod hostile;
mod made;
mod proofs;
mod store;
