#!/usr/bin/env bash
# Which device a run computes on where there is no GPU: run/device = cuda says so, auto takes the CPU, and the program starts
# without any library of CUDA. Which GPU each rank takes where there are some, by the program on emulated ones.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Where there are GPUs they are hidden.
export CUDA_VISIBLE_DEVICES=
cuda=no
! grep -q '^#define HAVE_CUDA 1' "$builddir/config.h" || cuda=yes
echo "built with CUDA: $cuda"

needs_no_cuda() {
	ldd "$capshape" | tee libraries
	! grep -E 'libcuda|libcublas|libcudnn|libnvrtc|libnccl' libraries
}
check "the program needs no library of CUDA to start" needs_no_cuda

# What a report of a fault needs, without a driver too.
versions() {
	alone --version | tee versions
	grep '^libraries: MPI .*, HDF5 [0-9.]*,' versions && grep '^libraries when it was built: MPI .* (standard [0-9.]*), HDF5 [0-9.]*$' versions || return
	if [ $cuda = no ]; then grep '^CUDA: not built in$' versions; return; fi
	grep -E '^CUDA: built for [0-9]+\.[0-9]+, compute capability [0-9a-z,]+; (no driver is found here|the driver here is for [0-9.]+)$' versions &&
		grep -E '^CUDA libraries here: cuBLASLt (not found|[0-9.]+) \(built for [0-9.]+\), (built without )?cuDNN.*, (built without )?NCCL' versions
}
check "--version says what it was built for and what is here" versions

write_corpus corpus.jsonl 60
write_tokenize tokenize.in
need "tokenize" alone tokenize.in
write_pretrain pretrain.in 2 < /dev/null
plain=(pretrain.in filter/method=none filter/classifier=)

refused() {
	local code=0 text='there is no CUDA device that can be used here'
	if [ $cuda = no ]; then
		text='this build has no CUDA kernels'
	elif grep -q 'no driver is found here' versions; then
		text="$text (no driver of NVIDIA is found)"
	else
		text="$text (the driver shows no GPU: look at CUDA_VISIBLE_DEVICES"
	fi
	alone "${plain[@]}" run/device=cuda run/output=refused > refused.log 2>&1 || code=$?
	cat refused.log
	[ "$code" = 5 ] && [ "$(grep -c 'error:' refused.log)" = 1 ] && grep -q "$text.*run/device = " refused.log
}
check "run/device = cuda without a GPU ends with 5 and one line that says why, and what to do" refused

takes_cpu() {
	local code=0
	alone "${plain[@]}" run/device=auto run/output=automatic > automatic.log 2> automatic.err || code=$?
	cat automatic.log automatic.err
	[ "$code" = 0 ] && [ ! -s automatic.err ] && ! grep -qi 'cuda' automatic.log
}
check "run/device = auto takes the CPU without a word" takes_cpu
like_cpu() {
	alone "${plain[@]}" run/device=cpu run/output=processor && same_runs automatic processor
}
check "... and computes what run/device = cpu does" like_cpu

# ---- emulated GPUs: what each rank sees is told by the environment

emulated=$builddir/validation/emulator/capshape
if [ ! -x "$emulated" ] || [ -z "${MPIEXEC-mpirun}" ] || ! command -v "${MPIEXEC:-mpirun}" > /dev/null; then
	echo "no emulated GPUs, or no MPI launcher: the rest is left out"
	finish
fi
small=("${plain[@]}" run/device=auto train/tokens=512 evaluate/documents=1)
capshape=$emulated
# Of each rank, in rank order and divided by blanks: its node, the addresses of its GPUs ("-": it sees none).
cat > rank.sh <<-'END'
	#!/usr/bin/env bash
	rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${PMIX_RANK:-0}}}
	nodes=($NODES) gpus=($GPUS)
	export SLURMD_NODENAME=${nodes[rank]} CAPSHAPE_EMULATOR_BUS=${gpus[rank]}
	commas=${CAPSHAPE_EMULATOR_BUS//[^,]/}
	export CAPSHAPE_EMULATOR_DEVICES=$((${#commas} + 1))
	[ "$CAPSHAPE_EMULATOR_BUS" != - ] || CAPSHAPE_EMULATOR_DEVICES=0
	exec "$EMULATED" "$@"
END
chmod +x rank.sh
export EMULATED=$emulated NODES GPUS
seen() { # NAME "NODE ..." "GPUS ..." ARGUMENT...
	local name=$1 nodes code=0 capshape=./rank.sh
	NODES=$2 GPUS=$3
	read -ra nodes <<< "$2"
	ranks ${#nodes[@]} "${small[@]}" run/output="$name" "${@:4}" > "$name.log" 2> "$name.err" || code=$?
	cat "$name.log" "$name.err"
	return $code
}
says() { # FILE LINE
	grep -qF -- "$2" "$1" || { echo "$1 does not say: $2"; return 1; }
}

one_gpu() { seen gpu1 a 01:00.0 && says gpu1.log 'a: trainer 0 on GPU 0' && ! grep -v 'ASan doesn.t fully support' gpu1.err; }
need "auto takes the GPU that is there" one_gpu

# The second device of the emulator is too old to be used.
all="02:00.0,0f:00.0,01:00.0,03:00.0"
common() {
	seen common "a a a" "$all $all $all" roles/trainers=2 roles/classifiers=0 roles/readers=1 &&
		says common.log 'a: trainers 0,1 on GPUs 1,0, reader 2 without a GPU' &&
		says common.err 'a: nobody computes on GPU 2 (03:00.0): start a rank a GPU' && same_runs gpu1 common
}
check "all see all: trainers take one each, the reader none, what is idle is named" common

own() {
	seen own "a a a" "01:00.0 02:00.0 03:00.0" roles/trainers=2 roles/classifiers=0 roles/readers=1 &&
		says own.log 'a: trainers 0,1 on GPUs 0,1, reader 2 without a GPU' &&
		says own.err 'a: nobody computes on GPU 2 (03:00.0)' && same_runs gpu1 own
}
check "each sees one of its own, as with --gpus-per-task" own

nodes() {
	seen nodes "a b a b" "01:00.0 01:00.0 01:00.0 01:00.0" roles/trainers=2 roles/groups=1 roles/classifiers=0 roles/readers=2 &&
		says nodes.log 'a and 1 more like it: trainer 0 on GPU 0, reader 1 without a GPU' && [ ! -s nodes.err ] &&
		same_runs gpu1 nodes
}
check "two nodes of one GPU: a trainer and its reader on each" nodes

shared() {
	seen shared "a a" "01:00.0 01:00.0" roles/trainers=2 && says shared.log 'a: trainers 0,1 on GPUs 0,0' &&
		says shared.err 'a: ranks take turns on GPU 0 (trainers 0,1); gradients of trainers that share a GPU go through the host' &&
		same_runs gpu1 shared
}
check "two trainers share a GPU, and it is said" shared

not_shared() { # where a reader is of more use than half a GPU
	seen left "a a" "01:00.0 01:00.0" && says left.log 'a: trainer 0 on GPU 0, reader 1 without a GPU' && [ ! -s left.err ] && same_runs gpu1 left
}
check "left to the cost model nobody shares a GPU" not_shared

reads_only() {
	seen reads "a b" "01:00.0 -" roles/trainers=1 roles/classifiers=0 roles/readers=1 &&
		says reads.log 'a: trainer 0 on GPU 0' && says reads.log 'b: reader 0 without a GPU' && [ ! -s reads.err ]
}
check "a node without a GPU may read" reads_only

blind() {
	local code=0
	seen blind "a b" "01:00.0 -" || code=$?
	[ $code = 5 ] && [ "$(grep -c 'error:' blind.err)" = 1 ] &&
		says blind.err 'rank 1 (trainer): error: rank 1, a trainer on b, sees no GPU, though others do'
}
check "a trainer without a GPU where others have one: one line, exit code 5" blind

# ---- the other tasks

cat > classifier.in <<-END
	[run]
	task = classifier
	output = classifier
	threads = 1
	device = cuda
	[data]
	folder = labelled
	[model]
	layers = 1
	width = 16
	heads = 2
	context = 32
	base_width = 16
	[train]
	tokens = 256
	sequences = 4
	slots = 2
	[classifier]
	layer = 1
	probe_tokens = 100
	probe_documents = 20
	evaluation_tokens = 600
	smoothing = 0
END
cat > evaluate.in <<-END
	[run]
	task = evaluate
	output = evaluated
	threads = 1
	device = cuda
	[data]
	folder = data
	[evaluate]
	run = gpu1
	documents = 2
END
write_corpus corpus.jsonl 400
need "text enough for a classifier" alone tokenize.in run/output=labelled
tries() { # NAME "NODE ..." "GPUS ..." FILE ARGUMENT...: as seen(), of another file
	local small=("${@:4}")
	seen "$1" "$2" "$3"
}
fits() { # NAME "NODE ..." "GPUS ...": makes the classifier of one rank
	tries "$1" "$2" "$3" classifier.in || return
	[ "$1" = fit1 ] || for side in left right; do alone --compare-runs fit1/$side "$1/$side" || return; done
}
check "a classifier on a GPU" fits fit1 a 01:00.0
fits_together() {
	local code=0
	tries fit2 "a a" "01:00.0 01:00.0" classifier.in run/stop_after_steps=1 || code=$?
	[ "$code" = 75 ] && says fit2.log 'a: trainer 0 on GPU 0, feature rank 1 on GPU 0' &&
		says fit2.err 'a: ranks take turns on GPU 0 (trainer 0, feature rank 1)' && ! grep 'gradients' fit2.err
}
check "a classifier has no more trainers than GPUs" fits_together
fits_apart() {
	fits fit4 "a a b b" "01:00.0 01:00.0 01:00.0 01:00.0" &&
		says fit4.log 'a and 1 more like it: trainer 0 on GPU 0, feature rank 1 on GPU 0' && ! grep 'gradients' fit4.err
}
[ "$(getconf _NPROCESSORS_ONLN)" = 1 ] || check "its trainers are put where they have a GPU each" fits_apart
evaluates() {
	tries together "a a" "01:00.0 01:00.0" evaluate.in && says together.log 'a: evaluators 0,1 on GPUs 0,0' &&
		says together.err 'a: ranks take turns on GPU 0 (evaluators 0,1)' && ! grep 'gradients\|trainer' together.err
}
check "ranks that evaluate are called so" evaluates

nothing_to_do() { # FILE ARGUMENT...
	local code=0
	capshape=$builddir/capshape alone "$@" > nothing.log 2>&1 || code=$?
	cat nothing.log
	[ "$code" = 0 ] && grep 'nothing to do' nothing.log
}
check "a finished pretraining run is known without a GPU" nothing_to_do "${small[@]}" run/output=gpu1
check "... and a finished classifier" nothing_to_do classifier.in run/output=fit1
check "... and finished evaluations" nothing_to_do evaluate.in run/output=together

finish
