//! Running a program and measuring it: exit code, output, peak memory, processor time.
//!
//! In: a [`Command`], the time it may take, and a closure that sees each line of standard error and may end the program.
//! Out: [`Ended`].
//! The figures are the kernel's (`/proc/PID/status` VmHWM, `/proc/PID/stat` utime and stime), read until the program
//! has ended and before it is waited for. Children of the program are not counted.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::AddAssign;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::leash::Leash;

/// Between two looks at a running program. Memory that was taken and given back in between is not seen; the kernel's
/// own high-water mark covers all but the last such interval.
const TICK: Duration = Duration::from_millis(2);
/// Of the times in `/proc/PID/stat`; the kernel's interface fixes it at 100 on every machine that Debian runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What a program took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) peak_bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl AddAssign for Usage {
    /// Times add up; of the peaks the higher counts.
    fn add_assign(&mut self, other: Self) {
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

/// What the closure wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    GoOn,
    /// SIGKILL: what a power cut looks like to a program.
    Kill,
    /// SIGTERM: what a service manager sends.
    Terminate,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) usage: Usage,
}

impl Ended {
    /// True when SIGKILL ended it.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

/// Runs a program to its end, or ends it after `longest`, which is an error. `watch` is called with each line of its
/// standard error, and with `None` in between.
pub(crate) fn run(
    command: &mut Command,
    leash: &Leash,
    longest: Duration,
    mut watch: impl FnMut(Option<&str>) -> Result<Act>,
) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut held = leash.spawn(command)?;
    let mut stdout = held.child.stdout.take().expect("stdout is piped");
    let stderr = held.child.stderr.take().expect("stderr is piped");
    let out = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            // The other end is gone only when the demo failed.
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    let id = held.child.id();
    let mut usage = Usage::default();
    let mut err = String::new();
    let mut asked = Act::GoOn;
    loop {
        let ended = look(id, &mut usage).unwrap_or(held.child.try_wait()?.is_some());
        let mut acts = vec![watch(None)?];
        for line in lines.try_iter() {
            acts.push(watch(Some(&line))?);
            err += &line;
            err.push('\n');
        }
        if ended {
            break;
        }
        if asked == Act::GoOn {
            asked = acts.into_iter().find(|act| *act != Act::GoOn).unwrap_or(Act::GoOn);
            match asked {
                Act::GoOn => {}
                Act::Kill => held.child.kill()?,
                Act::Terminate => terminate(id)?,
            }
        }
        if began.elapsed() > longest {
            bail!("{} did not end within {} s", command.get_program().display(), longest.as_secs());
        }
        thread::sleep(TICK);
    }
    usage.wall = began.elapsed();
    let status = held.child.wait()?;
    let _ = reader.join();
    err.extend(lines.try_iter().flat_map(|line| [line, "\n".to_owned()]));
    let out = out.join().map_err(|_| anyhow::anyhow!("the reader of an output panicked"))??;
    let out = String::from_utf8_lossy(&out).into_owned();
    Ok(Ended { status, out, err, usage })
}

/// Takes a sample; true when the program has ended and waits to be collected. `None` without `/proc`.
fn look(id: u32, usage: &mut Usage) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold spaces; behind it: state ppid pgrp session tty tpgid flags 4 x faults utime stime
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    usage.cpu = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    if let Ok(status) = fs::read_to_string(format!("/proc/{id}/status"))
        && let Some(kilobytes) = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))
    {
        let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse().ok()?;
        usage.peak_bytes = usage.peak_bytes.max(kilobytes * 1024);
    }
    Some(matches!(*fields.first()?, "Z" | "X"))
}

/// The standard library sends SIGKILL only; the shell knows the others.
fn terminate(id: u32) -> Result<()> {
    let status = Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &id.to_string()]).status();
    match status.context("cannot start sh")?.success() {
        true => Ok(()),
        false => bail!("cannot send SIGTERM to process {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, watch: impl FnMut(Option<&str>) -> Result<Act>) -> Ended {
        run(Command::new("sh").args(["-c", script]), &Leash::new().unwrap(), Duration::from_secs(600), watch).unwrap()
    }

    /// Code, both outputs, memory and processor time of a program are what they are.
    #[test]
    fn sees_what_a_program_did() {
        let ended =
            sh("echo out; echo err >&2; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 4", |_| Ok(Act::GoOn));
        assert_eq!((ended.status.code(), ended.out.as_str(), ended.err.as_str()), (Some(4), "out\n", "err\n"));
        assert!(ended.usage.peak_bytes > 100_000 && ended.usage.cpu > Duration::ZERO, "{:?}", ended.usage);
        assert!(!ended.was_killed());
    }

    #[test]
    fn ends_a_program_when_told() {
        let at =
            |word: &'static str, act| move |line: Option<&str>| Ok(if line == Some(word) { act } else { Act::GoOn });
        assert!(sh("echo now >&2; exec sleep 600", at("now", Act::Kill)).was_killed());
        let ended = sh("trap 'exit 7' TERM; echo now >&2; while :; do sleep 0.05; done", at("now", Act::Terminate));
        assert_eq!(ended.status.code(), Some(7));
    }
}
