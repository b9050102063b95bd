#!/bin/sh
# BusyBox's insmod runs a module's init function twice if it fails: once by finit_module(2), and, with
# whatever error that ends, once more by init_module(2). kmod's runs it once. What the first run left
# behind, the second one meets, and its error is the one that insmod says.
#
# Seen with Debian 13's kernel 6.12.118, BusyBox 1.37.0 and kmod 34.2, in QEMU 10.0.13:
#	by busybox: 2 runs
#	by kmod: 1 runs
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,kmod,linux-headers-amd64,make,qemu-system-x86 trixie "$root"
chroot "$root" dpkg-query --show linux-headers-amd64 busybox-static kmod qemu-system-x86

mkdir -p "$root/some" "$root/guest/bin" "$root/guest/proc"
echo 'obj-m := some.o' >"$root/some/Makefile"
cat >"$root/some/some.c" <<'C'
#include <linux/module.h>

static int __init some_init(void)
{
	pr_info("some: init runs\n");
	return -EPERM;
}
module_init(some_init);
MODULE_DESCRIPTION("Fails");
MODULE_LICENSE("GPL");
C
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'

cp "$root/bin/busybox" "$root/some/some.ko" "$root/guest"
# kmod with the libraries that it is linked to.
chroot "$root" sh -euc 'for file in $(ldd /bin/kmod | grep -o "/[^ ]*"); do
		mkdir -p "/guest${file%/*}"
		cp "$file" "/guest$file"
	done
	mkdir /guest/kmod
	cp /bin/kmod /guest/kmod/insmod'
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
for path in /bin/insmod /kmod/insmod; do
	dmesg -c >/before
	$path /some.ko
	echo "$path: $(dmesg | grep -c 'some: init runs') runs"
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
grep -qx '/bin/insmod: 2 runs' "$work/said"
grep -qx '/kmod/insmod: 1 runs' "$work/said"
