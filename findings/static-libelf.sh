#!/bin/sh
# The static libelf.a of two Debian releases cannot be linked into a program that opens an ELF
# file, whatever libraries are named beside it. The shared one of the same packages can.
#
# Seen with Debian 13's libelf-dev 0.192-4, gcc 14.2.0:
#	libelf.a(elf_begin.o): in function `file_read_elf':
#	undefined reference to `eu_search_tree_init'
# That function is in elfutils' internal libeu, which is linked into libelf.so and neither into
# libelf.a nor into a library of its own. `pkg-config --static --libs libelf` names zlib and zstd,
# which do not help. It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=gcc,libc6-dev,libelf-dev=0.192-4,zlib1g-dev,libzstd-dev trixie "$root"

cat >"$root/open.c" <<'C'
#include <libelf.h>

int main(void)
{
	return elf_version(EV_CURRENT) == EV_NONE || elf_begin(0, ELF_C_READ, 0) != 0;
}
C
chroot "$root" gcc /open.c -o /shared -lelf
echo 'shared: links'
if chroot "$root" gcc -static /open.c -o /static -lelf -lz -lzstd >"$work/said" 2>&1; then
	echo 'static: links: this has changed'
	exit 1
fi
cat "$work/said"
grep -q 'undefined reference to `eu_search_tree_init' "$work/said"
# No library of the packages has it.
if chroot "$root" sh -c 'nm -A /usr/lib/x86_64-linux-gnu/lib*.a 2>/dev/null' |
	grep ' T eu_search_tree_init$'; then
	echo 'a static library has it: this has changed'
	exit 1
fi
echo 'no static library defines eu_search_tree_init'
