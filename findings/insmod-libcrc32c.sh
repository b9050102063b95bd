#!/bin/sh
# A module whose `depends:` is empty, and whose symbols the kernel all has, is refused by insmod with
# `unknown symbol`. libcrc32c, on which nf_conntrack, sctp and btrfs depend, looks up the algorithm
# crc32c when it is inserted, and returns ENOENT if there is none. Its module is named by a `softdep:`
# alone, which modules.dep does not have. insmod takes each ENOENT for an unknown symbol.
#
# Seen with Debian 13's kernel 6.12.118, kmod 34.2, BusyBox 1.37.0, in QEMU 10.0.13:
#	modules.dep: kernel/lib/libcrc32c.ko.xz:
#	insmod: can't insert '/libcrc32c.ko': unknown symbol in module, or unknown parameter
#	inserted after crc32c_generic
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase \
	--include=busybox-static,cpio,kmod,linux-image-amd64,qemu-system-x86,xz-utils trixie "$root"
chroot "$root" dpkg-query --show linux-image-amd64 kmod busybox-static qemu-system-x86

modules=$(echo "$root"/lib/modules/*-amd64)
grep '/libcrc32c\.ko\.xz:' "$modules/modules.dep" | sed 's/^/modules.dep: /' | tee "$work/depends"
grep -q '\.ko\.xz:$' "$work/depends"
mkdir -p "$root/guest/bin"
for file in lib/libcrc32c crypto/crc32c_generic; do
	cp "$modules/kernel/$file.ko.xz" "$root/guest"
	chroot "$root" modinfo "/guest/${file#*/}.ko.xz" | grep -E '^(filename|depends|softdep):'
	chroot "$root" xz -d "/guest/${file#*/}.ko.xz"
done

cp "$root/bin/busybox" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
insmod /libcrc32c.ko && echo inserted alone
insmod /crc32c_generic.ko
insmod /libcrc32c.ko && echo inserted after crc32c_generic
dmesg | grep 'nknown symbol'
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot \
		-serial stdio -kernel /boot/vmlinuz-* -initrd /initrd \
		-append "console=ttyS0 quiet loglevel=0 panic=-1"' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
if grep -q -e 'inserted alone' -e 'Unknown symbol' "$work/said"; then
	echo 'this has changed'
	exit 1
fi
grep -q "can't insert '/libcrc32c.ko': unknown symbol" "$work/said"
grep -qx 'inserted after crc32c_generic' "$work/said"
