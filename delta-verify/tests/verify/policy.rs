//! What a device admits, each refusal of class "policy" reached by one fact, and the floors that follow a permission.

use crate::common::*;
use delta_format::header::BundleHeader;
use delta_format::rollback::RollbackAttestation;
use delta_format::{Name, Version};
use delta_verify::{
    Admission, Class, Device, Known, Refusal, Verified, admit, permit_rollback, verify_bundle, verify_rollback,
};

fn bundle(change: impl FnOnce(&mut BundleHeader)) -> Verified<BundleHeader> {
    let mut header = header();
    change(&mut header);
    let (draft, _, capsule) = bundle_in_log(&header, &[ALICE]);
    verify_bundle(&draft.seal(&capsule), &trust(), &Known::default(), None).unwrap()
}

fn attested(change: impl FnOnce(&mut RollbackAttestation)) -> Verified<RollbackAttestation> {
    let mut attestation = attestation();
    change(&mut attestation);
    let (draft, _, capsule) = rollback_in_log(&attestation, &[CAROL]);
    verify_rollback(&draft.seal(&capsule), &trust(), &Known::default(), None).unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

struct Facts {
    product: Name,
    hardware: Name,
}

impl Facts {
    fn new() -> Self {
        Self { product: name("gate"), hardware: name("board-b") }
    }

    /// Runs image 1 at version 2.0.
    fn device(&self) -> Device<'_> {
        Device {
            product: &self.product,
            hardware: &self.hardware,
            running: Some(digest(1)),
            version_floor: version("2.0"),
            time_floor: 0,
            memory_bytes_max: 4 << 20,
        }
    }

    /// Runs image 2 at version 2.1, after the update.
    fn updated(&self) -> Device<'_> {
        Device { running: Some(digest(2)), version_floor: version("2.1"), ..self.device() }
    }
}

fn check(
    bundle: &Verified<BundleHeader>,
    change: impl FnOnce(&mut Device<'_>),
    expected: Result<(&str, u64, bool), Refusal>,
) {
    let facts = Facts::new();
    let mut device = facts.device();
    change(&mut device);
    let result = admit(bundle, &device, None);
    let expected = expected.map(|(floor, time, rollback)| (version(floor), time, rollback));
    let result = result.map(|admission| match admission {
        Admission::Install(admitted) => (admitted.version_floor(), admitted.time_floor(), admitted.is_rollback()),
        Admission::NothingToDo => panic!("not expected"),
    });
    assert_eq!(result, expected);
    if let Err(refusal) = result {
        assert_eq!(refusal.class(), Class::Policy);
    }
}

#[test]
fn a_newer_version_is_admitted_and_sets_the_floors() {
    check(&bundle(|_| ()), |_| (), Ok(("2.1", TIME + 10, false)));
    let later = TIME + 5000;
    check(&bundle(|_| ()), |device| device.time_floor = later, Ok(("2.1", later, false)));
    check(&bundle(|_| ()), |device| device.running = None, Ok(("2.1", TIME + 10, false)));
}

#[test]
fn product_and_hardware_must_be_those_of_the_device() {
    check(&bundle(|h| h.product = name("pump")), |_| (), Err(Refusal::OtherProduct));
    let only_a = bundle(|h| h.hardware = [name("board-a")].into_iter().collect());
    check(&only_a, |_| (), Err(Refusal::OtherHardware));
}

/// `expires` is the last second at which a bundle may be installed, judged by proven time: that of the device or that
/// of the bundle's own witnesses.
#[test]
fn expiry_is_judged_by_proven_time() {
    let proven = TIME + 10;
    check(&bundle(|h| h.expires = Some(proven)), |_| (), Ok(("2.1", proven, false)));
    let expires = proven - 1;
    let expired = Err(Refusal::Expired { expires, proven });
    check(&bundle(|h| h.expires = Some(expires)), |_| (), expired);
    let (expires, proven) = (TIME + 999, TIME + 1000);
    let expired = Err(Refusal::Expired { expires, proven });
    check(&bundle(|h| h.expires = Some(expires)), |device| device.time_floor = proven, expired);
}

#[test]
fn memory_must_suffice() {
    let (needed, allowed) = (3 << 20, (3 << 20) - 1);
    let refused = Err(Refusal::NeedsTooMuchMemory { needed, allowed });
    check(&bundle(|_| ()), |device| device.memory_bytes_max = allowed, refused);
    check(&bundle(|_| ()), |device| device.memory_bytes_max = needed, Ok(("2.1", TIME + 10, false)));
}

#[test]
fn the_version_must_be_above_the_floor() {
    let below = |floor: &str| Err(Refusal::VersionBelowFloor { version: version("2.1"), floor: version(floor) });
    check(&bundle(|_| ()), |device| device.version_floor = version("2.1.0.1"), below("2.1.0.1"));
    check(&bundle(|_| ()), |device| device.version_floor = version("10"), below("10"));
    let version = version("2.1");
    let same = Err(Refusal::VersionNotNewer { version });
    check(&bundle(|_| ()), |device| device.version_floor = "2.1.0".parse().unwrap(), same);
}

#[test]
fn the_running_image_is_not_installed_again() {
    let facts = Facts::new();
    assert_eq!(admit(&bundle(|_| ()), &facts.updated(), None), Ok(Admission::NothingToDo));
    let mut other_length = facts.updated();
    other_length.running = Some(delta_format::channel::ImageDigest { length: 1, ..digest(2) });
    assert_eq!(admit(&bundle(|_| ()), &other_length, None), Err(Refusal::VersionNotNewer { version: version("2.1") }));
}

/// The other slot still holds the older image: the attestation alone decides, and its floor follows.
#[test]
fn going_back_needs_the_attestation_for_this_step() {
    let facts = Facts::new();
    let device = facts.updated();
    let permit = permit_rollback(Some(&attested(|_| ())), &device).unwrap();
    assert_eq!(*permit.to(), attestation().to);
    assert_eq!((permit.version_floor(), permit.time_floor()), (version("2.0"), TIME + 10));
    let later = Device { time_floor: TIME + 99, ..device };
    assert_eq!(permit_rollback(Some(&attested(|_| ())), &later).unwrap().time_floor(), TIME + 99);

    assert_eq!(permit_rollback(None, &device), Err(Refusal::RollbackNotAttested));
    let refused = |change: fn(&mut RollbackAttestation), expected| {
        assert_eq!(permit_rollback(Some(&attested(change)), &device), Err(expected));
    };
    refused(|a| a.product = name("pump"), Refusal::OtherProduct);
    refused(|a| a.from.image = image(3), Refusal::RollbackForeign);
    let (expires, proven) = (TIME, TIME + 10);
    refused(|a| a.expires = Some(TIME), Refusal::Expired { expires, proven });
    let unknown = Device { running: None, ..device };
    assert_eq!(permit_rollback(Some(&attested(|_| ())), &unknown), Err(Refusal::RollbackForeign));
}

/// A delta back to the older image: refused by its version alone, admitted with the attestation for exactly this step.
#[test]
fn a_bundle_below_the_floor_needs_the_attestation_for_its_target() {
    let facts = Facts::new();
    let device = facts.updated();
    let back = bundle(|h| (h.version, h.base, h.target) = (version("2.0"), image(2), image(1)));
    let (version_, floor) = (version("2.0"), version("2.1"));
    let below = Refusal::VersionBelowFloor { version: version_, floor };
    assert_eq!(admit(&back, &device, None), Err(below));
    let Ok(Admission::Install(admitted)) = admit(&back, &device, Some(&attested(|a| a.floor = version("1.9")))) else {
        panic!("the attestation allows this step");
    };
    assert!(admitted.is_rollback());
    assert_eq!((admitted.version_floor(), admitted.time_floor()), (version("1.9"), TIME + 10));
    let refused = |change: fn(&mut RollbackAttestation), expected| {
        assert_eq!(admit(&back, &device, Some(&attested(change))), Err(expected));
    };
    refused(|a| a.to.image = image(4), Refusal::RollbackForeign);
    refused(|a| (a.to.version, a.floor) = (version("1.9"), version("1.9")), Refusal::RollbackForeign);
    refused(|a| a.from.image = image(4), Refusal::RollbackForeign);
    refused(|a| a.product = name("pump"), Refusal::OtherProduct);
    let (expires, proven) = (TIME, TIME + 10);
    refused(|a| a.expires = Some(TIME), Refusal::Expired { expires, proven });
}

/// Codes are part of the interface: scripts and monitoring match them, so none is reused and all are kebab-case.
#[test]
fn codes_are_distinct_and_sentences_are_not_empty() {
    let version = version("1");
    let all = [
        Refusal::Damaged,
        Refusal::Malformed(delta_format::FormatError::BadMagic),
        Refusal::WrongKey,
        Refusal::SignatureInvalid,
        Refusal::ThresholdNotMet { valid: 0, needed: 1 },
        Refusal::NotLogged,
        Refusal::UnknownLog,
        Refusal::NotInLog,
        Refusal::CheckpointInvalid,
        Refusal::CosignatureInvalid,
        Refusal::WitnessQuorum { valid: 0, needed: 1 },
        Refusal::LogForked,
        Refusal::LogConsistencyUnproven,
        Refusal::OtherProduct,
        Refusal::OtherHardware,
        Refusal::OtherChannel,
        Refusal::ChannelOlder { number: 1, seen: 2 },
        Refusal::Expired { expires: 1, proven: 2 },
        Refusal::NeedsTooMuchMemory { needed: 2, allowed: 1 },
        Refusal::VersionBelowFloor { version, floor: version },
        Refusal::VersionNotNewer { version },
        Refusal::RollbackNotAttested,
        Refusal::RollbackForeign,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), all.len());
    for refusal in all {
        assert!(refusal.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", refusal.code());
        assert!(refusal.to_string().len() > 20, "{refusal}");
    }
}
