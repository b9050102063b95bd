#!/usr/bin/env -S setpriv --pdeathsig KILL /bin/sh
# vmtest starts this in QEMU's place, through a link in the run's directory.
# It keeps what vmtest does not: the process id, the exact command line and
# every byte of the console; and it has QEMU die with the thread that started it.
cd "${0%/*}" || exit
# A kassay that died before the signal was asked for sends none, and is no longer the parent.
read -r owner <owner
[ "$PPID" = "$owner" ] || exit
# vmtest first asks whether there is a QEMU, and never waits for the answer.
case $1 in --help) echo $$ >asked; exit 0 ;; esac
echo $$ >pid
read -r emulator <emulator
# The gate is a pipe that holds a byte, unless it is to stay shut; as long as
# this end is open, the byte stays there.
exec 9<>gate.in
if [ -e hold ]; then printf h >&9; elif [ ! -e shut ]; then echo >&9; fi
# A state to go on from, where there is one, and what QEMU is told about it.
if [ -e state ]; then
	exec 8<state 7<>restore.in
	cat restore >&7
fi
# `-virtfs` makes devices of PCI, with which QEMU saves no machine of s390x: they go on its own bus.
case $emulator in *-s390x)
	for argument; do
		shift
		case $argument in
		-virtfs) continue ;;
		local,id=*,mount_tag=*)
			before=${argument%,mount_tag=*} after=${argument##*,mount_tag=}
			id=${before#local,id=}
			set -- "$@" -fsdev "$before,${after#*,}" \
				-device "virtio-9p-ccw,fsdev=${id%%,*},mount_tag=${after%%,*}"
			;;
		*) set -- "$@" "$argument" ;;
		esac
	done
	;;
esac
printf '%s\0' "$emulator" "$@" >command
# Ctrl-C at a terminal goes to all of its foreground group, and a program that handles it would
# lose its machine. In a session of its own QEMU does not hear it.
# No file that QEMU writes, for the guest or of it, grows beyond 512 MiB: what is
# more fails, and does not fill the host's disk.
trap '' XFSZ
ulimit -f 1048576
exec setsid "$emulator" "$@" >console 2>stderr
