#!/bin/sh
# A kernel's read through a null pointer does not fault on s390x. Its memory begins at address 0, with
# what the processor keeps for each CPU, such as the addresses of interrupt handlers. So a test there
# passes over a module that reads a field of a null pointer, where x86 has an oops. A probe of tracefs
# shows it without such a module: it reads kernel memory by a function that returns an error instead.
#
# Seen with sid's kernel 7.2.13 and busybox 1.38.0 for both, in Debian 13's QEMU 10.0.13:
#	x86_64: at 0: (fault)
#	s390x: at 0: ""
#	s390x: at 0x1d8: pgm_check_handler+0x0/0x160
# The last is where the processor goes for a program check. It takes root (or unprivileged user
# namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root foreign=$work/foreign
mmdebstrap --quiet --variant=minbase --include=cpio,qemu-system-misc,qemu-system-x86 trixie "$root"
chroot "$root" dpkg-query --show qemu-system-misc qemu-system-x86
# An older copy of sid does as well.
mmdebstrap --quiet --variant=apt --architectures=amd64,s390x --skip=cleanup/apt/lists \
	--aptopt='Acquire::Check-Valid-Until "false"' sid "$foreign"

cat >"$work/init" <<'SH'
#!/busybox sh
/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tracefs trace /sys/kernel/tracing
cd /sys/kernel/tracing
# What an address that cannot be read has as a number is no information.
[ "$(uname -m)" = x86_64 ] || handler=handler=@0x1d8:symbol
echo "p:some/read do_nanosleep text=@0:string $handler" >kprobe_events
echo 1 >events/some/read/enable
sleep 0.1
echo 0 >events/some/read/enable
sed -n "s/.* text=\([^ ]*\).*/$(uname -m): at 0: \1/p" trace
sed -n "s/.* handler=/$(uname -m): at 0x1d8: /p" trace
poweroff -f
SH
chmod +x "$work/init"
for architecture in amd64 s390x; do
	unpacked=$work/$architecture
	chroot "$foreign" sh -eu -s "$architecture" <<'SH'
mkdir "/$1"
cd "/$1"
apt-get download -qq -o APT::Sandbox::User=root \
	"linux-binary-7.2.13+deb14-$1:$1=7.2.13-1" "busybox-static:$1"
ls
SH
	for package in "$foreign/$architecture"/*.deb; do
		dpkg-deb -x "$package" "$unpacked"
	done
	mkdir -p "$root/$architecture/bin" "$root/$architecture/proc" "$root/$architecture/sys"
	cp "$(find "$unpacked" -name 'vmlinuz*' -type f)" "$root/vmlinuz-$architecture"
	cp "$(find "$unpacked" -path '*bin/busybox')" "$work/init" "$root/$architecture"
done
chroot "$root" sh -eu <<'SH' | tr -d '\r' >"$work/said"
for architecture in amd64 s390x; do
	cd /$architecture
	find . | cpio --quiet -o -H newc >/initrd-$architecture
done
options="-accel tcg -cpu max -m 1G -nodefaults -display none -no-reboot"
timeout 600 qemu-system-x86_64 $options -serial stdio -kernel /vmlinuz-amd64 -initrd /initrd-amd64 \
	-append "console=ttyS0 quiet loglevel=0 panic=-1" </dev/null
timeout 600 qemu-system-s390x $options -chardev stdio,id=it -device sclpconsole,chardev=it \
	-kernel /vmlinuz-s390x -initrd /initrd-s390x -append "quiet loglevel=0 panic=-1" </dev/null
SH
cat "$work/said"
grep -qx 'x86_64: at 0: (fault)' "$work/said"
grep -qx 's390x: at 0: ""' "$work/said"
grep -q '^s390x: at 0x1d8: pgm_check_handler' "$work/said"
