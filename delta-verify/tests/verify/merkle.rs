//! Proofs against the naive tree, over all small trees and random larger ones.

use crate::common::naive;
use delta_format::Sha256;
use delta_verify::merkle::*;
use proptest::prelude::*;

fn leaves(count: usize) -> Vec<Sha256> {
    (0..count as u32).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

#[test]
fn the_empty_tree_and_one_leaf_have_the_roots_of_the_standard() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty_root().to_string(), empty);
    // SHA-256 of one zero byte.
    let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(leaf_hash(b"").to_string(), leaf);
    let mut pieces = LeafHasher::default();
    [b"he".as_slice(), b"", b"llo"].iter().for_each(|piece| pieces.update(piece));
    assert_eq!(pieces.finish(), leaf_hash(b"hello"));
}

/// Every proof of every tree up to 40 leaves verifies, for its own place and for no other.
#[test]
fn every_small_proof_fits_its_place_only() {
    for size in 1..=40 {
        let leaves = leaves(size);
        let root = naive::root(&leaves);
        for index in 0..size {
            let proof = naive::inclusion(index, &leaves);
            for claimed in 0..=size {
                let result = verify_inclusion(&leaves[index], claimed as u64, size as u64, &proof, &root);
                assert_eq!(result.is_ok(), claimed == index, "{index} as {claimed} of {size}");
            }
        }
        for old in 1..=size {
            let old_root = naive::root(&leaves[..old]);
            let proof = naive::consistency(old, &leaves);
            for claimed in 0..=size + 1 {
                let result = verify_consistency(claimed as u64, size as u64, &proof, &old_root, &root);
                assert_eq!(result.is_ok(), claimed == old, "{old} as {claimed} of {size}");
            }
        }
    }
}

/// A proof that leads to the new root, with another old root, is evidence of a fork; any other failure is not.
#[test]
fn only_a_good_proof_shows_a_fork() {
    let leaves = leaves(21);
    let root = naive::root(&leaves);
    let other = Sha256::new([1; 32]);
    for old in 1..21 {
        let old_root = naive::root(&leaves[..old]);
        let proof = naive::consistency(old, &leaves);
        let verify = |proof: &[Sha256], old_root, root| verify_consistency(old as u64, 21, proof, old_root, root);
        assert_eq!(verify(&proof, &old_root, &root), Ok(()));
        // The old root of a complete tree is itself the first hash, so nothing leads to the new root without it.
        let forked = if old.is_power_of_two() { ProofError::Root } else { ProofError::OldRoot };
        assert_eq!(verify(&proof, &other, &root), Err(forked), "{old}");
        assert_eq!(verify(&proof, &old_root, &other), Err(ProofError::Root));
        assert_eq!(verify(&proof[1..], &old_root, &root), Err(ProofError::Shape));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_of_larger_trees_verify_and_mutants_do_not(
        size in 2_usize..3000, index: prop::sample::Index, old: prop::sample::Index, bit in 0_usize..256,
        place: prop::sample::Index,
    ) {
        let leaves = leaves(size);
        let root = naive::root(&leaves);
        let index = index.index(size);
        let mut proof = naive::inclusion(index, &leaves);
        prop_assert_eq!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root), Ok(()));
        let hit = place.index(proof.len());
        flip(&mut proof[hit], bit);
        prop_assert_eq!(
            verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root),
            Err(ProofError::Root)
        );
        let old = 1 + old.index(size - 1);
        let old_root = naive::root(&leaves[..old]);
        let mut proof = naive::consistency(old, &leaves);
        prop_assert_eq!(verify_consistency(old as u64, size as u64, &proof, &old_root, &root), Ok(()));
        let hit = place.index(proof.len());
        flip(&mut proof[hit], bit);
        prop_assert!(verify_consistency(old as u64, size as u64, &proof, &old_root, &root).is_err());
    }

    /// Whatever the numbers, the verifier ends and does not panic.
    #[test]
    fn wild_numbers_end(
        start: u64, end: u64, size: u64, index: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)
    ) {
        let hashes: Vec<Sha256> = hashes.into_iter().map(Sha256::new).collect();
        let any = Sha256::new([3; 32]);
        let _ = verify_inclusion(&any, index, size, &hashes, &any);
        let _ = verify_consistency(start, end, &hashes, &any, &any);
        let _ = verify_subtree_consistency(start, end, size, &hashes, &any, &any);
        let _ = verify_subtree_inclusion(&any, index, start, end, &hashes, &any);
    }
}

fn flip(hash: &mut Sha256, bit: usize) {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    *hash = Sha256::new(bytes);
}
