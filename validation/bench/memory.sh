#!/usr/bin/env bash
# A benchmark, not a test: the memory of a trainer as --plan prints it, against the peak of the process after two steps, with a
# vocabulary of 100,288. `base` is the same process with a model of next to nothing: what libraries and MPI take.
#   validation/bench/memory.sh [SIZE ...]     (default 13M L4-D256-H4 61M)
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
# A vocabulary of all bytes and made-up pieces of three bytes, which are any four characters of base 64.
awk 'BEGIN {
	a = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for (i = 0; i < 256; i++)
		printf "%s%s== %d\n", substr(a, int(i / 4) + 1, 1), substr(a, i % 4 * 16 + 1, 1), i
	for (i = 0; i < 99968; i++)
		printf "%s%s%s%s %d\n", substr(a, int(i / 262144) % 64 + 1, 1), substr(a, int(i / 4096) % 64 + 1, 1),
			substr(a, int(i / 64) % 64 + 1, 1), substr(a, i % 64 + 1, 1), 256 + i
}' > made-up.tiktoken
write_corpus corpus.jsonl 300
write_tokenize tokenize.in
sed -i 's/^ranks = .*/source = file\npath = made-up.tiktoken/' tokenize.in
alone tokenize.in > tokenize.log 2>&1 || { cat tokenize.log; exit 1; }
model_keys=
write_pretrain pretrain.in 1 < /dev/null
settings=(filter/method=none train/tokens=4096 train/sequences=4 train/slots=2 train/schedule=constant model/context=512
	run/checkpoint_interval=1000 evaluate/documents=1)

mebibytes() { awk -v value="$1" -v unit="$2" 'BEGIN { print value * (unit == "GiB" ? 1024 : unit == "KiB" ? 1 / 1024 : 1) }'; }
peak() { # SIZE: after the run
	alone pretrain.in run/output="run-$1" model/size="$1" "${settings[@]}" > run.log 2>&1 || { cat run.log; exit 1; }
	awk '/peak memory/ { print $5 }' run.log
}
base=$(peak L1-D8-H1)
printf 'base %s MiB\n%-12s %12s %12s %12s\n' "$base" size 'plan MiB' 'peak MiB' 'peak/plan'
[ $# -gt 0 ] || set -- 13M L4-D256-H4 61M
for size; do
	plan=$(alone --plan pretrain.in model/size="$size" "${settings[@]}" | sed -n 's/.*largest trainer \([0-9.]*\) \([KMG]iB\).*/\1 \2/p')
	# shellcheck disable=SC2086 # value and unit
	plan=$(mebibytes $plan)
	measured=$(peak "$size")
	printf '%-12s %12.1f %12.1f %12.3f\n' "$size" "$plan" "$measured" "$(awk "BEGIN { print $measured / $plan }")"
done
