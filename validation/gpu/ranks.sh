#!/usr/bin/env bash
# Several ranks on the GPUs of this machine, by the whole program: needs MPI and HDF5, unlike the parts of run.sh.
# usage: [capshape=PROGRAM] ranks.sh [PART...]
#   bits     one process, 2 and 4 trainers, a classifier beside them, a stop and another number of ranks: equal bits
#   scores   decisions of bfloat16 on the GPU against float32 on the CPU, counted; with a score file they are the same
#   waiting  the share of its time that a trainer waits for blocks from a classifier rank
#   saving   how long a checkpoint of a large model stops training, and how fast it is written
# Default: all. Ranks share GPUs where there are more of them. Environment: width, layers, heads and context of the model (512, 8, 8,
# 1024); steps (20), of `sequences` (16) of that context; documents of the made-up text (2000); saved: "WIDTH LAYERS HEADS" of the large
# model (2048 24 16, with the vocabulary of the text 1.2 billion parameters); limit: seconds for one command (300); builddir.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
program=${capshape:-}
limit=${limit:-300}
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
here=$(cd "$here" && pwd)
capshape=${program:-$capshape}
need_launcher
parts=("$@")
[ $# -gt 0 ] || parts=(bits scores waiting saving)
for part in "${parts[@]}"; do
	case $part in
	bits | scores | waiting | saving) ;;
	*) echo "ranks.sh: there is no part $part; there are bits, scores, waiting and saving" >&2 && exit 2 ;;
	esac
done

write_corpus corpus.jsonl "${documents:-2000}"
write_tokenize tokenize.in
model_keys="
[model]
layers = ${layers:-8}
width = ${width:-512}
heads = ${heads:-8}
context = ${context:-1024}"
sequences=${sequences:-16}
cat > classifier.in <<-END
	[run]
	task = classifier
	output = classifier
	device = cuda
	precision = bfloat16
	[data]
	folder = data
	$model_keys
	[train]
	tokens = $((4 * sequences * ${context:-1024}))
	sequences = $sequences
	slots = 4
	[classifier]
	probe_tokens = 2000
	probe_documents = 200
	evaluation_tokens = 4000
END
cat > pretrain.in <<-END
	[run]
	task = pretrain
	output = run
	device = cuda
	precision = bfloat16
	checkpoint_interval = 5
	[data]
	folder = data
	$model_keys
	[train]
	tokens = $((${steps:-20} * sequences * ${context:-1024}))
	sequences = $sequences
	slots = 8
	[filter]
	method = mask
	classifier = classifier
	[evaluate]
	documents = 10
END
sed -i 's/block_tokens = .*/block_tokens = 65536/' tokenize.in
need "tokenize" alone tokenize.in
[ "${parts[*]}" = saving ] || need "classifier on the GPU" alone classifier.in

like_one() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2
	shift 2
	check "$name: $count ranks" ranks "$count" pretrain.in run/output="$name" "$@"
	check "$name equals one process" same_runs one "$name"
}
stops() {
	local code=0
	ranks 4 pretrain.in run/output=stopped run/stop_after_steps=3 roles/mode=shared roles/trainers=4 || code=$?
	[ "$code" = 75 ]
}
part_bits() {
	check "one process" alone pretrain.in run/output=one
	like_one trainers2 2 roles/mode=shared roles/trainers=2
	like_one trainers4 4 roles/mode=shared roles/trainers=4
	like_one classifier1-trainers2 3 roles/mode=split roles/readers=0 roles/classifiers=1 roles/trainers=2
	like_one reader1-classifiers2-trainers1 4 roles/mode=split roles/readers=1 roles/classifiers=2 roles/trainers=1
	check "stopped after 3 steps on 4" stops
	like_one stopped 2 roles/mode=shared roles/trainers=2
}

score_file() { find "$1/scores" -name scores.h5; }
counts() {
	local code=0
	alone --compare-scores "$(score_file gpu)" "$(score_file cpu)" --thresholds 0.1,0.3,0.5 --data data | tee compared || code=$?
	grep -q 'decisions' compared
}
part_scores() {
	check "scores of the GPU, bfloat16" alone pretrain.in run/output=gpu run/stop_after_steps=1000000
	check "scores of the CPU, float32" alone pretrain.in run/output=cpu run/device=cpu run/precision=float32 \
		train/tokens=$((sequences * ${context:-1024}))
	check "they can be compared" counts
	sed 's/^/        /' check.log
}

waits() {
	ranks 2 pretrain.in run/output=waiting roles/mode=split roles/readers=0 roles/classifiers=1 roles/trainers=1 | tee waiting.log
	grep -q 'trainer .*train ' waiting.log
}
part_waiting() {
	check "a classifier rank and a trainer" waits
	grep '^  trainer ' waiting.log | sed 's/^/        /'
}

read -r saved_width saved_layers saved_heads <<< "${saved:-2048 24 16}"
saves() {
	alone pretrain.in run/output=saving filter/method=none filter/classifier= model/width="$saved_width" model/layers="$saved_layers" \
		model/heads="$saved_heads" train/tokens=$((6 * sequences * ${context:-1024})) run/checkpoint_interval=2 | tee saving.log
	grep -q 'checkpoints' saving.log
}
part_saving() {
	check "a large model with three checkpoints" saves
	grep 'checkpoints' saving.log | sed 's/^/        /'
	rm -rf saving
}

for part in "${parts[@]}"; do "part_$part"; done
finish
