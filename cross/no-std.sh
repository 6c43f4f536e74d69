#!/usr/bin/env bash
# Proves that the formats, the verifier, the engine and the machine need no operating system: builds them for a
# Cortex-M4, for which no `std` exists.
# usage: cross/no-std.sh [TARGET]        default: thumbv7em-none-eabihf
. "$(dirname "$0")/common.sh"
target=${1:-thumbv7em-none-eabihf}

std_ready "$target" core,alloc
device_cargo build --profile device --target "$target" \
    -p delta-format -p delta-verify -p delta-apply -p agent-machine --no-default-features
say "no std needed on $target: delta-format, delta-verify, delta-apply (engine), agent-machine"
