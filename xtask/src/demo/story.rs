//! What the demo prints: numbered steps, the commands as a person would type them, what the programs said, and what
//! was checked. Standard output holds the story; `demo.log` holds every command with all of its output.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Columns of a line of the story.
const COLUMNS: usize = 120;

/// The story so far.
#[derive(Debug)]
pub(crate) struct Story {
    began: Instant,
    step: u32,
    checks: u32,
    log: Mutex<File>,
}

impl Story {
    pub(crate) fn new(began: Instant, log: &Path) -> Result<Self> {
        let log = Mutex::new(File::create(log).with_context(|| log.display().to_string())?);
        Ok(Self { began, step: 0, checks: 0, log })
    }

    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        println!("\n{:2}. {title}", self.step);
        self.log(&format!("\n=== {}. {title} ({:.1} s)\n", self.step, self.began.elapsed().as_secs_f64()));
    }

    /// A command, as a person would type it in the demo's folder.
    pub(crate) fn command(&self, line: &str) {
        print_wrapped("    $ ", " \\", line);
    }

    /// Sentences, wrapped.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            print_wrapped("    ", "", line);
        }
    }

    /// Something that must hold: it is told when it does, and ends the demo when it does not.
    pub(crate) fn check(&mut self, holds: bool, what: &str) -> Result<()> {
        self.log(&format!("check: {what}: {holds}\n"));
        if !holds {
            bail!("step {}: this does not hold: {what}", self.step);
        }
        self.checks += 1;
        print_wrapped("    [checked] ", "", what);
        Ok(())
    }

    pub(crate) fn checks(&self) -> u32 {
        self.checks
    }

    pub(crate) fn log(&self, text: &str) {
        if let Ok(mut log) = self.log.lock() {
            // The story does not end because its record cannot be written.
            let _ = log.write_all(text.as_bytes());
        }
    }
}

/// Prints a line, broken between words where it is too long. `glue` ends each line but the last.
fn print_wrapped(indent: &str, glue: &str, text: &str) {
    let mut line = indent.to_owned();
    let mut empty = true;
    // Single spaces only: columns that a program aligned stay aligned.
    for word in text.split(' ') {
        if !empty && line.len() + 1 + word.len() + glue.len() > COLUMNS {
            println!("{line}{glue}");
            line = " ".repeat(indent.len());
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    println!("{line}");
}

/// A number of bytes for people, in the agent's units, cut off as the agent cuts it.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..1_048_576 => (1024, "KiB"),
        _ => (1_048_576, "MiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
