#!/bin/sh
# bpftool 7.1 shows wrong names and types for a module that was built for a newer kernel, and exits
# with 0. Kbuild gives a module that is not of the kernel's tree a section .BTF.base, whose ids and
# names the module's .BTF continues. bpftool 7.1 does not know that section. It has .BTF continue the
# vmlinux of -B instead, which has others in their places. bpftool 7.5 finds the right ones.
#
# Seen with a module for Debian 13's kernel 6.12.118, whose `struct some` has the members `number` and
# `list`, and the vmlinux of that kernel's headers:
#	bpftool 7.1.0: STRUCT 'd int' size=24 vlen=2, members '' 'igned char', exit code 0
#	bpftool 7.5.0: STRUCT 'some' size=24 vlen=2, members 'number' 'list', exit code 0
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
new=$work/new old=$work/old
mmdebstrap --quiet --variant=minbase \
	--include=bpftool=7.5.0+6.12.118-1,linux-headers-amd64=6.12.118-1,make,pahole=1.30-1 trixie "$new"
mmdebstrap --quiet --variant=minbase --include=bpftool=7.1.0+6.1.192-3 bookworm "$old"
chroot "$new" dpkg-query --show bpftool linux-headers-amd64 pahole
chroot "$old" dpkg-query --show bpftool

mkdir "$new/some"
echo 'obj-m := some.o' >"$new/some/Makefile"
cat >"$new/some/some.c" <<'C'
#include <linux/module.h>

struct some {
	int number;
	struct list_head list;
};

int some_number(struct some *some);
int some_number(struct some *some)
{
	return some->number;
}
MODULE_DESCRIPTION("Has a structure");
MODULE_LICENSE("GPL");
C
chroot "$new" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'
chroot "$new" objdump -h /some/some.ko | grep -F .BTF.base
cp "$new"/usr/src/linux-headers-*-amd64/vmlinux "$new/some"
cp -r "$new/some" "$old"

# The only structure of the module, as the bpftool of this root has it.
structure() {
	code=0
	chroot "$1" bpftool -B /some/vmlinux btf dump file /some/some.ko >"$work/dump" || code=$?
	struct=$(sed -n 's/^\[[0-9]*\] STRUCT/STRUCT/p' "$work/dump")
	members=$(sed -n "s/^\t\('[^']*'\) .* bits_offset=.*/\1/p" "$work/dump" | tr '\n' ' ')
	version=$(chroot "$1" bpftool version | sed -n '1s/ v/ /p')
	echo "$version: $struct, members ${members% }, exit code $code"
}
structure "$old" | tee "$work/said"
structure "$new" | tee -a "$work/said"
grep -q "^bpftool 7\.1\.0: STRUCT '.*, exit code 0$" "$work/said"
if grep -q "^bpftool 7\.1\.0: .*'\(some\|number\|list\)'" "$work/said"; then
	echo 'the old one has a right name: this has changed'
	exit 1
fi
grep -qx "bpftool 7\.5\.0: STRUCT 'some' size=24 vlen=2, members 'number' 'list', exit code 0" "$work/said"
