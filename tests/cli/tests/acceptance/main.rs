//! What users and operators are promised, proven on the two real programs: one file for each promise.

mod base;
mod campaign;
mod clock;
mod daemon;
mod damage;
mod functions;
mod graph;
mod memory;
mod obstacles;
mod refusals;
mod rollback;
mod score;
mod snapshots;
mod story;
