# Sourced by the recipes: Debian packages, and the two ways to a standard library for a target.
#
# In: the environment (STELLA_STD=debian does without rustup). Out: functions; `std_from_source` and `std_ready` set the
# variables that cargo reads. It builds nothing of this project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
debian=$PWD/target/cross/debian
shipped=

say() { printf '%s\n' "$*" >&2; }
die() { say "cross: $*"; exit 1; }

# cargo with the device's configuration and the versions of Cargo.lock.
device_cargo() { cargo --locked --config cross/device.toml ${shipped:+--config "$shipped"} "$@"; }

# need PROGRAM PACKAGE [PROGRAM PACKAGE]...: installs what is missing as root, otherwise names it in one line.
need() {
    local missing=()
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null || missing+=($2)
        shift 2
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "programs are missing; install them as root: $install"
    say "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    $install -q >/dev/null 2>&1 || { apt-get update -q >/dev/null && $install -q >/dev/null; } || die "failed: $install"
}

# std_ready TARGET CRATES: the library as the toolchain ships it, for tests and proofs. Where rustup cannot give it, CRATES
# of it are built from source.
std_ready() {
    unset RUSTC RUSTC_BOOTSTRAP CARGO_UNSTABLE_BUILD_STD CARGO_UNSTABLE_BUILD_STD_FEATURES
    if [ "${STELLA_STD:-}" != debian ]; then
        compgen -G "$(rustc --print target-libdir --target "$1")/libcore-*.rlib" >/dev/null && return
        command -v rustup >/dev/null && rustup target add "$1" && return
    fi
    std_from_source "$2"
}

# std_for_size: the library built for size and without the symbolizer of backtraces, for what is shipped: 230 kB less. Panics
# say what happened, not in which line: 40 kB less.
std_for_size() {
    std_from_source std,panic_abort
    export CARGO_UNSTABLE_BUILD_STD_FEATURES=optimize_for_size CARGO_UNSTABLE_PROFILE_RUSTFLAGS=true
    shipped='profile.device.rustflags=["-Zlocation-detail=none"]'
}

# std_from_source CRATES: cargo's build-std, which is unstable, hence RUSTC_BOOTSTRAP. The source is rustup's component
# rust-src; without rustup, or where it cannot reach its server, Debian's compiler and its source are taken.
std_from_source() {
    unset RUSTC CARGO_UNSTABLE_BUILD_STD_FEATURES
    export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=$1
    if [ "${STELLA_STD:-}" != debian ]; then
        [ -e "$(rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ] && return
        command -v rustup >/dev/null && rustup component add rust-src && return
        say "rustup has no source of the standard library; taking Debian's rustc-web"
    fi
    unpack_debian
    export RUSTC=$debian/rustc
}

# Unpacked, not installed: rustc-web conflicts with rustup, and nobody has to be root. About 1 GB.
unpack_debian() {
    [ -x "$debian/rustc" ] && return
    command -v apt-get >/dev/null || die "neither rustup nor apt-get can give the standard library"
    local depends libraries llvm
    rm -rf "$debian" && mkdir -p "$debian/packages"
    depends() { LC_ALL=C apt-cache depends "$2" | sed -n "s/^ *Depends: *\($1\)$/\1/p" | head -1; }
    libraries=$(depends 'libstd-rust-web-[0-9.]*' libstd-rust-web-dev)
    if [ -z "$libraries" ] && [ "$(id -u)" = 0 ]; then
        apt-get update -q >/dev/null
        libraries=$(depends 'libstd-rust-web-[0-9.]*' libstd-rust-web-dev)
    fi
    [ -n "$libraries" ] || die "Debian's rustc-web is not in the package lists; run as root: apt-get update"
    llvm=$(depends 'libllvm[0-9.]*' "$libraries")
    say "downloading rustc-web, rust-web-src and $llvm into target/cross/debian"
    (cd "$debian/packages" && apt-get download -q rustc-web rust-web-src libstd-rust-web-dev "$libraries" "$llvm") >/dev/null
    for package in "$debian"/packages/*.deb; do dpkg -x "$package" "$debian"; done
    rm -r "$debian/packages"
    # Last, because it marks the folder as complete.
    cat >"$debian/rustc.new" <<SCRIPT
#!/bin/sh
export LD_LIBRARY_PATH='$debian/usr/lib/$(uname -m)-linux-gnu'
exec '$debian/usr/bin/rustc' "\$@"
SCRIPT
    chmod +x "$debian/rustc.new"
    mv "$debian/rustc.new" "$debian/rustc"
}
