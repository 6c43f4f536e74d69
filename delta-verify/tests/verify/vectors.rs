//! Other people's test vectors: Merkle probes (transparency-dev/merkle), Ed25519 edge cases (C2SP CCTV), Wycheproof.
//! They are not part of the project: the folder is named by STELLA_VECTORS, or stands beside the workspace. Without it
//! each test prints that it was skipped.

use crate::common::base64;
use delta_format::{Sha256, Signature};
use delta_verify::ed25519::PublicKey;
use delta_verify::merkle::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("STELLA_VECTORS") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
    };
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {}; set STELLA_VECTORS to a folder of test vectors", folder.display());
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn number(probe: &Value, field: &str) -> u64 {
    probe[field].as_u64().unwrap_or_else(|| panic!("{field} is not a number: {probe}"))
}

/// Some probes do not care for a hash and write a few words instead: another text, another hash.
fn hash(text: &Value) -> Sha256 {
    let text = text.as_str().unwrap_or_default().as_bytes();
    let hash = delta_verify::base64::decode(text).map(Sha256::new);
    hash.unwrap_or_else(|| delta_verify::sha256_of_parts(&[b"not a hash: ", text]))
}

fn hashes(list: &Value) -> Vec<Sha256> {
    list.as_array().map_or(Vec::new(), |list| list.iter().map(hash).collect())
}

fn probe(kind: &str, probe: &Value) -> Result<(), ProofError> {
    let proof = hashes(&probe["proof"]);
    match kind {
        "inclusion" => {
            let (leaf, root) = (hash(&probe["leafHash"]), hash(&probe["root"]));
            verify_inclusion(&leaf, number(probe, "leafIdx"), number(probe, "treeSize"), &proof, &root)
        }
        "subtreeinclusion" => {
            let (leaf, root) = (hash(&probe["leafHash"]), hash(&probe["root"]));
            let (start, end) = (number(probe, "start"), number(probe, "end"));
            verify_subtree_inclusion(&leaf, number(probe, "leafIdx"), start, end, &proof, &root)
        }
        "consistency" => {
            let (old, new) = (hash(&probe["root1"]), hash(&probe["root2"]));
            verify_consistency(number(probe, "size1"), number(probe, "size2"), &proof, &old, &new)
        }
        _ => {
            let (subtree, root) = (hash(&probe["root1"]), hash(&probe["root2"]));
            let (start, end) = (number(probe, "start"), number(probe, "end"));
            verify_subtree_consistency(start, end, number(probe, "size"), &proof, &subtree, &root)
        }
    }
}

#[test]
fn merkle_probes() {
    let Some(folder) = folder("merkle") else { return };
    let mut total = (0, 0);
    for kind in ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"] {
        for path in files(&folder.join(kind)) {
            let value = json(&path);
            // An empty text is no hash at all; these functions cannot even be asked.
            let asked = !["root", "leafHash", "root1", "root2"].iter().any(|field| value[*field] == "");
            let accepted = asked && probe(kind, &value).is_ok();
            let wanted = !value["wantErr"].as_bool().unwrap();
            assert_eq!(accepted, wanted, "{}: {}", path.display(), value["desc"]);
            total.0 += 1;
            total.1 += usize::from(!wanted);
        }
    }
    println!("{} Merkle probes, {} of them refused as they should be", total.0, total.1);
    assert_eq!(total, (518, 482));
}

fn hex<const N: usize>(text: &Value) -> Option<[u8; N]> {
    text.as_str()?.parse().ok().map(|bytes: delta_format::bytes::Bytes<N>| bytes.0)
}

fn verifies(key: &Value, message: &[u8], signature: &Value) -> bool {
    let key = hex(key).and_then(PublicKey::new);
    let signature = hex(signature).map(Signature::new);
    key.zip(signature).is_some_and(|(key, signature)| key.verifies(message, &signature))
}

/// Strict verification is: accepted exactly when no flag says that a point is of low order or not canonical, or that
/// the equation holds only with the cofactor.
#[test]
fn ed25519_edge_cases() {
    let Some(folder) = folder("cctv-ed25519") else { return };
    let vectors = json(&folder.join("ed25519vectors.json"));
    let refusing = ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];
    let (mut count, mut accepted) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let flags: Vec<&str> = vector["flags"]
            .as_array()
            .map_or(Vec::new(), |flags| flags.iter().map(|flag| flag.as_str().unwrap()).collect());
        let expected = !flags.iter().any(|flag| refusing.contains(flag));
        let message = vector["msg"].as_str().unwrap().as_bytes();
        let result = verifies(&vector["key"], message, &vector["sig"]);
        assert_eq!(result, expected, "number {}: {flags:?}", vector["number"]);
        count += 1;
        accepted += usize::from(result);
    }
    println!("{count} Ed25519 edge cases, {accepted} accepted");
    assert_eq!(count, 914);
}

#[test]
fn wycheproof_ed25519() {
    let Some(folder) = folder("wycheproof") else { return };
    let suite = json(&folder.join("ed25519_test.json"));
    let (mut count, mut invalid) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        let key = &group["publicKey"]["pk"];
        for test in group["tests"].as_array().unwrap() {
            let text = test["msg"].as_str().unwrap();
            let message: Vec<u8> =
                (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
            let expected = test["result"] == "valid";
            assert_eq!(verifies(key, &message, &test["sig"]), expected, "{}: {}", test["tcId"], test["comment"]);
            count += 1;
            invalid += usize::from(!expected);
        }
    }
    println!("{count} Wycheproof Ed25519 cases, {invalid} of them refused as they should be");
    assert_eq!((count, invalid), (151, 63));
}

/// RFC 8410 section 10.1: the public key of the example, and its key id by the tool that everybody has.
#[test]
fn a_key_has_the_encoding_of_the_rfc() {
    let der = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let bytes: [u8; 44] = delta_verify::base64::decode(der.as_bytes()).unwrap();
    let key = PublicKey::from_spki(&bytes).unwrap();
    assert_eq!(base64(&key.to_spki()), der);
    assert_eq!(key.id(), delta_verify::sha256_of_parts(&[&bytes]));
}
