#!/bin/sh
# A header that bpftool makes of a module's file has the kernel's structures in their sizes, but without
# their members: `task->pid` does not compile. bpftool exits with 0 and says nothing. If no -B names
# a vmlinux, it takes the section .BTF.base for the kernel's types, which has no more than names and
# sizes of structures. Those that the module has pointers to alone are among them, where C needs
# neither. With -B, the header of the same file has the members.
#
# Seen with Debian 13's bpftool 7.5.0, pahole 1.30, clang 19.1.7, and a module for its kernel 6.12.118:
#	without: bpftool's exit code 0, size of task_struct 9792
#	error: no member named 'pid' in 'struct task_struct'
#	with: bpftool's exit code 0, size of task_struct 9792, pid compiles
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
kernel=6.12.118-1
mmdebstrap --quiet --variant=minbase \
	--include=bpftool=7.5.0+$kernel,clang-19,linux-headers-amd64=$kernel,make,pahole=1.30-1 \
	trixie "$root"
chroot "$root" dpkg-query --show bpftool clang-19 linux-headers-amd64 pahole

mkdir "$root/some"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/module.h>
#include <linux/sched.h>

struct some {
	struct task_struct *task;
};

int some_pid(struct some *some);
int some_pid(struct some *some)
{
	return some->task->pid;
}
MODULE_DESCRIPTION("Has a structure");
MODULE_LICENSE("GPL");
C
cat >"$root/program.c" <<'C'
#include HEADER

int size = sizeof(struct task_struct);
#ifdef MEMBER
int pid(struct some *some)
{
	return some->task->pid;
}
#endif
C
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'
cp "$root"/usr/src/linux-headers-*-amd64/vmlinux "$root/vmlinux"

# Compiles the program with this header.
compile() {
	chroot "$root" clang-19 -target bpf -O2 -S -o - "-DHEADER=\"/$1.h\"" "$2" /program.c 2>&1
}
for base in without with; do
	code=0
	if [ $base = with ]; then
		chroot "$root" bpftool -B /vmlinux btf dump file /some/some.ko format c
	else
		chroot "$root" bpftool btf dump file /some/some.ko format c
	fi >"$root/$base.h" || code=$?
	size=$(compile $base -UMEMBER | sed -n '/^size:/,$ s/^\t\.long\t\([0-9]*\).*/\1/p')
	pid=
	! compile $base -DMEMBER >"$work/$base" || pid=', pid compiles'
	echo "$base: bpftool's exit code $code, size of task_struct $size$pid" | tee -a "$work/said"
	sed -n 's/.* error:/error:/p' "$work/$base" | tee -a "$work/said"
done
grep -qx "without: bpftool's exit code 0, size of task_struct [1-9][0-9]*" "$work/said"
grep -qx "error: no member named 'pid' in 'struct task_struct'" "$work/said"
grep -qx "with: bpftool's exit code 0, size of task_struct [1-9][0-9]*, pid compiles" "$work/said"
