#!/usr/bin/env bash
# validation/gpu/ladder.sh without a GPU: tokens, classifier and a ladder of tiny models on the CPU, stopped and continued from what came
# back, and one on an emulated GPU.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
emulated=$builddir/validation/emulator/capshape
export builddir scale=tiny
ladder() { timeout -k 5 "$limit" bash "$here/gpu/ladder.sh" "$@"; }
ends_with() { # CODE TEXT ARGUMENT...
	local expected=$1 text=$2 code=0
	shift 2
	ladder "$@" > said 2>&1 || code=$?
	cat said
	[ "$code" = "$expected" ] && grep -q -- "$text" said
}

# Domains of documents, without labels of tokens, as most corpora have them.
write_corpus labelled.jsonl 300
sed 's/, "labels": \[.*\]//' labelled.jsonl > corpus.jsonl
need "tokens" ladder tokens small study corpus.jsonl
need "a classifier" ladder classifier small study

# Three sizes, so that there is a law with a misfit. Intervals are of few draws.
small=('model/size=L1-D8-H1, L1-D16-H1, L1-D24-H1' train/tokens_per_parameter=0.5 run/precision=float32 run/threads=1 evaluate/resamples=20)
need "the ladder on the CPU" eval 'out=whole device=cpu ladder run small study "${small[@]}"'
came_back() { # FOLDER
	[ "$(cd "$1" && echo *)" = "ladder-small.html ladder-small.log ladder-small.md ladder-small.tar.gz" ] &&
		grep -q '<svg' "$1/ladder-small.html" && tar -tzf "$1/ladder-small.tar.gz" > list &&
		[ "$(grep -c 'run.h5$' list)" = 12 ] && ! grep -q 'checkpoints/\|scores/' list
}
check "the page, the tables, the log and the runs come back" came_back whole
slowdowns() { sed -n 's/^    \(\(forget\|retain\|other\|hard\)\t.*\)/\1/p' "$1/ladder-small.md"; }
# Three methods at three sizes on three sets that the corpus has, each with an interval that holds it.
complete() {
	slowdowns whole | tee slowdowns
	[ "$(wc -l < slowdowns)" = 27 ] && awk -F '\t' '$4 !~ /^[0-9]/ || $5 + 0 > $4 + 0 || $6 + 0 < $4 + 0 { bad = 1 } END { exit bad }' slowdowns
}
check "a slowdown with its interval for each method, size and set" complete

first_half() { out=half device=cpu ends_with 75 'the program ended with 75' run small other "${small[@]}" run/stop_after_steps=25; }
cp -r study other && rm -r other/run
check "stopped on the way" first_half
second_half() {
	mkdir fresh && cp -r study/data study/classifier half/ladder-small.tar.gz fresh &&
		out=second device=cpu ends_with 0 'goes on with the points of' run small fresh "${small[@]}"
}
check "... and continued elsewhere from what came back" second_half
check "... with the same result" eval 'slowdowns second | cmp - slowdowns'

fitted_first() {
	mkdir bare && cp -r study/data bare &&
		out=first device=cpu ends_with 75 'the program ended with 75' run small bare "${small[@]}" run/stop_after_steps=1 &&
		cmp bare/classifier/left/checkpoints/*/shard-00000.h5 study/classifier/left/checkpoints/*/shard-00000.h5
}
check "a classifier that is not there is fitted first" fitted_first
over() { out=over seconds=41 reserve=41 device=cpu ends_with 75 'the time is over' run small other "${small[@]}"; }
check "no time for the ladder" over
check "a vocabulary that is not there" ends_with 2 'there is no vocabulary huge' run huge study
check "cl100k without its file" ends_with 2 'cl100k_base.tiktoken, is missing' tokens cl100k study corpus.jsonl
check "text that is not there" ends_with 2 'there is no nowhere' tokens small study nowhere
check "a setting that is none" ends_with 2 'threads is not KEY=VALUE' run small study threads

on_gpu() {
	rm -rf study/run
	CAPSHAPE_EMULATOR_BUS=0000:3b:00.0 out=emulated capshape=$emulated ends_with 0 'the program ended with 0' run small study \
		'model/size=L1-D8-H1, L1-D16-H1' train/tokens=512 evaluate/documents=2 evaluate/resamples=20 && grep -q 'device: emulated device, loops' said &&
		grep -q 'roles: 1 trainer, 1 classifier' said && grep -q 'trainer 0 on GPU 0, classifier 1 on GPU 0' said && [ -e emulated/ladder-small.html ]
}
if [ -x "$emulated" ]; then
	check "on an emulated GPU that trainer and classifier share" on_gpu
else
	echo "there is no C++ compiler here for the CUDA emulator"
fi
finish
