#!/usr/bin/env bash
# Groups of trainers run the points of a sweep side by side: the bits are those of one point after the other, each token is
# classified once for all points whatever the split, and a group that fails or stops ends the others in order.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
write_pretrain pretrain.in 8 < /dev/null

# 4 methods x 3 thresholds; thresholds of both kinds move together.
sweep=(filter/method="none, document, mask, remove" filter/token_threshold="0.3, 0.4, 0.6"
	filter/document_threshold="0.3, 0.4, 0.6" sweep/zip="filter/token_threshold filter/document_threshold")
need "one process, one point after the other" alone pretrain.in run/output=one "${sweep[@]}"

# What was scored in the run is what lies in its score file, and nothing twice.
scored_once() { # LOG...
	local scored=0 there=0 count log
	for log in "$@"; do
		count=$(sed -n 's/^scored \([0-9]*\) blocks.*/\1/p' "$log")
		scored=$((scored + count))
		count=$(sed -n 's/^scores of \([0-9]*\) of .*/\1/p' "$log")
		there=$((count > there ? count : there))
		! grep 'more than once' "$log" || return 1
	done
	echo "$scored blocks scored, $there in the score file"
	[ "$scored" -gt 0 ] && [ "$scored" = "$there" ]
}

grouped() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2
	shift 2
	logged() { ranks "$count" pretrain.in run/output="$name" "${sweep[@]}" "$@" > "$name.log"; }
	check "$name: $count ranks" logged "$@"
	check "$name equals one process" same_runs one "$name"
	check "$name classifies each block once" scored_once "$name.log"
}
grouped groups1 4 roles/groups=1
grouped groups2 4 roles/groups=2
grouped groups4 6 roles/groups=4 roles/trainers=4
grouped shared2 2 roles/mode=shared roles/groups=2
grouped shared4of2 4 roles/mode=shared roles/groups=2
grouped readers 5 roles/groups=4 roles/trainers=4 roles/classifiers=0 roles/readers=1

# Splits are tried on the job, the best is remembered with stamps, and nothing of it shows in the results.
tuned() { ranks 3 pretrain.in --tune-roles run/output=tuned "${sweep[@]}" > tuned.log; }
check "--tune-roles tries splits first" tuned
check "and names them" grep -q '^tried ' tuned.log
check "its run equals one process" same_runs one tuned
again() {
	rm -r tuned/points
	ranks 3 pretrain.in run/output=tuned "${sweep[@]}" > again.log || return 1
	grep '^roles:' tuned.log again.log
	grep -q '^roles: .*tuned/roles.tuned' again.log
}
check "a later run uses what was found" again
others() {
	rm -r tuned/points
	ranks 2 pretrain.in run/output=tuned "${sweep[@]}" > others.log && grep -q 'roles.tuned is of another job' others.log
}
check "a run with another number of ranks does not" others

# Two jobs of an array at the same time, on the same scores.
jobs() {
	mkdir tmp-1 tmp-2 # MPI's own files
	TMPDIR=$work/tmp-1 alone pretrain.in run/output=jobs "${sweep[@]}" --point 0-5 > jobs-1.log &
	TMPDIR=$work/tmp-2 alone pretrain.in run/output=jobs "${sweep[@]}" --point 6-11 > jobs-2.log || return 1
	wait $!
}
check "two jobs share the points" jobs
check "and the scores: each block once" scored_once jobs-1.log jobs-2.log
check "two jobs equal one process" same_runs one jobs

# A stop in the middle, then the rest with other groups.
stops() { ranks 4 pretrain.in run/output=stopped "${sweep[@]}" roles/groups=2 run/stop_after_steps=5; [ $? = 75 ]; }
check "both groups stop with exit code 75" stops
check "another number of groups continues" ranks 5 pretrain.in run/output=stopped "${sweep[@]}" roles/groups=3 \
	roles/trainers=3
check "and ends with the same bits" same_runs one stopped

# Three trainers are three groups of one, also for the last point.
last_point() {
	ranks 3 pretrain.in run/output=last "${sweep[@]}" --point 0-10 && ranks 3 pretrain.in run/output=last "${sweep[@]}" \
		roles/mode=shared roles/trainers=3 && same_runs one last
}
check "roles/trainers fits a sweep and its last point" last_point

# One group diverges: the job ends with its exit code, the other group stops with a checkpoint, nothing finished is lost.
diverges() {
	local code=0
	ranks 4 pretrain.in run/output=diverged train/learning_rate="1e30, 3e-3" filter/method=none roles/mode=shared \
		roles/groups=2 train/tokens=500k train/clip_norm=0 > diverged.log 2>&1 || code=$?
	cat diverged.log
	[ $code = 7 ] && grep -q 'diverged' diverged.log &&
		[ -n "$(find diverged/points/learning_rate=0.003/checkpoints -name 'step-*' 2>/dev/null)" ]
}
check "a group that diverges ends the others in order: exit code 7" diverges

# A rank that is killed ends the job; the same line then finishes every point.
long=train/tokens=12k
rank_process() { # N: process of one of the ranks of the run into `killed`
	local process
	for process in $(processes_with "run/output=killed"); do
		[ "$(readlink "/proc/$process/exe")" = "$(readlink -f "$capshape")" ] && echo "$process"
	done | sed -n "$1p"
}
killed() {
	ranks 5 pretrain.in run/output=killed "${sweep[@]}" roles/groups=3 roles/trainers=3 $long > killed.log 2>&1 &
	local job=$! tries
	for ((tries = 0; tries < 600; tries++)); do
		grep -q 'group [0-9] \[' killed.log && break
		sleep 0.1
	done
	kill -KILL "$(rank_process 2)" || return 1
	! wait $job
}
check "a killed rank ends the job" killed
check "the same line finishes it" ranks 5 pretrain.in run/output=killed "${sweep[@]}" roles/groups=3 roles/trainers=3 $long
need "undisturbed run of that length" alone pretrain.in run/output=whole "${sweep[@]}" $long
check "and ends with the same bits" same_runs whole killed

# ---- plans

tokens_scored() { # KEY=VALUE...: that a plan has scored
	alone --plan --rate 1e11 --ranks 2 pretrain.in roles/mode=shared train/tokens=4096 "$@" |
		sed -n 's/^scoring \([0-9.]*\)\(k*\) tokens once.*/\1 \2/p' | awk '{ print $1 * ($2 == "k" ? 1000 : 1) }'
}
# Blocks that lanes hold count in both; of the text half is dropped, so 4,096 tokens are made from 8,192.
dropped_text_is_planned() {
	local masked dropped
	masked=$(tokens_scored filter/method=mask filter/share=0.5) || return 1
	dropped=$(tokens_scored filter/method=document filter/share=0.5) || return 1
	echo "mask: $masked tokens, document: $dropped tokens"
	awk -v a="$masked" -v b="$dropped" 'BEGIN { exit !(a > 4096 && b - a > 0.8 * 4096 && b - a < 1.3 * 4096) }'
}
check "a plan scores the text that documents are dropped from as well" dropped_text_is_planned
plan_of_roles() { # where every rank has a role of its own, the memory of each is said
	alone --plan --rate 1e11 --ranks 4 pretrain.in "${sweep[@]}" > plan.log || return 1
	cat plan.log
	grep -q '^largest trainer .*iB, classifier .*iB, reader .*iB; ' plan.log && grep -q '^one rank alone would train for ' plan.log
}
check "a plan names the memory of each role" plan_of_roles
# The probe: real steps, in as many processes at once as ranks will be at work here, none of which stays.
plan_measures() {
	local cores
	cores=$(env -u OMP_NUM_THREADS nproc)
	alone --plan --ranks 2 pretrain.in run/output=planned "${sweep[@]}" > plan.log || return 1
	cat plan.log
	grep -q "^rates measured here in .* $((cores < 2 ? 1 : 2)) ranks* of 1 thread at once" plan.log || return 1
	[ ! -e planned ] && [ -z "$(processes_with run/output=planned)" ]
}
check "a plan measures as many ranks at once as there will be, and leaves nothing" plan_measures
finish
