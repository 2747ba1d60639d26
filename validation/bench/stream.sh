#!/usr/bin/env bash
# A benchmark, not a test: the stream of blocks alone (run/device = null) on the cores of this machine.
#   validation/bench/stream.sh            tokens/s into one trainer, then 16, 64 and 256 ranks
#   validation/bench/stream.sh 16 64      these numbers of ranks only
# Order, exactly-once and checksums of every token and score are checked in each run; a run that fails ends the script.
# Ranks of the larger runs are split as on a cluster (half train, 3/8 classify, 1/8 read), over the same total work, so that a
# cost that grows with the square of the ranks would show. `start`: wall time without the stream, which is MPI's own start and
# end for the most part. The last columns are bytes: what a trainer and a classifier hold for blocks, what the credits allow, and
# the largest process. Tables of all ranks: STREAM_OUTPUT (a folder; default: removed at the end).
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
need_launcher
limit=${limit_of_a_run:-600}
output=${STREAM_OUTPUT:-$work/tables}
write_corpus corpus.jsonl 40000
write_tokenize tokenize.in
alone tokenize.in tokenize/block_tokens=16384 tokenize/shards=4 > tokenize.log || { cat tokenize.log; exit 1; }
write_pretrain pretrain.in 1 < /dev/null

# Seconds on the clock of a command whose output goes to run.log.
clock() {
	local begin
	begin=$(date +%s%N)
	"$@" < /dev/null > run.log 2>&1 || { cat run.log; exit 1; }
	grep -q 'checksums right' run.log || { cat run.log; exit 1; }
	wall=$((($(date +%s%N) - begin) / 1000000))
}
# What the line of a role says, without the units' blanks: ROLE COLUMN.
column() { sed 's/ \([KMGT]*i*B\)\b/\1/g' run.log | awk -v role="$1" -v column="$2" '$1 == role { print $column }'; }
stream() { # RANKS KEY=VALUE...
	local count=$1
	shift
	clock ranks "$count" pretrain.in run/device=null run/output="$output/$count" model/context=512 filter/classifier=none "$@"
}

if [ $# = 0 ]; then
	printf 'into one trainer (60M tokens, 64 sequences of 512, blocks of 16384, one rank of each role)\n'
	printf '%-28s %10s %10s %8s %12s %12s %12s\n' stream tokens/s 'trainer' 'wait %' buffers bound peak
	while read -r name count settings; do
		# shellcheck disable=SC2086 # several arguments
		stream "$count" train/tokens=60M train/sequences=64 train/slots=8 $settings
		rate=$(sed -n 's/.* tokens in .*: \([^ ]*\) tokens\/s,.*/\1/p' run.log)
		printf '%-28s %10s %10s %8s %12s %12s %12s\n' "$name" "$rate" "$(column trainer 3)" "$(column trainer 4)" \
			"$(column trainer 8)" "$(column trainer 9)" "$(column trainer 11)"
	done <<-END
		reader-classifier-trainer 3 roles/readers=1 roles/classifiers=1 roles/trainers=1
		classifier-trainer 2 roles/readers=0 roles/classifiers=1 roles/trainers=1
		reader-trainer 2 roles/readers=1 roles/classifiers=0 roles/trainers=1 filter/method=none
		one-process 1 roles/mode=shared
	END
	set -- 16 64 256
fi
printf '\nranks of a cluster on this machine (20M tokens, 128 sequences of 512)\n'
printf '%6s %8s %8s %10s | %10s %10s %10s | %10s %10s %10s\n' ranks 'wall s' 'start s' tokens/s trainer bound peak classifier bound peak
for count; do
	readers=$((count / 8)) classifiers=$((count * 3 / 8))
	stream "$count" train/tokens=20M train/sequences=128 train/slots=128 roles/readers=$readers \
		roles/classifiers=$classifiers roles/trainers=$((count - readers - classifiers))
	seconds=$(sed -n 's/.* tokens in \([0-9.:]*\).*: .*/\1/p' run.log | awk -F: '{ s = 0; for (i = 1; i <= NF; i++) s = 60 * s + $i; print s }')
	rate=$(sed -n 's/.* tokens in .*: \([^ ]*\) tokens\/s,.*/\1/p' run.log)
	printf '%6d %8.1f %8.1f %10s | %10s %10s %10s | %10s %10s %10s\n' "$count" "$((wall / 1000)).$((wall % 1000 / 100))" \
		"$(awk "BEGIN { print $wall / 1000 - $seconds }")" "$rate" \
		"$(column trainer 8)" "$(column trainer 9)" "$(column trainer 11)" \
		"$(column classifier 8)" "$(column classifier 9)" "$(column classifier 11)"
done
