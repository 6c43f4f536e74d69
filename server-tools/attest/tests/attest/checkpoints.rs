//! Signed checkpoints: what is read, what is kept of a note, what is refused.

use crate::common::*;
use delta_attest::*;
use delta_verify::note::NoteKey;

fn good() -> SignedCheckpoint {
    Host::new().append(&entries(0, 5))
}

fn read(note: &str) -> Result<SignedCheckpoint, Problem> {
    SignedCheckpoint::read(note, log_signer().key(), &witness_keys())
}

#[test]
fn a_note_is_read_and_written_again() {
    let checkpoint = good();
    let note = checkpoint.to_note();
    assert!(note.starts_with("log.example/updates\n5\n"));
    assert_eq!(note.lines().filter(|line| line.starts_with("\u{2014} ")).count(), 4);
    assert_eq!(read(&note).unwrap(), checkpoint);
    assert_eq!((checkpoint.tree_size(), checkpoint.root()), (5, naive_root(&leaves(&entries(0, 5)))));
}

/// What unknown witnesses say counts for nothing, goes into no capsule, and stays in the note for those who know them.
#[test]
fn lines_of_unknown_witnesses_stay_in_the_note_only() {
    let note = good().to_note();
    let one = SignedCheckpoint::read(&note, log_signer().key(), &witness_keys()[..1]).unwrap();
    assert_eq!((one.cosignatures().count(), one.to_capsule().cosignatures.len()), (1, 1));
    assert_eq!(read(&one.to_note()).unwrap(), good(), "nothing was lost");
    let many: String = (30..60)
        .map(|seed| format!("\u{2014} w{seed}.example {}\n", note.lines().last().unwrap().rsplit(' ').next().unwrap()))
        .collect();
    let few = note.lines().take(5).map(|line| format!("{line}\n")).collect::<String>();
    let crowded = SignedCheckpoint::read(&format!("{few}{many}"), log_signer().key(), &[]).unwrap();
    let again = crowded.to_note();
    assert!(SignedCheckpoint::read(&again, log_signer().key(), &[]).is_ok(), "{again}");
}

/// Witnesses that do not know each other cosign the same log one after the other, as `stella log witness` does.
#[test]
fn witnesses_that_do_not_know_each_other_do_not_undo_each_other() {
    let host = Host::new();
    host.log.append(&log_signer(), &entries(0, 5)).unwrap();
    for round in 0..2 {
        for witness in &host.witnesses {
            let key = witness.signer().key();
            let log = Log::open(host.log.folder(), log_signer().key().clone(), vec![key.clone()]).unwrap();
            let mut checkpoint = log.checkpoint().unwrap();
            checkpoint.add(key, witness.cosign(&checkpoint, &mut log.tiles(), TIME + round).unwrap()).unwrap();
            log.publish(&checkpoint).unwrap();
        }
    }
    let checkpoint = host.log.checkpoint().unwrap();
    assert!(checkpoint.cosignatures().all(|(_, cosignature)| cosignature.timestamp == TIME + 1));
    assert_eq!((checkpoint.cosignatures().count(), checkpoint.to_note().lines().count()), (3, 8));
    // A stranger publishes what it was given: the line of a witness that it does not know is replaced, not repeated.
    let stranger = Log::open(host.log.folder(), log_signer().key().clone(), Vec::new()).unwrap();
    assert_eq!(stranger.publish(&checkpoint).unwrap().to_note().lines().count(), 8);
    assert_eq!(host.log.checkpoint().unwrap(), checkpoint);
}

#[test]
fn what_is_not_signed_is_refused() {
    let note = good().to_note();
    assert_eq!(read(&note.replacen("\n5\n", "\n6\n", 1)), Err(Problem::NotSignedByLog));
    let other = NoteSigner::log(secret(77), ORIGIN.parse().unwrap());
    assert_eq!(SignedCheckpoint::read(&note, other.key(), &[]), Err(Problem::NotSignedByLog));
    let other = NoteSigner::log(secret(10), "other.example".parse().unwrap());
    assert_eq!(SignedCheckpoint::read(&note, other.key(), &[]), Err(Problem::OtherLog));
    assert!(matches!(read("hello\n"), Err(Problem::Note(_))));
    // A line with the name and id of a known witness must be its cosignature.
    let witness = &witness_keys()[0];
    let forged = |bytes: &[u8]| {
        let mut note = note.clone();
        let line = [&witness.id().as_bytes()[..], bytes].concat();
        delta_verify::note::write_signature(&mut note, witness.name().as_str(), &line).unwrap();
        read(&note)
    };
    assert_eq!(forged(&[7; 72]), Err(Problem::BadCosignature));
    assert_eq!(forged(&[7; 64]), Err(Problem::BadCosignature));
    // So must every line of the log itself, not only the first.
    let mut twice = note.clone();
    let line = [&log_signer().key().id().as_bytes()[..], &[7; 64]].concat();
    delta_verify::note::write_signature(&mut twice, ORIGIN, &line).unwrap();
    assert_eq!(read(&twice), Err(Problem::NotSignedByLog));
}

/// One cosignature of each witness, the newest.
#[test]
fn the_newest_cosignature_of_a_witness_counts() {
    let host = Host::new();
    let mut checkpoint = host.append(&entries(0, 5));
    let witness = &host.witnesses[0];
    let key: &NoteKey = witness.signer().key();
    let time = |checkpoint: &SignedCheckpoint| {
        checkpoint.cosignatures().find(|(known, _)| *known == key).map(|(_, cosignature)| cosignature.timestamp)
    };
    for (at, expected) in [(TIME + 500, TIME + 500), (TIME + 400, TIME + 500)] {
        let cosignature = witness.cosign(&checkpoint, &mut host.log.tiles(), at).unwrap();
        checkpoint.add(key, cosignature).unwrap();
        assert_eq!((checkpoint.cosignatures().count(), time(&checkpoint)), (3, Some(expected)));
    }
    let line = checkpoint::cosignature_line(key, checkpoint.cosignatures().next().unwrap().1);
    assert!(line.starts_with("\u{2014} witness") && line.ends_with('\n'));
}

#[test]
fn there_is_room_for_sixteen() {
    let folder = tempfile::TempDir::new().unwrap();
    let log = Log::init(folder.path(), &log_signer()).unwrap();
    let mut checkpoint = log.append(&log_signer(), &entries(0, 1)).unwrap().checkpoint;
    for number in 0..17 {
        let state = folder.path().join(format!("state{number}"));
        let witness = Witness::new(witness_signer(number), &state);
        let cosignature = witness.cosign(&checkpoint, &mut log.tiles(), TIME).unwrap();
        let added = checkpoint.add(witness.signer().key(), cosignature);
        assert_eq!(added, if number < 16 { Ok(()) } else { Err(Problem::Cosignatures) });
    }
}
