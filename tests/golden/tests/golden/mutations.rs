//! Every byte flipped and every truncation of the small files: refused, with no panic. A bundle is checked the way
//! `stella delta verify` does it: the verifier over the head, then every part of the file.

use delta_format::limits::JOURNAL_RECORD_BYTES;
use delta_verify::{Class, Known, TrustRoot, verify_bundle};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use tests_golden::parts::Parts;
use tests_golden::site::trust;
use tests_golden::store::read;
use tests_golden::verdict::{ACCEPTED, open_whole, verdict};

const KNOWN: Known<'static> = Known { heads: &[], time_floor: 0 };

/// One bit a byte, another one in neighbours.
fn mask(at: usize) -> u8 {
    1 << (at * 5 % 8)
}

/// What refuses a bundle. `head_is_good` spares verifying the same head again: `verify_bundle` is a pure function of it.
fn refusal(bytes: &[u8], path: &std::path::Path, head_is_good: bool, trust: &TrustRoot) -> Option<&'static str> {
    if !head_is_good && let Err(refusal) = verify_bundle(bytes, trust, &KNOWN, None) {
        assert_eq!(refusal.class(), Class::Verification, "exit code 5");
        return Some(refusal.code());
    }
    open_whole(path).err()
}

/// Runs `case` for every place in `0..count`, with a scratch copy of `whole` for each thread, and counts the answers.
fn survey(
    whole: &[u8],
    count: usize,
    case: impl Fn(&mut Vec<u8>, &tempfile::NamedTempFile, usize) -> &'static str + Sync,
) -> BTreeMap<&'static str, usize> {
    const STEP: usize = 2048;
    let parts: Vec<BTreeMap<&'static str, usize>> = (0..count.div_ceil(STEP))
        .into_par_iter()
        .map(|step| {
            let file = tempfile::NamedTempFile::new().expect("a scratch file");
            file.as_file().write_all_at(whole, 0).expect("written");
            let mut bytes = whole.to_vec();
            let mut answers = BTreeMap::new();
            for at in step * STEP..count.min((step + 1) * STEP) {
                *answers.entry(case(&mut bytes, &file, at)).or_default() += 1;
            }
            answers
        })
        .collect();
    let mut sum = BTreeMap::new();
    parts.into_iter().flatten().for_each(|(answer, count)| *sum.entry(answer).or_default() += count);
    sum
}

#[test]
fn every_flipped_byte_of_the_small_bundle_is_refused() {
    let (whole, trust) = (read("bundle/small.bin"), trust());
    let head_bytes = Parts::of(delta_format::container::Kind::Bundle, &whole).head_bytes();
    let answers = survey(&whole, whole.len(), |bytes, file, at| {
        bytes[at] ^= mask(at);
        file.as_file().write_all_at(&bytes[at..=at], at as u64).expect("written");
        let answer = refusal(bytes, file.path(), at >= head_bytes, &trust);
        bytes[at] ^= mask(at);
        file.as_file().write_all_at(&bytes[at..=at], at as u64).expect("written");
        answer.unwrap_or_else(|| panic!("byte {at} flipped, and the bundle is accepted"))
    });
    println!("{} flips: {answers:?}", whole.len());
    assert_eq!(answers.values().sum::<usize>(), whole.len());
    // The magic is another kind of file; lengths beyond the limits are malformed; everything else is damage.
    assert!(answers["malformed"] < 16, "{answers:?}");
}

#[test]
fn every_truncation_of_the_small_bundle_is_refused() {
    let (whole, trust) = (read("bundle/small.bin"), trust());
    let head_bytes = Parts::of(delta_format::container::Kind::Bundle, &whole).head_bytes();
    let answers = survey(&whole, whole.len(), |bytes, file, length| {
        file.as_file().set_len(length as u64).expect("cut");
        let answer = refusal(&bytes[..length], file.path(), length >= head_bytes, &trust);
        // Growing again fills with zeros, which the next, longer cut must not see.
        file.as_file().write_all_at(&whole[length..], length as u64).expect("written");
        answer.unwrap_or_else(|| panic!("cut to {length} bytes, and the bundle is accepted"))
    });
    println!("{} truncations: {answers:?}", whole.len());
    assert_eq!(answers, BTreeMap::from([("damaged", whole.len())]));
}

/// Every byte of the smaller files, with three masks, and every length. A journal ends in zeros that nothing covers:
/// they may change.
#[test]
fn every_change_of_the_smaller_files_is_refused() {
    let trust = trust();
    for (kind, name) in [
        ("rollback", "rollback/back-to-1.9.bin"),
        ("channel", "channel/stable-4.bin"),
        ("journal", "journal/applying.bin"),
    ] {
        let whole = read(name);
        let covered = match kind {
            "journal" => 56 + u32::from_le_bytes(whole[16..20].try_into().expect("four bytes")) as usize,
            _ => whole.len(),
        };
        (0..whole.len()).into_par_iter().for_each(|at| {
            assert_ne!(verdict(kind, &whole[..at], &[], &trust), ACCEPTED, "{name} cut to {at} bytes");
            for mask in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= mask;
                let spared = kind == "journal" && at >= covered;
                let refused = verdict(kind, &bytes, &[], &trust) != ACCEPTED;
                assert!(refused || spared, "{name}: byte {at} xor {mask:#x} is accepted");
            }
        });
        assert_ne!(verdict(kind, &[&whole[..], &[0]].concat(), &[], &trust), ACCEPTED, "{name} and a byte");
        assert!(kind != "journal" || whole.len() == JOURNAL_RECORD_BYTES);
    }
}

/// A trust root may change in a label or a comment and still be one; it must never bring the reader down.
#[test]
fn every_change_of_a_trust_root_is_answered() {
    let (whole, trust) = (read("trust-root/golden.txt"), trust());
    for at in 0..whole.len() {
        assert_ne!(verdict("trust-root", &whole[..at], &[], &trust), ACCEPTED, "cut to {at} bytes");
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            verdict("trust-root", &bytes, &[], &trust);
        }
    }
}
