//! Other programs, run so that a failure can be understood.
//!
//! In: a [`Command`]. Out: its success, or an error that names the program and what it said last. Output either goes
//! to the terminal ([`show`]), or to a log file with selected lines passed on ([`log`]), or is returned ([`output`]).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The program's path, looked for in PATH and where Debian keeps the administrator's tools.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs it on the terminal, after a line that says what runs.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(command));
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{}` failed ({status})", line(command)),
    }
}

/// Runs it quietly: everything it prints is appended to the log, and each line is handed to `each` as well.
pub(crate) fn log(command: &mut Command, log: &Path, mut each: impl FnMut(&str)) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
    // One pipe for both streams keeps their order.
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let text = line(command);
    writeln!(file, "$ {text}")?;
    let mut child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
    // The parent's own ends of the pipe have to close, or it never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut complaint = String::new();
    let mut last = String::new();
    for words in BufReader::new(reader).split(b'\n') {
        let words = String::from_utf8_lossy(&words?).into_owned();
        writeln!(file, "{words}")?;
        if complaint.is_empty() && (words.starts_with("E: ") || words.starts_with("Err:")) {
            complaint.clone_from(&words);
        }
        each(&words);
        if !words.trim().is_empty() {
            last = words;
        }
    }
    if child.wait()?.success() {
        return Ok(());
    }
    let said = if complaint.is_empty() { last } else { complaint };
    bail!("{} failed: {said} (whole log: {})", name(command), log.display())
}

/// Runs it and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let mut text = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut text)?;
    let status = child.wait()?;
    match status.success() {
        true => Ok(text),
        false => bail!("`{}` failed ({status})", line(command)),
    }
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let mut text = name(command);
    for word in command.get_args() {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text
}
