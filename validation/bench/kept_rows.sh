#!/usr/bin/env bash
# What masking saves: at 20 and 50 % masked tokens, the share of operations that need not be done, the share of time that
# is really saved, and the second divided by the first. Interleaved runs, medians.
#   validation/bench/kept_rows.sh [OPTION ...]      options of train_bench, such as --size 13M --precision bfloat16
# Environment: repeat (5), builddir. Give --steps 3 or more: a kept count that is new costs the preparation of its products.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
builddir=$(cd "${builddir:-$here/../../build}" && pwd)
repeat=${repeat:-5}

make -s -C "$builddir" validation/bench/train_bench >&2
work=$(mktemp -d "${TMPDIR:-/tmp}/capshape.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Columns 9, 10 and 11 are seconds a step, tokens a second and GFLOP a second.
for ((run = 0; run < repeat; run++)); do
	for share in 0 0.2 0.5; do
		"$builddir/validation/bench/train_bench" --no-header --mask-share "$share" "$@" |
			awk '{ print $9, $11 / $10 }' >> "$work/$share"
	done
done

middle() { # FILE: seconds and GFLOP a token of the median run
	sort -g "$1" | sed -n "$(((repeat + 1) / 2))p"
}

read -r full_seconds full_work < <(middle "$work/0")
printf '%8s %10s %18s %12s %8s\n' masked s/step 'FLOPs needless' 'time saved' share
for share in 0.2 0.5; do
	read -r seconds work_left < <(middle "$work/$share")
	awk -v m="$share" -v s="$seconds" -v w="$work_left" -v fs="$full_seconds" -v fw="$full_work" 'BEGIN {
		needless = 1 - w / fw; saved = 1 - s / fs
		printf "%7.0f%% %10.4f %17.1f%% %11.1f%% %7.0f%%\n", 100 * m, s, 100 * needless, 100 * saved,
			100 * saved / needless }'
done
