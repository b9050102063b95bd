#!/bin/sh
# A vmlinux.h has, for a kernel that is built with -fms-extensions, members that are a structure's
# tag without a name. clang takes them out of the structure with no more than a warning, so that
# its size and the offsets of all behind them are wrong; with -fms-extensions they are right.
#
# Seen with Debian 13's gcc 14.2.0, bpftool 7.5.0 and clang 19.1.7:
#	warning: declaration does not declare anything [-Wmissing-declarations]
#	16 bytes where gcc has 24
# Debian's kernel 7.2.13 has eight, such as `struct slock_owned` in `socket_lock_t`. It takes root (or
# unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,bpftool,clang-19 trixie "$root"
chroot "$root" dpkg-query -W gcc bpftool clang-19

cat >"$root/kernel.c" <<'C'
struct inner { int a; int b; };
struct outer { long first; struct inner; int last; };
struct outer one;
unsigned long size = sizeof(struct outer);
C
cat >"$root/program.c" <<'C'
#include "vmlinux.h"
unsigned long size = sizeof(struct outer);
C
chroot "$root" sh -eu <<'SH'
gcc -fms-extensions -gbtf -c /kernel.c -o /kernel.o
bpftool btf dump file /kernel.o format c >/vmlinux.h
SH
grep 'struct inner;' "$root/vmlinux.h"

# The value of `size` in what clang compiles with these flags for `bpf`.
size() {
	chroot "$root" clang-19 -target bpf -S -o - "$@" /program.c 2>"$work/said" |
		sed -n 's/^\t\.quad\t\([0-9]*\) .*/\1/p' | head -n 1
}

plain=$(size)
grep 'warning: declaration does not declare anything' "$work/said"
right=$(size -fms-extensions -Wno-microsoft-anon-tag)
echo "sizeof(struct outer): $plain without -fms-extensions, $right with it"
[ "$plain" = 16 ] && [ "$right" = 24 ] && [ ! -s "$work/said" ]
