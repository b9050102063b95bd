#!/bin/sh
# A module whose set of kfuncs is between BTF_SET8_START and BTF_SET8_END, as all were before 6.9,
# still builds without a warning, with all ids resolved. The registration returns EINVAL, and the
# kernel's log has nothing about it. The macros differ in one flag of the set, which BTF_KFUNCS_START
# writes.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	insmod: can't insert '/with_set8.ko': Invalid argument
#	with_set8: 0 lines in the log
#	with_kfuncs: inserted
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
echo 'obj-m := with_set8.o with_kfuncs.o' >"$root/some/Makefile"
for macro in SET8 KFUNCS; do
	name=with_$(echo $macro | tr A-Z a-z)
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

BTF_${macro}_START(some_ids)
BTF_ID_FLAGS(func, some_of_$name)
BTF_${macro}_END(some_ids)

static const struct btf_kfunc_id_set some_set = {
	.owner = THIS_MODULE,
	.set = &some_ids,
};

static int __init some_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &some_set);
}
module_init(some_init);
MODULE_DESCRIPTION("Registers a kfunc");
MODULE_LICENSE("GPL");
C
done
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some 2>&1' >"$work/built"
cat "$work/built"
[ ! -s "$work/built" ]

cp "$root/bin/busybox" "$root"/some/*.ko "$root/guest"
# The log's other lines say that the module is not of the kernel's own build.
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
for name in with_set8 with_kfuncs; do
	dmesg -c >/tainted
	insmod /$name.ko && echo "$name: inserted"
	echo "$name: $(dmesg | grep -v 'taint' | wc -l) lines in the log"
done
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -q "can't insert '/with_set8.ko': Invalid argument" "$work/said"
grep -q 'with_set8: 0 lines in the log' "$work/said"
grep -q 'with_kfuncs: inserted' "$work/said"
