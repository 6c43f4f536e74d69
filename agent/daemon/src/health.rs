//! Health commands: what the running system must answer before its slot is committed.
//!
//! In: shell commands and a time limit for each. Out: [`Health`], with the end of what the first failed command
//! printed. A command that hangs is killed with everything it started.

use crate::platform::{Cancelled, Health, HealthCheck, Progress, Watcher};
use agent_machine::DETAIL_BYTES_MAX;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running command is looked at.
const TICK: Duration = Duration::from_millis(50);

/// The commands of the configuration.
#[derive(Debug)]
pub struct Commands {
    commands: Vec<String>,
    timeout: Duration,
}

impl Commands {
    /// Commands that all must succeed, in this order, each within `timeout`. None at all: the start alone is the proof.
    pub fn new(commands: Vec<String>, timeout: Duration) -> Self {
        Self { commands, timeout }
    }
}

impl HealthCheck for Commands {
    fn check(&mut self, watcher: &mut dyn Watcher) -> Result<Health, Cancelled> {
        for command in &self.commands {
            watcher.progress(Progress::Note(&format!("health check: {command}")))?;
            if let Err(reason) = run(command, self.timeout, watcher)? {
                return Ok(Health::Bad { detail: format!("{command}: {reason}") });
            }
        }
        Ok(Health::Good)
    }
}

/// Runs one shell command; the inner error says how it failed and what it printed last.
///
/// # Errors
/// [`Cancelled`] when the watcher stopped it.
pub fn run(command: &str, timeout: Duration, watcher: &mut dyn Watcher) -> Result<Result<(), String>, Cancelled> {
    let (mut child, output) = match start(command) {
        Ok(started) => started,
        Err(error) => return Ok(Err(format!("it cannot be run: {error}"))),
    };
    let reader = thread::spawn(move || tail(output));
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if start.elapsed() >= timeout => {
                kill(&mut child);
                break Err(format!("it did not end within {} s", timeout.as_secs()));
            }
            Ok(None) => thread::sleep(TICK),
            Err(error) => break Err(format!("it cannot be watched: {error}")),
        }
        if let Err(cancelled) = watcher.progress(Progress::Advanced { stage: agent_machine::Stage::Trial, bytes: 0 }) {
            kill(&mut child);
            return Err(cancelled);
        }
    };
    let end = match status {
        // What a good command left running may go on, and may hold the pipe open: it is not waited for.
        Ok(status) if status.success() => return Ok(Ok(())),
        Ok(status) => describe(status),
        Err(reason) => reason,
    };
    // Else the pipe might never close.
    kill(&mut child);
    let printed = reader.join().unwrap_or_default();
    let printed = printed.trim();
    Ok(Err(if printed.is_empty() { end } else { format!("{end}; it printed: {printed}") }))
}

fn start(command: &str) -> io::Result<(Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    Ok((child, reader))
}

/// Ends the command and everything that it started.
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // The group may be gone already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        _ => "it failed".to_owned(),
    }
}

/// The last bytes of an output of any length.
fn tail(mut output: io::PipeReader) -> String {
    let mut kept = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut part) {
        kept.extend_from_slice(&part[..count]);
        let excess = kept.len().saturating_sub(DETAIL_BYTES_MAX);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(commands: &[&str], timeout_ms: u64) -> Health {
        let commands = commands.iter().map(|&command| command.to_owned()).collect();
        Commands::new(commands, Duration::from_millis(timeout_ms)).check(&mut ()).unwrap()
    }

    #[test]
    fn all_commands_must_succeed() {
        assert_eq!(check(&[], 1), Health::Good);
        assert_eq!(check(&["true", "test 1 = 1", "sleep 60 &"], 5000), Health::Good);
        let bad = |detail: &str| Health::Bad { detail: detail.to_owned() };
        assert_eq!(check(&["true", "echo out; echo err >&2; exit 7", "false"], 5000), {
            bad("echo out; echo err >&2; exit 7: it ended with code 7; it printed: out\nerr")
        });
        assert_eq!(check(&["kill -9 $$"], 5000), bad("kill -9 $$: it was ended by signal 9"));
    }

    /// A command that hangs is ended in time, with its children; only the end of a long output is kept.
    #[test]
    fn hangs_and_floods_are_bounded() {
        let start = Instant::now();
        let Health::Bad { detail } = check(&["echo before; sleep 1000 & sleep 1000"], 200) else { panic!("it hangs") };
        assert!(detail.ends_with("it did not end within 0 s; it printed: before"), "{detail}");
        assert!(start.elapsed() < Duration::from_secs(5));
        let Health::Bad { detail } = check(&["yes long-line | head -c 1000000; echo last; false"], 20_000) else {
            panic!("it fails")
        };
        assert!(detail.ends_with("last") && detail.len() < DETAIL_BYTES_MAX + 200, "{}", detail.len());
    }

    #[test]
    fn checks_can_be_cancelled() {
        struct Impatient(u32);
        impl Watcher for Impatient {
            fn progress(&mut self, _progress: Progress<'_>) -> Result<(), Cancelled> {
                self.0 += 1;
                if self.0 > 3 { Err(Cancelled) } else { Ok(()) }
            }
        }
        let mut commands = Commands::new(vec!["sleep 1000".to_owned()], Duration::from_secs(1000));
        assert_eq!(commands.check(&mut Impatient(0)), Err(Cancelled));
    }
}
