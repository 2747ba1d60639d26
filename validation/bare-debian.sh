#!/usr/bin/env bash
# Proof that a bare Debian is enough: makes a minimal system in a temporary folder, clones this checkout (what is committed)
# into it, and runs `./bootstrap` there, with the package mirrors of this machine. Prints what each step took.
#
#   validation/bare-debian.sh [--suite NAME] [--input FILE]       --build, --run FILE (inputs/quickstart.in), --check
#   validation/bare-debian.sh [--suite NAME] BOOTSTRAP ARGUMENTS  only that, such as --check
#
# Needs root, debootstrap, unshare and git. Takes about 2 GB under ${TMPDIR:-/tmp}, given back at the end.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

die() { echo "bare-debian.sh: error: $*" >&2; exit 1; }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suite=bookworm input=inputs/quickstart.in

# ---- inside the system's own mount namespace: what is mounted here is not there for the rest of the machine

if [ "${1:-}" = --inside ]; then
	system=$2
	shift 2
	mount -t proc proc "$system/proc"
	mount --rbind /sys "$system/sys"
	mkdir -p "$system/dev/shm"
	mount -t tmpfs -o mode=1777 none "$system/dev/shm"
	exec chroot "$system" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		/root/capshape/bootstrap "$@"
fi

# ---- outside

while [ $# -gt 1 ]; do
	case $1 in
	--suite) suite=$2 ;;
	--input) input=$2 ;;
	*) break ;;
	esac
	shift 2
done
[ "$(id -u)" = 0 ] || die "this needs root, for debootstrap and chroot"
for program in debootstrap unshare git; do
	command -v $program > /dev/null || die "$program was not found"
done

# "deb URI SUITE COMPONENT ..." of Debian's own repositories, as apt here knows them.
# shellcheck disable=SC2016 # apt fills in the fields
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
	awk -v suite="$suite" '$NF == "Debian" && $3 ~ "^" suite && $4 == "main" { print $1, $2, $3, $4 }' | sort -u)
mirror=$(awk -v suite="$suite" '$3 == suite { print $2; exit }' <<< "$sources")
[ -n "$mirror" ] || die "apt on this machine knows no mirror of Debian $suite"

system=$(mktemp -d "${TMPDIR:-/tmp}/bare-debian.XXXXXX")
chmod 755 "$system" # it becomes the root folder, which every user must be able to enter
trap 'rm -rf --one-file-system "$system"' EXIT
trap 'exit 1' INT TERM HUP
timed() { # NAME COMMAND...
	local name=$1 begin=$SECONDS code=0
	shift
	"$@" || code=$?
	times+=("$(printf '%6d s  %-40s exit code %d' $((SECONDS - begin)) "$name" $code)")
	return $code
}
times=()

timed "debootstrap $suite" debootstrap --variant=minbase "$suite" "$system" "$mirror" > "$system.log" 2>&1 ||
	{ tail -n 20 "$system.log"; die "debootstrap failed"; }
rm -f "$system.log"
echo "$sources" > "$system/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https)::.*[Pp]roxy' > "$system/etc/apt/apt.conf.d/80proxy" || true
cp /etc/resolv.conf /etc/hosts "$system/etc/"
git clone -q --no-hardlinks "$top" "$system/root/capshape"

failed=0
inside() { timed "bootstrap $*" unshare --mount bash "$top/validation/bare-debian.sh" --inside "$system" "$@" || failed=1; }
if [ $# -gt 0 ]; then
	inside "$@"
else
	inside --build
	inside --run "$input"
	inside --check
fi
printf '%s\n' "${times[@]}"
exit $failed
