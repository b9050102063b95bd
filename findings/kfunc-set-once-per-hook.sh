#!/bin/sh
# A module cannot register its kfuncs for BPF_PROG_TYPE_TRACING and for BPF_PROG_TYPE_LSM. These are
# two program types, but one hook of the kernel's table, for which a module has one set at most: the
# second register_btf_kfunc_id_set() warns with a stack trace and returns EINVAL. The first one alone
# registers the kfuncs for both types. Once the second one has failed, they are registered for neither
# (see kfunc-set-takes-others.sh). TRACING and SYSCALL, which are two hooks, are fine.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	WARNING: CPU: 0 PID: 128 at kernel/bpf/btf.c:8499 __register_btf_kfunc_id_set+0x459/0x530
#	tracing 0, lsm -22
#	tracing 0, syscall 0
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,linux-headers-amd64,make,qemu-system-x86 trixie "$root"
chroot "$root" dpkg-query --show linux-headers-amd64 qemu-system-x86

mkdir -p "$root/some" "$root/guest/bin"
echo 'obj-m := with_lsm.o with_syscall.o' >"$root/some/Makefile"
for second in lsm syscall; do
	cat >"$root/some/with_$second.c" <<C
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

__bpf_kfunc_start_defs();
__bpf_kfunc int some_of_$second(int a)
{
	return a + 1;
}
__bpf_kfunc_end_defs();

BTF_KFUNCS_START(some_ids)
BTF_ID_FLAGS(func, some_of_$second)
BTF_KFUNCS_END(some_ids)

static const struct btf_kfunc_id_set some_set = {
	.owner = THIS_MODULE,
	.set = &some_ids,
};

static int __init some_init(void)
{
	int first = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &some_set);
	int second = register_btf_kfunc_id_set(BPF_PROG_TYPE_$(echo $second | tr a-z A-Z), &some_set);

	pr_info("tracing %d, $second %d\n", first, second);
	return 0;
}
module_init(some_init);
MODULE_DESCRIPTION("Registers a set twice");
MODULE_LICENSE("GPL");
C
done
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'

cp "$root/bin/busybox" "$root"/some/*.ko "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
for second in lsm syscall; do
	insmod /with_$second.ko
done
dmesg | grep -e WARNING: -e tracing
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -q 'WARNING: .* __register_btf_kfunc_id_set' "$work/said"
grep -q 'tracing 0, lsm -22' "$work/said"
grep -q 'tracing 0, syscall 0' "$work/said"
