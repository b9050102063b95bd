#!/bin/sh
# A module that makes a work queue by alloc_workqueue(name, 0, 0) warns with a stack trace on kernel
# 7.2. It builds without a warning, and the call succeeds. The kernel now wants WQ_PERCPU or WQ_UNBOUND
# to be named, and takes the former. It says so by a WARN, so that a kernel with panic_on_warn
# stops. Debian 13's 6.12.118 has the flag WQ_PERCPU too, but does not ask for it.
#
# Seen with Debian sid's kernel 7.2.13, in QEMU 11.1.3:
#	percpu: inserted, 0 warnings
#	plain: inserted, 1 warnings
#	workqueue: some_plain is using neither WQ_PERCPU or WQ_UNBOUND. Setting WQ_PERCPU.
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# make would look for this folder in the root.
unset TMPDIR
root=$work/root
kernel=7.2.13-1
# An older copy of sid does as well.
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
	--include=busybox-static,cpio,linux-headers-amd64=$kernel,linux-image-amd64=$kernel,make \
	--include=qemu-system-x86 sid "$root"
chroot "$root" dpkg-query --show linux-headers-amd64 linux-image-amd64 qemu-system-x86

mkdir -p "$root/some" "$root/guest/bin"
echo 'obj-m := percpu.o plain.o' >"$root/some/Makefile"
for name in percpu plain; do
	flags=0
	[ $name = plain ] || flags=WQ_PERCPU
	cat >"$root/some/$name.c" <<C
#include <linux/module.h>
#include <linux/workqueue.h>

static struct workqueue_struct *queue;

static int __init some_init(void)
{
	queue = alloc_workqueue("some_$name", $flags, 0);
	return queue ? 0 : -ENOMEM;
}
module_init(some_init);

static void __exit some_exit(void)
{
	destroy_workqueue(queue);
}
module_exit(some_exit);
MODULE_DESCRIPTION("Has a work queue");
MODULE_LICENSE("GPL");
C
done
# objtool reads /proc/self/limits: this mount is gone with the command.
unshare --mount sh -eu -s "$root" <<'SH' >"$work/built" 2>&1
mount -t proc proc "$1/proc"
exec chroot "$1" sh -c 'make --silent -C /usr/src/linux-headers-*-amd64 M=/some'
SH
cat "$work/built"
[ ! -s "$work/built" ]

cp "$root/bin/busybox" "$root"/some/*.ko "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
for name in percpu plain; do
	dmesg -c >/before
	inserted=failed
	insmod /$name.ko && inserted=inserted
	dmesg >/log
	echo "$name: $inserted, $(grep -c WARNING: /log) warnings"
	grep workqueue: /log
done
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -eu <<'SH' | tr -d '\r' >"$work/said"
cd /guest
find . | cpio --quiet -o -H newc >/initrd
timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
	-serial stdio -kernel /usr/lib/modules/*/vmlinuz -initrd /initrd \
	-append "console=ttyS0 quiet loglevel=0 panic=-1" </dev/null
SH
cat "$work/said"
grep -qx 'percpu: inserted, 0 warnings' "$work/said"
grep -qx 'plain: inserted, 1 warnings' "$work/said"
grep -q 'workqueue: some_plain is using neither WQ_PERCPU or WQ_UNBOUND\. Setting WQ_PERCPU\.' "$work/said"
