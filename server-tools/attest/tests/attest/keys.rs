//! Key files: ours, OpenSSL's, the example of RFC 8410, and what is not a key.

use crate::common::*;
use delta_attest::*;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// RFC 8410 section 10.3 and 10.1: a private key and its public key.
const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

#[test]
fn the_example_of_the_rfc_is_read_and_written_again() {
    let key = SecretKey::from_pem(RFC_PRIVATE).unwrap();
    assert_eq!(key.to_pem(), RFC_PRIVATE);
    assert_eq!(keys::public_to_pem(&key.public()), RFC_PUBLIC);
    assert_eq!(keys::public_from_pem(RFC_PUBLIC).unwrap(), key.public());
    let crlf = format!("some text before\r\n{}", RFC_PRIVATE.replace('\n', "\r\n"));
    assert_eq!(SecretKey::from_pem(&crlf).unwrap().id(), key.id());
}

#[test]
fn what_is_no_key_is_refused() {
    for wrong in ["", "hello", RFC_PUBLIC, &RFC_PRIVATE.replace("MC4CAQ", "MC4CAA"), &RFC_PRIVATE.replace("VhC", "V")] {
        assert_eq!(SecretKey::from_pem(wrong).unwrap_err(), Problem::NotSecretKey, "{wrong}");
    }
    for wrong in ["", RFC_PRIVATE, &RFC_PUBLIC.replace("BQYDK2Vw", "BQYDK2Vx"), &RFC_PUBLIC.replace("ZuE=", "ZuE")] {
        assert_eq!(keys::public_from_pem(wrong).unwrap_err(), Problem::NotPublicKey, "{wrong}");
    }
}

#[test]
fn key_files_are_private_and_never_overwritten() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("keys/release.key");
    secret(1).save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(matches!(secret(2).save(&path), Err(Error::KeyExists(named)) if named == path));
    assert_eq!(SecretKey::load(&path).unwrap().id(), secret(1).id());
    let missing = SecretKey::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("cannot read") && missing.contains("none"), "{missing}");
    std::fs::write(&path, "no key").unwrap();
    let wrong = SecretKey::load(&path).unwrap_err().to_string();
    assert!(wrong.contains("release.key") && wrong.contains("stella key generate"), "{wrong}");
}

#[test]
fn public_and_verifier_key_files_are_read() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("public");
    std::fs::write(&path, keys::public_to_pem(&secret(1).public())).unwrap();
    assert_eq!(keys::load_public(&path).unwrap(), secret(1).public());
    assert!(keys::load_note_key(&path).is_err());
    std::fs::write(&path, format!("{}\n", log_signer().key())).unwrap();
    assert_eq!(keys::load_note_key(&path).unwrap(), *log_signer().key());
    assert!(keys::load_public(&path).is_err());
}

#[test]
fn new_keys_differ_and_do_not_show_themselves() {
    let (one, two) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    assert_ne!(one.id(), two.id());
    assert_eq!(format!("{one:?}"), format!("SecretKey of {}", one.id()));
}

/// Keys go both ways between us and OpenSSL, and OpenSSL accepts what we sign.
#[test]
fn openssl_reads_and_writes_the_same_keys() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).output();
    let made = openssl(&["genpkey", "-algorithm", "ed25519", "-out", &file("key")]);
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl with Ed25519 on this machine");
        return;
    }
    let key = SecretKey::load(file("key").as_ref()).unwrap();
    let public = openssl(&["pkey", "-in", &file("key"), "-pubout"]).unwrap().stdout;
    assert_eq!(String::from_utf8(public).unwrap(), keys::public_to_pem(&key.public()));
    std::fs::write(file("message"), b"hello").unwrap();
    std::fs::write(file("signature"), key.sign(b"hello").as_bytes()).unwrap();
    std::fs::write(file("public"), keys::public_to_pem(&key.public())).unwrap();
    let verify = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-rawin",
        "-inkey",
        &file("public"),
        "-in",
        &file("message"),
        "-sigfile",
        &file("signature"),
    ];
    assert!(openssl(&verify).unwrap().status.success());
    let der = openssl(&["pkey", "-in", &file("key"), "-pubout", "-outform", "DER"]).unwrap().stdout;
    assert_eq!(key.id(), delta_verify::sha256_of_parts(&[&der]), "the key id is the SHA-256 of the DER public key");
}
