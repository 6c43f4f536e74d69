//! Signed notes, verifier keys, checkpoints and cosignatures, with the examples that the C2SP specifications print.

use crate::common::*;
use delta_format::Signature;
use delta_verify::note::{KeyName, Note, NoteError, NoteKey, NoteKeyKind, write_signature};
use delta_verify::{checkpoint, cosignature};

/// The vkey and the note of signed-note.md.
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The checkpoint of tlog-cosignature.md, with a log signature and a cosignature.
const CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn signature<const N: usize>(bytes: &[u8; N]) -> Signature {
    Signature::new(*bytes.last_chunk().unwrap())
}

/// The printed example verifies: key id, text and signature are read as the specification means them.
#[test]
fn the_example_of_the_specification_verifies() {
    let key: NoteKey = VKEY.parse().unwrap();
    assert_eq!((key.name().as_str(), key.kind(), key.to_string()), ("example.com/foo", NoteKeyKind::Log, VKEY.into()));
    let note = Note::parse(NOTE).unwrap();
    assert_eq!(note.text, "This is an example message.\n");
    let line = note.signatures_of(&key).next().unwrap();
    let bytes = line.bytes::<68>().unwrap();
    assert!(key.key().verifies(note.text.as_bytes(), &signature(&bytes)));
    assert!(!key.key().verifies(b"This is an example message", &signature(&bytes)));
    let mut written = String::new();
    write_signature(&mut written, "example.com/foo", &bytes).unwrap();
    assert_eq!(format!("{}\n{written}", note.text), NOTE);
}

#[test]
fn the_checkpoint_of_the_specification_is_read_and_written_again() {
    let note = Note::parse(CHECKPOINT).unwrap();
    let (origin, size, root) = checkpoint::parse_body(note.text).unwrap();
    assert_eq!((origin.as_str(), size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint::body(&origin, size, &root), note.text);
    let lines: Vec<_> = note.signatures().map(|line| (line.name, line.key_id().unwrap().to_string())).collect();
    assert_eq!(
        lines,
        [("example.com/behind-the-sofa", "033de0ae".into()), ("witness.example.com/w1", "8d66cf3f".into())]
    );
    let cosignature = note.signatures().last().unwrap().bytes::<76>().unwrap();
    let time = u64::from_be_bytes(*cosignature[4..12].first_chunk().unwrap());
    assert_eq!(time, 1_679_315_147);
    let message = cosignature::message(time, &checkpoint::body(&origin, size, &root));
    assert!(message.starts_with("cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"));
}

#[test]
fn what_is_no_note_is_refused() {
    let check = |note: &str, expected| assert_eq!(Note::parse(note), Err(expected), "{note:?}");
    check("", NoteError::Shape);
    check("text\n", NoteError::Shape);
    check("text\n\n", NoteError::SignatureLine);
    check(&NOTE[..NOTE.len() - 1], NoteError::Shape);
    check(&NOTE.replace('.', "\t"), NoteError::Shape);
    for (from, to) in [
        ("\u{2014} ", "- "),
        ("\u{2014} ", "\u{2014}"),
        ("example.com/foo ", ""),
        ("example.com/foo", "example.com+foo"),
        ("example.com/foo", "example\u{a0}com/foo"),
        ("Uw2QOkn8", "Uw2QO!n8"),
    ] {
        check(&NOTE.replace(from, to), NoteError::SignatureLine);
    }
    let line = NOTE.split_once("\n\n").unwrap().1;
    check(&format!("{NOTE}{}", line.repeat(32)), NoteError::SignatureLine);
    assert!(Note::parse(&format!("{NOTE}{}", line.repeat(31))).is_ok());
    // A signature of a kind that is longer than any known here does not hinder the others.
    let long = format!("{NOTE}\u{2014} pq.example {}\n", base64(&[7; 2432]));
    assert_eq!(Note::parse(&long).unwrap().signatures().count(), 2);
    // The last blank line separates.
    let paragraphs = format!("one\n\n{NOTE}");
    assert_eq!(Note::parse(&paragraphs).unwrap().text, "one\n\nThis is an example message.\n");
}

/// A signature counts for a key only when both name and id are those of the key.
#[test]
fn signatures_are_found_by_name_and_id() {
    let key: NoteKey = VKEY.parse().unwrap();
    let found = |note: &str| Note::parse(note).unwrap().signatures_of(&key).count();
    assert_eq!(found(NOTE), 1);
    assert_eq!(found(&NOTE.replace("/foo", "/bar")), 0);
    assert_eq!(found(&NOTE.replace("Uw2QOkn8", "Vw2QOkn8")), 0);
}

#[test]
fn what_is_no_verifier_key_is_refused() {
    let check = |text: &str, expected| assert_eq!(text.parse::<NoteKey>(), Err(expected), "{text:?}");
    check("", NoteError::KeyShape);
    check("example.com/foo+530d903a", NoteError::KeyShape);
    check(&VKEY[..VKEY.len() - 1], NoteError::KeyShape);
    check(&VKEY.replace("530d903a", "530D903A"), NoteError::KeyId);
    check(&VKEY.replace("530d903a", "530d903b"), NoteError::KeyId);
    check(&VKEY.replace("example.com/foo", "example.com/fo"), NoteError::KeyId);
    check(&VKEY.replace("example.com/foo", ""), NoteError::KeyName);
    check(&VKEY.replace("example.com/foo", "example com"), NoteError::KeyName);
    check(&VKEY.replace("example.com/foo", &"x".repeat(129)), NoteError::KeyName);
    check(&VKEY.replace("+Aeky", "+Beky"), NoteError::KeyKind);
    check(&format!("a+00000000+{}", base64(&[&[1][..], &[0; 32]].concat())), NoteError::KeyPoint);
    assert!("x".repeat(128).parse::<KeyName>().is_ok());
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let good = Note::parse(CHECKPOINT).unwrap().text;
    for wrong in [
        good.replace("20852163", "020852163"),
        good.replace("20852163", "+20852163"),
        good.replace("20852163", "20852163 "),
        good.replace("20852163", "99999999999999999999"),
        good.replace("20852163\n", ""),
        good.replace("CsUYap", "CsUYa"),
        good.replace("q2I=", "q2J="),
        format!("{good}extension\n"),
        format!("{good}\n"),
        good.trim_end().to_owned(),
        good.replace("example.com/behind-the-sofa", ""),
    ] {
        assert_eq!(checkpoint::parse_body(&wrong), Err(NoteError::Checkpoint), "{wrong:?}");
    }
    let empty = format!("o\n0\n{}\n", base64(delta_verify::merkle::empty_root().as_bytes()));
    assert!(checkpoint::parse_body(&empty).is_ok());
}

/// The longest origin, size and time still fit their buffers.
#[test]
fn the_longest_texts_fit() {
    let name: KeyName = "n".repeat(128).parse().unwrap();
    let body = checkpoint::body(&name, u64::MAX, &[0xff; 32].into());
    assert_eq!(body.len(), checkpoint::BODY_BYTES_MAX);
    assert_eq!(cosignature::message(u64::MAX, &body).len(), cosignature::MESSAGE_BYTES_MAX);
}

/// A witness key does not sign checkpoints and a log key does not cosign, whatever their signatures say.
#[test]
fn keys_keep_to_their_kind() {
    let log = log_key(LOG);
    let body = checkpoint::body(log.name(), 8, &[1; 32].into());
    let own = sign(&key(LOG), body.as_bytes());
    assert!(checkpoint::is_signed(&body, &log, &own));
    let as_witness = NoteKey::new(log.name().clone(), NoteKeyKind::Witness, *log.key());
    assert!(!checkpoint::is_signed(&body, &as_witness, &own));
    let cosigned = sign(&key(LOG), cosignature::message(TIME, &body).as_bytes());
    assert!(cosignature::is_cosigned(&body, &as_witness, TIME, &cosigned));
    assert!(!cosignature::is_cosigned(&body, &log, TIME, &cosigned));
}
