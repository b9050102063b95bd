#!/bin/sh
# An object cannot be loaded if one of its program arrays has a first value that is a program which
# is not to be loaded (`SEC("?...")`, or bpf_program__set_autoload()). libbpf does not leave that
# place empty: once all maps and programs are in the kernel, it puts -2 into the place, which the
# kernel refuses with EBADF (-9), and gives up the whole object. Without the first value, it is loaded.
#
# Seen with Debian 13's bpftool 7.5.0 (libbpf 1.5), clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13:
#	libbpf: map 'jumps': failed to initialize slot [0] to prog 'off' fd=-2: -9
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
cat >"$root/jumps.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int off(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} jumps SEC(".maps") FIRST;

SEC("raw_tp")
int on(void *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	return 0;
}

SEC("?raw_tp")
int off(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
compile() {
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /jumps.c -o "$@"
}
compile /guest/first.o '-DFIRST== { .values = { [0] = off } }'
compile /guest/empty.o -DFIRST=

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
for name in first empty; do
	/usr/sbin/bpftool prog load /$name.o /sys/fs/bpf/$name && echo "$name: loaded"
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
grep -q "map 'jumps': failed to initialize slot \[0\] to prog 'off' fd=-2: -9" "$work/said"
grep -qx 'empty: loaded' "$work/said"
! grep -qx 'first: loaded' "$work/said"
