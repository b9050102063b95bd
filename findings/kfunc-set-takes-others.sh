#!/bin/sh
# A register_btf_kfunc_id_set() that fails also takes away the sets that the module registered before:
# the kernel frees the module's whole table (btf_populate_kfunc_set() in kernel/bpf/btf.c). A module that
# goes on after the error has no kfuncs at all. One way to fail is BPF_PROG_TYPE_RAW_TRACEPOINT, for
# which 6.12 has no kfuncs. The verifier then refuses a program of another type, which the first set
# was for.
#
# Seen with Debian 13's bpftool 7.5.0 (libbpf 1.5), clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13, of a
# program of fentry that calls a kfunc of the first set:
#	one_set: TRACING 0
#	one_set: loaded
#	two_sets: TRACING 0, RAW_TRACEPOINT -22
#	calling kernel function some_of_two_sets is not allowed
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
kernel=6.12.118-1
packages=busybox-static,clang-19,cpio,libbpf-dev,make,qemu-system-x86
mmdebstrap --quiet --variant=minbase \
	--include=$packages,bpftool=7.5.0+$kernel,linux-headers-amd64=$kernel,linux-image-amd64=$kernel \
	trixie "$root"
chroot "$root" dpkg-query --show bpftool clang-19 linux-headers-amd64 linux-image-amd64 qemu-system-x86

mkdir -p "$root/some" "$root/guest/bin" "$root/guest/sys"
cat >"$root/some/Makefile" <<'MAKE'
obj-m := one_set.o two_sets.o
CFLAGS_two_sets.o := -DSECOND
MAKE
for name in one_set two_sets; do
	cat >"$root/some/$name.c" <<C
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

__bpf_kfunc_start_defs();
__bpf_kfunc int some_of_$name(int a)
{
	return a + 1;
}
__bpf_kfunc_end_defs();

BTF_KFUNCS_START(some_ids)
BTF_ID_FLAGS(func, some_of_$name)
BTF_KFUNCS_END(some_ids)

static const struct btf_kfunc_id_set some_set = {
	.owner = THIS_MODULE,
	.set = &some_ids,
};

static int __init some_init(void)
{
	pr_info("$name: TRACING %d", register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &some_set));
#ifdef SECOND
	pr_cont(", RAW_TRACEPOINT %d",
		register_btf_kfunc_id_set(BPF_PROG_TYPE_RAW_TRACEPOINT, &some_set));
#endif
	pr_cont("\n");
	return 0;
}
module_init(some_init);
MODULE_DESCRIPTION("Registers a kfunc");
MODULE_LICENSE("GPL");
C
done
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'

cat >"$root/call.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int KFUNC(int a) __ksym;

SEC("fentry/bpf_fentry_test1")
int call(void *ctx)
{
	KFUNC(1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
for name in one_set two_sets; do
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /call.c \
		-o "/guest/$name.o" "-DKFUNC=some_of_$name"
done

cp "$root/bin/busybox" "$root"/some/*.ko "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
for name in one_set two_sets; do
	insmod /$name.ko
	dmesg | grep "$name: TRACING"
	/usr/sbin/bpftool prog load /$name.o /sys/fs/bpf/$name && echo "$name: loaded"
done
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -eu <<'SH' | tr -d '\r' >"$work/said"
# bpftool with the libraries that it is linked to.
for file in /usr/sbin/bpftool $(ldd /usr/sbin/bpftool | grep -o "/[^ ]*"); do
	mkdir -p "/guest${file%/*}"
	cp "$file" "/guest$file"
done
cd /guest
find . | cpio --quiet -o -H newc >/initrd
timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
	-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
	-append "console=ttyS0 quiet loglevel=0 panic=-1" </dev/null
SH
cat "$work/said"
grep -q 'one_set: TRACING 0$' "$work/said"
grep -qx 'one_set: loaded' "$work/said"
grep -q 'two_sets: TRACING 0, RAW_TRACEPOINT -22$' "$work/said"
grep -qx 'calling kernel function some_of_two_sets is not allowed' "$work/said"
if grep -qx 'two_sets: loaded' "$work/said"; then
	echo 'the first set is still there: this has changed'
	exit 1
fi
