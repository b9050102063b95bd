#!/bin/sh
# A program for `tracepoint/syscalls/sys_enter_NAME` that takes its arguments from
# struct trace_event_raw_sys_enter, as is usual, reads the wrong place on Debian 12's PREEMPT_RT
# kernel, although CO-RE relocates it: that is the type of raw_syscalls/sys_enter, and what the
# kernel hands over here is laid out as struct syscall_trace_enter is (kernel/trace/trace_syscalls.c).
# The two agree until struct trace_entry is longer than eight bytes, and there it is twelve: the patch
# set of 6.1-rt puts preempt_lazy_count at its end.
#
# Seen with the BTF of Debian 12's kernels 6.1.0-57 (6.1.192-3) and bpftool 7.1.0; the bits from which
# `args` begins:
#	amd64: trace_event_raw_sys_enter 128, syscall_trace_enter 128
#	rt-amd64: trace_event_raw_sys_enter 192, syscall_trace_enter 128
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
unset TMPDIR
root=$work/root
mmdebstrap --quiet --variant=extract \
	--include=bpftool,dash,linux-image-amd64,linux-image-rt-amd64,python3 bookworm "$root"
ls "$root/boot" | grep vmlinuz

# The kernel in an image begins where xz does.
cat >"$root/extract.py" <<'PY'
import lzma
import sys
image = open(sys.argv[1], "rb").read()
at = image.find(b"\xfd7zXZ\0")
sys.stdout.buffer.write(lzma.LZMADecompressor().decompress(image[at:]))
PY
for flavour in amd64 rt-amd64; do
	chroot "$root" sh -euc "python3 /extract.py /boot/vmlinuz-*[0-9]-$flavour >/vmlinux
		bpftool btf dump file /vmlinux" >"$work/btf"
	awk -v flavour=$flavour '
		/^\[[0-9]+\] STRUCT/ { name = $3 }
		/^\t.args. / { split($0, part, "bits_offset="); at[name] = part[2] + 0 }
		END {
			raw = "\x27trace_event_raw_sys_enter\x27"; entry = "\x27syscall_trace_enter\x27"
			printf "%s: trace_event_raw_sys_enter %d, syscall_trace_enter %d\n", flavour, at[raw], at[entry]
		}' "$work/btf" >>"$work/said"
done
cat "$work/said"
grep -qx 'amd64: trace_event_raw_sys_enter 128, syscall_trace_enter 128' "$work/said"
grep -qx 'rt-amd64: trace_event_raw_sys_enter 192, syscall_trace_enter 128' "$work/said"
