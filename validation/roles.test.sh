#!/usr/bin/env bash
# The split into roles changes the speed and never a bit: curves, evaluations and final weights of one process equal those
# of every other split, and of a run with the reference's order of work.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
write_pretrain pretrain.in 12 < /dev/null
sed -i 's/^slots = .*/slots = 8/' pretrain.in

need "one process" alone pretrain.in run/output=one

split() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2
	shift 2
	check "$name: $count ranks" ranks "$count" pretrain.in run/output="$name" "$@"
	check "$name equals one process" same_runs one "$name"
}
split shared2 2 roles/mode=shared
split readers1-classifiers1-trainers1 3 roles/mode=split roles/readers=1 roles/classifiers=1 roles/trainers=1
split readers1-classifiers1-trainers2 4 roles/mode=split roles/readers=1 roles/classifiers=1 roles/trainers=2
split readers2-classifiers2-trainers2 6 roles/mode=split roles/readers=2 roles/classifiers=2 roles/trainers=2
split readers3-classifiers0-trainers1 4 roles/readers=3 roles/classifiers=0 roles/trainers=1
split readers0-classifiers3-trainers1 4 roles/readers=0 roles/classifiers=3 roles/trainers=1
split trainers4 4 roles/mode=shared roles/trainers=4
split trainers8 8 roles/mode=shared roles/trainers=8
split ahead 3 roles/readers=1 roles/classifiers=1 roles/trainers=1 roles/depth=7
split auto5 5

# A text of few blocks: lanes ask for the same one, and a point that ends has some under way that the next one must not find.
few_blocks() {
	alone tokenize.in run/output=few tokenize/block_tokens=8192 tokenize/shards=1 &&
		ranks 2 pretrain.in run/output=points data/folder=few "run/seed=1, 2, 3, 4" roles/mode=split roles/readers=0 roles/classifiers=1 \
			roles/trainers=1
}
check "points one after the other on few blocks" few_blocks

# Fitting a classifier shares the rows among the ranks: three of them find the same one.
fit_test=$builddir/validation/unit/classifier_fit_test
if [ -x "$fit_test" ]; then
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	check "fitting a classifier with 3 ranks" timeout -k 5 "$limit" ${MPIEXEC:-mpirun} -n 3 "$fit_test"
else
	echo "not run: the unit tests are not built here (fitting a classifier with 3 ranks)"
fi

# The comparison itself must be able to tell runs apart.
need "another seed" alone pretrain.in run/output=other run/seed=2
differs() { ! same_runs one other; }
check "a run with another seed differs" differs
finish
