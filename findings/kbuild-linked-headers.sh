#!/bin/sh
# A folder of links to Debian's kernel headers cannot stand in for them: `make -C LINKS M=MODULE` exits
# with 0 and has emptied the kernel's own Module.symvers. From 6.13 on, kbuild puts what it builds into
# the folder where make runs, unless that is the kernel's. Debian's Makefile names the kernel's by its
# path, so that the folder of links is another one: the module is built there, and its list of exports
# is written through the link.
#
# Seen with Debian sid's kernel 7.2.13:
#	by the path: 2140304 bytes, built into /some
#	by links: 0 bytes, built into /links
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
# An older copy of sid does as well.
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
	--include=linux-headers-amd64,make sid "$root"
chroot "$root" dpkg-query --show linux-headers-amd64

mkdir "$root/some" "$root/links"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/module.h>

MODULE_DESCRIPTION("Exports nothing");
MODULE_LICENSE("GPL");
C
# objtool reads /proc/self/limits: this mount is gone with the command.
unshare --mount sh -euc 'mount -t proc proc "$1/proc"
	exec chroot "$1" sh -eu' sh "$root" <<'SH' >"$work/said"
headers=$(echo /usr/src/linux-headers-*-amd64)
# How large the kernel's list is, and where the module is.
state() {
	echo "$1: $(wc -c <"$headers/Module.symvers") bytes, built into $(dirname /*/some.ko)"
}

make --silent -C "$headers" M=/some
state 'by the path'
make --silent -C "$headers" M=/some clean
ln -s "$headers"/* "$headers"/.[!.]* /links
make --silent -C /links M=/some
state 'by links'
SH
cat "$work/said"
grep -qx 'by the path: [1-9][0-9]* bytes, built into /some' "$work/said"
grep -qx 'by links: 0 bytes, built into /links' "$work/said"
