#!/bin/sh
# A program that calls bpf_trace_printk() and runs as soon as it is loaded prints nothing: to load it
# no longer turns the event on but has a worker do that (`__set_printk_clr_event` in
# kernel/trace/bpf_trace.c of 6.1.192, 6.12.117 and 7.2.12). Neither the trace nor its counters of
# lost events say so. Who wants all lines writes 1 to events/bpf_trace/bpf_trace_printk/enable first.
#
# It takes a loader that the worker cannot come before, such as one with real-time priority here, or
# programs that keep the CPUs busy. Seen with Debian 12's kernel 6.1.0-57 (6.1.192-3), in QEMU 7.2,
# of a program that runs twice, the second time after a second:
#	as it is: 1 of 2
#	enabled before: 2 of 2
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,gcc,libc6-dev,linux-image-amd64,qemu-system-x86 bookworm "$root"
chroot "$root" dpkg-query --show linux-image-amd64 qemu-system-x86

mkdir -p "$root/guest/bin" "$root/guest/proc" "$root/guest/sys"
cp "$root/bin/busybox" "$root/guest"
cat >"$root/twice.c" <<'C'
#include <linux/bpf.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(void)
{
	/* trace_printk("printed"), and 0. */
	struct bpf_insn program[] = {
		{ .code = 0x18, .dst_reg = 1, .imm = 0x6e697270 },
		{ .imm = 0x00646574 },
		{ .code = 0x7b, .dst_reg = 10, .src_reg = 1, .off = -8 },
		{ .code = 0xbf, .dst_reg = 1, .src_reg = 10 },
		{ .code = 0x07, .dst_reg = 1, .imm = -8 },
		{ .code = 0xb7, .dst_reg = 2, .imm = 8 },
		{ .code = 0x85, .imm = BPF_FUNC_trace_printk },
		{ .code = 0xb7 },
		{ .code = 0x95 },
	};
	struct sched_param first = { .sched_priority = 1 };
	static char frame[64];
	union bpf_attr load, run;

	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	load.insns = (unsigned long)program;
	load.insn_cnt = sizeof(program) / sizeof(program[0]);
	load.license = (unsigned long)"GPL";
	memset(&run, 0, sizeof(run));
	run.test.data_in = (unsigned long)frame;
	run.test.data_size_in = sizeof(frame);
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		return 1;
	run.test.prog_fd = bpf(BPF_PROG_LOAD, &load);
	if ((int)run.test.prog_fd < 0 || bpf(BPF_PROG_TEST_RUN, &run))
		return 2;
	sleep(1);
	return bpf(BPF_PROG_TEST_RUN, &run) ? 3 : 0;
}
C
chroot "$root" gcc -static -o /guest/twice /twice.c
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tracefs trace /sys/kernel/tracing
cd /sys/kernel/tracing
uname -rv
event=events/bpf_trace/bpf_trace_printk/enable
for how in "as it is" "enabled before"; do
	echo >trace
	[ "$how" = "as it is" ] || echo 1 >$event
	/twice || echo "failed: $?"
	echo "$how: $(grep -c 'bpf_trace_printk: printed' trace) of 2"
	echo 0 >$event
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
grep -qx 'as it is: 1 of 2' "$work/said"
grep -qx 'enabled before: 2 of 2' "$work/said"
