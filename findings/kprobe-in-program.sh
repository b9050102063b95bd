#!/bin/sh
# A BPF program on a kprobe does not run for what another program calls, if that one is on a kprobe or on
# a tracepoint. It can be attached to a helper, and to attach it succeeds. But a kprobe does not hit
# inside another, and trace_call_bpf() (kernel/trace/bpf_trace.c) lets only one program at a time run on
# a CPU. A program of fentry on the same helper runs each time. So does the one on the kprobe, if the
# caller is a program of fentry.
#
# Seen with Debian 13's bpftool 7.5.0, clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13: runs of a program
# that calls bpf_get_current_comm(), by how that program is attached, and of two on that helper
#	kprobe: outer 3, inner_kprobe 0, inner_fentry 3
#	tp: outer 3, inner_kprobe 0, inner_fentry 3
#	fentry: outer 3, inner_kprobe 3, inner_fentry 3
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
kernel=6.12.118-1
packages=busybox-static,clang-19,cpio,libbpf-dev,qemu-system-x86
mmdebstrap --quiet --variant=minbase \
	--include=$packages,bpftool=7.5.0+$kernel,linux-image-amd64=$kernel trixie "$root"
chroot "$root" dpkg-query --show bpftool clang-19 linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/proc" "$root/guest/sys"
cat >"$root/nested.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC(OUTER)
int outer(void *ctx)
{
	char name[16];

	bpf_get_current_comm(name, sizeof(name));
	return 0;
}

SEC("kprobe/bpf_get_current_comm")
int inner_kprobe(void *ctx)
{
	return 0;
}

SEC("fentry/bpf_get_current_comm")
int inner_fentry(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
for outer in kprobe/do_nanosleep tp/syscalls/sys_enter_clock_nanosleep fentry/do_nanosleep; do
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /nested.c \
		-o "/guest/${outer%%/*}.o" "-DOUTER=\"$outer\""
done

cp "$root/bin/busybox" "$root/guest"
# The programs are counted while nothing but `sleep` runs.
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tracefs trace /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
for outer in kprobe tp fentry; do
	/usr/sbin/bpftool prog loadall /$outer.o /sys/fs/bpf/$outer autoattach
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	sleep 0.1
	sleep 0.1
	sleep 0.1
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
	line=
	for name in outer inner_kprobe inner_fentry; do
		runs=$(/usr/sbin/bpftool prog show name $name | sed -n 's/.* run_cnt \([0-9]*\).*/\1/p')
		line="$line, $name ${runs:-0}"
	done
	echo "$outer: ${line#, }"
	rm -r /sys/fs/bpf/$outer
	# The programs are gone after a while.
	while /usr/sbin/bpftool prog show | grep -q inner; do
		sleep 0.1
	done
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
grep -qx 'kprobe: outer 3, inner_kprobe 0, inner_fentry 3' "$work/said"
grep -qx 'tp: outer 3, inner_kprobe 0, inner_fentry 3' "$work/said"
grep -qx 'fentry: outer 3, inner_kprobe 3, inner_fentry 3' "$work/said"
