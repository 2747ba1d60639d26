#!/usr/bin/env bash
# Compares the engine with the independent PyTorch implementation in validation/torch and prints one table; exit code 1
# when a row fails.
#   validation/validate.sh [--all]        --all: every tensor, not only the worst of each kind
# Environment: builddir (the build folder, default: build), PYTHON (an interpreter with torch and h5py), kernels (cpu or
# cuda), threads (of the engine, default 1).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
builddir=${builddir:-$here/../build}

find_python() {
	local candidate
	for candidate in ${PYTHON:+"$PYTHON"} python3 /usr/bin/python3; do
		if "$candidate" -c 'import torch, h5py' 2> /dev/null; then
			echo "$candidate"
			return
		fi
	done
	cat >&2 <<-'END'
		validate.sh: no Python here has both torch and h5py. Install them,
		  on Debian:     apt-get install --no-install-recommends python3-torch python3-h5py
		  or with pip:   pip install torch h5py
		or name an interpreter that has them: PYTHON=/path/to/python3 make validate
	END
	exit 5
}

python=$(find_python)
[ -e "$builddir/Makefile" ] || { echo "validate.sh: $builddir is no build folder: configure first" >&2; exit 5; }
builddir=$(cd "$builddir" && pwd)
dump=validation/torch/dump
make -s -C "$builddir" "$dump" >&2

work=$(mktemp -d "${TMPDIR:-/tmp}/capshape.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$builddir/$dump" "$work/dump.h5" "${kernels:-cpu}" "${threads:-1}"
# The models are small: threads that wait for each other would take most of the time.
OMP_NUM_THREADS=1 "$python" -B "$here/torch/compare.py" "$work/dump.h5" "$@"
