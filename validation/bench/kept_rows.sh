#!/usr/bin/env bash
# What masking saves: at 20 and 50 % masked tokens, the share of operations that need not be done, the share of time that
# is really saved, and the second divided by the first. Three programs (0, 20 and 50 %) take turns step by step, so that a
# change of the machine's speed meets them all; medians over the rounds.
#   validation/bench/kept_rows.sh [OPTION ...]      options of train_bench: --size 13M --precision bfloat16 --mask-span 100
# Environment: rounds (7), builddir.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
builddir=$(cd "${builddir:-$here/../../build}" && pwd)
rounds=${rounds:-7}
shares=(0 0.2 0.5)

make -s -C "$builddir" validation/bench/train_bench >&2
work=$(mktemp -d "${TMPDIR:-/tmp}/capshape.XXXXXX")
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

to=() from=()
for share in "${shares[@]}"; do
	mkfifo "$work/to.$share" "$work/from.$share"
	"$builddir/validation/bench/train_bench" --no-header --paced --steps "$rounds" --mask-share "$share" "$@" \
		< "$work/to.$share" > "$work/from.$share" &
	exec {fd}> "$work/to.$share"
	to+=("$fd")
	exec {fd}< "$work/from.$share"
	from+=("$fd")
	read -r -u "$fd" ready && [ "$ready" = ready ]
done

for ((round = 0; round < rounds; round++)); do
	for i in "${!shares[@]}"; do
		echo >&"${to[i]}"
		read -r -u "${from[i]}" seconds
		echo "$seconds" >> "$work/seconds.${shares[i]}"
	done
done

# Columns 10 and 11 of the table are tokens a second and GFLOP a second.
for i in "${!shares[@]}"; do
	echo >&"${to[i]}" # one round too many ends it: others may hold its pipe, so closing would not
	read -r -u "${from[i]}" line
	awk '{ print $11 / $10 }' <<< "$line" > "$work/work.${shares[i]}"
done

median() { sort -g | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

full_work=$(< "$work/work.0")
printf '%8s %10s %10s %18s %12s %8s\n' masked s/step '0 %' 'FLOPs needless' 'time saved' share
for share in "${shares[@]:1}"; do
	saved=$(paste "$work/seconds.$share" "$work/seconds.0" | awk '{ print 1 - $1 / $2 }' | median)
	awk -v m="$share" -v s="$(median < "$work/seconds.$share")" -v f="$(median < "$work/seconds.0")" \
		-v w="$(< "$work/work.$share")" -v fw="$full_work" -v saved="$saved" 'BEGIN {
		needless = 1 - w / fw
		printf "%7.0f%% %10.4f %10.4f %17.1f%% %11.1f%% %7.0f%%\n", 100 * m, s, f, 100 * needless, 100 * saved,
			100 * saved / needless }'
done
