//! Every target of `tests/fuzz` in one program; `STELLA_FUZZ_TARGET` names the one to run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use tests_fuzz::{Target, target_named};

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        target_named(&std::env::var("STELLA_FUZZ_TARGET").expect("STELLA_FUZZ_TARGET names a target of tests/fuzz"))
    });
    (target.run)(bytes);
});
