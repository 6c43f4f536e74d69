//! A leash: whatever ends this program (Ctrl-C, a signal, a panic), the programs that it started end as well.
//!
//! In: children, each started in a process group of its own. Out: nothing. It is a small shell that reads from a pipe
//! which only this program holds; when the pipe closes, it kills the groups that are still on its list. A signal
//! handler would need `unsafe` or a dependency, and would not outlive SIGKILL.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result};

const SCRIPT: &str = r#"
held=
while read -r word group; do
    case $word in
    hold) held="$held $group" ;;
    free) rest=; for one in $held; do [ "$one" = "$group" ] || rest="$rest $one"; done; held=$rest ;;
    esac
done
for group in $held; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// Holds children.
#[derive(Debug)]
pub(crate) struct Leash {
    shell: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

/// A child that is on the leash until it was waited for.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    leash: &'a Leash,
    pub(crate) child: Child,
}

impl Leash {
    pub(crate) fn new() -> Result<Self> {
        // A group of its own: the Ctrl-C that ends this program must not end the leash first.
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let pipe = Mutex::new(shell.stdin.take());
        Ok(Self { shell, pipe })
    }

    /// Starts the program in its own group.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Held<'_>> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {program}"))?;
        self.tell("hold", child.id());
        Ok(Held { leash: self, child })
    }

    fn tell(&self, word: &str, group: u32) {
        if let Ok(mut pipe) = self.pipe.lock()
            && let Some(pipe) = pipe.as_mut()
        {
            // A leash that was killed by hand holds nothing; that alone is no reason to stop.
            let _ = pipe.write_all(format!("{word} {group}\n").as_bytes());
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Ok(mut pipe) = self.pipe.lock() {
            pipe.take();
        }
        let _ = self.shell.wait();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Without effect on a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.leash.tell("free", self.child.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// A dropped leash takes the children with it that nobody waited for, and their children.
    #[test]
    fn nobody_outlives_the_leash() {
        let leash = Leash::new().unwrap();
        let mut command = Command::new("sh");
        let held = leash.spawn(command.args(["-c", "sleep 600 & wait"])).unwrap();
        let process = format!("/proc/{}", held.child.id());
        assert!(Path::new(&process).exists());
        // As when this program dies: nothing is waited for, nothing is freed.
        let mut child = std::mem::ManuallyDrop::new(held);
        drop(leash.pipe.lock().unwrap().take());
        let began = Instant::now();
        while child.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(20), "it still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
