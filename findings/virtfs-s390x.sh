#!/bin/sh
# QEMU saves no machine of s390x that has a share by `-virtfs`: that makes a device of PCI on every
# machine (system/vl.c), and `zpci`, which comes with it there, cannot be migrated. The two options
# that `-virtfs` is short for, `-fsdev` and `-device virtio-9p-ccw`, put the share on the machine's own
# bus, and it is saved.
#
# Seen with Debian 13's QEMU 10.0.13:
#	-virtfs: State blocked by non-migratable device 'zpci'
#	-fsdev and virtio-9p-ccw: completed
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
mmdebstrap --quiet --variant=minbase --include=python3-minimal,qemu-system-misc trixie "$root"
chroot "$root" dpkg-query --show qemu-system-misc

# Starts a machine that stands still, has it saved, and prints what came of that.
cat >"$root/save.py" <<'PY'
import json
import subprocess
import sys
import time

machine = ["qemu-system-s390x", "-machine", "s390-ccw-virtio", "-S", "-nodefaults"]
machine += ["-display", "none", "-qmp", "stdio"] + sys.argv[1:]
qemu = subprocess.Popen(machine, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(order, **arguments):
    qemu.stdin.write(json.dumps({"execute": order, "arguments": arguments}) + "\n")
    qemu.stdin.flush()
    for line in qemu.stdout:
        answer = json.loads(line)
        if "error" in answer:
            print(answer["error"]["desc"])
            qemu.kill()
            sys.exit()
        if "return" in answer:
            return answer["return"]


ask("qmp_capabilities")
ask("migrate", uri="exec:cat >/dev/null")
while (status := ask("query-migrate").get("status")) not in ("completed", "failed"):
    time.sleep(0.05)
print(status)
ask("quit")
PY

save() {
	chroot "$root" python3 /save.py "$@"
}
short=$(save -virtfs local,path=/tmp,mount_tag=share,security_model=none)
long=$(save -fsdev local,id=share,path=/tmp,security_model=none \
	-device virtio-9p-ccw,fsdev=share,mount_tag=share)
echo "-virtfs: $short"
echo "-fsdev and virtio-9p-ccw: $long"
[ "$short" = "State blocked by non-migratable device 'zpci'" ]
[ "$long" = completed ]
