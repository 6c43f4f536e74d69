//! The command line as data. Parsing, `--help`, the manual page and the shell completions all follow this table.

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its long name, without dashes.
    pub long: &'static str,
    /// Its short name.
    pub short: Option<char>,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// One line of help.
    pub about: &'static str,
}

/// A verb.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// One word, or two for a sub-verb: `slots verify`.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// The argument that it takes; empty for none.
    pub argument: &'static str,
    /// Whether the argument must be there.
    pub argument_needed: bool,
    /// Its own options.
    pub flags: &'static [Flag],
    /// A few sentences of help.
    pub details: &'static str,
    /// Command lines and what they do.
    pub examples: &'static [(&'static str, &'static str)],
}

const fn switch(long: &'static str, about: &'static str) -> Flag {
    Flag { long, short: None, value: "", about }
}

const fn option(long: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { long, short: None, value, about }
}

const fn short(flag: Flag, short: char) -> Flag {
    Flag { short: Some(short), ..flag }
}

/// Options of every verb.
pub const GLOBAL_FLAGS: &[Flag] = &[
    option(
        "config",
        "DIR",
        "read DIR/config.toml and DIR/conf.d instead of /usr/lib and /etc (or STELLA_AGENT_CONFIG)",
    ),
    switch("json", "print one JSON object instead of sentences, and progress as JSON Lines on standard error"),
    option("progress-fd", "N", "write progress as JSON Lines to this open file descriptor"),
    short(switch("quiet", "print errors only"), 'q'),
    short(switch("verbose", "print what happens in between"), 'v'),
    short(switch("help", "print help"), 'h'),
    short(switch("version", "print the version"), 'V'),
];

const FORCE: Flag = switch("force", "install a release again that failed on this device before");
const REASON: Flag = option("reason", "TEXT", "why, for the record");

/// All verbs, in the order of the help.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "status",
        about: "show what runs, what is going on and what to do next",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Reads the journal and the boot loader. Changes nothing.",
        examples: &[("stella-agent status", "for people"), ("stella-agent status --json", "for programs")],
    },
    Verb {
        name: "check",
        about: "look for an update, install nothing",
        argument: "",
        argument_needed: false,
        flags: &[option("from", "PLACE", "the channel to look at: a folder or an http(s) address")],
        details: "Ends with 0 when there is an update, 3 when there is none.",
        examples: &[
            ("stella-agent check", "ask the configured source"),
            ("stella-agent check --from /media/stick", "look at a stick"),
        ],
    },
    Verb {
        name: "install",
        about: "install an update into the inactive slot",
        argument: "BUNDLE",
        argument_needed: false,
        flags: &[
            option("from", "PLACE", "take the best bundle of this channel: a folder or an http(s) address"),
            FORCE,
        ],
        details: "Without BUNDLE the best bundle of the configured source is taken. BUNDLE is a file or an http(s) address. \
                  Ends with 4 when the new slot is ready to be tried by a reboot. An install that was interrupted is \
                  continued.",
        examples: &[
            ("stella-agent install", "from the configured source"),
            ("stella-agent install /media/stick/2.1.stella", "one bundle from a stick"),
            ("stella-agent install --from http://192.0.2.1/stable", "the best bundle of a channel"),
        ],
    },
    Verb {
        name: "verify",
        about: "verify a bundle without installing it",
        argument: "BUNDLE",
        argument_needed: true,
        flags: &[],
        details: "Checks signatures, log, witnesses, floors and every byte of the payload, and says whether this device \
                  would install it. Changes nothing.",
        examples: &[
            ("stella-agent verify 2.1.stella", "a file"),
            ("stella-agent verify 2.1.stella --json", "the evidence"),
        ],
    },
    Verb {
        name: "resume",
        about: "continue an interrupted install",
        argument: "",
        argument_needed: false,
        flags: &[option("from", "BUNDLE", "continue from this copy of the same bundle")],
        details: "Goes on where the install stood, also after a restart. What was fetched and verified is not fetched again.",
        examples: &[("stella-agent resume", "from where the bundle came from")],
    },
    Verb {
        name: "cancel",
        about: "call the current update off",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Stops an install, or takes back a slot that waits for its first start. A slot on trial is left by \
                  mark-bad instead.",
        examples: &[("stella-agent cancel", "the current update")],
    },
    Verb {
        name: "commit",
        about: "make the running slot the default",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "The daemon does this by itself when the health commands succeed. By hand it says: I looked, it is good.",
        examples: &[("stella-agent commit", "keep the release on trial")],
    },
    Verb {
        name: "mark-bad",
        about: "give the release on trial up and go back",
        argument: "",
        argument_needed: false,
        flags: &[REASON],
        details: "The slot is not started again and the release is not installed again by itself. Ends with 4: a reboot \
                  leads back.",
        examples: &[("stella-agent mark-bad --reason 'no modem'", "with a note for the record")],
    },
    Verb {
        name: "rollback",
        about: "go back to the release in the other slot, by a signed attestation",
        argument: "",
        argument_needed: false,
        flags: &[
            option("attestation", "FILE", "the signed rollback attestation"),
            option("bundle", "FILE", "go back by this bundle, when the other slot no longer holds the release"),
            FORCE,
        ],
        details: "Refused without an attestation that allows exactly this step. The other slot is read back and compared \
                  with the digest in the attestation before the boot loader is told.",
        examples: &[(
            "stella-agent rollback --attestation 2.1-to-2.0.stella-rollback",
            "to what the other slot still holds",
        )],
    },
    Verb {
        name: "doctor",
        about: "look for problems and name the next command",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Checks configuration, trust, state directory, boot record, slots, clock and leftovers. When the running \
                  slot differs from its release, says who mounted it. Ends with 1 when something must be repaired.",
        examples: &[("stella-agent doctor", "everything")],
    },
    Verb {
        name: "history",
        about: "list the updates that ended on this device",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Newest last; kept on both slots.",
        examples: &[("stella-agent history --json", "for programs")],
    },
    Verb {
        name: "slots verify",
        about: "read both slots and compare them with what they should hold",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Reads from the medium, past every cache. Ends with 5 when a slot does not hold what the journal says.",
        examples: &[("stella-agent slots verify", "both slots")],
    },
    Verb {
        name: "monitor",
        about: "follow what the daemon does",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Prints progress until it is interrupted. Needs a running daemon.",
        examples: &[("stella-agent monitor --json", "JSON Lines")],
    },
    Verb {
        name: "daemon",
        about: "poll, install, prove and serve the socket until stopped",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Started by stella-agent.service. After the first start of a new slot it runs the health commands and \
                  commits, or marks the slot bad and restarts the device.",
        examples: &[("stella-agent daemon", "in the foreground")],
    },
    Verb {
        name: "boot simulate",
        about: "do what a boot loader does at power on, with the file back end",
        argument: "",
        argument_needed: false,
        flags: &[],
        details: "Spends a try of a slot on trial, durably, and prints the slot that starts. With slots.running = \"file\" \
                  it also writes that file, with a new boot id. For containers, tests and demonstrations; real devices \
                  have a boot loader.",
        examples: &[("stella-agent boot simulate --config /srv/device", "start the simulated device")],
    },
];

/// The verb of these first words: the verb, and how many words name it.
pub fn find(words: &[&str]) -> Option<(&'static Verb, usize)> {
    VERBS.iter().find_map(|verb| {
        let names: Vec<&str> = verb.name.split(' ').collect();
        words.starts_with(&names).then_some((verb, names.len()))
    })
}
