//! Every attack is refused with its own word, by files alone: what this build makes is what is stored, and what is stored
//! gets the verdict that stands beside it.

use delta_format::capsule::LogHead;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tests_golden::site::trust;
use tests_golden::store::{check, path};
use tests_golden::verdict::verdict;
use tests_golden::{attacks, vectors};

/// Every attack. They start from stored vectors, which a run that writes makes first.
fn made() -> Vec<attacks::Attack> {
    if std::env::var_os("STELLA_GOLDEN_WRITE").is_some() {
        vectors::all().iter().for_each(|(name, bytes)| check(name, bytes));
    }
    attacks::all()
}

#[test]
fn the_same_seeds_give_the_stored_attacks() {
    for attack in made() {
        check(&attack.path(), &attack.file);
        check(&attack.path().replace(".bin", ".txt"), attack.text().as_bytes());
    }
}

/// The texts below `folder`.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// As a stranger would: the stored files, the stored words, one verifier.
#[test]
fn the_stored_attacks_are_refused_with_the_stored_words() {
    if std::env::var_os("STELLA_GOLDEN_WRITE").is_some() {
        the_same_seeds_give_the_stored_attacks();
    }
    let trust = trust();
    let cases = texts(&path("attacks"));
    let wrong: Vec<String> = cases
        .par_iter()
        .filter_map(|text_path| {
            let text = std::fs::read_to_string(text_path).expect("a text");
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let kept = field("kept").map(|kept| {
                let words: Vec<&str> = kept.split(' ').collect();
                LogHead {
                    log: words[0].parse().expect("a key id"),
                    tree_size: words[1].parse().expect("a size"),
                    root: words[2].parse().expect("a root"),
                }
            });
            let file = std::fs::read(text_path.with_extension("bin")).expect("the file beside its text");
            let (kind, expect) = (field("kind").expect("a kind"), field("expect").expect("a word"));
            let found = verdict(kind, &file, kept.as_slice(), &trust);
            (found != expect).then(|| format!("{}: expected {expect}, found {found}", text_path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 100, "{} attacks", cases.len());
}

/// Every refusal of the verifier has a vector; one that cannot be in a file alone is named here.
#[test]
fn every_refusal_has_an_attack() {
    let mut words: BTreeMap<String, u32> = BTreeMap::new();
    made().iter().for_each(|attack| *words.entry(attack.expect.to_owned()).or_default() += 1);
    let refusals = [
        "damaged",
        "malformed",
        "wrong-key",
        "signature-invalid",
        "threshold-not-met",
        "not-logged",
        "unknown-log",
        "not-in-log",
        "checkpoint-invalid",
        "cosignature-invalid",
        "witness-quorum",
        "log-forked",
        "log-consistency-unproven",
        "other-product",
        "other-hardware",
        "other-channel",
        "channel-older",
        "expired",
        "needs-too-much-memory",
        "version-below-floor",
        "version-not-newer",
        "rollback-foreign",
    ];
    // `rollback-not-attested` is about a file that is not there.
    let missing: Vec<_> = refusals.iter().filter(|word| !words.contains_key(**word)).collect();
    assert!(missing.is_empty(), "no attack for {missing:?}");
}
