//! The program `stella-agent`. Everything is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(stella_agent::cli::run(std::env::args_os().skip(1)) as u8)
}
