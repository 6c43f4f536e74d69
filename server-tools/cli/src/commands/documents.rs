//! Completions and man pages, from the same table as the help.

use crate::cli::Stella;
use crate::failure::Failure;
use crate::output::Output;
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::path::Path;

pub(crate) fn completions(shell: Shell, output: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Stella::command(), "stella", &mut script);
    output.raw(&script);
    Ok(())
}

pub(crate) fn man(folder: &Path, output: &Output) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    clap_mangen::generate_to(Stella::command(), folder).map_err(|error| Failure::io(folder, &error))?;
    output.result(&json!({"folder": folder}), &format!("wrote the man pages to {}", folder.display()));
    Ok(())
}
