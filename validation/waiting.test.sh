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
[ -x "$hold_claims" ] || { echo "not run: the unit tests are not built here"; finish; }

# The claims of all blocks are in other hands for SECONDS: a rank that scores has a block at hand for that long.
holder=
hold() { # OUTPUT SECONDS
	local folder
	folder=$1/scores/$(basename whole/scores/*)
	mkdir -p "$folder" && : > "$folder/claims" || return
	"$hold_claims" "$folder/claims" "$2" > held.log &
	holder=$!
	until grep -q held held.log || ! kill -0 $holder; do sleep 0.05; done
}

# ---- a rank that scores for others is at work for more than five times run/timeout

at_work() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2
	shift 2
	hold "$name" 11 || return
	ranks "$count" pretrain.in run/output="$name" run/timeout=2 "$@" && same_runs whole "$name"
}
check "trainers wait for a classifier at work" at_work scoring 2 roles/readers=0 roles/classifiers=1 roles/trainers=1
check "and for one that has a reader, which waits too" at_work reading 3 roles/readers=1 roles/classifiers=1 roles/trainers=1
check "a reader waits for a trainer that scores" at_work training 2 roles/readers=1 roles/classifiers=0 roles/trainers=1
finish
