//! Proofs of every entry, and the tlog-proof text that other tools read and write.

use crate::common::*;
use delta_attest::proof::{from_text, to_text};
use delta_attest::*;

#[test]
fn every_entry_can_be_proven() {
    let host = Host::new();
    for (from, to) in [(0, 1), (1, 255), (255, 257), (257, 520)] {
        let checkpoint = host.append(&entries(from, to));
        for leaf in leaves(&entries(0, to)).iter().step_by(37) {
            let proof = host.log.prove(leaf).unwrap();
            let text = to_text(&checkpoint, &proof);
            let (read, again) = from_text(&text, leaf, log_signer().key(), &witness_keys()).unwrap();
            assert_eq!(to_text(&read, &again), text);
            assert_eq!((again.leaf_index, again.inclusion), (proof.leaf_index, proof.inclusion));
            assert_eq!(again.checkpoint, proof.checkpoint);
        }
    }
}

/// The text has the parts of the specification in their order.
#[test]
fn the_text_is_a_tlog_proof() {
    let host = Host::new();
    let checkpoint = host.append(&entries(0, 6));
    let leaf = leaves(&entries(4, 5))[0];
    let text = to_text(&checkpoint, &host.log.prove(&leaf).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 4"]);
    assert_eq!((lines[2].len(), lines[3].len(), lines[4]), (44, 44, ""));
    assert_eq!(text.split_once("\n\n").unwrap().1, checkpoint.to_note());
}

#[test]
fn what_proves_nothing_is_refused() {
    let host = Host::new();
    let checkpoint = host.append(&entries(0, 6));
    let leaf = leaves(&entries(4, 5))[0];
    let text = to_text(&checkpoint, &host.log.prove(&leaf).unwrap());
    let read = |text: &str| from_text(text, &leaf, log_signer().key(), &witness_keys()).map(drop);
    assert_eq!(read(&text), Ok(()));
    let extra = text.replacen("index", "extra YWJj\nindex", 1);
    assert_eq!(read(&extra), Ok(()), "extra data is skipped");
    let not = |text: String| assert_eq!(read(&text), Err(Problem::NotTlogProof), "{text}");
    not(String::new());
    not(text.replacen("@v1", "@v2", 1));
    not(text.replacen("index 4", "index 04", 1));
    not(text.replacen("index 4", "index four", 1));
    not(text.replacen("index 4\n", "", 1));
    not(text.replacen("index 4\n", "index 4\nnot base64\n", 1));
    not(text.split_once("\n\n").unwrap().0.to_owned());
    let many = format!("index 4\n{}", format!("{}\n", text.lines().nth(2).unwrap()).repeat(40));
    not(text.replacen("index 4\n", &many, 1));
    let proof = |text: String| assert!(matches!(read(&text), Err(Problem::Proof(_))), "{text}");
    proof(text.replacen("index 4", "index 5", 1));
    proof(text.replacen(text.lines().nth(2).unwrap(), text.lines().nth(3).unwrap(), 1));
    assert_eq!(read(&text.replace("\n6\n", "\n7\n")), Err(Problem::NotSignedByLog));
    let other = leaves(&entries(3, 4))[0];
    assert!(matches!(from_text(&text, &other, log_signer().key(), &[]), Err(Problem::Proof(_))));
}
