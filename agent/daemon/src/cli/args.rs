//! Takes a command line apart by the table of verbs.
//!
//! In: the arguments after the program's name. Out: [`Arguments`], or a sentence that names the wrong word and the
//! next command. What the values mean is the verbs' business.

use super::table::{self, Flag, GLOBAL_FLAGS, VERBS, Verb};
use lexopt::Arg;
use std::ffi::OsString;

/// A command line, taken apart.
#[derive(Debug)]
pub struct Arguments {
    /// The verb; none for `--help` and `--version` alone.
    pub verb: Option<&'static Verb>,
    /// Its argument.
    pub argument: Option<OsString>,
    options: Vec<(&'static str, OsString)>,
}

impl Arguments {
    /// Whether a switch is given.
    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// The value of an option, the last one if it is given twice.
    pub fn value(&self, long: &str) -> Option<&OsString> {
        self.options.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value)
    }

    /// The value of an option that has to be text.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn text(&self, long: &str) -> Result<Option<&str>, String> {
        let text = |value: &OsString| value.to_str().is_none();
        match self.value(long) {
            Some(value) if text(value) => Err(format!("the value of --{long} is not UTF-8 text")),
            value => Ok(value.and_then(|value| value.to_str())),
        }
    }
}

/// Takes the arguments apart.
///
/// # Errors
/// A sentence for people.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut words, mut options) = (Vec::<OsString>::new(), Vec::<(&'static Flag, OsString)>::new());
    loop {
        let flag = match parser.next().map_err(|error| error.to_string())? {
            None => break,
            Some(Arg::Value(word)) => {
                words.push(word);
                continue;
            }
            Some(Arg::Long(name)) => known(|flag| flag.long == name).ok_or_else(|| unknown(&format!("--{name}")))?,
            Some(Arg::Short(letter)) => {
                known(|flag| flag.short == Some(letter)).ok_or_else(|| unknown(&format!("-{letter}")))?
            }
        };
        let value = match flag.value {
            "" => OsString::new(),
            _ => parser.value().map_err(|error| error.to_string())?,
        };
        options.push((flag, value));
    }
    let text: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or("\u{fffd}")).collect();
    let (verb, used) = match (table::find(&text), text.first()) {
        (Some((verb, used)), _) => (Some(verb), used),
        (None, None) => (None, 0),
        (None, Some(word)) => {
            // `slots` alone names a family of verbs.
            let family = VERBS.iter().filter(|verb| verb.name.starts_with(&format!("{word} ")));
            let family: Vec<_> = family.map(|verb| format!("'{}'", verb.name)).collect();
            return Err(match family.as_slice() {
                [] => format!("there is no verb '{word}'; run: stella-agent --help"),
                family => format!("'{word}' is not complete; there is {}", family.join(", ")),
            });
        }
    };
    let own = |flag: &Flag| verb.is_some_and(|verb| verb.flags.iter().any(|own| own.long == flag.long));
    let global = |flag: &Flag| GLOBAL_FLAGS.iter().any(|global| global.long == flag.long);
    let name = verb.map_or("--help", |verb| verb.name);
    if let Some((flag, _)) = options.iter().find(|(flag, _)| !own(flag) && !global(flag)) {
        return Err(format!(
            "the option --{} does not belong to this verb; run: stella-agent {name} --help",
            flag.long
        ));
    }
    let mut rest = words.into_iter().skip(used);
    let argument = rest.next();
    let asks_help = options.iter().any(|(flag, _)| matches!(flag.long, "help" | "version"));
    let takes = verb.map_or("", |verb| verb.argument);
    if let Some(word) = rest.next().or(argument.clone().filter(|_| takes.is_empty())) {
        return Err(format!("the word {word:?} is too much; run: stella-agent {name} --help"));
    }
    if verb.is_some_and(|verb| verb.argument_needed) && argument.is_none() && !asks_help {
        return Err(format!("{takes} is missing; run: stella-agent {name} --help"));
    }
    let options = options.into_iter().map(|(flag, value)| (flag.long, value)).collect();
    Ok(Arguments { verb, argument, options })
}

fn known(is: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
    let own = VERBS.iter().flat_map(|verb| verb.flags);
    GLOBAL_FLAGS.iter().chain(own).find(|flag| is(flag))
}

fn unknown(option: &str) -> String {
    format!("there is no option {option}; run: stella-agent --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn takes_command_lines_apart() {
        let arguments = read("--config /x install -v --from=/media --force").unwrap();
        assert_eq!(arguments.verb.unwrap().name, "install");
        assert_eq!(arguments.text("from"), Ok(Some("/media")));
        assert_eq!(arguments.text("config"), Ok(Some("/x")));
        assert!(arguments.has("force") && arguments.has("verbose") && !arguments.has("json"));
        assert_eq!(read("slots verify --json").unwrap().verb.unwrap().name, "slots verify");
        assert_eq!(read("verify a.stella").unwrap().argument, Some("a.stella".into()));
        assert!(read("").unwrap().verb.is_none() && read("verify --help").unwrap().has("help"));
        assert_eq!(read("install -- --odd").unwrap().argument, Some("--odd".into()));
    }

    #[test]
    fn names_the_wrong_word() {
        let check = |line: &str, expected: &str| assert_eq!(read(line).unwrap_err(), expected);
        check("instal", "there is no verb 'instal'; run: stella-agent --help");
        check("slots", "'slots' is not complete; there is 'slots verify'");
        check("status --frm x", "there is no option --frm; run: stella-agent --help");
        check("status --force", "the option --force does not belong to this verb; run: stella-agent status --help");
        check("status now", "the word \"now\" is too much; run: stella-agent status --help");
        check("verify a b", "the word \"b\" is too much; run: stella-agent verify --help");
        check("verify", "BUNDLE is missing; run: stella-agent verify --help");
        check("install --from", "missing argument for option '--from'");
    }
}
