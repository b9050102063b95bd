#!/bin/sh
# A prototype of a kfunc whose structure is only declared, and not defined, is "incompatible with
# vmlinux", although the kernel's kfunc has the very same words: for libbpf, what a pointer is to has
# to be of the same kind of BTF, and a declaration is FWD where the kernel has STRUCT. What the
# structure is called and what is in it does not matter: with a pointer to any defined structure the
# program is loaded.
#
# Seen with Debian 13's bpftool 7.5.0 (libbpf 1.5), clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13:
#	libbpf: extern (func ksym) 'bpf_task_from_pid': func_proto [5] incompatible with vmlinux [59585]
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
cat >"$root/task.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct;

struct anything {
	int is_here;
};

extern struct TASK *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct TASK *p) __ksym;

SEC("tp_btf/task_newtask")
int look_up(void *ctx)
{
	struct TASK *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
compile() {
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c /task.c -o "$@"
}
compile /guest/declared.o -DTASK=task_struct
compile /guest/defined.o -DTASK=anything

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
for name in declared defined; do
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
grep -q "extern (func ksym) 'bpf_task_\(from_pid\|release\)': func_proto \[[0-9]*\] incompatible with vmlinux" \
	"$work/said"
grep -qx 'defined: loaded' "$work/said"
! grep -qx 'declared: loaded' "$work/said"
