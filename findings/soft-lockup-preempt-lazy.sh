#!/bin/sh
# A module that is busy in the kernel for longer than a soft lockup takes is reported by Debian's kernel
# 6.12 and not by its 7.2, by the same settings of the watchdog. 7.2 is built with PREEMPT_LAZY, so that
# the tick takes the CPU from the module, and the watchdog's own thread gets its turn
# (kernel/watchdog.c). The module is reported there only if it has preemption disabled. A test that
# finds loops without an end by the watchdog no longer finds them.
#
# Seen with Debian 13's 6.12.118 and sid's 7.2.13, in the QEMU of each (10.0.13 and 11.1.3), of a module
# that is busy for 25 seconds, where a soft lockup is reported after 10:
#	trixie: PREEMPT_LAZY no; plain: reported, preempt_disable: reported
#	sid: PREEMPT_LAZY yes; plain: not reported, preempt_disable: reported
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR

# Makes a root of a suite with this kernel, and says what its kernel says of the module.
look() {
	root=$work/$1
	# An older copy of sid does as well.
	mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="busybox-static,cpio,linux-headers-amd64=$2,linux-image-amd64=$2,make" \
		--include=qemu-system-x86 "$1" "$root"
	chroot "$root" dpkg-query --show linux-headers-amd64 qemu-system-x86
	mkdir -p "$root/some" "$root/guest/bin" "$root/guest/proc"
	echo 'obj-m := busy.o' >"$root/some/Makefile"
	cat >"$root/some/busy.c" <<'C'
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/preempt.h>

static bool disable;
module_param(disable, bool, 0);

static int __init busy_init(void)
{
	unsigned long end = jiffies + 25 * HZ;

	if (disable)
		preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	if (disable)
		preempt_enable();
	return 0;
}
module_init(busy_init);

static void __exit busy_exit(void)
{
}
module_exit(busy_exit);
MODULE_DESCRIPTION("Is busy");
MODULE_LICENSE("GPL");
C
	# objtool reads /proc/self/limits: this mount is gone with the command.
	unshare --mount sh -eu -s "$root" <<'SH'
mount -t proc proc "$1/proc"
exec chroot "$1" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'
SH
	cp "$root/bin/busybox" "$root/some/busy.ko" "$root/guest"
	cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
echo 5 >/proc/sys/kernel/watchdog_thresh
line=
for disable in 0 1; do
	dmesg -c >/before
	insmod /busy.ko disable=$disable
	said='not reported'
	! dmesg | grep -q 'soft lockup' || said=reported
	line="$line, $said"
	rmmod busy
done
echo "said: ${line#, }"
poweroff -f
SH
	chmod +x "$root/guest/init"
	chroot "$root" sh -eu <<'SH' | tr -d '\r' >"$work/console"
cd /guest
find . | cpio --quiet -o -H newc >/initrd
for kernel in /boot/vmlinuz-* /usr/lib/modules/*/vmlinuz; do
	[ ! -e "$kernel" ] || image=$kernel
done
timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
	-serial stdio -kernel "$image" -initrd /initrd \
	-append "console=ttyS0 quiet loglevel=0 panic=-1" </dev/null
SH
	lazy=no
	! grep -qx CONFIG_PREEMPT_LAZY=y "$root"/usr/src/linux-headers-*-amd64/.config || lazy=yes
	said=$(sed -n 's/.*said: //p' "$work/console")
	echo "$1: PREEMPT_LAZY $lazy; plain: ${said%, *}, preempt_disable: ${said#*, }" | tee -a "$work/said"
}
look trixie 6.12.118-1
look sid 7.2.13-1
grep -qx 'trixie: PREEMPT_LAZY no; plain: reported, preempt_disable: reported' "$work/said"
grep -qx 'sid: PREEMPT_LAZY yes; plain: not reported, preempt_disable: reported' "$work/said"
