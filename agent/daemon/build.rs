//! Leaves the tables for unwinding out of the device's program. It is built with `panic = "abort"`, nothing ever unwinds
//! it, and the tables are a tenth of its size. Only for optimisation for size, which is the device profile's mark.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwind.ld");
    let is = |name: &str, values: &[&str]| std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()));
    if is("OPT_LEVEL", &["s", "z"]) && is("CARGO_CFG_TARGET_OS", &["linux"]) {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{folder}/no-unwind.ld");
    }
}
