#!/bin/sh
# A program cannot have the name of its own section: `SEC("xdp") int xdp(...)` does not compile, and
# nor does `char license[] SEC("license")`. The assembler defines a symbol for each section, of the
# section's name, so that the program's is the second one. The messages name no line and no section.
# `SEC("xdp/some") int xdp(...)` compiles.
#
# Seen with Debian 13's clang 19.1.7, for the target bpf:
#	error: xdp changed binding to STB_GLOBAL
#	error: symbol 'xdp' is already defined
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase --include=clang-19,libbpf-dev,linux-libc-dev trixie "$root"
chroot "$root" dpkg-query --show clang-19 libbpf-dev

cat >"$root/some.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC(PROGRAM_SECTION)
int xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
C
# Compiles it, with these definitions.
compile() {
	chroot "$root" clang-19 -target bpf -O2 -g -I/usr/include/x86_64-linux-gnu "$@" \
		-c /some.c -o /some.o
}

compile '-DPROGRAM_SECTION="xdp/some"'
echo 'in xdp/some: compiles'
for definitions in '-DPROGRAM_SECTION="xdp"' '-DPROGRAM_SECTION="xdp/some" -DLICENSE=license'; do
	# The definitions are words of their own.
	if compile $definitions >"$work/said" 2>&1; then
		echo "$definitions: compiles: this has changed"
		exit 1
	fi
	echo "$definitions:"
	cat "$work/said"
	grep -q "error: symbol '[a-z]*' is already defined" "$work/said"
done
