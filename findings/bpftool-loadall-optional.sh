#!/bin/sh
# `bpftool prog loadall` fails for each object that has an optional program (`SEC("?...")`), which
# libbpf does not load by itself: all is loaded, then bpftool pins all programs, also the one that was
# not loaded, and takes away what it had pinned. No option of it leaves a program out.
#
# Seen with Debian 13's bpftool 7.5.0 (libbpf 1.5), clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13:
#	libbpf: prog 'optional': can't pin program that wasn't loaded
#	Error: failed to pin all programs
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=bpftool,busybox-static,clang-19,cpio,libbpf-dev,linux-image-amd64,qemu-system-x86 \
	trixie "$root"
chroot "$root" dpkg-query --show bpftool clang-19 linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/sys"
cat >"$root/some.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp")
int needed(void *ctx)
{
	return 0;
}

SEC(MARK "raw_tp")
int optional(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
compile() {
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /some.c -o "$@"
}
compile /guest/with.o '-DMARK="?"'
compile /guest/without.o '-DMARK=""'

cp "$root/bin/busybox" "$root/guest"
# bpftool with the libraries that it is linked to.
chroot "$root" sh -euc 'for file in /usr/sbin/bpftool $(ldd /usr/sbin/bpftool | grep -o "/[^ ]*"); do
		mkdir -p "/guest${file%/*}"
		cp "$file" "/guest$file"
	done'
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
for name in with without; do
	/usr/sbin/bpftool prog loadall /$name.o /sys/fs/bpf/$name
	echo "$name: exit code $?, pinned:" $(cd /sys/fs/bpf; find $name -type f | sort)
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
grep -q "prog 'optional': can't pin program that wasn't loaded" "$work/said"
grep -qx 'with: exit code 255, pinned:' "$work/said"
grep -qx 'without: exit code 0, pinned: without/needed without/optional' "$work/said"
