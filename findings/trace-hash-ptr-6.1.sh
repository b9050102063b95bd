#!/bin/sh
# On Linux 6.1 the tracefs option `hash-ptr` set to 0, which is there to see addresses, empties every
# `%s` of an event: trace_event_format() and trace_check_vprintf() (kernel/trace/trace.c) use the same
# buffer at the same time. No error says so. Who wants addresses and names cannot have both from one
# reading of an event; a probe of the event (`e:NAME SYSTEM.EVENT NAME=$FIELD:string`) tells them.
#
# Seen with Debian 12's kernel 6.1.0-57 (6.1.192-3), in QEMU 7.2; 6.12 and 7.2 tell all:
#	hash-ptr 1: sched_process_exec: filename=/bin/true pid=85 old_pid=85
#	hash-ptr 0: sched_process_exec: filename= pid=85 old_pid=85
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,linux-image-amd64,qemu-system-x86 bookworm "$root"
chroot "$root" dpkg-query --show linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/proc" "$root/guest/sys"
cp "$root/bin/busybox" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tracefs trace /sys/kernel/tracing
cd /sys/kernel/tracing
uname -rv
echo 1 >events/sched/sched_process_exec/enable
/bin/true
echo 0 >events/sched/sched_process_exec/enable
for hash in 1 0; do
	echo $hash >options/hash-ptr
	sed -n "s/.*\(sched_process_exec:\)/hash-ptr $hash: \1/p" trace
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
pid=$(sed -n 's,^hash-ptr 1: .*filename=/bin/true pid=\([0-9]*\) old_pid=\1$,\1,p' "$work/said")
test -n "$pid"
grep -q "^hash-ptr 0: sched_process_exec: filename= pid=$pid old_pid=$pid\$" "$work/said"
