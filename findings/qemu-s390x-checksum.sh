#!/bin/sh
# In QEMU 7.2's emulated s390x a kernel computes the checksums of IP wrong, with the vector instructions
# that it takes for them from 6.9 on (arch/s390/lib/csum-partial.c): what is checked by software is
# dropped. Connections are made and carry data, as nobody checks those on a loopback or veth device, but
# a refused one times out, since the reset never counts, and nothing answers a ping. Nothing says so
# except a counter. A CPU without vectors (`vx=off`) does not have this, and QEMU 10.0 and 11.1 do not.
#
# Seen with sid's kernel 7.2.13 for s390x and its busybox, in QEMU 7.2+dfsg-7+deb12u18 of Debian 12:
#	max: nc: timed out
#	max: InCsumErrors 2
#	max,vx=off,vxeh=off: nc: can't connect to remote host (127.0.0.1): Connection refused
#	max,vx=off,vxeh=off: InCsumErrors 0
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root foreign=$work/foreign
mmdebstrap --quiet --variant=minbase --include=qemu-system-misc,cpio bookworm "$root"
chroot "$root" dpkg-query --show qemu-system-misc
# An older copy of sid does as well.
mmdebstrap --quiet --variant=apt --architectures=amd64,s390x --skip=cleanup/apt/lists \
	--aptopt='Acquire::Check-Valid-Until "false"' sid "$foreign"
image=$(chroot "$foreign" apt-cache depends --recurse --important linux-image-s390x:s390x |
	sed -n 's/^\(linux-binary-[^:]*\).*/\1/p' | sort -u)
chroot "$foreign" sh -euc 'cd /tmp; apt-get -qq -o APT::Sandbox::User=root download "$@"' \
	sh "$image:s390x" busybox-static:s390x
ls "$foreign/tmp"
for package in "$foreign"/tmp/*.deb; do
	dpkg-deb -x "$package" "$work/unpacked"
done

mkdir -p "$root/guest/bin" "$root/guest/proc"
cp "$(find "$work/unpacked" -name 'vmlinuz*' -type f)" "$root/vmlinuz"
cp "$(find "$work/unpacked" -path '*bin/busybox')" "$root/guest"
cat >"$root/guest/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
ifconfig lo up
nc -w 2 127.0.0.1 1 </init
echo "InCsumErrors $(grep Tcp: /proc/net/snmp | tail -1 | sed 's/.* //')"
poweroff -f
SH
chmod +x "$root/guest/init"
chroot "$root" sh -euc 'cd /guest
	find . | cpio --quiet -o -H newc >/initrd
	for cpu in max max,vx=off,vxeh=off; do
		timeout 300 qemu-system-s390x -accel tcg -cpu $cpu -m 512 -nographic -no-reboot \
			-kernel /vmlinuz -initrd /initrd -append "quiet loglevel=0 panic=-1" 2>&1 |
			sed "s/^/$cpu: /"
	done' </dev/null | tr -d '\r' >"$work/said"
cat "$work/said"
grep -qx 'max: nc: timed out' "$work/said"
grep -q '^max: InCsumErrors [1-9]' "$work/said"
grep -q '^max,vx=off,vxeh=off: nc: .* Connection refused$' "$work/said"
grep -qx 'max,vx=off,vxeh=off: InCsumErrors 0' "$work/said"
