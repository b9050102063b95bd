#!/bin/sh
# No BPF program can call a kfunc on Debian's kernels for s390x: the verifier lets only programs do so
# that are translated to the processor's code (kernel/bpf/verifier.c), and these kernels cannot. They
# are built for every machine since z10, and s390 has a JIT from z196 on
# (`select HAVE_EBPF_JIT if HAVE_MARCH_Z196_FEATURES`, arch/s390/Kconfig), so that kconfig does not even
# offer BPF_JIT. `ARCH_WANT_DEFAULT_BPF_JIT=y`, which is there all the same, means nothing then.
#
# Seen with sid's packages of 7.2.13-1 for amd64, arm64 and s390x:
#	amd64: CONFIG_HAVE_EBPF_JIT=y CONFIG_ARCH_WANT_DEFAULT_BPF_JIT=y CONFIG_BPF_JIT=y
#	arm64: CONFIG_HAVE_EBPF_JIT=y CONFIG_ARCH_WANT_DEFAULT_BPF_JIT=y CONFIG_BPF_JIT=y
#	s390x: CONFIG_ARCH_WANT_DEFAULT_BPF_JIT=y CONFIG_MARCH_Z10=y
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
# An older copy of sid does as well.
mmdebstrap --quiet --variant=apt --architectures=amd64,arm64,s390x --skip=cleanup/apt/lists \
	--aptopt='Acquire::Check-Valid-Until "false"' sid "$root"

# The config that the headers of an architecture have.
config() {
	headers=$(chroot "$root" apt-cache depends --important "linux-headers-$1:$1" |
		sed -n 's/ *Depends: \(linux-headers-[^:]*\).*/\1/p')
	chroot "$root" sh -euc 'cd /tmp; apt-get -qq -o APT::Sandbox::User=root download "$1"' \
		sh "$headers:$1"
	dpkg-deb --fsys-tarfile "$root/tmp/$headers"_*.deb | tar -xO --wildcards '*/.config'
}
for arch in amd64 arm64 s390x; do
	config $arch >"$work/$arch"
	echo "$arch:" $(grep -E '^CONFIG_(MARCH_Z10|[A-Z_]*BPF_JIT)=' "$work/$arch") | tee -a "$work/said"
done
ls "$root/tmp"
grep -q '^amd64:.* CONFIG_BPF_JIT=y' "$work/said"
grep -q '^arm64:.* CONFIG_BPF_JIT=y' "$work/said"
grep -q '^s390x: CONFIG_ARCH_WANT_DEFAULT_BPF_JIT=y CONFIG_MARCH_Z10=y$' "$work/said"
