//! What an analysis promises, proven from outside: a file against itself is identical, an edit is found where it was made,
//! the same bytes give the same result, and no bytes are a panic.
#![allow(clippy::disallowed_methods, reason = "tests read the program that they are")]

mod callgraph;
mod edits;
mod hostile;
mod itself;
mod support;
