# Sourced by the recipes: where things are, Debian packages, and a standard library for a target.
#
# In: the environment (STELLA_STD=debian skips rustup). Out: functions; `std_for` sets RUSTC and cargo's build-std
# variables when the toolchain itself has no library for the target. It builds nothing of this project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
debian=$PWD/target/cross/debian

say() { printf '%s\n' "$*" >&2; }
die() { say "cross: $*"; exit 1; }

# Size, CPU and so on are told by the caller; this is cargo with the device's configuration.
device_cargo() { cargo --config cross/device.toml "$@"; }

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

# std_for TARGET CRATES: makes `core` (and, where the target has one, `std`) available for TARGET.
# A rustup toolchain downloads it. Without rustup, or where it cannot reach its server, Debian's rustc-web and its source
# package are unpacked under target/, and cargo builds CRATES from source.
std_for() {
    unset RUSTC RUSTC_BOOTSTRAP CARGO_UNSTABLE_BUILD_STD
    if [ "${STELLA_STD:-}" != debian ]; then
        local libraries
        libraries=$(rustc --print target-libdir --target "$1")
        compgen -G "$libraries/libcore-*.rlib" >/dev/null && return
        command -v rustup >/dev/null && rustup target add "$1" && return
        say "no standard library for $1 from rustup; taking Debian's rustc-web"
    fi
    unpack_debian
    export RUSTC=$debian/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=$2
}

# Unpacked, not installed: rustc-web conflicts with rustup, and nobody has to be root. About 1 GB.
unpack_debian() {
    [ -x "$debian/rustc" ] && return
    command -v apt-get >/dev/null || die "neither rustup nor apt-get can give a standard library for this target"
    local depends libraries llvm
    rm -rf "$debian" && mkdir -p "$debian/packages"
    depends() { LC_ALL=C apt-cache depends "$2" | sed -n "s/^ *Depends: *\($1\)$/\1/p" | head -1; }
    libraries=$(depends 'libstd-rust-web-[0-9.]*' libstd-rust-web-dev)
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
