//! What the product renders is RFC 8785 canonical JSON: an independent canonicaliser, itself checked against the vectors
//! of the RFC's author when they are at hand, gives the same bytes.

use delta_format::header::{ArtifactType, BundleHeader, ImageId};
use delta_format::limits::*;
use serde_json::Value;
use std::path::PathBuf;
use tests_golden::parts::Parts;
use tests_golden::store::read;
use tests_golden::vectors::{attestation, statement_of};

/// RFC 8785 by its text: keys in order of their UTF-16 code units, numbers as ECMAScript writes them, strings with the
/// shortest escapes.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) if number < 1 << 53 => number.to_string(),
            (_, Some(number)) if number.unsigned_abs() < 1 << 53 => number.to_string(),
            _ => ecmascript(number.as_f64().expect("a number")),
        },
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
            let members: Vec<String> =
                members.into_iter().map(|(key, value)| format!("{}:{}", string(key), canonical(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out + "\""
}

/// Number::toString of ECMAScript: Rust's shortest digits, placed by the standard's five cases.
fn ecmascript(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    let digits = mantissa.replace('.', "");
    let (count, point) = (digits.len() as i32, exponent.parse::<i32>().expect("an exponent") + 1);
    let sign = if number < 0.0 { "-" } else { "" };
    let body = if count <= point && point <= 21 {
        digits.clone() + &"0".repeat((point - count) as usize)
    } else if 0 < point && point <= 21 {
        format!("{}.{}", &digits[..point as usize], &digits[point as usize..])
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", "0".repeat(-point as usize))
    } else {
        let exponent = format!("{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs());
        let fraction = if count > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        format!("{}{fraction}e{exponent}", &digits[..1])
    };
    format!("{sign}{body}")
}

fn check(json: &[u8]) {
    let text = std::str::from_utf8(json).expect("UTF-8");
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(canonical(&value), text);
}

#[test]
fn stored_statements_entries_and_manifests_are_canonical() {
    for name in ["bundle", "bundle-entry", "rollback", "channel"] {
        check(&read(&format!("statement/{name}.json")));
    }
    check(&read("manifest/small.json"));
    for name in ["release", "unknown", "worst", "best"] {
        check(&read(&format!("score/{name}.inputs.json")));
        check(&read(&format!("score/{name}.record.json")));
    }
    check(&read("score/weights.json"));
}

/// Headers at their limits, every type of artifact, texts with everything that JSON escapes.
#[test]
fn extreme_statements_are_canonical() {
    let parts = Parts::of(delta_format::container::Kind::Bundle, &read("bundle/patch.bin"));
    let header = BundleHeader::decode(&parts.body).expect("a header");
    use ArtifactType::*;
    for artifact_type in [Blob, Elf, Pe, Zip, Jar, Deb, Rpm, OciLayer, OciImage, Squashfs, Erofs, Ext4, Kernel] {
        let mut largest = header.clone();
        largest.artifact_type = artifact_type;
        largest.product = "z".repeat(NAME_BYTES_MAX).parse().expect("a name");
        let name = |number: u8| (char::from(b'a' + number).to_string().repeat(NAME_BYTES_MAX)).parse().expect("a name");
        largest.hardware = (0..HARDWARE_NAMES_MAX as u8).map(name).collect();
        largest.version = "4294967295.4294967295.4294967295.4294967295".parse().expect("a version");
        (largest.base.length, largest.target.length) = (IMAGE_BYTES_MAX, IMAGE_BYTES_MAX);
        largest.payload.length = GROUP_BYTES * GROUPS_MAX;
        largest.expires = Some(IMAGE_BYTES_MAX);
        largest.base_block_log2 = BASE_BLOCK_LOG2_MAX;
        check(&statement_of(&largest));
        assert!(statement_of(&largest).len() < 2048, "docs/formats/statement.md says so");
        let smallest = BundleHeader { base: ImageId::EMPTY, target: ImageId::EMPTY, expires: None, ..largest };
        check(&statement_of(&smallest));
    }
    let mut attestation = attestation();
    attestation.reason = "\"quoted\" \\ back/slash \u{20ac} \u{1f600} \u{2028} <&>".parse().expect("a text");
    check(&delta_format::statement::of_rollback(&attestation).expect("a statement"));
}

/// The canonicaliser above against vectors of the RFC's author; they are not copied into this repository.
#[test]
fn the_canonicaliser_agrees_with_other_peoples_vectors() {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    let folder = std::env::var_os("STELLA_VECTORS").map_or(beside, PathBuf::from).join("jcs");
    if !folder.join("input").is_dir() {
        println!("skipped: no vectors of others at {}; name their folder in STELLA_VECTORS", folder.display());
        return;
    }
    let mut cases = 0;
    for entry in std::fs::read_dir(folder.join("input")).expect("a folder") {
        let input = entry.expect("an entry").path();
        let output = folder.join("output").join(input.file_name().expect("a name"));
        let value: Value = serde_json::from_slice(&std::fs::read(&input).expect("read")).expect("JSON");
        let expected = std::fs::read_to_string(&output).expect("read");
        assert_eq!(canonical(&value), expected.trim_end_matches('\n'), "{}", input.display());
        cases += 1;
    }
    assert!(cases > 0);
    println!("{cases} vectors of others");
}
