//! Witnesses: they cosign what continues, remember before they answer, and refuse everything else.

use crate::common::*;
use delta_attest::fs::FolderTiles;
use delta_attest::*;

fn witness(host: &Host) -> &Witness {
    &host.witnesses[0]
}

#[test]
fn a_growing_log_is_cosigned_and_remembered() {
    let host = Host::new();
    for size in [0, 1, 2, 255, 256, 257, 600] {
        let checkpoint = host.log.append(&log_signer(), &entries(0, size)).unwrap().checkpoint;
        let cosignature = witness(&host).cosign(&checkpoint, &mut host.log.tiles(), TIME + size).unwrap();
        assert_eq!(cosignature.timestamp, TIME + size);
        let seen = witness(&host).state().unwrap().head(log_signer().key().name());
        assert_eq!(seen, Some((size, checkpoint.root())));
    }
    // The same head again, later: a witness confirms that nothing newer is known to it.
    let checkpoint = host.log.checkpoint().unwrap();
    assert!(witness(&host).cosign(&checkpoint, &mut host.log.tiles(), TIME + 9999).is_ok());
}

#[test]
fn a_log_that_shrinks_or_forks_is_not_cosigned() {
    let host = Host::new();
    let mut older = Vec::new();
    for size in [3, 4, 8] {
        older.push(host.log.append(&log_signer(), &entries(0, size)).unwrap().checkpoint);
        witness(&host).cosign(older.last().unwrap(), &mut host.log.tiles(), TIME).unwrap();
    }
    let cosign = |checkpoint: &SignedCheckpoint, folder: &std::path::Path| {
        let state = witness(&host).state().unwrap();
        let found = problem(witness(&host).cosign(checkpoint, &mut FolderTiles::new(folder), TIME));
        assert_eq!(witness(&host).state().unwrap(), state, "a refusal changes nothing");
        found
    };
    let shrank = Problem::LogShrank { seen: 8, size: 4 };
    assert_eq!(cosign(&older[1], host.log.folder()), shrank);
    for size in [8, 9, 16, 300] {
        let folder = tempfile::TempDir::new().unwrap();
        let fork = Log::init(folder.path(), &log_signer()).unwrap();
        let forked = fork.append(&log_signer(), &entries(1, 1 + size)).unwrap().checkpoint;
        assert_eq!(cosign(&forked, folder.path()), Problem::LogForked, "{size}");
    }
    let newer = host.log.append(&log_signer(), &entries(0, 12)).unwrap().checkpoint;
    let nowhere = tempfile::TempDir::new().unwrap();
    assert!(matches!(cosign(&newer, nowhere.path()), Problem::Tile(_)));
    let other = tempfile::TempDir::new().unwrap();
    let other_log = Log::init(other.path(), &log_signer()).unwrap();
    other_log.append(&log_signer(), &entries(40, 52)).unwrap();
    assert_eq!(cosign(&newer, other.path()), Problem::LogDamaged, "tiles of another log prove nothing");
    assert!(witness(&host).cosign(&newer, &mut host.log.tiles(), TIME).is_ok());
}

/// The root of an empty log is fixed; a log that signs another one for size 0 lies from the start.
#[test]
fn an_empty_log_has_one_root() {
    let host = Host::new();
    let lie = SignedCheckpoint::sign(&log_signer(), 0, [5; 32].into());
    assert_eq!(problem(witness(&host).cosign(&lie, &mut host.log.tiles(), TIME)), Problem::LogForked);
}

#[test]
fn a_time_is_needed() {
    let host = Host::new();
    let checkpoint = host.log.checkpoint().unwrap();
    for time in [0, u64::MAX] {
        assert_eq!(problem(witness(&host).cosign(&checkpoint, &mut host.log.tiles(), time)), Problem::BadTime);
    }
}

#[test]
fn a_witness_that_is_busy_or_forgot_says_so() {
    let host = Host::new();
    let checkpoint = host.log.checkpoint().unwrap();
    let cosign = || witness(&host).cosign(&checkpoint, &mut host.log.tiles(), TIME);
    let lock = fs::Lock::take(&host.folder.path().join("witness0.state.lock")).unwrap();
    assert!(matches!(cosign(), Err(Error::Busy(_))));
    drop(lock);
    cosign().unwrap();
    std::fs::write(host.folder.path().join("witness0.state"), "").unwrap();
    assert_eq!(problem(cosign()), Problem::NotWitnessState);
}

#[test]
fn a_state_has_one_line_for_each_log() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let good = format!("stella-witness v1\na.example/log 7 {root}\nb.example/log 0 {root}\n");
    let state = WitnessState::parse(&good).unwrap();
    assert_eq!(state.to_text(), good);
    assert_eq!(state.head(&"a.example/log".parse().unwrap()).map(|(size, _)| size), Some(7));
    for wrong in [
        String::new(),
        "stella-witness v2\n".into(),
        good.trim_end().to_owned(),
        good.replace(" 7 ", " seven "),
        good.replace("b.example", "a.example"),
        good.replace("b.example/log", "b.example log"),
        good.replace("q2I=", "q2I"),
        format!("{good}\n"),
    ] {
        assert_eq!(WitnessState::parse(&wrong), Err(Problem::NotWitnessState), "{wrong:?}");
    }
}
