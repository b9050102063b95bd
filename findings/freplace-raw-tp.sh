#!/bin/sh
# A freplace program has to return 0 if it replaces a function of a raw_tp program, whatever that
# function's result is for: number() below returns 4. The verifier applies a rule that it has for whole
# programs of raw_tp, but only for those with an attach_btf_id (kernel/bpf/verifier.c). A raw_tp program
# has none and may return anything. A freplace program always has one. The same replacement is loaded
# for the same function of a kprobe program. libbpf's bpf_program__set_attach_target() returns 0 each
# time.
#
# Seen with Debian 13's libbpf 1.5.0, clang 19.1.7, kernel 6.12.118, in QEMU 10.0.13:
#	At program exit the register R0 has smin=5 smax=5 should have been in [0, 0]
#	of_raw_tp by returns_5: target 0, load -22
#	of_raw_tp by returns_0: target 0, load 0
#	of_kprobe by returns_5: target 0, load 0
#	of_kprobe by returns_0: target 0, load 0
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
packages=busybox-static,clang-19,cpio,gcc,libc6-dev,qemu-system-x86
mmdebstrap --quiet --variant=minbase \
	--include=$packages,libbpf-dev=1:1.5.0-3,linux-image-amd64=6.12.118-1 trixie "$root"
chroot "$root" dpkg-query --show clang-19 libbpf-dev linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/sys"
cat >"$root/replaced.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int number(int a)
{
	/* The compiler does not know the result. */
	asm volatile("" : "+r"(a));
	return a + 1;
}

SEC("raw_tp/sched_switch")
int of_raw_tp(void *ctx)
{
	return number(3);
}

SEC("kprobe/do_nanosleep")
int of_kprobe(void *ctx)
{
	return number(3);
}

char LICENSE[] SEC("license") = "GPL";
C
cat >"$root/replacing.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("freplace")
int returns_5(int a)
{
	return 5;
}

SEC("freplace")
int returns_0(int a)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
C
for name in replaced replacing; do
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu -c "/$name.c" \
		-o "/guest/$name.o"
done
cat >"$root/replace.c" <<'C'
#include <bpf/libbpf.h>
#include <stdio.h>

int main(void)
{
	static const char *const names[] = { "returns_5", "returns_0" };
	struct bpf_object *replaced = bpf_object__open("/replaced.o");
	struct bpf_program *of;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!replaced || bpf_object__load(replaced))
		return 1;
	bpf_object__for_each_program(of, replaced) {
		for (int i = 0; i < 2; i++) {
			struct bpf_object *object = bpf_object__open("/replacing.o");
			struct bpf_program *by = bpf_object__find_program_by_name(object, names[i]);
			int target, load;

			bpf_program__set_autoload(bpf_object__find_program_by_name(object, names[!i]), false);
			target = bpf_program__set_attach_target(by, bpf_program__fd(of), "number");
			load = bpf_object__load(object);
			printf("%s by %s: target %d, load %d\n", bpf_program__name(of), names[i], target, load);
			bpf_object__close(object);
		}
	}
	return 0;
}
C
chroot "$root" gcc -o /guest/replace /replace.c -lbpf

cp "$root/bin/busybox" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t sysfs sys /sys
/replace
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -eu <<'SH' | tr -d '\r' >"$work/said"
# The libraries that the loader is linked to.
for file in $(ldd /guest/replace | grep -o "/[^ ]*"); do
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
grep -qx 'At program exit the register R0 has smin=5 smax=5 should have been in \[0, 0\]' "$work/said"
grep -qx 'of_raw_tp by returns_5: target 0, load -22' "$work/said"
for pair in 'of_raw_tp by returns_0' 'of_kprobe by returns_5' 'of_kprobe by returns_0'; do
	grep -qx "$pair: target 0, load 0" "$work/said"
done
