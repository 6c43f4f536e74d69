#!/usr/bin/env bash
# Proves that scores are the same bytes on other processors: the tests of delta-score, vectors included, under emulation.
# usage: cross/score.sh [TARGET...]     default: aarch64-unknown-linux-musl. Needs `rustup target add TARGET` to work.
. "$(dirname "$0")/common.sh"

[ $# -gt 0 ] || set -- aarch64-unknown-linux-musl

for target in "$@"; do
    case $target in
    aarch64-*) qemu=qemu-aarch64 ;;
    armv7-*) qemu=qemu-arm ;;
    *) die "no emulator for $target; a new one takes a line here" ;;
    esac
    need "$qemu" qemu-user
    rustup target add "$target"
    # musl comes with the target and the linker with the toolchain: no C compiler is needed.
    name=$(echo "$target" | tr a-z- A-Z_)
    env "CARGO_TARGET_${name}_LINKER=rust-lld" "CARGO_TARGET_${name}_RUNNER=$qemu" \
        cargo test --release --tests --target "$target" --target-dir target/cross -p delta-score
done
