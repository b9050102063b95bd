#!/bin/sh
# A module builds without an error if a set of its kfuncs names a function that does not exist, for
# example by a typo. The compiler and modpost never see the name as a symbol; resolve_btfids, which
# looks it up in BTF, warns, writes the id 0 and exits with 0. The next `make` does not even warn.
#
# Seen with Debian 13's kernel 6.12.118, gcc 14.2.0, pahole 1.30-1:
#	WARN: resolve_btfids: unresolved symbol some_typo
#	0000 02000000 01000000 00000000 00000000
# The latter is the start of .BTF_ids: 2 entries, a flag, then the first entry's id. The kernel refuses
# the module later, with no more than EINVAL. It takes root (or unprivileged user namespaces) and
# mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
mmdebstrap --quiet --variant=minbase --include=linux-headers-amd64,make trixie "$root"
chroot "$root" dpkg-query --show linux-headers-amd64 gcc-14 pahole

mkdir "$root/some"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

__bpf_kfunc_start_defs();
__bpf_kfunc int some_there(int a)
{
	return a + 1;
}
__bpf_kfunc_end_defs();

BTF_KFUNCS_START(some_ids)
BTF_ID_FLAGS(func, some_there)
BTF_ID_FLAGS(func, some_typo)
BTF_KFUNCS_END(some_ids)

static const struct btf_kfunc_id_set some_set = {
	.owner = THIS_MODULE,
	.set = &some_ids,
};

static int __init some_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &some_set);
}
module_init(some_init);
MODULE_DESCRIPTION("Registers a kfunc that is not there");
MODULE_LICENSE("GPL");
C

# What `make` says, the second time too; it ends the script if it fails.
build() {
	chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some 2>&1'
}
build >"$work/first"
build >"$work/second"
cat "$work/first"
grep -qx 'WARN: resolve_btfids: unresolved symbol some_typo' "$work/first"
if [ -s "$work/second" ]; then
	cat "$work/second"
	echo 'the second make says something: this has changed'
	exit 1
fi
chroot "$root" objdump -s -j .BTF_ids /some/some.ko | tail -n 2 | tee "$work/ids"
grep -q '^ 0000 02000000 01000000 00000000 00000000 ' "$work/ids"
echo 'both exit with 0, and the module has the id 0'
