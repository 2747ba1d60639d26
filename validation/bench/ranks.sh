#!/usr/bin/env bash
# A benchmark, not a test: wall time of one run with 4 ranks and with 16 on the cores of this machine. Waiting ranks sleep,
# so 16 ranks should take little longer than 4 where there are few cores.
#   validation/bench/ranks.sh [RANKS ...]
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
need_launcher
prepare_study
write_pretrain pretrain.in 64 < /dev/null

[ $# -gt 0 ] || set -- 4 16
printf '%6s  %8s\n' ranks seconds
for count; do
	begin=$(date +%s%N)
	ranks "$count" pretrain.in run/output="ranks$count" > run.log 2>&1 || { cat run.log; exit 1; }
	milliseconds=$((($(date +%s%N) - begin) / 1000000))
	printf '%6d  %4d.%03d\n' "$count" $((milliseconds / 1000)) $((milliseconds % 1000))
done
