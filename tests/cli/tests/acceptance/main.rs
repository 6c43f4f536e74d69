//! What users and operators are promised, proven on the two real programs: one file for each promise.

mod story;
