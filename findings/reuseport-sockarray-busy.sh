#!/bin/sh
# A socket that is in a BPF_MAP_TYPE_REUSEPORT_SOCKARRAY cannot be put into another one, nor into
# another place of the same, nor once more into the place where it is: each of these updates fails
# with EBUSY. So writing the same value again, which changes nothing in other maps, is an error here.
# A SOCKMAP takes the same socket in all these ways.
#
# Seen with Debian 13's kernel 6.12.118, in QEMU 10.0.13:
#	REUSEPORT_SOCKARRAY: Success, again: Device or resource busy, place 1: Device or resource busy
#	SOCKMAP: Success, again: Success, place 1: Success
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,gcc,libc6-dev,linux-image-amd64,qemu-system-x86 trixie "$root"
chroot "$root" dpkg-query --show linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin"
cat >"$root/sockets.c" <<'C'
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *put(int map, unsigned int place, unsigned long long socket)
{
	union bpf_attr attr = {
		.map_fd = map, .key = (unsigned long)&place, .value = (unsigned long)&socket,
	};

	return strerror(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) ? errno : 0);
}

static void try(const char *name, enum bpf_map_type type)
{
	union bpf_attr attr = { .map_type = type, .key_size = 4, .value_size = 8, .max_entries = 2 };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, map = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	bind(udp, (void *)&at, sizeof(at));
	printf("%s: %s", name, put(map, 0, udp));
	printf(", again: %s", put(map, 0, udp));
	printf(", place 1: %s\n", put(map, 1, udp));
}

int main(void)
{
	try("REUSEPORT_SOCKARRAY", BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	try("SOCKMAP", BPF_MAP_TYPE_SOCKMAP);
	return 0;
}
C
chroot "$root" gcc-14 -static -o /guest/sockets /sockets.c

cp "$root/bin/busybox" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
ip link set lo up
/sockets
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
busy='Device or resource busy'
grep -qx "REUSEPORT_SOCKARRAY: Success, again: $busy, place 1: $busy" "$work/said"
grep -qx 'SOCKMAP: Success, again: Success, place 1: Success' "$work/said"
