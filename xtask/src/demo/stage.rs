//! Where the demo plays: one folder, the two programs, the story.
//!
//! In: command lines of `stella` and `stella-agent`. Out: what they answered, after their exit codes were compared with
//! what the story says. Every command runs in the demo's folder, so that what is printed can be typed there again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::build::Programs;
use super::story::Story;
use crate::json::Json;
use crate::leash::Leash;
use crate::measure::{self, Act, Ended, Usage};

/// No command of the demo takes this long, not even on a small busy machine.
const LONGEST: Duration = Duration::from_secs(600);

/// Whether a command is part of the story or only of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Told,
    Silent,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) leash: &'a Leash,
    pub(crate) programs: Programs,
    pub(crate) story: Story,
}

/// What a program answered as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) json: Json,
    pub(crate) usage: Usage,
}

impl Stage<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs `stella`, which has to succeed; gives what it printed.
    pub(crate) fn stella(&self, words: &[&str], show: Show) -> Result<Ended> {
        if show == Show::Told {
            self.story.command(&line("stella", words));
        }
        let ended = self.run("stella", words, words, |_| Ok(Act::GoOn))?;
        match ended.status.success() {
            true => Ok(ended),
            false => bail!("`{}` failed ({}): {}", line("stella", words), ended.status, ended.err.trim()),
        }
    }

    /// Runs `stella` for figures.
    pub(crate) fn stella_json(&self, words: &[&str], show: Show) -> Result<Answer> {
        if show == Show::Told {
            self.story.command(&line("stella", words));
        }
        let ended = self.stella(&[words, &["--json"]].concat(), Show::Silent)?;
        Ok(Answer { exit: 0, json: Json::parse(&ended.out)?, usage: ended.usage })
    }

    /// Runs a verb of the agent on a device's folder, which has to end with `exit`.
    pub(crate) fn agent(&self, device: &str, words: &[&str], exit: i32, show: Show) -> Result<Answer> {
        let words = [&["--config", device], words].concat();
        if show == Show::Told {
            self.story.command(&line("stella-agent", &words));
        }
        let asked = [&words[..], &["--json"]].concat();
        let ended = self.run("stella-agent", &words, &asked, |_| Ok(Act::GoOn))?;
        let said = ended.out.lines().last().unwrap_or_default();
        let json = Json::parse(said)
            .with_context(|| format!("`{}` said: {said}{}", line("stella-agent", &words), ended.err))?;
        let code = ended.status.code().unwrap_or(-1);
        if code != exit {
            let text = json.text("text");
            bail!("`{}` ended with {code}, not with {exit}: {text}", line("stella-agent", &words));
        }
        if show == Show::Told {
            self.story.say(json.text("text"));
        }
        Ok(Answer { exit: code, json, usage: ended.usage })
    }

    /// Runs a verb of the agent that the closure may end; the exit code is the caller's to judge.
    pub(crate) fn agent_watched(
        &self,
        device: &str,
        words: &[&str],
        watch: impl FnMut(Option<&str>) -> Result<Act>,
    ) -> Result<Ended> {
        let words = [&["--config", device], words].concat();
        self.story.command(&line("stella-agent", &words));
        self.run("stella-agent", &words, &[&words[..], &["--json"]].concat(), watch)
    }

    fn run(
        &self,
        name: &str,
        told: &[&str],
        words: &[&str],
        watch: impl FnMut(Option<&str>) -> Result<Act>,
    ) -> Result<Ended> {
        let program = if name == "stella" { &self.programs.stella } else { &self.programs.agent };
        let mut command = Command::new(program);
        // What a service manager may have said to whoever started the demo is not meant for the agent.
        command.args(words).current_dir(self.folder).env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
        let ended = measure::run(&mut command, self.leash, LONGEST, watch)?;
        let Ended { status, out, err, usage } = &ended;
        self.story.log(&format!("$ {}\n{out}{err}({status}; {usage:?})\n", line(name, told)));
        Ok(ended)
    }
}

/// A command line as a person would type it.
fn line(name: &str, words: &[&str]) -> String {
    let mut text = name.to_owned();
    for word in words {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=".contains(c));
        text += &if plain { format!(" {word}") } else { format!(" '{word}'") };
    }
    text
}
