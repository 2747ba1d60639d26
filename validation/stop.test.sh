#!/usr/bin/env bash
# Stopping and going on in the tasks that are not training: signals, time limits, two jobs at once. What is continued ends with
# the same bits. (Training: resume.test.sh; the same at random moments, with what was kept: restart.test.sh; under Slurm: slurm.test.sh.)
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prepare_study
write_pretrain pretrain.in 8 < /dev/null

# Ends with 75 after SIGTERM, sent when the log says so. A program that was quicker than the signal proves nothing: again.
stopped() { # PATTERN ARGUMENT...
	local pattern=$1 pid code end
	shift
	for _ in 1 2 3; do
		rm -f stopped.log # or what an earlier run said would be read before the new one begins
		"$capshape" "$@" > stopped.log 2>&1 &
		pid=$!
		end=$((SECONDS + 60))
		until grep -qs "$pattern" stopped.log || ! kill -0 $pid 2> /dev/null || [ "$SECONDS" -gt "$end" ]; do sleep 0.02; done
		kill -TERM $pid
		code=0
		wait $pid || code=$?
		cat stopped.log
		[ "$code" != 75 ] || { grep -q 'stopped on request while' stopped.log; return; }
		[ "$code" = 0 ] || return
	done
	echo "three times faster than the signal"
	return 1
}

# ---- tokenize: a larger corpus, so that there is time

large() { # the study's corpus many times
	for ((i = 0; i < 30; i++)); do sed "s/document-/copy-$i-/" corpus.jsonl; done > large.jsonl
	sed 's/corpus\.jsonl/large.jsonl/; s/= data/= large/' tokenize.in > large.in
	alone large.in run/output=whole
}
need "a larger corpus" large
check "tokenize stops on SIGTERM with 75" stopped '^input' large.in
same_shards() {
	alone large.in || return
	local shard
	for shard in whole/*-0*.h5; do
		cmp "$shard" "large/${shard##*/}" || return
	done
}
check "the same line makes the tokens" same_shards

# ---- classifier: past the language models, in the probes

check "classifier stops on SIGTERM with 75 while it fits probes" stopped 'right-to-left model\].* step 16/16' \
	classifier.in run/output=fitted classifier/evaluation_tokens=60000 classifier/probe_tokens=20000 classifier/layer=auto \
	run/log_interval=0
fits_again() {
	alone classifier.in run/output=fitted classifier/evaluation_tokens=60000 classifier/probe_tokens=20000 \
		classifier/layer=auto && [ -s fitted/classifier.h5 ]
}
check "the same line fits it" fits_again

# ---- evaluate

cat > evaluate.in <<-END
	[run]
	task = evaluate
	output = evaluated
	threads = 1
	[data]
	folder = data
	[evaluate]
	run = run
	set = test
END
need "two points" alone pretrain.in 'filter/method=none, mask'
evaluates_once() {
	alone evaluate.in > first.log && alone evaluate.in > second.log || return
	cat second.log
	[ "$(grep -c 'finished, nothing to do' second.log)" = 2 ] && ! grep -q documents, second.log &&
		! grep -q 'finished, nothing to do' first.log
}
check "evaluate skips what is finished" evaluates_once
evaluates_anew() {
	alone evaluate.in evaluate/documents=5 > third.log || return
	cat third.log
	grep -q '5 documents' third.log
}
check "evaluate measures again when a key changes" evaluates_anew

evaluates_the_rest() { # a sweep of which points are missing, damaged, unfinished
	local code=0
	alone pretrain.in run/output=gaps 'filter/method=none, mask, remove, weight, document' || return
	rm -r gaps/points/method=none
	rm -r gaps/points/method=remove/checkpoints
	truncate -s 1000 gaps/points/method=weight/run.h5
	alone evaluate.in evaluate/run=gaps run/output=partly > partly.log 2> partly.err || code=$?
	cat partly.log partly.err
	[ "$code" = 3 ] && [ "$(ls partly/points)" = "$(printf 'method=%s\n' document mask)" ] &&
		[ "$(grep -c 'error: ' partly.err)" = 1 ] &&
		grep -q 'error: 3 of 5 points of gaps were not evaluated: method=none, method=remove, method=weight; the first: gaps/points/method=none' partly.err
}
check "evaluate does all points that are there and names the others: exit code 3" evaluates_the_rest
evaluates_unfinished() { # what is missing now is evaluated later
	local code=0
	rm -r gaps/points/method=remove
	alone pretrain.in run/output=gaps 'filter/method=none, mask, remove, weight, document' run/stop_after_steps=4
	alone evaluate.in evaluate/run=gaps run/output=partly > partly.log 2> partly.err || code=$?
	[ "$code" = 3 ] && grep -q 'is unfinished: left out' partly.log || return
	alone pretrain.in run/output=gaps 'filter/method=none, mask, remove, weight, document' &&
		alone evaluate.in evaluate/run=gaps run/output=partly && [ "$(ls partly/points | wc -l)" = 5 ]
}
check "and does those when they are finished" evaluates_unfinished

# ---- the time limit

in_time() { # a limit that is nearly over: one step, a checkpoint, 75
	local code=0
	alone pretrain.in run/output=timed run/time_limit=20 run/stop_margin=20 || code=$?
	[ "$code" = 75 ] && alone pretrain.in run/output=timed && alone pretrain.in run/output=untimed &&
		same_runs untimed timed
}
check "before a time limit: checkpoint, 75, the same bits later" in_time
no_time() {
	local code=0
	alone large.in run/output=never run/time_limit=5 run/stop_margin=5 2> never.err || code=$?
	cat never.err
	[ "$code" = 5 ] && grep -q 'before anything could be saved' never.err
}
check "a job too short to save anything is an error, not 75 for ever" no_time
usr1_stops() {
	local code=0
	"$capshape" pretrain.in run/output=usr1 run/usr1=stop run/log_interval=0 train/tokens=1G > usr1.log 2>&1 &
	local pid=$!
	until grep -q step usr1.log; do sleep 0.05; done
	kill -USR1 $pid
	wait $pid || code=$?
	tail -n 3 usr1.log
	[ "$code" = 75 ]
}
check "run/usr1 = stop: SIGUSR1 stops with 75" usr1_stops

# ---- requeueing, with a Slurm of two commands: srun runs the program, scontrol notes what is to be requeued

mkdir bin
printf '#!/bin/sh\nexec "$@"\n' > bin/srun
printf '#!/bin/sh\n[ "$1" != requeue ] || echo "$*" >> requeued\n' > bin/scontrol
chmod +x bin/*
batch() { # PROGRAM ARGUMENT...: one start of the job, as Slurm runs it
	local program=$1
	shift
	PATH=$work/bin:$PATH CAPSHAPE=$program SLURM_JOB_ID=4711 SLURM_JOB_NODELIST=here bash "$here/../slurm/run.sbatch" "$@"
}
requeues() { wc -l 2> /dev/null < requeued || echo 0; }
comes_forward() { # ten starts of four steps each: more than five are fine, and each is a requeue but the last
	local start code
	rm -f requeued
	for ((start = 0; start < 10; start++)); do
		code=0
		batch "$capshape" pretrain.in run/output=batch train/tokens=20480 run/stop_after_steps=4 || code=$?
		[ "$code" = $((start < 9 ? 75 : 0)) ] || return 1
	done
	same_runs forward batch && [ "$(requeues)" = 9 ] && ! ls capshape-4711.*
}
need "40 steps" alone pretrain.in run/output=forward train/tokens=20480
check "run.sbatch requeues a job that comes forward as often as it takes" comes_forward
printf '#!/bin/sh\nexit $1\n' > bin/idle
chmod +x bin/idle
comes_to_nothing() { # CODE
	local start code
	rm -f requeued
	for ((start = 0; start < 5; start++)); do
		code=0
		batch "$work/bin/idle" "$1" > idle.log || code=$?
		[ "$code" = "$1" ] || return 1
	done
	cat idle.log requeued
	[ "$(requeues)" = 4 ] && grep -q '5 starts in a row without anything saved: not requeued' idle.log && ! ls capshape-4711.*
}
check "but not for ever when it is stopped before anything is saved" comes_to_nothing 75
check "nor when it loses ranks before that" comes_to_nothing 6
fails_once() {
	local code=0
	rm -f requeued
	batch "$work/bin/idle" 3 || code=$?
	[ "$code" = 3 ] && [ ! -e requeued ] && ! ls capshape-4711.*
}
check "and not after a failure that would repeat" fails_once

# ---- two jobs

one_works() {
	rm -rf large
	"$capshape" large.in > one.log 2>&1 &
	local pid=$! code=0
	alone large.in > two.log || code=$?
	wait $pid || code=$?
	cat one.log two.log
	[ "$code" = 0 ] && [ "$(cat one.log two.log | grep -c 'another job has finished')" = 1 ] && [ ! -e large/lock ]
}
check "two jobs on one corpus: one works, the other waits for it" one_works
waiting_stops() {
	rm -rf large two.log
	"$capshape" large.in > one.log 2>&1 &
	local first=$! second code=0
	until [ -e large/lock ] || ! kill -0 $first; do sleep 0.02; done
	kill -STOP $first # it holds its lock for as long as this takes
	"$capshape" large.in > two.log 2>&1 &
	second=$!
	until grep -qs 'waiting: ' two.log || ! kill -0 $second; do sleep 0.05; done
	kill -TERM $second
	wait $second || code=$?
	kill -CONT $first
	wait $first
	cat two.log
	[ "$code" = 75 ]
}
check "a job that waits for another stops on SIGTERM with 75" waiting_stops
waits_quietly() { # for a prerequisite in other hands: told once, not at each look
	local first second count
	rm -f one.log two.log
	"$capshape" held.in > one.log 2>&1 &
	first=$!
	until grep -qs step one.log || ! kill -0 $first; do sleep 0.05; done
	"$capshape" pretrain.in run/output=later run/after=held.in > two.log 2>&1 &
	second=$!
	until grep -qs 'left to it' two.log || ! kill -0 $second; do sleep 0.05; done
	sleep 6
	kill -TERM $first $second
	wait $first $second
	cat two.log
	count=$(grep -c 'left to it' two.log)
	[ "$count" = 1 ]
}
sed 's/= run$/= held/; s/^tokens = .*/tokens = 1G/; s/^checkpoint_interval = .*/log_interval = 0/' pretrain.in > held.in
check "a job that waits for its prerequisite at another says so once" waits_quietly
refused() {
	rm -f one.log
	"$capshape" pretrain.in run/output=both run/log_interval=0 train/tokens=1G > one.log 2>&1 &
	local pid=$! code=0
	until grep -qs step one.log; do sleep 0.05; done
	alone pretrain.in run/output=both train/tokens=1G 2> two.err || code=$?
	cat two.err
	kill -TERM $pid
	wait $pid
	[ "$code" = 5 ] && grep -q 'being worked on by other jobs' two.err && [ ! -e both/points/point/lock ]
}
check "two jobs on one point: the second is refused" refused
taken_over() {
	rm -f one.log
	"$capshape" pretrain.in run/output=killed run/log_interval=0 train/tokens=1G > one.log 2>&1 &
	local pid=$!
	until grep -qs 'step 9/' one.log; do sleep 0.05; done
	kill -KILL $pid
	wait $pid
	[ -e killed/points/point/lock ] && ! alone pretrain.in run/output=killed train/tokens=1G run/stop_after_steps=1 > two.log
	cat two.log
	grep -q 'taken over' two.log && grep -q 'continues after step' two.log
}
check "the lock of a killed job is taken over" taken_over

# The code that oneDNN makes for small products takes the stack pointer for a number of its own: what a signal's handler put on the stack
# was written anywhere, and soon the program fell. Widths of 8 do it.
signals_in_products() {
	local try pid code signals
	for try in 1 2 3; do
		rm -rf pelted
		"$capshape" pretrain.in run/output=pelted filter/method=none model/layers=1 model/width=8 model/heads=1 model/context=32 train/sequences=4 train/slots=1 \
			train/tokens=$((20000 * 4 * 32)) run/log_interval=0 > pelted.log 2>&1 &
		pid=$!
		until grep -qs 'step 1/\|step [0-9]*/' pelted.log || ! kill -0 $pid 2> /dev/null; do sleep 0.01; done
		for ((signals = 0; signals < 150; signals++)); do
			kill -USR1 $pid 2> /dev/null || break
			sleep 0.01
		done
		kill -TERM $pid 2> /dev/null
		code=0
		wait $pid || code=$?
		tail -n 3 pelted.log
		echo "try $try: exit code $code after $signals signals"
		[ "$code" = 75 ] || { [ "$code" = 0 ] && [ "$signals" -gt 20 ]; } || return
	done
}
check "signals do not disturb what is being computed" signals_in_products
finish
