#!/bin/sh
# cargo's runner for a foreign program: runs it under QEMU's user emulation. Called by cargo (device.toml).
# usage: cross/emulate.sh QEMU LIBRARIES PROGRAM [ARGUMENT...]
#
# Tests of the program start stella-agent themselves, and a kernel without binfmt_misc refuses it. So a script of that name
# takes the place of cargo's link to the program; cargo puts the link back with every build.
set -eu
qemu=$1 libraries=$2 program=$3
shift 3

# QEMU 7.2 gives a 32-bit program the host's address of a bus error; above 4 GiB its lower half is the program's own.
[ "$qemu" != qemu-arm ] || export QEMU_GUEST_BASE=0x100000000

agent=${program%/deps/*}/stella-agent
if [ -f "$agent" ] && [ "$(head -c 2 "$agent")" != '#!' ]; then
    rm -f "$agent.device"
    mv "$agent" "$agent.device"
    printf '#!/bin/sh\nexec %s -L %s "%s" "$@"\n' "$qemu" "$libraries" "$agent.device" >"$agent.new"
    chmod +x "$agent.new"
    mv "$agent.new" "$agent"
fi
exec "$qemu" -L "$libraries" "$program" "$@"
