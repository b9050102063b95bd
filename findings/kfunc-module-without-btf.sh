#!/bin/sh
# A module without BTF is inserted, and register_btf_kfunc_id_set() returns 0 for it, although no kfunc
# of it is registered then: a program cannot even name one without the module's BTF. All that tells
# of it is a line of the kernel's log.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	missing module BTF, cannot register kfunc
#	some: register_btf_kfunc_id_set() returns 0
#	/sys/kernel/btf: vmlinux
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

mkdir -p "$root/some" "$root/guest/bin" "$root/guest/sys"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

__bpf_kfunc_start_defs();
__bpf_kfunc int some_kfunc(int a)
{
	return a + 1;
}
__bpf_kfunc_end_defs();

BTF_KFUNCS_START(some_ids)
BTF_ID_FLAGS(func, some_kfunc)
BTF_KFUNCS_END(some_ids)

static const struct btf_kfunc_id_set some_set = {
	.owner = THIS_MODULE,
	.set = &some_ids,
};

static int __init some_init(void)
{
	int error = register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &some_set);

	pr_info("some: register_btf_kfunc_id_set() returns %d\n", error);
	return error;
}
module_init(some_init);
MODULE_DESCRIPTION("Registers a kfunc");
MODULE_LICENSE("GPL");
C
# Without its BTF, as kbuild makes it where it finds no vmlinux.
chroot "$root" sh -euc 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some
	objcopy -R .BTF -R .BTF.base /some/some.ko'

cp "$root/bin/busybox" "$root/some/some.ko" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t sysfs sys /sys
insmod /some.ko && echo inserted
dmesg | grep -e 'module BTF' -e returns
echo /sys/kernel/btf: $(ls /sys/kernel/btf)
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -qx inserted "$work/said"
grep -q 'missing module BTF, cannot register kfunc' "$work/said"
grep -q 'some: register_btf_kfunc_id_set() returns 0$' "$work/said"
grep -qx '/sys/kernel/btf: vmlinux' "$work/said"
