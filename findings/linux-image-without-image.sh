#!/bin/sh
# Debian sid's package linux-image-VERSION-amd64 has no kernel image, and no modules: it is nothing but
# dependencies. Whoever unpacks it for a virtual machine, which gives /boot/vmlinuz-VERSION with Debian
# 13's, gets no kernel and no error. The image is in linux-binary-VERSION-amd64, and in another folder.
#
# Seen with sid's 7.2.13-1 and Debian 13's 6.12.118-1:
#	trixie: linux-image-6.12.118+deb13-amd64: ./boot/vmlinuz-6.12.118+deb13-amd64
#	sid: linux-image-7.2.13+deb14-amd64: no vmlinuz
#	sid: linux-binary-7.2.13+deb14-amd64: ./usr/lib/modules/7.2.13+deb14-amd64/vmlinuz
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

# The kernel images in package $2 of release $1, whose root there is.
images() {
	chroot "$work/$1" sh -euc 'mkdir "/$1"
		cd "/$1"
		apt-get download -qq "$1" 2>/said || { cat /said; exit 1; }
		dpkg-deb -c *.deb | sed -n "s/.* \(\.[^ ]*vmlinuz[^ ]*\)$/\1/p"' sh "$2"
}

for release in trixie sid; do
	# An older copy of sid does as well.
	mmdebstrap --quiet --variant=apt --skip=cleanup/apt/lists \
		--aptopt='Acquire::Check-Valid-Until "false"' $release "$work/$release"
	image=$(chroot "$work/$release" apt-cache depends linux-image-amd64 |
		sed -n 's/.* Depends: \(linux-image-[0-9].*\)$/\1/p')
	packages=$image
	if [ $release = sid ]; then
		packages="$image linux-binary-${image#linux-image-}"
	fi
	for package in $packages; do
		found=$(images $release "$package")
		echo "$release: $package: ${found:-no vmlinuz}" | tee -a "$work/said"
	done
done
grep -q '^trixie: linux-image-.*: \./boot/vmlinuz-' "$work/said"
grep -q '^sid: linux-image-.*: no vmlinuz$' "$work/said"
grep -q '^sid: linux-binary-.*: \./usr/lib/modules/.*/vmlinuz$' "$work/said"
