#!/usr/bin/env bash
# Builds stella-agent for the processors of devices, and runs the device crates' tests under user emulation.
# usage: cross/agent.sh [--no-tests] [TARGET...]     default: every target below
. "$(dirname "$0")/common.sh"

tests=yes
[ "${1:-}" != --no-tests ] || { tests=no; shift; }
[ $# -gt 0 ] || set -- aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf

for target in "$@"; do
    # The C compiler links, and compiles ring where TLS is wanted; its C library serves the emulator too.
    case $target in
    aarch64-unknown-linux-gnu) prefix=aarch64-linux-gnu qemu=qemu-aarch64 libc=libc6-dev-arm64-cross ;;
    armv7-unknown-linux-gnueabihf) prefix=arm-linux-gnueabihf qemu=qemu-arm libc=libc6-dev-armhf-cross ;;
    *) die "no recipe for $target; a new one takes a line here and one in cross/device.toml" ;;
    esac
    need "$prefix-gcc" "gcc-$prefix $libc" "$qemu" qemu-user

    std_for_size
    device_cargo build --profile device --target "$target" -p stella-agent
    agent=target/cross/$target/device/stella-agent
    "$qemu" -L "/usr/$prefix" "$agent" --version
    say "$agent: $(stat -c %s "$agent") bytes, needs $("$prefix-readelf" -d "$agent" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | xargs)"

    [ "$tests" = yes ] || continue
    std_ready "$target" std,panic_abort
    device_cargo test --tests --target "$target" --no-fail-fast \
        -p delta-format -p delta-verify -p delta-apply -p agent-machine -p stella-agent
done
