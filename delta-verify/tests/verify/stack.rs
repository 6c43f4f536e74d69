//! The memory that a verification takes: it allocates nothing, so the stack is all of it.

use crate::common::*;
use delta_verify::{Continuity, Known, verify_bundle};

/// Stack of the thread that verifies: 256 KiB, a quarter of what the tiny device profile has in all. An optimised build
/// needs between 128 and 160 KiB, most of it copies of the decoded capsule (9 KiB) that serde makes on its way up; this
/// build, optimised a little, needs between 192 and 256 KiB.
const STACK_BYTES: usize = 256 * 1024;

/// The longest way through the verifier, two signatures, three cosignatures and a proof from tiles, in a thread whose
/// stack would overflow, and stop this test program, if it took more.
#[test]
fn the_longest_verification_fits_a_small_stack() {
    let draft = bundle_draft(&header());
    let log = TestLog::with(300, draft.leaf(&[ALICE, BOB]), 399);
    let file = draft.seal(&draft.capsule(&[ALICE, BOB], &log, 300, 600));
    let (heads, mut tiles, trust) = ([log.head(700)], log.tiles(700), trust());
    let verify = move || {
        let known = Known { heads: &heads, time_floor: 0 };
        let verified = verify_bundle(&file, &trust, &known, Some(&mut tiles)).unwrap();
        assert_eq!(verified.evidence().log.as_ref().unwrap().continuity, Continuity::OlderByTiles);
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(verify);
    thread.unwrap().join().unwrap();
}
