#!/usr/bin/env bash
# A benchmark, not a test: how long a trainer waits for decisions when its classifier is a little faster than itself. A reader, a
# classifier and a trainer on the cores of this machine (two are needed); their models have equal shapes, so that scoring a token
# takes four fifths of the time of training on it, about.
#   validation/bench/waiting.sh [DEPTH ...]     (roles/depth; default 1 2)
# `first blocks` is the time until the first step has its windows; `wait for blocks` is what comes after, and should be below 1 %.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
need_launcher
write_corpus corpus.jsonl 20000
write_tokenize tokenize.in
quietly() { "$@" > quietly.log 2>&1 || { cat quietly.log; exit 1; }; }
quietly alone tokenize.in tokenize/block_tokens=2048
model_keys="
[model]
layers = 4
width = 128
heads = 4
context = 256"
{
	printf '[run]\ntask = classifier\noutput = classifier\nthreads = 1\n[data]\nfolder = data\n%s\n' "$model_keys"
	printf '[train]\ntokens = 32768\nsequences = 16\nslots = 4\n'
	printf '[classifier]\nlayer = 4\nprobe_tokens = 2000\nprobe_documents = 200\nevaluation_tokens = 4000\n'
} > classifier.in
quietly alone classifier.in
write_pretrain pretrain.in 1 < /dev/null
sed -i 's/^checkpoint_interval/# &/' pretrain.in

[ $# -gt 0 ] || set -- 1 2
for depth; do
	quietly ranks 3 pretrain.in run/output="depth$depth" roles/readers=1 roles/classifiers=1 roles/trainers=1 \
		roles/depth="$depth" train/tokens=240k train/sequences=16
	echo "roles/depth = $depth"
	grep -E '^  (trainer|classifier|note)' quietly.log
done
