#!/bin/sh
# `pahole -J` writes BTF into an ELF file that has none by running LLVM's objcopy, which the Debian
# package neither depends on nor recommends. GNU's does as well, but is taken only from a variable
# that pahole(1) does not name: LLVM_OBJCOPY. kbuild sets it, which hides this.
#
# Seen with Debian 13's pahole 1.30-1, gcc 14.2.0, binutils 2.44:
#	sh: 1: llvm-objcopy: not found
#	btf_encoder__write_elf: failed to add .BTF section to '/some.o': 2!
#	Failed to encode BTF
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,pahole trixie "$root"
chroot "$root" dpkg-query --show pahole

printf 'struct some {\n\tint member;\n} some;\n' >"$root/some.c"
chroot "$root" gcc -g -c /some.c -o /some.o
if chroot "$root" pahole -J /some.o >"$work/said" 2>&1; then
	echo 'encodes without LLVM: this has changed'
	exit 1
fi
cat "$work/said"
grep -q 'llvm-objcopy: not found' "$work/said"

chroot "$root" env LLVM_OBJCOPY=objcopy pahole -J /some.o
chroot "$root" objdump -h /some.o | grep ' \.BTF '
echo 'with LLVM_OBJCOPY=objcopy: encodes'
named=$(chroot "$root" dpkg-query --show --showformat='${Depends} ${Recommends} ${Suggests}' pahole)
echo "the package names: $named"
if echo "$named" | grep -q llvm; then
	echo 'the package names LLVM: this has changed'
	exit 1
fi
