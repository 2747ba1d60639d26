#!/usr/bin/env bash
# Who waits for somebody at work waits for as long as that takes, whatever run/timeout says; and who waits for somebody silent
# does not. (Ranks that fall silent: stream.test.sh.)
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
write_pretrain pretrain.in 8 < /dev/null
need "undisturbed" alone pretrain.in run/output=whole

hold_claims=$builddir/validation/hold_claims

# The claims of all blocks, or of one, are in other hands for SECONDS: a rank that scores has a block at hand for that long.
holder=
hold() { # OUTPUT SECONDS [BLOCK]
	local folder
	folder=$1/scores/$(basename whole/scores/*)
	shift
	mkdir -p "$folder" && : > "$folder/claims" || return
	rm -f held.log
	"$hold_claims" "$folder/claims" "$@" > held.log &
	holder=$!
	until grep -qs held held.log || ! kill -0 $holder; do sleep 0.05; done
}

# ---- a rank that scores for others is at work for more than five times run/timeout

at_work() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2
	shift 2
	hold "$name" 11 || return
	ranks "$count" pretrain.in run/output="$name" run/timeout=2 "$@" && same_runs whole "$name"
}

# The block that is scored first: one trainer needs it in the first step, the other trains meanwhile and waits for the first.
first_block() { od -An -v -w16 -t d8 whole/scores/*/claims | awk '$1 > 0 && (least == 0 || $2 < least) { least = $2; block = NR - 1 } END { print block }'; }
group() {
	hold group 11 "$(first_block)" || return
	ranks 2 pretrain.in run/output=group run/timeout=2 roles/mode=shared roles/trainers=2 roles/groups=1 && same_runs whole group
}
if [ -x "$hold_claims" ]; then
	check "trainers wait for a classifier at work" at_work scoring 2 roles/readers=0 roles/classifiers=1 roles/trainers=1
	check "and for one that has a reader, which waits too" at_work reading 3 roles/readers=1 roles/classifiers=1 roles/trainers=1
	check "a reader waits for a trainer that scores" at_work training 2 roles/readers=1 roles/classifiers=0 roles/trainers=1
	check "trainers wait for one of them that waits for a block" group
else
	echo "not run: four checks that somebody at work is waited for, as $hold_claims is not built (make check builds it)"
fi

# ---- a trainer that falls silent is named by those who wait for all of them

silent() { # RANK: of four trainers; every line names this one and no other
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 60 ${MPIEXEC:-mpirun} -n 4 "$capshape" pretrain.in run/output=silent run/timeout=2 train/tokens=1G \
		run/log_interval=0 run/checkpoint_interval=1000000 roles/mode=shared roles/trainers=4 > silent.log 2> silent.err &
	silence_rank $! "$1" silent.log 'step 20/' || return
	tail -n 1 silent.log
	cat silent.err
	[ "$silenced" = 6 ] || { echo "exit code $silenced instead of 6"; return 1; }
	grep 'error: ' silent.err > silent.errors
	grep -q "within 2 s (run/timeout) while waiting for .*: rank $1 gives no sign of life" silent.errors &&
		! grep -v ": rank $1 gives no sign of life" silent.errors
}
check "a trainer that is silent is named by the first" silent 2
check "and the first one by the others" silent 0

# ---- a rank that nobody asks for anything: the other group, or what all come to at the end, would wait for it without end

silent_group() { # RANK: of two, each a group of its own
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 90 ${MPIEXEC:-mpirun} -n 2 "$capshape" pretrain.in run/output="group-$1" run/timeout=1 run/log_interval=0 \
		train/tokens=4M 'train/learning_rate=0.01, 0.02' filter/method=none filter/classifier= \
		run/checkpoint_interval=1000000 roles/mode=shared roles/trainers=2 roles/groups=2 > silent.log 2> silent.err &
	silence_rank $! "$1" silent.log 'group 1.*step 20/' || return
	cat silent.err
	[ "$silenced" = 6 ] || { echo "exit code $silenced instead of 6"; return 1; }
	[ "$(grep -c 'error: ' silent.err)" = 1 ] && grep "error: rank $1 has given no sign of life for 15 s" silent.err
}
check "a rank that is stopped is named though nobody waits for it alone" silent_group 1
check "and so is the first" silent_group 0

# All ranks of the first node: the second, who would speak of the first, is among them.
silent_node() {
	local launcher='' victims='' code=0 try
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 120 ${MPIEXEC:-mpirun} -n 4 "$capshape" pretrain.in run/output=node run/timeout=3 run/log_interval=0 \
		train/tokens=4M 'train/learning_rate=0.01, 0.02, 0.03, 0.04' filter/method=none filter/classifier= \
		run/checkpoint_interval=1000000 roles/mode=shared roles/trainers=4 roles/groups=4 > silent.log 2> silent.err &
	local timer=$!
	for ((try = 0; try < 200; try++)); do
		sleep 0.1
		launcher=$(children_of "$timer") && [ -n "$launcher" ] && grep -q 'group 1.*step 20/' silent.log &&
			victims="$(pid_of_rank "$launcher" 0) $(pid_of_rank "$launcher" 1)" && break
	done
	# shellcheck disable=SC2086 # two processes
	kill -STOP $victims || return
	wait "$timer" || code=$?
	# shellcheck disable=SC2086
	kill -KILL $victims 2> /dev/null
	cat silent.err
	[ "$code" = 6 ] || { echo "exit code $code instead of 6"; return 1; }
	[ "$(grep -c 'error: ' silent.err)" = 1 ] && grep 'error: rank 0 has given no sign of life for 25 s' silent.err
}
check "the first is named by the last when the second is stopped with it" silent_node
finish
