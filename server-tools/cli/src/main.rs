//! `stella`: the host's command line.
//!
//! In: arguments, files. Out: files, one result on standard output (text, or one JSON object with `--json`), progress on
//! standard error when that is a terminal, and an exit code that says what kind of failure it was. What a command does
//! is in `commands/`, one file each; what it is called, takes and helps with is in `cli.rs`, the one table from which
//! help, completions and man pages come.

mod cli;
mod commands;
mod failure;
mod output;
mod progress;
mod signing;

use clap::Parser;
use failure::Failure;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Stella::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to standard output and the rest to standard error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Failure::USAGE } else { 0 });
        }
    };
    let output = Output::new(arguments.json);
    match commands::run(arguments.command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}
