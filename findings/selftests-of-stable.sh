#!/bin/sh
# The selftests of BPF of a stable kernel need not build: `make test_progs` needs every program and
# every test, and a test that was taken over from a newer kernel may use a program that was not. In
# 6.12.117 one test includes the skeleton of a program that is not there, so that there is no
# `test_progs` at all; without the file of that test it builds (seen with clang 19).
#
# Seen with linux-source-6.12 6.12.117-1~deb12u1 of Debian 12: of all skeletons that the tests include,
# those that neither a program of that name nor a rule of the Makefile makes
#	cgroup_skb_direct_packet_access, of prog_tests/bpf_attr_size.c
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
version=6.12.117-1~deb12u1

mmdebstrap --quiet --variant=apt bookworm "$work/root"
chroot "$work/root" apt-get update -qq
chroot "$work/root" apt-get download -qq "linux-source-6.12=$version"
dpkg-deb --fsys-tarfile "$work/root"/linux-source-6.12_*.deb |
	tar -xO ./usr/src/linux-source-6.12.tar.xz |
	tar -xJ -C "$work" linux-source-6.12/tools/testing/selftests/bpf
cd "$work/linux-source-6.12/tools/testing/selftests/bpf"

missing=
for name in $(sed -n 's/^#include "\([A-Za-z0-9_]*\)\.l*skel\.h".*/\1/p' prog_tests/*.c | sort -u); do
	[ -e "progs/$name.c" ] || grep -q "$name\.skel\.h-deps" Makefile || missing="$missing $name"
done
echo "linux-source-6.12 $version:$missing"
[ "$missing" = " cgroup_skb_direct_packet_access" ]
grep -q '"cgroup_skb_direct_packet_access.skel.h"' prog_tests/bpf_attr_size.c
