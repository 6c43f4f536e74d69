//! Calls that pure crates do not make, and places that impure ones make them in.

use tests_tidy::source::{Source, all};

/// Crates that decide and do not act: no file, clock, environment, process, thread, network or terminal.
const PURE: [&str; 8] = [
    "delta-format/src",
    "delta-verify/src",
    "delta-apply/src",
    "agent/machine/src",
    "server-tools/scanner/src",
    "server-tools/functions/src",
    "server-tools/score/src",
    "server-tools/runtime/src",
];

/// The part of a pure crate that is handed open files.
const OS: &str = "delta-apply/src/os";

/// Words that a pure crate does not hold.
const ACTS: [&str; 17] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::net",
    "std::thread",
    "std::time",
    "std::os",
    "SystemTime",
    "Instant",
    "Command::new",
    "thread::spawn",
    "TcpStream",
    "File::open",
    "println!",
    "eprintln!",
    "print!",
    "dbg!",
];

/// Crates whose output is signed or compared: iteration over a hash map has no order.
const ORDERED: [&str; 10] = [
    "delta-format/src",
    "delta-verify/src",
    "server-tools/scanner/src",
    "server-tools/functions/src",
    "server-tools/score/src",
    "server-tools/runtime/src",
    "server-tools/bundle/src",
    "server-tools/ingest/src",
    "server-tools/attest/src",
    "server-tools/graph/src",
];

/// Words, and the only places of the product that hold them.
const PLACES: &[(&[&str], &[&str])] = &[
    // The clock: what it says is shown, waited for or signed as a witness's time; nothing is verified by it.
    (
        &["SystemTime::now", "UnixTime::now"],
        &[
            "agent/daemon/src/history.rs",
            "agent/daemon/src/doctor",
            // TLS asks for the time; it gets the later of clock and proven time.
            "agent/daemon/src/source/http/tls.rs",
            "server-tools/cli/src/signing.rs",
        ],
    ),
    (
        &["Instant::now"],
        &[
            "agent/daemon/src/source/http",
            "agent/daemon/src/daemon",
            "agent/daemon/src/health.rs",
            "agent/daemon/src/progress.rs",
            "agent/daemon/src/stop.rs",
            "agent/daemon/src/socket",
            "server-tools/cli/src/progress.rs",
        ],
    ),
    (&["TcpStream", "TcpListener", "UdpSocket"], &["agent/daemon/src/source/http"]),
    (&["UnixStream", "UnixListener", "UnixDatagram"], &["agent/daemon/src/socket", "agent/daemon/src/daemon"]),
    (
        &["Command::new"],
        &["agent/daemon/src/health.rs", "agent/daemon/src/daemon", "agent/daemon/src/slots", "agent/daemon/src/boot"],
    ),
    (
        &["env::var", "env::vars", "env::var_os"],
        &["agent/daemon/src/cli", "agent/daemon/src/daemon", "agent/daemon/build.rs", "server-tools/cli/src"],
    ),
    (&["getrandom::fill"], &["server-tools/attest/src/keys.rs"]),
    (
        &["println!", "print!", "eprintln!", "eprint!"],
        &[
            "agent/daemon/src/cli",
            "agent/daemon/src/logging.rs",
            "agent/daemon/src/main.rs",
            "agent/daemon/build.rs",
            "server-tools/cli/src",
        ],
    ),
];

fn found(source: &Source, word: &str) -> Vec<String> {
    let line = |number| format!("{}:{number} holds `{word}`", source.path.display());
    source.lines_with(word).into_iter().map(line).collect()
}

#[test]
fn pure_crates_do_not_act() {
    let mut wrong = Vec::new();
    for source in all().iter().filter(|source| source.is_product() && !source.is_below(OS)) {
        if PURE.iter().any(|folder| source.is_below(folder)) {
            ACTS.iter().for_each(|word| wrong.extend(found(source, word)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A hash map may be looked up in, never walked through: walking gives another order in each run.
#[test]
fn ordered_crates_do_not_walk_through_hash_maps() {
    let walks = [".values()", ".values_mut()", ".keys()", ".drain(", ".into_values()", ".into_keys()", ".retain("];
    let mut wrong = Vec::new();
    for source in all().iter().filter(|source| source.is_product()) {
        if !ORDERED.iter().any(|folder| source.is_below(folder)) || !source.product_code().contains("HashMap") {
            continue;
        }
        walks.iter().for_each(|word| wrong.extend(found(source, word)));
    }
    let sets = all();
    let sets = sets.iter().filter(|source| source.is_product() && ORDERED.iter().any(|folder| source.is_below(folder)));
    sets.for_each(|source| wrong.extend(found(source, "HashSet")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rest_acts_in_known_places() {
    let mut wrong = Vec::new();
    for source in all().iter().filter(|source| source.is_product() && !source.is_below("tests")) {
        for (words, places) in PLACES {
            if !places.iter().any(|place| source.is_below(place)) {
                words.iter().for_each(|word| wrong.extend(found(source, word)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Marks of work that is left to do. In two parts, so that these lines carry none themselves.
const LEFT_TO_DO: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];

/// Nothing half done is committed, in code or in comments.
#[test]
fn nothing_is_left_to_do() {
    let mut wrong = Vec::new();
    for source in all().iter().filter(|source| !source.is_below("tests/tidy")) {
        for word in ["todo!", "unimplemented!"] {
            wrong.extend(found(source, word));
        }
        for (number, line) in (1..).zip(source.text.lines()) {
            if LEFT_TO_DO.iter().any(|word| tests_tidy::source::holds(line, word)) {
                wrong.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
