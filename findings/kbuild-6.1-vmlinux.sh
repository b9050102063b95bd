#!/bin/sh
# A module that builds with Debian 12's kernel headers no longer does once they have a vmlinux. Without
# one, kbuild skips BTF and says that vmlinux is what it lacks. With one, it makes the module's BTF by
# pahole, and then runs resolve_btfids, which linux-kbuild-6.1 does not contain: the build fails, and
# make deletes the module. So no module gets BTF, or kfuncs, from these packages alone. Debian 13's
# linux-kbuild has the program.
#
# Seen with Debian 12's linux-headers-6.1.0-57-amd64 and linux-kbuild-6.1, both 6.1.192-3, pahole
# 1.24-4.1, and the vmlinux of linux-image-6.1.0-57-amd64:
#	Skipping BTF generation for /some/some.ko due to unavailability of vmlinux
#	without vmlinux: exit code 0, /some/some.ko
#	/bin/sh: 1: ./tools/bpf/resolve_btfids/resolve_btfids: not found
#	with vmlinux: exit code 2, no module
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
version=6.1.192-3
mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists \
	--include=linux-headers-amd64=$version,linux-kbuild-6.1=$version,make,pahole=1.24-4.1,xz-utils \
	bookworm "$root"
chroot "$root" dpkg-query --show linux-headers-amd64 linux-kbuild-6.1 pahole

mkdir "$root/some"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/module.h>

MODULE_DESCRIPTION("Does nothing");
MODULE_LICENSE("GPL");
C
# Builds the module anew.
build() {
	rm -f "$root/some/some.ko"
	code=0
	chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some' 2>&1 || code=$?
	module='no module'
	[ ! -e "$root/some/some.ko" ] || module=/some/some.ko
	echo "$1: exit code $code, $module"
}
build 'without vmlinux' | tee "$work/said"

chroot "$root" apt-get download -qq -o APT::Sandbox::User=root "linux-image-6.1.0-57-amd64=$version"
dpkg-deb --fsys-tarfile "$root"/linux-image-*.deb | tar -xO ./boot/vmlinuz-6.1.0-57-amd64 >"$root/vmlinuz"
# The kernel in an image begins where xz does, one byte before these four. What follows it is no xz.
at=$(LC_ALL=C grep -abo -m 1 7zXZ "$root/vmlinuz" | head -n 1 | cut -d : -f 1)
tail -c "+$at" "$root/vmlinuz" | chroot "$root" xz -dc >"$root/vmlinux" 2>"$work/rest" || cat "$work/rest"
chroot "$root" readelf -SW /vmlinux | grep -F ' .BTF '
cp "$root/vmlinux" "$root"/usr/src/linux-headers-*-amd64
build 'with vmlinux' | tee -a "$work/said"

grep -qx 'Skipping BTF generation for /some/some.ko due to unavailability of vmlinux' "$work/said"
grep -qx 'without vmlinux: exit code 0, /some/some.ko' "$work/said"
grep -q 'tools/bpf/resolve_btfids/resolve_btfids: not found' "$work/said"
grep -qx 'with vmlinux: exit code 2, no module' "$work/said"
