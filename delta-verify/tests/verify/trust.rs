//! The trust root: what is read, and each way in which a text is refused, with its line.

use crate::common::*;
use delta_verify::note::NoteError;
use delta_verify::trust::{LOG_KEYS_MAX, SIGNER_KEYS_MAX, TRUST_BYTES_MAX, TrustProblem, WITNESS_KEYS_MAX};
use delta_verify::{Role, TrustError, TrustRoot};

/// The example without one of its lines, or with other lines behind it.
fn check(text: &str, line: u32, problem: TrustProblem) {
    assert_eq!(TrustRoot::parse(text), Err(TrustError { line, problem }), "{text}");
}

/// Lines are counted from 1; the test root has 16.
fn with_line(extra: &str) -> String {
    format!("{}{extra}\n", trust_text(1))
}

const NEXT: u32 = 17;

fn without(word: &str) -> String {
    trust_text(1).split_inclusive('\n').filter(|line| !line.starts_with(word)).collect()
}

#[test]
fn a_good_text_is_read() {
    let root = trust();
    assert_eq!(trust_text(1).lines().count() as u32, NEXT - 1);
    assert_eq!((root.name().as_str(), root.version()), ("test-fleet", 1));
    let roles: Vec<_> = root
        .signers()
        .iter()
        .map(|key| (key.label().as_str(), key.has(Role::Signer), key.has(Role::Rollback)))
        .collect();
    assert_eq!(roles, [("alice", true, false), ("bob", true, true), ("carol", false, true)]);
    assert_eq!((root.threshold(Role::Signer), root.threshold(Role::Rollback)), (1, 1));
    assert_eq!((root.logs(), root.witnesses().len(), root.quorum()), (&[log_key(LOG)][..], 3, 2));
    assert_eq!(root.witness(witness_key(21).id()), Some(&witness_key(21)));
    assert_eq!(root.signers()[0].id(), public(&key(ALICE)).id());
}

#[test]
fn comments_and_empty_lines_are_allowed_anywhere_after_the_first_line() {
    let text = trust_text(1).replace("version 1\n", "# who decides: the release board, büro 3\n\nversion 1\n");
    assert_eq!(TrustRoot::parse(&text), Ok(trust()));
    check(&with_line("# a\u{7}bell"), NEXT, TrustProblem::Characters);
    check(&format!("# first\n{}", trust_text(1)), 1, TrustProblem::Format);
}

#[test]
fn the_text_is_whole() {
    check("", 1, TrustProblem::Format);
    check("stella-trust v2\n", 1, TrustProblem::Format);
    check("stella-trust v1", 1, TrustProblem::NoFinalNewline);
    let cut = trust_text(1);
    check(cut.trim_end(), NEXT - 1, TrustProblem::NoFinalNewline);
    let long = with_line(&format!("#{}", "x".repeat(TRUST_BYTES_MAX)));
    check(&long, 0, TrustProblem::TooLong);
}

#[test]
fn lines_are_words_with_single_spaces() {
    for line in [" quorum 2", "quorum  2", "quorum 2 ", "quorum\t2", "quorum 2\r", "quorum ２"] {
        check(&with_line(line), NEXT, TrustProblem::Characters);
    }
    check(&with_line("Quorum 2"), NEXT, TrustProblem::Keyword);
    check(&with_line("group any a b"), NEXT, TrustProblem::Keyword);
    for line in
        ["name", "version 1 2", "signer alice", "signer a b c", "threshold 1", "log", "quorum", "quorum 1 1 1 1"]
    {
        check(&with_line(line), NEXT, TrustProblem::Words);
    }
}

#[test]
fn names_and_numbers_have_one_spelling() {
    let other = |from: &str, to: &str, line| check(&trust_text(1).replace(from, to), line, TrustProblem::Value);
    for version in ["0", "01", "+1", "-1", "1.0", "281474976710657", "99999999999999999999999"] {
        other("version 1", &format!("version {version}"), 3);
    }
    other("name test-fleet", "name test/fleet", 2);
    other("threshold rollback 1", "threshold rolback 1", 10);
    other("quorum 2", "quorum two", 16);
    other("signer alice", "signer .alice", 5);
}

#[test]
fn settings_and_keys_are_given_once() {
    for line in ["name a", "version 2", "threshold signer 1", "threshold rollback 1", "quorum 2"] {
        check(&with_line(line), NEXT, TrustProblem::Twice);
    }
    let twice = |line: String| check(&with_line(&line), NEXT, TrustProblem::Twice);
    twice(format!("signer alice {}", spki(ALICE)));
    twice(format!("signer alina {}", spki(ALICE)));
    twice(format!("signer alice {}", spki(STRANGER)));
    twice(format!("rollback other {}", spki(ALICE)));
    twice(format!("log {}", log_key(LOG)));
    twice(format!("witness {}", witness_key(20)));
    // One key, one job.
    twice(format!("signer sneaky {}", spki(LOG)));
    twice(format!("signer sneaky {}", spki(20)));
    let as_witness = |seed, name: &str| {
        let kind = delta_verify::note::NoteKeyKind::Witness;
        delta_verify::note::NoteKey::new(name.parse().unwrap(), kind, public(&key(seed)))
    };
    twice(format!("witness {}", as_witness(LOG, "log10.example/updates")));
    twice(format!("witness {}", as_witness(20, "another-name.example")));
    twice(format!("witness {}", as_witness(ALICE, "alice.example")));
}

#[test]
fn keys_must_be_keys() {
    let bad = |text: &str| check(&with_line(&format!("signer dave {text}")), NEXT, TrustProblem::Key);
    bad("MCowBQYDK2VwAyEA");
    bad(&spki(STRANGER)[1..]);
    bad(&spki(STRANGER).replace('=', ""));
    let spki_of = |key: [u8; 32]| base64(&[&delta_verify::ed25519::SPKI_PREFIX[..], &key].concat());
    let mut identity = [0; 32];
    identity[0] = 1;
    bad(&spki_of(identity));
    bad(&spki_of([0; 32]));
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xf0, 0x7f);
    bad(&spki_of(not_canonical));
    let mut other_algorithm = [&delta_verify::ed25519::SPKI_PREFIX[..], &[7; 32]].concat();
    other_algorithm[8] = 0x71;
    bad(&base64(&other_algorithm));
    let vkey = log_key(OTHER_LOG).to_string();
    let note = |text: String, error| check(&with_line(&text), NEXT, TrustProblem::NoteKey(error));
    note(format!("log {}", vkey.replace("log11", "log12")), NoteError::KeyId);
    note("log abc".into(), NoteError::KeyShape);
    check(&with_line(&format!("witness {vkey}")), NEXT, TrustProblem::KeyKind);
    check(&with_line(&format!("log {}", witness_key(30))), NEXT, TrustProblem::KeyKind);
}

#[test]
fn what_is_needed_is_there() {
    for (word, keyword) in [
        ("name", "name"),
        ("version", "version"),
        ("threshold signer", "threshold"),
        ("threshold rollback", "threshold"),
        ("log", "log"),
        ("quorum", "quorum"),
    ] {
        check(&without(word), 0, TrustProblem::Missing(keyword));
    }
    let no_rollback = without("rollback").replace("threshold rollback 1\n", "");
    assert!(TrustRoot::parse(&no_rollback).is_ok(), "nobody may attest rollbacks");
}

#[test]
fn thresholds_can_be_met() {
    let other = |from: &str, to: &str, keyword| {
        check(&trust_text(1).replace(from, to), 0, TrustProblem::Unreachable(keyword));
    };
    other("threshold signer 1", "threshold signer 0", "threshold");
    other("threshold signer 1", "threshold signer 3", "threshold");
    other("threshold rollback 1", "threshold rollback 3", "threshold");
    other("threshold rollback 1", "threshold rollback 300", "threshold");
    other("quorum 2", "quorum 0", "quorum");
    other("quorum 2", "quorum 4", "quorum");
    check(&without("witness"), 0, TrustProblem::Unreachable("quorum"));
    let nobody = without("rollback") + "threshold rollback 1\n";
    check(&nobody.replacen("threshold rollback 1\n", "", 1), 0, TrustProblem::Unreachable("threshold"));
}

#[test]
fn the_number_of_keys_is_limited() {
    let many = |count: usize, line: &dyn Fn(u8) -> String| -> String {
        trust_text(1) + &(100..100 + count as u8).map(|seed| format!("{}\n", line(seed))).collect::<String>()
    };
    let full = |present: usize, max: usize, line: &dyn Fn(u8) -> String| {
        let room = max - present;
        assert!(TrustRoot::parse(&many(room, line)).is_ok(), "{max} fit");
        check(&many(room + 1, line), NEXT + room as u32, TrustProblem::TooManyKeys);
    };
    full(3, SIGNER_KEYS_MAX, &|seed| format!("signer key{seed} {}", spki(seed)));
    full(1, LOG_KEYS_MAX, &|seed| format!("log {}", log_key(seed)));
    full(3, WITNESS_KEYS_MAX, &|seed| format!("witness {}", witness_key(seed)));
}

/// A threshold beyond the signatures that fit one envelope could never be met.
#[test]
fn a_threshold_is_at_most_the_signatures_of_an_envelope() {
    let keys: String = (100..110).map(|seed| format!("signer key{seed} {}\n", spki(seed))).collect();
    let text =
        |threshold: u8| trust_text(1).replace("threshold signer 1", &format!("threshold signer {threshold}")) + &keys;
    assert!(TrustRoot::parse(&text(8)).is_ok());
    check(&text(9), 0, TrustProblem::Unreachable("threshold"));
}

/// Two keys whose ids agree in the bytes that a capsule carries. Found by search: 4-byte note key ids collide among a
/// few ten thousand names, so this test makes its own.
#[test]
fn ids_that_a_capsule_cannot_tell_apart_are_refused() {
    use delta_verify::note::{NoteKey, NoteKeyKind};
    let mut seen = std::collections::HashMap::new();
    let (one, two) = (public(&key(50)), public(&key(51)));
    let named = |name: &str, public| NoteKey::new(name.parse().unwrap(), NoteKeyKind::Witness, public);
    (0..200_000).for_each(|number| {
        let name = format!("a{number}");
        seen.insert(named(&name, one).id(), name);
    });
    let (a, b) = (0..)
        .map(|number| format!("b{number}"))
        .find_map(|b| seen.get(&named(&b, two).id()).map(|a| (a.clone(), b)))
        .unwrap();
    let text = trust_text(1) + &format!("witness {}\nwitness {}\n", named(&a, one), named(&b, two));
    check(&text, NEXT + 1, TrustProblem::IdCollision);
}

#[test]
fn errors_name_the_line() {
    let error = TrustRoot::parse(&with_line("quorum 3")).unwrap_err();
    assert_eq!(error.to_string(), "line 17 of the trust root: the setting, key or name was given before");
    let error = TrustRoot::parse(&without("log")).unwrap_err();
    assert_eq!(error.to_string(), "the trust root: a line 'log' is missing");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// Any text is read or refused, and a mutated good one never panics.
    #[test]
    fn any_text_ends(text in "\\PC{0,200}", at: proptest::sample::Index, byte in 0_u8..128) {
        let _ = TrustRoot::parse(&text);
        let _ = TrustRoot::parse(&format!("stella-trust v1\n{text}\n"));
        let mut bytes = trust_text(1).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = TrustRoot::parse(core::str::from_utf8(&bytes).unwrap());
    }
}
