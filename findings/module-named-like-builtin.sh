#!/bin/sh
# A module cannot have the name of a part of the kernel that is built in and has a parameter, for
# example `syscall`. It builds without a warning, no module of that name is in /proc/modules, and yet
# the kernel says that it is loaded: the built-in part has the folder /sys/module/syscall already.
# insmod gets EINVAL, not EEXIST.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	insmod: can't insert '/syscall.ko': Invalid argument
#	syscall: module is already loaded
#	/proc/modules: 0 lines
#	/sys/module/syscall: parameters uevent
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

mkdir -p "$root/some" "$root/guest/bin" "$root/guest/proc" "$root/guest/sys"
echo 'obj-m := syscall.o syscalls.o' >"$root/some/Makefile"
for name in syscall syscalls; do
	cat >"$root/some/$name.c" <<'C'
#include <linux/module.h>

MODULE_DESCRIPTION("Does nothing");
MODULE_LICENSE("GPL");
C
done
chroot "$root" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some 2>&1' >"$work/built"
cat "$work/built"
[ ! -s "$work/built" ]

cp "$root/bin/busybox" "$root"/some/*.ko "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
insmod /syscall.ko
echo "/proc/modules: $(wc -l </proc/modules) lines"
echo "/sys/module/syscall:" $(ls /sys/module/syscall)
ls /sys/module/syscall/parameters
insmod /syscalls.ko && echo 'syscalls: inserted'
dmesg | grep 'already loaded' | head -n 1
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -q "can't insert '/syscall.ko': Invalid argument" "$work/said"
grep -q 'syscall: module is already loaded' "$work/said"
grep -qx '/proc/modules: 0 lines' "$work/said"
grep -qx 'syscalls: inserted' "$work/said"
