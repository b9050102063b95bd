#!/bin/sh
# A kprobe cannot be set on a function of kernel/trace/ by tracefs (or perf_event_open, which goes the
# same way), although /proc/kallsyms has it and debugfs's kprobes/blacklist does not: trace_kprobe
# also refuses each function that is built without ftrace's entry. The caller sees EINVAL; error_log
# says no more, and only the kernel's log names the reason.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	sh: write error: Invalid argument
#	trace_kprobe: error: Failed to register probe event
#	trace_kprobe: Could not probe notrace function bpf_trace_run1
#	do_nanosleep: set
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,linux-image-amd64,qemu-system-x86 trixie "$root"
chroot "$root" dpkg-query --show linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/proc" "$root/guest/sys"
cp "$root/bin/busybox" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing
cd /sys/kernel/tracing
for name in bpf_trace_run1 do_nanosleep; do
	grep -i " t $name$" /proc/kallsyms
	echo "$name: in the blacklist: $(grep -cw $name /sys/kernel/debug/kprobes/blacklist)"
	echo "p:some/$name $name" >>kprobe_events && echo "$name: set"
done
echo "blacklist: $(wc -l </sys/kernel/debug/kprobes/blacklist) lines"
cat error_log
dmesg | grep 'trace_kprobe: Could'
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -qi ' t bpf_trace_run1$' "$work/said"
grep -qx 'bpf_trace_run1: in the blacklist: 0' "$work/said"
grep -qx 'do_nanosleep: set' "$work/said"
grep -q 'write error: Invalid argument' "$work/said"
grep -q 'error: Failed to register probe event' "$work/said"
grep -q 'Could not probe notrace function bpf_trace_run1$' "$work/said"
