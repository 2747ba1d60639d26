#!/usr/bin/env bash
# One of two ranks fails, or is not there, where both take part in something: both learn of it, and neither waits for ever.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
program=$builddir/validation/agreements
[ -x "$program" ] || { echo "$program is not built (make check builds it)"; exit 77; }

play() { # CASE CODE RANK...: those that are to find what they should
	local code=0 expected=$2
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 60 ${MPIEXEC:-mpirun} -n 2 "$program" "$1" > played.log 2> played.err || code=$?
	cat played.log played.err
	shift 2
	[ "$code" = "$expected" ] && [ "$(grep '^rank' played.log | sort)" = "$(printf 'rank %s: as it should be\n' "$@")" ]
}
check "a trainer without memory to look at its GPU" play memory-of-gradients 0 0 1
check "a rank without memory for the report of a stream" play memory-of-streams 0 0 1
check "the rows of a stream's report name their ranks" play rows-of-streams 0 0 1
check "waiting until both are done" play until-done 0 0 1
check "one fails: the other learns it at once" play until-failure 0 0 1
check "one is not done in time: the other learns it" play until-failure-of-waiting 0 0 1
check "who waited in vain does not wait for ever to agree on that" play agreement-without-the-other 6 0
no_thread() { play no-thread 6 1 && grep -q 'error: rank 1 was lost' played.err && grep -q 'warning: this rank has no thread to watch others' played.err; }
check "the end of a rank without a thread to watch others is noticed, its silence is not" no_thread
check "an agreement that was left is not written into what came after it" play agreement-with-a-late-one 6 0 1
check "nor is a sum" play sum-with-a-late-one 6 0 1
check "nor values that were gathered" play gathering-with-a-late-one 6 0 1
check "nor a broadcast" play broadcast-of-a-late-one 6 0 1
finish
