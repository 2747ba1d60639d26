#!/usr/bin/env bash
# Training tokens a second of the engine and of PyTorch, runs interleaved so that both see the same machine; medians and
# their ratio for every size and precision.
#   validation/bench/compare.sh [OPTION ...]      options of train_bench for both, such as --sequences 4 --mask-share 0.2
# Environment: sizes ("13M 61M"), precisions ("float32 bfloat16"), repeat (5), builddir, PYTHON (an interpreter with torch;
# several, separated by blanks: each is compared), compile (auto, yes, no: torch.compile).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
builddir=$(cd "${builddir:-$here/../../build}" && pwd)
sizes=${sizes:-13M 61M} precisions=${precisions:-float32 bfloat16} repeat=${repeat:-5}

pythons=
for python in ${PYTHON:-python3 /usr/bin/python3}; do
	"$python" -c 'import torch' 2> /dev/null || continue
	pythons="$pythons $python"
	[ -n "${PYTHON:-}" ] || break
done
[ -n "$pythons" ] || {
	echo "compare.sh: no Python here has torch (Debian: apt-get install --no-install-recommends python3-torch)" >&2
	exit 5
}

make -s -C "$builddir" validation/bench/train_bench >&2
work=$(mktemp -d "${TMPDIR:-/tmp}/capshape.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Column 10 of the last line is tokens a second.
rate() { # COMMAND...
	"$@" --no-header | tail -n 1 | awk '{ print $10 }'
}

spread() { # FILE: median, least, most
	sort -g "$1" | awk '{ v[NR] = $1 }
		END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.1f %.1f %.1f\n", m, v[1], v[NR] }'
}

printf '%-8s %-9s %-28s %11s %19s %11s %19s %7s\n' size precision "peer ($repeat runs each)" "ours tok/s" "(least .. most)" \
	"peer tok/s" "(least .. most)" ratio
for size in $sizes; do
	for precision in $precisions; do
		for python in $pythons; do
			rm -f "$work"/*
			for ((run = 0; run < repeat; run++)); do
				rate "$builddir/validation/bench/train_bench" --size "$size" --precision "$precision" "$@" >> "$work/ours"
				rate "$python" -B "$here/torch_peer.py" --size "$size" --precision "$precision" \
					--compile "${compile:-auto}" "$@" >> "$work/peer"
			done
			read -r ours ours_least ours_most < <(spread "$work/ours")
			read -r peer peer_least peer_most < <(spread "$work/peer")
			version=$("$python" -c 'import torch; print("PyTorch", torch.__version__)')
			printf '%-8s %-9s %-28s %11s %19s %11s %19s %7s\n' "$size" "$precision" "$version" "$ours" \
				"($ours_least .. $ours_most)" "$peer" "($peer_least .. $peer_most)" \
				"$(awk "BEGIN { printf \"%.2f\", $ours / $peer }")"
		done
	done
done
