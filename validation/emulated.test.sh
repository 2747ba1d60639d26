#!/usr/bin/env bash
# The whole program on emulated GPUs, each rank having one of its own: the split into roles, the order in which streams go on
# and a stop in between change no bit, in either precision.
# usage: [exchanges="host device"] emulated.test.sh     values of run/exchange to compare with the run of one process; default:
#                                                       the program's own choice
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
emulated=$builddir/validation/emulator/capshape
[ -x "$emulated" ] || { echo "there is no C++ compiler here for the CUDA emulator"; exit 77; }
read -r -a exchanges <<< "${exchanges:-default}"

# Steps of 8 sequences of 32 tokens in a model of one layer: a thread of a GPU costs about as much as its whole kernel does
# elsewhere. The study itself is made on the CPU.
prepare_study
write_pretrain pretrain.in 4 < /dev/null
sed -i -e 's/^device = .*/device = cuda/' -e 's/^checkpoint_interval = .*/checkpoint_interval = 2/' \
	-e 's/^layers = .*/layers = 1/' -e 's/^width = .*/width = 16/' -e 's/^base_width = .*/base_width = 16/' \
	-e 's/^context = .*/context = 32/' -e "s/^tokens = .*/tokens = $((4 * 8 * 32))/" -e 's/^slots = .*/slots = 8/' \
	-e 's/^documents = .*/documents = 3/' pretrain.in
capshape=$emulated

uses_cuda() { grep 'device: emulated device, loops' "$1.log"; }
trains() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2 code=0
	shift 2
	if [ "$count" = 1 ]; then
		alone pretrain.in run/output="$name" "$@" > "$name.log" 2>&1 || code=$?
	else
		ranks "$count" pretrain.in run/output="$name" "$@" > "$name.log" 2>&1 || code=$?
	fi
	cat "$name.log"
	[ "$code" = 0 ] && uses_cuda "$name"
}
like_one() { # NAME RANKS KEY=VALUE...
	local name=$precision-$1 count=$2
	shift 2
	check "$name: $count ranks" trains "$name" "$count" run/precision="$precision" "${exchange[@]}" "$@"
	check "$name equals one process" same_runs "$precision-one" "$name"
}
stops() {
	local code=0
	ranks 2 pretrain.in run/output="$precision-stopped" run/precision="$precision" run/stop_after_steps=2 "${exchange[@]}" \
		roles/mode=shared roles/trainers=2 || code=$?
	[ "$code" = 75 ]
}

for precision in float32 bfloat16; do
	need "$precision: one process" trains "$precision-one" 1 run/precision=$precision
	for way in "${exchanges[@]}"; do
		exchange=()
		[ "$way" = default ] || exchange=(run/exchange="$way")
		like_one "$way-trainers2" 2 roles/mode=shared roles/trainers=2
		like_one "$way-trainers4" 4 roles/mode=shared roles/trainers=4
		like_one "$way-classifier1-trainers2" 3 roles/mode=split roles/readers=0 roles/classifiers=1 roles/trainers=2
	done
done

precision=float32
for way in "${exchanges[@]}"; do
	exchange=()
	[ "$way" = default ] || exchange=(run/exchange="$way")
	for CAPSHAPE_EMULATOR_SCHEDULE in 1 7; do
		export CAPSHAPE_EMULATOR_SCHEDULE
		like_one "$way-schedule$CAPSHAPE_EMULATOR_SCHEDULE" 2 roles/mode=shared roles/trainers=2
	done
	unset CAPSHAPE_EMULATOR_SCHEDULE
	check "$precision-stopped stops after two steps" stops
	like_one stopped 4 roles/mode=shared roles/trainers=4
	rm -rf "$precision-stopped"
done

# The comparison itself must be able to tell runs apart.
differs() { ! same_runs float32-one bfloat16-one; }
check "the precisions differ" differs
finish
