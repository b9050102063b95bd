#!/bin/sh
# BPF_PROG_TEST_RUN of a program of fentry succeeds and returns 0 without running the program. The
# kernel calls test functions of its own, bpf_fentry_test1 and others (bpf_prog_test_run_tracing in
# net/bpf/test_run.c), and a program runs only if it is attached to one of them. Data are taken, and
# nobody reads them. Only the program's count of runs tells: here it stays away for the program on
# vfs_unlink, and grows for the one on bpf_fentry_test1.
#
# Seen with Debian 13's bpftool 7.5.0, clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13:
#	elsewhere: Return value: 0, duration: 0ns
#	elsewhere: no run
#	on_test: Return value: 0, duration: 0ns
#	on_test: run_cnt 1
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=bpftool,busybox-static,clang-19,cpio,libbpf-dev,linux-image-amd64,qemu-system-x86 \
	trixie "$root"
chroot "$root" dpkg-query --show bpftool clang-19 linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/sys" "$root/guest/proc"
cat >"$root/fentry.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC(SECTION)
int fentry(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
compile() {
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /fentry.c -o "$@"
}
compile /guest/elsewhere.o '-DSECTION="fentry/vfs_unlink"'
compile /guest/on_test.o '-DSECTION="fentry/bpf_fentry_test1"'

cp "$root/bin/busybox" "$root/guest"
# bpftool with the libraries that it is linked to.
chroot "$root" sh -euc 'for file in /usr/sbin/bpftool $(ldd /usr/sbin/bpftool | grep -o "/[^ ]*"); do
		mkdir -p "/guest${file%/*}"
		cp "$file" "/guest$file"
	done'
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
echo 1 >/proc/sys/kernel/bpf_stats_enabled
printf 0123456789abcdef >/data
for name in elsewhere on_test; do
	mkdir /sys/fs/bpf/$name
	/usr/sbin/bpftool prog loadall /$name.o /sys/fs/bpf/$name autoattach
	id=$(/usr/sbin/bpftool prog show name fentry | tail -n +1 | sed -n 's/^\([0-9]*\): .*/\1/p' | tail -n 1)
	echo "$name: $(/usr/sbin/bpftool prog run id $id data_in /data | head -n 1)"
	runs=$(/usr/sbin/bpftool prog show id $id | grep -o 'run_cnt [0-9]*')
	echo "$name: ${runs:-no run}"
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
grep -q '^elsewhere: Return value: 0' "$work/said"
grep -qx 'elsewhere: no run' "$work/said"
grep -q '^on_test: Return value: 0' "$work/said"
grep -qx 'on_test: run_cnt [1-9][0-9]*' "$work/said"
