#!/bin/sh
# A line that only returns an error number is no line for gcov at -O2, with which kernels and their
# modules are always built: the number is chosen without a jump to code of its own. Such a line is
# neither among those that ran nor among those that did not, so that a list of lines which never ran
# has hardly an error path in it. The branches of the condition before it tell whether it was taken.
#
# Seen with gcc 12.2 of Debian 12 and gcc 14.2 of Debian 13: lines with a count, of a function whose
# line 4 is `return -22;`
#	-O0: 2 3 4 5, and 0 % and 100 % of line 3's branches
#	-O2: 2 3 5, and the same
# It takes root (or unprivileged user namespaces) and mmdebstrap.
set -eu

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

cat >"$work/it.c" <<'C'
__attribute__((noinline)) int half(int number);
int half(int number) {
	if (number < 0)
		return -22;
	return number / 2;
}
int main(void) {
	return half(0);
}
C

cat >"$work/lines" <<'SH'
set -eu
cd "$(mktemp -d)"
gcc "$1" --coverage -c /it.c -o it.o
gcc --coverage it.o -o it
./it
gcov --branch-probabilities --stdout it.gcda >all
# COUNT:LINE:TEXT, of the function alone; `-` is a line without code.
sed -n 's/^ *\([^ ]*\): *\([2-5]\):.*/\1 \2/p' all | awk '$1 != "-" { printf "%s ", $2 }'
sed -n '/:    3:/,/:    [45]:/s/^branch *[0-9]* \(taken\|never\) \([0-9]*\).*/\2/p' all | sort -u | tr '\n' ' '
SH

status=0
for suite in bookworm trixie; do
	root=$work/$suite
	mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev "$suite" "$root"
	chroot "$root" gcc --version | sed 1q
	cp "$work/it.c" "$work/lines" "$root"
	for level in -O0 -O2; do
		seen=$(chroot "$root" sh /lines "$level")
		echo "$level: $seen"
		case "$level $seen" in
		"-O0 2 3 4 5 0 100 ") ;;
		"-O2 2 3 5 0 100 ") ;;
		*) status=1 ;;
		esac
	done
	rm -rf --one-file-system "$root"
done
exit $status
