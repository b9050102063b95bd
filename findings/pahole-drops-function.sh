#!/bin/sh
# A global function is not in BTF if another file of the same module (or of the kernel) has a static
# function of its name that takes other arguments. With `consistent_func`, which kbuild passes, pahole
# drops both without a word, as BTF has no file names to tell them apart. So the global one, which
# the linker and /proc/kallsyms have, can be no kfunc and has no fentry. Without the flag, it is there.
#
# Seen with Debian 13's pahole 1.30-1, gcc 14.2.0, binutils 2.44:
#	defined: get, other
#	BTF by --btf_features=optimized_func: get, other
#	BTF by --btf_features=optimized_func,consistent_func: other
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase --include=bpftool,gcc,libc6-dev,pahole trixie "$root"
chroot "$root" dpkg-query --show bpftool gcc-14 pahole

cat >"$root/one.c" <<'C'
int get(int a)
{
	return a + 1;
}
C
cat >"$root/two.c" <<'C'
static __attribute__((noinline)) long get(long a, long b)
{
	return a * b;
}

long other(long a)
{
	return get(a, a + 1);
}
C
# The words of standard input, sorted, in one line.
line() {
	sort | tr '\n' ' ' | sed 's/ $//; s/ /, /g'
}
chroot "$root" sh -euc 'gcc -O2 -g -c /one.c /two.c
	ld -r -o /both.o /one.o /two.o'
echo "defined: $(chroot "$root" nm -g --defined-only --format=just-symbols /both.o | line)" |
	tee "$work/all"
for features in optimized_func optimized_func,consistent_func; do
	cp "$root/both.o" "$root/some.o"
	# The variable makes up for LLVM's objcopy, which the package lacks.
	chroot "$root" env LLVM_OBJCOPY=objcopy pahole -J --btf_features=$features /some.o 2>&1 |
		tee -a "$work/all"
	names=$(chroot "$root" bpftool btf dump file /some.o | sed -n "s/.* FUNC '\(.*\)' .*/\1/p" | line)
	echo "BTF by --btf_features=$features: $names" | tee -a "$work/all"
done
cat >"$work/seen" <<'TEXT'
defined: get, other
BTF by --btf_features=optimized_func: get, other
BTF by --btf_features=optimized_func,consistent_func: other
TEXT
cmp "$work/seen" "$work/all"
