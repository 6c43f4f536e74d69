//! How events and reports reach whoever called: a bar on a terminal, JSON Lines for programs.
//!
//! Results go to standard output, everything else to standard error or to `--progress-fd`.

use crate::exit::Report;
use crate::progress::{Event, Step, bytes};
use std::fs::File;
use std::io::{IsTerminal, Write, stderr, stdout};

/// Columns of the bar itself.
const BAR_COLUMNS: u64 = 24;

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// Errors only.
    Quiet,
    /// Results and a bar.
    Normal,
    /// Every step and note.
    Verbose,
}

/// Where output goes.
#[derive(Debug)]
pub struct Screen {
    json: bool,
    loudness: Loudness,
    lines_to: Option<File>,
    terminal: bool,
    bar_shown: bool,
    stage: String,
}

impl Screen {
    /// Output for one verb. `lines_to` is the descriptor of `--progress-fd`.
    pub fn new(json: bool, loudness: Loudness, lines_to: Option<File>) -> Self {
        let terminal = stderr().is_terminal() && !json;
        Self { json, loudness, lines_to, terminal, bar_shown: false, stage: String::new() }
    }

    /// Shows an event. Output that nobody reads any more does not stop the work.
    pub fn event(&mut self, event: &Event) {
        if let Some(file) = &mut self.lines_to {
            let _ = writeln!(file, "{}", event.to_json());
        }
        if self.json {
            if self.lines_to.is_none() && self.loudness != Loudness::Quiet {
                let _ = writeln!(stderr(), "{}", event.to_json());
            }
            return;
        }
        match (event, self.loudness) {
            (_, Loudness::Quiet) => {}
            (Event::Step(step), _) if self.terminal => {
                let _ = write!(stderr(), "\r\x1b[2K{}", bar(step));
                let _ = stderr().flush();
                self.bar_shown = true;
            }
            (Event::Step(step), Loudness::Verbose) if step.stage != self.stage => {
                self.stage.clone_from(&step.stage);
                let _ = writeln!(stderr(), "{}: {}", step.stage, bytes(step.total));
            }
            (Event::Note(text), Loudness::Verbose) => {
                self.clear();
                let _ = writeln!(stderr(), "{text}");
            }
            _ => {}
        }
    }

    /// Shows the end of the verb.
    pub fn report(&mut self, verb: &str, report: &Report) {
        self.clear();
        if self.json {
            let _ = writeln!(stdout(), "{}", report.to_json(verb));
        } else if report.exit.is_failure() {
            let _ = writeln!(stderr(), "error: {}", report.text);
        } else if self.loudness != Loudness::Quiet {
            let _ = writeln!(stdout(), "{}", report.text);
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.bar_shown) {
            let _ = write!(stderr(), "\r\x1b[2K");
        }
    }
}

/// `apply      [========>         ]  45%  12.3 MiB of 27.0 MiB, 3.2 MiB/s, 5 s left`
fn bar(step: &Step) -> String {
    let stage = &step.stage;
    if step.total == 0 {
        return format!("{stage:10} {}", if step.done > 0 { bytes(step.done) } else { "...".to_owned() });
    }
    let part =
        |whole: u64| (u128::from(step.done.min(step.total)) * u128::from(whole) / u128::from(step.total)) as usize;
    let filled = "=".repeat(part(BAR_COLUMNS));
    let left = step.left_seconds.map_or(String::new(), |seconds| format!(", {} left", duration(seconds)));
    format!(
        "{stage:10} [{filled:columns$}] {:3}%  {} of {}, {}/s{left}",
        part(100),
        bytes(step.done),
        bytes(step.total),
        bytes(step.rate),
        columns = BAR_COLUMNS as usize,
    )
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_rate_and_time_left() {
        let step =
            Step { stage: "fetch".into(), done: 512, total: 2048, rate: 100, left_seconds: Some(15), fetched: 0 };
        assert_eq!(bar(&step), "fetch      [======                  ]  25%  512 B of 2.0 KiB, 100 B/s, 15 s left");
        assert_eq!(bar(&Step { stage: "verify".into(), ..Step::default() }), "verify     ...");
        assert_eq!([duration(99), duration(150), duration(7200)], ["99 s", "2 min", "2 h"]);
    }
}
