#!/usr/bin/env bash
# A run that is killed again and again, all of its processes with SIGKILL at random moments, and started again each time,
# ends with the same bits as a run that nobody touched. SEED=N repeats the moments of an earlier test.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
write_pretrain pretrain.in 48 <<< "interval = 0.25"
split="roles/readers=1 roles/classifiers=1 roles/trainers=2"

begin=$(date +%s%N)
# shellcheck disable=SC2086 # several arguments
need "undisturbed run of 4 ranks" ranks 4 pretrain.in run/output=undisturbed $split
length=$((($(date +%s%N) - begin) / 1000000))

seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "        SEED=$seed, undisturbed ${length} ms"

# Ranks are processes of mpirun's session, which setsid made.
kill_session() { # SESSION
	local entry fields
	for entry in /proc/[0-9]*; do
		read -r fields 2>/dev/null < "$entry/stat" || continue
		fields=${fields##*) }
		# shellcheck disable=SC2086 # split on purpose: state, parent, group, session
		set -- "$1" $fields
		[ "$5" = "$1" ] && kill -KILL "${entry#/proc/}" 2>/dev/null
	done
	return 0
}

# One start of the run, killed after a time. Exit code 137: killed before its end.
attempt() { # MILLISECONDS
	local session
	# shellcheck disable=SC2086 # MPIEXEC and the split are several arguments
	setsid ${MPIEXEC:-mpirun} -n 4 "$capshape" pretrain.in run/output=disturbed $split &
	session=$!
	sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
	kill_session $session
	wait $session
}

killed=0 code=0
for ((try = 0; try < 12 && killed < 6; try++)); do
	attempt $((RANDOM % length)) > attempt.log 2>&1
	code=$?
	if [ $code = 0 ] && [ $killed = 0 ]; then
		rm -rf disturbed
		continue
	fi
	[ $code = 137 ] || break
	killed=$((killed + 1))
done
was_killed() { cat attempt.log; [ "$killed" -ge 1 ] && [[ $code =~ ^(0|137)$ ]]; }
check "killed $killed times, and never ended with an error of its own" was_killed
# shellcheck disable=SC2086 # several arguments
check "the last start finishes the run" ranks 4 pretrain.in run/output=disturbed $split
check "the killed run equals the undisturbed one" same_runs undisturbed disturbed

# A stop on request writes a checkpoint and exits with 75; the rest comes from there.
stops() { ranks 2 pretrain.in run/output=stopped run/stop_after_steps=9; [ $? = 75 ]; }
check "run/stop_after_steps ends with exit code 75" stops
damage() {
	local newest
	newest=$(find stopped/points -name 'shard-00000.h5' | sort | tail -n 1)
	[ -s "$newest" ] && printf '\377' | dd of="$newest" bs=1 seek=$(($(stat -c %s "$newest") / 2)) conv=notrunc
}
check "a byte of the newest checkpoint is changed" damage
continues() { ranks 4 pretrain.in run/output=stopped 2> continued.err; }
check "the run continues from the checkpoint before it" continues
check "and names the damaged one" grep -q 'warning:.*step-' continued.err
check "the continued run equals the undisturbed one" same_runs undisturbed stopped

# A finished run is left alone.
list() { find undisturbed -type f -printf '%p %s %T@\n' | grep -v '/input.in ' | sort; }
list > before
need "the same line once more" ranks 4 pretrain.in run/output=undisturbed
list > after
check "changes no result of a finished run" cmp before after
finish
