#!/usr/bin/env bash
# A run that is cut twenty times and started again each time, every time with another split into roles, ends with the same bits
# as a run that nobody touched. A cut is SIGKILL to all processes at a random moment, in the middle of a checkpoint or of an
# evaluation, SIGTERM, or a stop after so many steps. SEED=N repeats the cuts of an earlier test.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
# Evaluations of more tokens than the three steps between them, so that cuts hit them too.
write_pretrain pretrain.in 48 <<< "interval = 0.0625
set = test"
sed -i 's/^documents = .*/documents = 30/; s/^checkpoint_interval = .*/&\nlog_interval = 0/' pretrain.in
split="roles/readers=1 roles/classifiers=1 roles/trainers=2"

begin=$(date +%s%N)
need "undisturbed run of one process" alone pretrain.in run/output=undisturbed
length=$((($(date +%s%N) - begin) / 1000000))
need "a second one" alone pretrain.in run/output=again
check "two runs are equal" same_runs undisturbed again

seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "        SEED=$seed, undisturbed ${length} ms"

# Waits until COMMAND succeeds, as long as the run lasts.
until_true() {
	while kill -0 "$session" 2>/dev/null && ! "$@" 2>/dev/null; do sleep 0.003; done
}
saving() { compgen -G 'disturbed/points/*/checkpoints/step-*.tmp' > saving.log; }
evaluating() { [ "$(grep -cE 'step ([369]|1[258]|2[147]|3[0369]|4[258])/' attempt.log)" -ge "$evaluation" ]; }

# One start of the run, cut in the given way. Exit codes: 137 killed, 75 stopped, 0 finished before the cut.
attempt() { # KIND COUNT KEY=VALUE...
	local kind=$1 count=$2
	shift 2
	rm -f attempt.log
	[ "$kind" = steps ] && set -- "$@" run/stop_after_steps=$((RANDOM % 9 + 1))
	if [ "$count" = 1 ]; then
		setsid "$capshape" pretrain.in run/output=disturbed "$@" > attempt.log 2>&1 &
	else
		# shellcheck disable=SC2086 # MPIEXEC may be a command with options
		setsid ${MPIEXEC:-mpirun} -n "$count" "$capshape" pretrain.in run/output=disturbed "$@" > attempt.log 2>&1 &
	fi
	session=$!
	case $kind in
	moment) milliseconds $((RANDOM % (length + 500))) && signal_session $session KILL ;;
	saving) milliseconds $((RANDOM % length)) && until_true saving && signal_session $session KILL ;;
	evaluating) evaluation=$((RANDOM % 4 + 1)) && until_true evaluating && milliseconds $((RANDOM % 30)) && signal_session $session KILL ;;
	term) until_true grep -q 'step [0-9]*/' attempt.log && milliseconds $((RANDOM % 300)) && signal_session $session TERM ;;
	esac
	wait_session $session
}

kinds=(moment saving evaluating term steps)
splits=("1" "2 roles/mode=shared" "3 roles/readers=1 roles/classifiers=1 roles/trainers=1" "4 $split")
declare -A cuts=([moment]=0 [saving]=0 [evaluating]=0 [term]=0 [steps]=0)
total=0 finished=0 code=0 unequal=0
for ((try = 0; try < 60 && total < 20; try++)); do
	kind=${kinds[try % 5]}
	# shellcheck disable=SC2086 # several arguments
	attempt "$kind" ${splits[RANDOM % 4]}
	code=$?
	case $code in
	75 | 137) total=$((total + 1)) cuts[$kind]=$((cuts[$kind] + 1)) ;;
	0) # it came to its end between two cuts: it must be right, and the next one begins anew
		finished=$((finished + 1))
		same_runs undisturbed disturbed > unequal.log 2>&1 || { unequal=1 && break; }
		rm -rf disturbed
		;;
	*) break ;;
	esac
done
all_cut() { cat attempt.log; [ "$total" = 20 ]; }
check "20 cuts (${cuts[moment]} at a moment, ${cuts[saving]} while saving, ${cuts[evaluating]} while evaluating, ${cuts[term]} SIGTERM, ${cuts[steps]} by steps), no end with an error of its own" all_cut
all_equal() { cat unequal.log; [ "$unequal" = 0 ]; }
[ $finished = 0 ] || check "what was finished meanwhile, $finished times, equals the undisturbed run" all_equal
# shellcheck disable=SC2086 # several arguments
check "the last start finishes the run" ranks 4 pretrain.in run/output=disturbed $split
check "the run that was cut equals the undisturbed one" same_runs undisturbed disturbed

# A model of a larger arena, whose checkpoints are still being written when the next step is taken: killed as soon as there is
# an unfinished one, and again a little later.
large="model/width=256 model/heads=4 train/tokens=$((16 * 8 * 64)) run/checkpoint_interval=2"
rm -rf disturbed
# shellcheck disable=SC2086 # several arguments
need "undisturbed run of a larger model" alone pretrain.in run/output=large $large
length=1500 killed=0 unfinished=0 code=0
for ((try = 0; try < 40 && killed < 8; try++)); do
	# shellcheck disable=SC2086 # several arguments
	attempt saving ${splits[try % 4]} $large
	code=$?
	case $code in
	137) killed=$((killed + 1)) && saving && unfinished=$((unfinished + 1)) ;;
	0) rm -rf disturbed ;;
	*) break ;;
	esac
done
all_killed() { cat attempt.log; [ "$killed" = 8 ]; }
check "8 kills when a checkpoint was to be written ($unfinished left it unfinished), no end with an error of its own" all_killed
# shellcheck disable=SC2086 # several arguments
check "the last start finishes the run" ranks 4 pretrain.in run/output=disturbed $large $split
check "the larger run that was killed equals the undisturbed one" same_runs large disturbed

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

# Trainers share the reading of a checkpoint: each proves some of its files, and loads its own quarter.
quarters() { # KEY=VALUE...
	# shellcheck disable=SC2086 # several arguments
	ranks 4 pretrain.in run/output=quarters $large roles/mode=shared "$@" > quarters.log 2> quarters.err || { local code=$? && cat quarters.err && return $code; }
}
stops_in_quarters() { quarters run/stop_after_steps=9; [ $? = 75 ]; }
need "four trainers stop with a checkpoint" stops_in_quarters
damage_third() {
	local newest
	newest=$(find quarters/points -name 'shard-00002.h5' | sort | tail -n 1)
	[ -s "$newest" ] && printf '\377\376' | dd of="$newest" bs=1 seek=$(($(stat -c %s "$newest") / 2)) conv=notrunc
}
check "bytes of the third trainer's part are changed" damage_third
check "they continue from the checkpoint before it" quarters
named_once() { cat quarters.err; [ "$(grep -c 'warning:.*step-000000009.*shard-00002.h5' quarters.err)" = 1 ]; }
check "which one of them says" named_once
read_once() { # no trainer has read more than its quarter, and what chunks of the arena add to it
	cat quarters.log
	awk '/no trainer read more than/ { lines++; part = $(NF - 1) } END { exit !(lines == 1 && part >= 25 && part < 30) }' quarters.log
}
check "each reads a quarter of it" read_once
check "and the run equals the undisturbed one" same_runs large quarters

# A finished run is left alone.
list() { find undisturbed -type f -printf '%p %s %T@\n' | grep -v '/input.in ' | sort; }
list > before
need "the same line once more" ranks 4 pretrain.in run/output=undisturbed
list > after
check "changes no result of a finished run" cmp before after
finish
