//! What a scan promises, proven from outside: operations make the target, the same bytes give the same scan, limits hold.

mod chunks;
mod determinism;
mod edits;
mod limits;
mod matches;
mod support;
