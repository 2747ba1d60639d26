#!/usr/bin/env bash
# The stream of blocks alone (run/device = null): whatever the split, the method and the credits, every token and score arrives
# in order and once, in the memory that the credits allow; and a rank that falls silent ends the run by name.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
write_corpus corpus.jsonl 600
write_tokenize tokenize.in
need "tokenize" alone tokenize.in
write_pretrain pretrain.in 100 < /dev/null

# ---- what arrives. 100 steps are several epochs of the text: lanes want blocks that others have taken before

streams() { # RANKS KEY=VALUE...
	local count=$1
	shift
	ranks "$count" pretrain.in run/output=stream run/device=null "$@" | tee stream.log && grep -q 'checksums right' stream.log
}
separate="roles/readers=1 roles/classifiers=1 roles/trainers=1"
check "one process" streams 1
for method in none document mask remove weight; do
	# shellcheck disable=SC2086 # several arguments
	check "filter/method = $method, 3 ranks" streams 3 $separate filter/method=$method filter/begin_share=0.3
done
check "gold labels" streams 3 filter/source=labels roles/classifiers=0 roles/readers=2 roles/trainers=1
# shellcheck disable=SC2086
check "4 blocks ahead" streams 3 $separate roles/depth=4
check "2 readers, 2 classifiers, 4 trainers" streams 8 roles/readers=2 roles/classifiers=2 roles/trainers=4
check "no readers" streams 3 roles/readers=0 roles/classifiers=1 roles/trainers=2
check "no classifiers" streams 4 roles/readers=2 roles/classifiers=0 roles/trainers=2
check "more ranks than cores: 24" streams 24 roles/readers=8 roles/classifiers=8 roles/trainers=8 train/slots=8
is_there() { compgen -G "stream/stream/*.h5" && grep -aqF "$("$capshape" --version | sed -n "1s/^capshape //p")" stream/stream/*.h5 && [ ! -e stream/points ] && [ ! -e stream/sweep.h5 ]; }
check "the table of all ranks is a file, and nothing else is written" is_there
printf '[run]\ntask = classifier\noutput = other\n[data]\nfolder = data\n%s\n' "$model_keys" > classifier.in
refuses() { alone classifier.in run/device=null; [ $? = 2 ]; }
check "null is for pretraining only" refuses

# ---- silent ranks: stopped, so that their connections stay open

# Rank RANK is stopped in the middle of a run without end: exit code 6, and the first error matches PATTERN. (Until the launcher
# has ended all ranks another one may lose its patience too.)
silence() { # RANK PATTERN
	# shellcheck disable=SC2086 # MPIEXEC and the split are several arguments
	timeout -k 5 60 ${MPIEXEC:-mpirun} -n 3 "$capshape" pretrain.in run/output=silent run/device=null $separate \
		run/timeout=1 train/tokens=100G > silent.log 2> silent.err &
	silence_rank $! "$1" silent.log roles: 0.5 || return
	cat silent.err
	[ "$silenced" = 6 ] || { echo "exit code $silenced instead of 6"; return 1; }
	grep 'error: ' silent.err | head -n 1 | grep -q "$2"
}
check "a silent reader" silence 2 'rank 1 (classifier).*no answer within 1 s .*from reader rank 2 about block [0-9]'
check "a silent classifier" silence 1 'rank 0 (trainer).*no answer within 1 s .*from classifier rank 1 about block [0-9]'
check "a silent trainer" silence 0 'no sign of life within 4 s .*from trainer rank 0, which last asked for block [0-9]'
finish
