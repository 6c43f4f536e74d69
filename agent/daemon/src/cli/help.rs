//! Help texts, rendered from the table of verbs.

use super::table::{Flag, GLOBAL_FLAGS, VERBS, Verb};
use crate::exit::Exit;
use std::fmt::Write;

/// Columns of a text; what a terminal has by tradition.
const WIDTH: usize = 80;

/// The help of the program.
pub fn program() -> String {
    let mut text = String::from(
        "stella-agent: installs signed, logged updates on a device with two slots\n\nUsage: stella-agent VERB [OPTIONS]\n\nVerbs:\n",
    );
    for verb in VERBS {
        row(&mut text, verb.name, verb.about, 15);
    }
    text.push_str("\nOptions of every verb:\n");
    flags(&mut text, GLOBAL_FLAGS);
    text.push_str("\nExit codes:\n");
    for (exit, about) in Exit::ALL {
        row(&mut text, &(exit as u8).to_string(), about, 3);
    }
    text.push_str("\nMore: stella-agent VERB --help\n");
    text
}

/// The help of one verb.
pub fn verb(verb: &Verb) -> String {
    let argument = match (verb.argument, verb.argument_needed) {
        ("", _) => String::new(),
        (name, true) => format!(" {name}"),
        (name, false) => format!(" [{name}]"),
    };
    let mut text = format!(
        "stella-agent {}: {}\n\nUsage: stella-agent {}{argument} [OPTIONS]\n\n",
        verb.name, verb.about, verb.name
    );
    wrap(&mut text, verb.details, 0);
    if !verb.flags.is_empty() {
        text.push_str("\nOptions:\n");
        flags(&mut text, verb.flags);
    }
    text.push_str("\nOptions of every verb:\n");
    flags(&mut text, GLOBAL_FLAGS);
    text.push_str("\nExamples:\n");
    for (line, about) in verb.examples {
        let _ = writeln!(text, "  {line}\n      {about}");
    }
    text
}

fn flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let value = if flag.value.is_empty() { String::new() } else { format!(" {}", flag.value) };
        row(text, &format!("{short}--{}{value}", flag.long), flag.about, 23);
    }
}

fn row(text: &mut String, name: &str, about: &str, columns: usize) {
    let _ = write!(text, "  {name:columns$} ");
    let indent = columns + 3;
    if name.len() > columns {
        let _ = write!(text, "\n{:indent$}", "");
    }
    wrap(text, about, indent);
}

/// Adds words from the current column on, which is `indent`, in lines of [`WIDTH`].
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = indent;
    for (index, word) in words.split_whitespace().enumerate() {
        if index > 0 && column + 1 + word.len() > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every verb and option stands in the help, no line is too long, every verb has an example.
    #[test]
    fn the_help_is_complete() {
        let whole = program();
        for verb in VERBS {
            assert!(whole.contains(verb.name) && !verb.examples.is_empty(), "{}", verb.name);
            let own = super::verb(verb);
            for flag in verb.flags.iter().chain(GLOBAL_FLAGS) {
                assert!(own.contains(&format!("--{}", flag.long)), "{} {}", verb.name, flag.long);
            }
            let long = own.lines().find(|line| line.len() > WIDTH && !line.trim_start().starts_with("stella-agent "));
            assert_eq!(long, None);
        }
        assert_eq!(whole.lines().find(|line| line.len() > WIDTH), None);
    }
}
