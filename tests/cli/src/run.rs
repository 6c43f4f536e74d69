//! Runs a program to its end and keeps what it said, how it ended, and how much memory it had.

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No run of these tests is allowed to take longer: what does hangs.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The command line, for messages.
    pub line: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub out: String,
    /// What else it said.
    pub err: String,
    /// The most resident memory that it had, as the kernel counts it (VmHWM), to the last millisecond before its end.
    pub peak_bytes: u64,
    /// Processor time in clock ticks (1/100 s) up to then.
    pub ticks: u64,
    /// How long it ran.
    pub took: Duration,
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    line: String,
    began: Instant,
    out: JoinHandle<String>,
    err: JoinHandle<String>,
}

/// Starts a program with its outputs caught.
pub fn start(command: &mut Command) -> Running {
    let line = format!("{command:?}");
    let mut child = (command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let (out, err) = (child.stdout.take().map(catch), child.stderr.take().map(catch));
    let (out, err) = (out.expect("the output is a pipe"), err.expect("the output is a pipe"));
    Running { child, line, began: Instant::now(), out, err }
}

/// Runs a program to its end.
///
/// # Panics
/// When it hangs, panics or is ended by a signal.
pub fn run(command: &mut Command) -> Run {
    start(command).end().sane()
}

impl Running {
    /// Waits for the end. A program that hangs is killed and the test fails.
    pub fn end(mut self) -> Run {
        let (mut peak_bytes, mut ticks) = (0, 0);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            peak_bytes = peak_bytes.max(peak(self.child.id()));
            ticks = ticks.max(processor_ticks(self.child.id()));
            if self.began.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("hangs for {} s: {}", PATIENCE.as_secs(), self.line);
            }
            thread::sleep(LOOK);
        };
        self.ended(status, peak_bytes, ticks)
    }

    /// Ends it by SIGKILL after a time, if it still runs then; gives its run, and whether it was killed.
    pub fn kill_after(mut self, wait: Duration) -> (Run, bool) {
        thread::sleep(wait.saturating_sub(self.began.elapsed()));
        let _ = self.child.kill();
        let status = self.child.wait().expect("the child can be waited for");
        (self.ended(status, 0, 0), status.signal() == Some(9))
    }

    /// Sends a signal by its name, as `kill(1)` does.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn ended(self, status: ExitStatus, peak_bytes: u64, ticks: u64) -> Run {
        let took = self.began.elapsed();
        let text = |thread: JoinHandle<String>| thread.join().expect("reading a pipe does not panic");
        let (out, err) = (text(self.out), text(self.err));
        Run { line: self.line, code: status.code(), out, err, peak_bytes, ticks, took }
    }
}

impl Run {
    /// The run itself, unless the program panicked or was ended by a signal.
    #[must_use]
    pub fn sane(self) -> Self {
        let panicked = matches!(self.code, None | Some(101 | 134 | 139)) || self.err.contains("panicked at");
        assert!(!panicked, "{self}");
        self
    }

    /// The run itself, if it ended with this exit code.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// What went to both outputs.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The run itself, if it said this.
    #[must_use]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said().contains(words), "does not say {words:?}: {self}");
        self
    }

    /// The one JSON object of its result.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// The word for programs in the agent's JSON.
    pub fn word(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code: {self}")).to_owned()
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nexit code {:?}\n--- out\n{}\n--- err\n{}", self.line, self.code, self.out, self.err)
    }
}

fn catch(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The high-water mark of resident memory. It belongs to the program alone, unlike `ru_maxrss`, which starts at the size
/// of the parent that forked.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn processor_ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Fields 14 and 15 of proc(5); the name in field 2 may hold spaces.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}
