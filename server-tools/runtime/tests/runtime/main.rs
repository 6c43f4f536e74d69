//! Traces of real tools, recorded now, hold the calls that the programs made; and no bytes are a panic.
#![allow(clippy::disallowed_methods, reason = "tests run the tools whose files are read")]

mod hostile;
mod recorded;
mod written;
