#!/usr/bin/env bash
# Builds the agent in each variant as it is shipped and compares its size, packages and libraries with cross/budget.toml.
# usage: cross/size.sh [VARIANT...]      default: no-std media-only net net-tls
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || set -- no-std media-only net net-tls
need cc "gcc libc6-dev" readelf binutils

target=x86_64-unknown-linux-gnu
over=0
std_for_size

# limit TABLE NAME: a figure of the budget.
limit() { awk -v table="[$1]" -v name="$2" '/^\[/ { inside = $1 == table } inside && $1 == name { print $3 }' cross/budget.toml; }

# check WHAT MEASURED LIMIT
check() {
    [ -n "$3" ] || die "cross/budget.toml has no limit for $1"
    local verdict=ok
    [ "$2" -le "$3" ] || verdict=OVER over=1
    printf '%-24s %9d of %9d  %s\n' "$1" "$2" "$3" "$verdict"
}

# packages TARGET CARGO-TREE-ARGUMENTS...
packages() {
    # Listing needs no standard library of the target.
    CARGO_TERM_COLOR=never RUSTC_BOOTSTRAP= CARGO_UNSTABLE_BUILD_STD= shipped= device_cargo tree -e normal --prefix none --format '{p}' --target "$@" | sed '/^$/d; s/ (.*//' | sort -u | wc -l
}

for variant in "$@"; do
    case $variant in
    no-std)
        check "no-std packages" "$(packages thumbv7em-none-eabihf -p delta-format -p delta-verify -p delta-apply \
            -p agent-machine --no-default-features)" "$(limit packages no-std)"
        continue ;;
    media-only) features=(--no-default-features) ;;
    net) features=() ;;
    net-tls) features=(--features net-tls) ;;
    *) die "no variant $variant" ;;
    esac
    device_cargo build --quiet --profile device --target "$target" -p stella-agent --bin stella-agent "${features[@]}"
    agent=target/cross/$target/device/stella-agent
    check "$variant bytes" "$(stat -c %s "$agent")" "$(limit bytes "$variant")"
    check "$variant packages" "$(packages "$target" -p stella-agent "${features[@]}")" "$(limit packages "$variant")"
    foreign=$(readelf -d "$agent" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so|libgcc_s\.so|ld-linux)' || true)
    [ -z "$foreign" ] || { say "$variant links $foreign: only libc and libgcc_s are allowed"; over=1; }
done
exit $over
