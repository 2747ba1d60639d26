#!/usr/bin/env bash
# The whole program on emulated GPUs: the split into roles, the way that gradients go, the order in which streams go on and a stop
# in between change no bit, in either precision; failures of NCCL end the job.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
emulated=$builddir/validation/emulator/capshape
[ -x "$emulated" ] || { echo "there is no C++ compiler here for the CUDA emulator"; exit 77; }

# Steps of 8 sequences of 32 tokens in a model of one layer: a thread of a GPU costs about as much as its whole kernel does
# elsewhere. The study itself is made on the CPU, in small blocks: all of a block's tokens are scored, read or not.
prepare_study tokenize/block_tokens=128
write_pretrain pretrain.in 4 < /dev/null
sed -i -e 's/^device = .*/device = cuda/' -e 's/^checkpoint_interval = .*/checkpoint_interval = 2/' \
	-e 's/^layers = .*/layers = 1/' -e 's/^width = .*/width = 16/' -e 's/^base_width = .*/base_width = 16/' \
	-e 's/^context = .*/context = 32/' -e "s/^tokens = .*/tokens = $((4 * 8 * 32))/" -e 's/^slots = .*/slots = 8/' \
	-e 's/^documents = .*/documents = 3/' pretrain.in
capshape=$emulated

# Each rank has a GPU of its own, unless CAPSHAPE_EMULATOR_BUS says where they all are.
uses_cuda() { grep 'device: emulated device, loops' "$1.log"; }
input=pretrain.in
trains() { # NAME RANKS KEY=VALUE...
	local name=$1 count=$2 code=0
	shift 2
	if [ "$count" = 1 ]; then
		alone $input run/output="$name" "$@" > "$name.log" 2>&1 || code=$?
	else
		ranks "$count" $input run/output="$name" "$@" > "$name.log" 2>&1 || code=$?
	fi
	cat "$name.log"
	[ "$code" = 0 ] && uses_cuda "$name"
}
like_one() { # NAME RANKS KEY=VALUE...
	local name=$precision-$1 count=$2
	shift 2
	check "$name: $count ranks" trains "$name" "$count" run/precision="$precision" "$@"
	check "$name equals one process" same_runs "$precision-one" "$name"
}
went() { grep "gradients go $2" "$1.log"; } # NAME WAY

# ---- roles

precision=float32
need "one process" trains float32-one 1
like_one classifier1-trainers2 3 roles/mode=split roles/readers=0 roles/classifiers=1 roles/trainers=2

# Text of its model, on GPUs: the same files from any of them, and nearly what the processor thinks of the same tokens.
cat > sample.in <<-END
	[run]
	task = sample
	output = samples
	[sample]
	run = float32-one
	prompts = prompts.jsonl
	prompt_key = text
	count = 2
	tokens = 5
	temperature = 0
END
for words in 'ba ker' '' 'xlidan zhol y'; do printf '{"text": "%s"}\n' "$words"; done > prompts.jsonl
samples() {
	alone sample.in run/device=cuda > samples.log && cat samples.log && uses_cuda samples || return 1
	ranks 2 sample.in run/device=cuda run/output=samples2 sample/batch=1 > samples2.log && uses_cuda samples2 || return 1
	alone sample.in run/device=cpu run/output=samples-cpu > samples-cpu.log || return 1
	local folder=points/point
	diff -r samples/points samples2/points && diff <(sed 's/"log_prob.*//' samples/$folder/samples.jsonl) <(sed 's/"log_prob.*//' samples-cpu/$folder/samples.jsonl)
}
check "text that a model writes" samples

# Trainers of several groups score their shares of the text first, each with a block ahead.
rm -rf float32-one
need "two points in one process" trains float32-one 1 'train/learning_rate=0.01, 0.02'
like_one groups2 2 'train/learning_rate=0.01, 0.02' roles/mode=shared roles/trainers=2 roles/groups=2 roles/depth=2

# ---- gradients: two layers of several chunks, so that there are several buckets; no filter

sed -e 's/^layers = .*/layers = 2/' -e 's/^width = .*/width = 64/' -e 's/^base_width = .*/base_width = 64/' pretrain.in > wide.in
input=wide.in
direct=(filter/method=none filter/classifier= run/bucket=0)
shared=(roles/mode=shared "${direct[@]}")
rm -rf float32-one
for precision in float32 bfloat16; do
	need "$precision, wide: one process" trains $precision-one 1 run/precision=$precision "${direct[@]}"
	like_one direct2 2 "${shared[@]}" roles/trainers=2 run/exchange=device
	like_one direct4 4 "${shared[@]}" roles/trainers=4
	check "$precision-direct4 went by NCCL, in several buckets" went $precision-direct4 'from GPU to GPU by NCCL [0-9.]*, [2-9] buckets'
done
precision=float32
for CAPSHAPE_EMULATOR_SCHEDULE in 1 7; do
	export CAPSHAPE_EMULATOR_SCHEDULE
	like_one direct4-schedule$CAPSHAPE_EMULATOR_SCHEDULE 4 "${shared[@]}" roles/trainers=4
done
unset CAPSHAPE_EMULATOR_SCHEDULE

export CAPSHAPE_EMULATOR_BUS=0000:3b:00.0
like_one together 2 "${shared[@]}" roles/trainers=2
check "ranks that share a GPU exchange through the host, and say why" went float32-together 'through the host by MPI: .*share GPU'
refused() {
	local code=0
	ranks 2 wide.in run/output=refused "${shared[@]}" run/exchange=device roles/trainers=2 > refused.log 2>&1 || code=$?
	cat refused.log
	[ "$code" = 5 ] && [ "$(grep -c 'error: run/exchange = device: .*share GPU' refused.log)" = 1 ]
}
check "run/exchange = device is refused there" refused
unset CAPSHAPE_EMULATOR_BUS

stops() { # RANKS KEY=VALUE...
	local code=0 count=$1
	shift
	ranks "$count" wide.in run/output="$precision-stopped" run/precision="$precision" "${shared[@]}" run/stop_after_steps=1 roles/trainers="$count" "$@" || code=$?
	[ "$code" = 75 ]
}
# Each reads its own part of the checkpoint. In bfloat16 the weights that the others get are not the parameters.
for precision in bfloat16 float32; do
	check "$precision: stopped after a step on 4" stops 4
	check "... and after another on 2 through the host" stops 2 run/exchange=host
	like_one stopped 4 "${shared[@]}" roles/trainers=4
done

# NCCL's own sum: two numbers have one order of addition, four have several.
like_one any2 2 "${shared[@]}" roles/trainers=2 run/deterministic=off
check "run/deterministic = off: 4 ranks" trains any4 4 "${shared[@]}" roles/trainers=4 run/deterministic=off
check "... and again" trains any4-again 4 "${shared[@]}" roles/trainers=4 run/deterministic=off
check "... are equal to each other" same_runs any4 any4-again
differ() { ! same_runs "$1" "$2"; }
check "... and not to one process" differ float32-one any4

# ---- failures: rank 1's NCCL fails, or waits for ever, or is not there

cat > wrap.sh <<-'END'
	#!/usr/bin/env bash
	# usage: wrap.sh RANK MISHAP PROGRAM ARGUMENT...
	[ "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${PMIX_RANK:-0}}}" != "$1" ] || export CAPSHAPE_EMULATOR_NCCL=$2
	shift 2
	exec "$@"
END
chmod +x wrap.sh
mishap() { # MISHAP CODE TEXT KEY=VALUE...
	local code=0 mishap=$1 expected=$2 text=$3 begin=$SECONDS
	shift 3
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 60 ${MPIEXEC:-mpirun} -n 2 ./wrap.sh 1 "$mishap" "$capshape" wide.in run/output="mishap-$mishap" "${shared[@]}" \
		roles/trainers=2 run/timeout="${timeout:-5}" "$@" > mishap.log 2>&1 || code=$?
	cat mishap.log
	echo "exit code $code after $((SECONDS - begin)) s"
	[ "$code" = "$expected" ] && grep "error: .*$text" mishap.log
}
check "NCCL that fails in the first step ends the job with 6" mishap fail:2 6 'NCCL'
check "NCCL that fails later ends the job with 6" mishap fail:30 6 'NCCL'
check "NCCL that never ends ends the job with 6 at the time-out" mishap hang:2 6 'within 5 s (run/timeout)'
check "NCCL that never ends later ends the job with 6 at the time-out" mishap hang:30 6 'within 5 s (run/timeout)'
no_id() { CAPSHAPE_EMULATOR_NCCL=no-id mishap none 6 'NCCL, ncclGetUniqueId'; }
check "NCCL that makes no id ends the job with 6" no_id
# The other one, which nobody meets either, would wait for ten minutes.
unreachable() { timeout=600 mishap unreachable 6 'NCCL, connecting: ' && [ "$(grep -c 'error: ' mishap.log)" = 1 ]; }
check "NCCL that fails while it connects is named at once" unreachable
check "without NCCL run/exchange = device is refused" mishap absent 5 'NCCL was not found' run/exchange=device

# A disk that answers no more, as the thread of rank 0 finds it that has written the checkpoint of step 4: something that it has to
# read first has this name already. It fails in step 7: at step 8 it would wait for its disk again.
on_stuck_disk() {
	local code=0 folder checkpoint
	folder=$(echo float32-one/points/*) && checkpoint=stuck/${folder#*/}/checkpoints/step-000000004
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 60 ${MPIEXEC:-mpirun} -n 2 ./wrap.sh 0 fail:58 "$capshape" wide.in run/output=stuck "${shared[@]}" roles/trainers=2 \
		run/log_interval=0 run/checkpoint_interval=4 train/tokens=$((16 * 8 * 32)) > stuck.log 2>&1 &
	until grep -q ' step 1/' stuck.log || ! kill -0 $! 2> /dev/null; do sleep 0.02; done
	mkdir -p "$checkpoint" && mkfifo "$checkpoint/manifest.h5"
	wait $! || code=$?
	cat stuck.log
	echo "exit code $code"
	[ "$code" = 6 ] && grep -q ' step [56]/' stuck.log && [ -d "$checkpoint.tmp" ] && grep 'rank 0 (trainer): error: .*NCCL' stuck.log
}
check "a rank that fails ends the job, whatever it is still writing" on_stuck_disk

# The comparison itself must be able to tell runs apart.
check "the precisions differ" differ float32-one bfloat16-one
finish
