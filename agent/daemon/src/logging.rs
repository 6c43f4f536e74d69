//! The log: lines on standard error, with the priority prefix that journald reads when it is the reader.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;

struct Stderr {
    for_journal: bool,
}

static TO_JOURNAL: Stderr = Stderr { for_journal: true };
static TO_TERMINAL: Stderr = Stderr { for_journal: false };

/// Starts logging. `for_journal` says that journald reads standard error (systemd sets `JOURNAL_STREAM`).
pub fn start(level: LevelFilter, for_journal: bool) {
    // A second start, in tests, keeps the first logger.
    let _ = log::set_logger(if for_journal { &TO_JOURNAL } else { &TO_TERMINAL });
    log::set_max_level(level);
}

/// The number of syslog (RFC 5424 section 6.2.1).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn line(record: &Record<'_>, for_journal: bool) -> String {
    // One record is one line: a newline inside could forge a priority.
    let text = record.args().to_string().replace(['\n', '\r'], " ");
    match (for_journal, record.level()) {
        (true, level) => format!("<{}>{text}\n", priority(level)),
        (false, Level::Error) => format!("error: {text}\n"),
        (false, Level::Warn) => format!("warning: {text}\n"),
        (false, _) => format!("{text}\n"),
    }
}

impl Log for Stderr {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Nothing can be done about a closed standard error.
        let _ = std::io::stderr().lock().write_all(line(record, self.for_journal).as_bytes());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_their_priority() {
        let check = |level, for_journal, expected: &str| {
            let record = Record::builder().level(level).args(format_args!("a\nb")).build();
            assert_eq!(line(&record, for_journal), expected);
        };
        check(Level::Error, true, "<3>a b\n");
        check(Level::Warn, true, "<4>a b\n");
        check(Level::Info, true, "<6>a b\n");
        check(Level::Debug, true, "<7>a b\n");
        check(Level::Warn, false, "warning: a b\n");
        check(Level::Info, false, "a b\n");
    }
}
