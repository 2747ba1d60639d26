#!/usr/bin/env bash
# Tests and measures the CUDA kernels on a machine that has a GPU and little else, and prints one table of goals.
#   run.sh [all | PART...]     parts: probe test sanitize kernels train profile equal score score_peer peer questions llmc table; all: every one but llmc
# It lies in the folder that `make gpu-bundle` makes, with programs in bin/ and libraries in lib/, and needs bash, a driver,
# cuBLASLt and cuDNN (in a CUDA toolkit or in the packages of a Python's PyTorch), and for the peers that Python.
# Every part has a share of the time and prints its lines as it goes; figures are also appended to results.jsonl as lines of JSON,
# of which `table` takes the last ones, so that parts can be run in several calls and a call that was cut off counts. The folder of
# results holds three files: results.jsonl, log (all that was said) and table.md, which is made anew after each part.
# Environment: results (folder; default: $OUT, else ./gpu-results), kernels (cuda), shapes (gpu; tiny: for a test), bin,
# sizes (of train and peer), scored (pairs of models to score with), python, llmc (a checkout of llm.c), seconds (for all: 540),
# part_seconds (for each part, at most).
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(cd "${bin:-$here/bin}" && pwd) || exit 99
chmod u+x "$bin"/* 2> /dev/null # what copied the folder may have lost that
results=${results:-${OUT:-./gpu-results}}
mkdir -p "$results" && results=$(cd "$results" && pwd) || exit 99
json=$results/results.jsonl
kernels=${kernels:-cuda}
shapes=${shapes:-gpu}
seconds=${seconds:-540}
failures=0
own_products_passed=0 # of five tests

# ---- where things are

# To import torch takes seconds: it is only looked for.
find_python() {
	local try
	for try in ${python:-} /opt/torch/.venv/bin/python3 python3 /usr/bin/python3; do
		command -v "$try" > /dev/null && "$try" - 2> /dev/null <<- 'END' && { command -v "$try"; return; }
			import importlib.util, sys
			sys.exit(importlib.util.find_spec("torch") is None)
		END
	done
}

# Folders with cuBLASLt, cuDNN and what they need: the toolkit's, those of pip's packages, the system's own.
find_libraries() {
	local try folder
	for try in "${CUDA_HOME:-/none}" /usr/local/cuda; do
		for folder in "$try/lib64" "$try/lib" "$try/targets/x86_64-linux/lib"; do
			compgen -G "$folder/libcublasLt.so*" > /dev/null && printf '%s:' "$folder" && break
		done
	done
	[ -z "$torch_python" ] || env -u LD_LIBRARY_PATH "$torch_python" - <<- 'END' 2> /dev/null
		import glob, os, sys
		for path in sys.path:
		    for folder in sorted(glob.glob(os.path.join(path, "nvidia", "*", "lib"))):
		        print(folder, end=":")
	END
}

torch_python=$(find_python)
libraries=$(find_libraries)
libraries=${libraries%:}
library_path=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} # the driver may be in the latter alone
began=$SECONDS part_began=$SECONDS part_limit=$seconds
# Seconds that are left of the part's share of the time, and of the whole.
left() {
	local whole=$((seconds - (SECONDS - began))) part=$((part_limit - (SECONDS - part_began)))
	echo $((part < whole ? part : whole))
}
# A part that hangs at every step leaves the others their time.
limit_of() { # PART
	case $1 in
	probe | kernels | score | profile) echo 60 ;;
	equal | score_peer | questions) echo 90 ;;
	test) echo 150 ;;
	train) echo 180 ;;
	*) echo "$seconds" ;;
	esac
}

# A command with a time limit, within what is left; its output goes to the log, too.
limited() { # NAME SECONDS COMMAND...
	local name=$1 limit=$2 left code=0
	left=$(left)
	shift 2
	[ "$limit" -lt "$left" ] || limit=$left
	if [ "$limit" -lt 2 ]; then
		echo "$name: not begun, the time is over" | tee -a "$results/log"
		return 1
	fi
	timeout -k 3 "$limit" "$@" 2>&1 | tee -a "$results/log" || code=$?
	case $code in
	0) ;;
	124 | 137) echo "$name: cut off after $limit s" | tee -a "$results/log" ;;
	*) echo "$name: exit code $code" | tee -a "$results/log" ;;
	esac
	return $code
}
program() { # SECONDS PROGRAM ARGUMENT...
	local limit=$1 name=$2
	shift 2
	limited "$name" "$limit" env LD_LIBRARY_PATH="$library_path" "$bin/$name" "$@"
}
note() { # KIND NAME VALUE... all of them words
	printf '{"kind": "%s"' "$1" >> "$json"
	shift
	while [ $# -gt 1 ]; do
		case $2 in
		'' | *[!0-9.]*) printf ', "%s": "%s"' "$1" "${2//[\"\\]/}" >> "$json" ;;
		*) printf ', "%s": %s' "$1" "$2" >> "$json" ;;
		esac
		shift 2
	done
	echo '}' >> "$json"
}

# ---- shapes: gpu, or those of a test

# `scored`: SIZE:ROWS:LAYER of a micro-batch, of which a block has two.
# SIZE:SEQUENCES:MICRO-SEQUENCES of a step, ours and the peer's; the peer halves a micro-batch that does not fit.
if [ "$shapes" = tiny ]; then
	context=32 vocabulary=256 square=64 copy=1 measured=0.01 steps=2
	: "${sizes:=L1-D32-H2:4:2 L2-D32-H2:2:2}"
	masked=L2-D32-H2:2:2
	: "${scored:=L2-D32-H2:2:1}"
	score_context=32 least=(--least-tokens 1)
	checked=(--size L2-D32-H2 --sequences 4 --micro-sequences 2 --steps 3 --limit 0.05)
	attention=2:32:2:16 precision=float32 device=cpu
else
	context=2048 vocabulary=100288 square=8192 copy=4096 measured=0.15 steps=5
	: "${sizes:=61M:128:32 224M:64:32 521M:32:16 13M:128:32 113M:64:32 1816M:16:8 1030M:32:16 28M:128:32}"
	masked="61M:128:32 224M:64:32"
	: "${scored:=61M:64:7 224M:64:13 61M:32:7 224M:32:13}"
	score_context=1024 least=()
	checked=(--size 61M --sequences 8 --micro-sequences 4 --steps 10)
	narrow=(--size 13M --sequences 8 --micro-sequences 4 --steps 10)
	attention=32:2048:4:32,32:2048:8:56,32:2048:14:64,16:2048:16:104,16:2048:16:128,64:1024:12:64
	precision=bfloat16 device=cuda
fi

# ---- parts

# What only a device can say about the design: validation/bench/questions_bench.c.
part_questions() {
	program 90 questions_bench "$kernels" "$precision" "$measured" "$shapes" "$json"
}

part_probe() {
	{
		date -u
		uname -srm
		ldd --version | head -n 1
		nproc
		echo "libraries: $libraries"
		echo "python with torch: ${torch_python:-none}"
		for tool in nvidia-smi nvcc gcc compute-sanitizer ncu; do echo "$tool: $(command -v "$tool" || echo -)"; done
		timeout 20 nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.sm,clocks.max.sm,clocks.mem --format=csv
		timeout 20 nvidia-smi -q -d COMPUTE | grep -i 'compute mode\|MIG' | sort -u
	} 2>&1 | tee -a "$results/log"
	program 60 probe "$kernels" "$precision" "$square" "$copy" "$json"
}

# The end of the log, from here on.
here_in_log() { stat -c %s "$results/log" 2> /dev/null || echo 0; }
since() { tail -c "+$(($1 + 1))" "$results/log"; }

# ends, own_products, own_head, own_precision, own_probes: products on warp-group instructions (CAPSHAPE_PRODUCT), which nothing else uses unless it is asked to; where they fail,
# neither does what follows.
# own_attention: without cuDNN, which computes most shapes of the test otherwise. It takes about half a second for each plan, some
# seventy in the test of attention. Of the own kernels that a library can stand in for, one that fails is not used by what follows. First what says most: products, attention, gradients.
part_test() {
	local test code from passed=0 failed=0 own=1
	own_products_passed=0
	for test in linear own_attention attention gradient loss narrow_head elementwise precision pass decode repeat route probes own_products ends own_head own_precision own_probes; do
		from=$(here_in_log)
		case $test in
		own_products) CAPSHAPE_PRODUCT=all program 40 linear_test > /dev/null ;;
		own_head) CAPSHAPE_PRODUCT=own program 40 narrow_head_test > /dev/null ;;
		own_precision) CAPSHAPE_PRODUCT=own program 40 precision_test > /dev/null ;;
		own_probes) CAPSHAPE_PRODUCT=own program 40 probes_test > /dev/null ;;
		own_attention) CAPSHAPE_ATTENTION=own program 40 attention_test > /dev/null ;;
		attention) program 75 attention_test > /dev/null ;;
		*) program 40 "${test}_test" > /dev/null ;;
		esac
		code=$?
		if [ $code = 0 ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
		[ "$test" != own_attention ] || own=$code
		case $test:$code in
		own_products:0 | ends:0 | own_head:0 | own_precision:0 | own_probes:0) own_products_passed=$((own_products_passed + 1)) ;;
		esac
		# Not where it is only slow: cut off.
		if [ "$test" = attention ] && [ "$own" = 0 ] && [ "${CAPSHAPE_ATTENTION:-}" != own ] && since "$from" | grep -q FAILED; then
			echo "attention by cuDNN fails its test: what follows is done with own attention"
			export CAPSHAPE_ATTENTION=own
		fi
		if [ "$test" = narrow_head ] && [ "${CAPSHAPE_HEAD:-}" != library ] && since "$from" | grep -q FAILED; then
			echo "the own head of narrow models fails its test: what follows is done without it"
			export CAPSHAPE_HEAD=library
		fi
		printf '%-14s %s\n' "$test" "$([ $code = 0 ] && since "$from" | grep -o 'PASSED.*' | tail -n 1 || echo "exit code $code")"
		since "$from" | grep -E 'FAILED|ERROR|cut off|not begun|^CUDA|own products' | sort -u | head -n 12
		[ $code = 0 ] || since "$from" | grep -v '^\[ \{0,1\}\(RUN\|      OK\)' | head -n 30
		note test_program name "$test" code "$code"
	done
	note test passed "$passed" failed "$failed"
	[ "$failed" = 0 ]
}

# Leaks are the driver's business; what a tool that is not there finds, nobody knows.
part_sanitize() {
	local tool mode test errors from program product
	tool=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer)
	[ -n "$tool" ] || { echo "there is no compute-sanitizer here"; return 0; }
	for test in loss narrow_head elementwise attention linear own_products; do
		for mode in memcheck racecheck; do
			program=$bin/${test}_test product=library
			[ $test != own_products ] || program=$bin/linear_test product=all
			from=$(here_in_log)
			limited "$mode $test" 120 env LD_LIBRARY_PATH="$library_path" CAPSHAPE_ATTENTION=own CAPSHAPE_PRODUCT=$product "$tool" \
				--tool "$mode" --error-exitcode 9 "$program" > /dev/null
			echo "$mode $test: exit code $?"
			since "$from" | grep -E '=========.*(SUMMARY|Error|Invalid|hazard)|cut off|not begun' | sort | uniq -c | head -n 10
			errors=$(since "$from" | grep -oE 'SUMMARY: [0-9]+|hazards displayed \([0-9]+ errors' | grep -oE '[0-9]+' | head -n 1)
			[ -z "$errors" ] || note sanitize tool "$mode" test "$test" errors "$errors"
		done
	done
}

part_kernels() {
	program 100 kernels_bench "$kernels" "$precision" 1 "$measured" "$shapes" "$json"
}

# One table line for each; SIZE:SEQUENCES:MICRO.
train() { # SECONDS SIZE [OPTION...]
	local limit=$1 size sequences micro
	IFS=: read -r size sequences micro <<< "$2"
	shift 2
	program "$limit" train_bench --kernels "$kernels" --precision "$precision" --threads 1 --size "$size" \
		--vocabulary "$vocabulary" --context "$context" --sequences "$sequences" --micro-sequences "$micro" \
		--steps "$steps" --square "$square" --json "$json" "$@"
}

# Half and twice the micro-batch for the sizes whose products are small; the best counts.
part_train() {
	local spec size sequences micro share other bad=0
	for spec in $sizes; do
		IFS=: read -r size sequences micro <<< "$spec"
		case $size in
		61M | L2*)
			train 60 "$spec" --idle || bad=1
			# For comparison alone: not in the table.
			[ "${CAPSHAPE_ATTENTION:-}" = own ] && other=library || other=own
			echo "the same with CAPSHAPE_ATTENTION=$other:"
			json=/dev/null CAPSHAPE_ATTENTION=$other train 30 "$spec" --no-header
			if [ "$own_products_passed" = 5 ]; then
				echo "the same with CAPSHAPE_PRODUCT=own:"
				json=/dev/null CAPSHAPE_PRODUCT=own train 30 "$spec" --no-header
			else
				echo "not with CAPSHAPE_PRODUCT=own: the tests of own products have not passed in this call"
			fi
			;;
		13M)
			train 60 "$spec" || bad=1
			echo "the same with CAPSHAPE_HEAD=library:"
			json=/dev/null CAPSHAPE_HEAD=library train 30 "$spec" --no-header
			;;
		*) train 60 "$spec" || bad=1 ;;
		esac
		case $size in
		13M | 28M | 61M) train 30 "$size:$sequences:$((2 * micro))" --no-header ;;
		esac
	done
	for spec in $masked; do
		for share in 0.2 0.5; do
			train 30 "$spec" --no-header --mask-share "$share" || bad=1
		done
	done
	# The fastest way, whatever the order of sums.
	for spec in $masked; do
		train 30 "$spec" --no-header --any-order || bad=1
	done
	# GPT-2 124M as llm.c trains it.
	[ "$shapes" = tiny ] ||
		context=1024 vocabulary=50304 train 30 L12-D768-H12:64:64 --no-header || bad=1
	return $bad
}

# Where the time of a step goes, call by call, beside what roofline.py reckons.
part_profile() {
	local spec bad=0
	for spec in $sizes; do
		case $spec in
		13M:* | 61M:* | 224M:* | L2*) steps=2 train 40 "$spec" --profile || bad=1 ;;
		esac
	done
	return $bad
}

# The classifier: blocks through a pair of models; and the same in PyTorch. SIZE:ROWS:LAYER [OPTION...]
score() {
	local size rows layer
	IFS=: read -r size rows layer <<< "$1"
	shift
	program 40 score_bench --kernels "$kernels" --precision "$precision" --threads 1 --size "$size" --rows "$rows" \
		--layer "$layer" --vocabulary "$vocabulary" --context "$score_context" "${least[@]}" \
		--block-tokens $((2 * rows * (score_context - 1))) --steps "$steps" --group 4 --square "$square" \
		--json "$json" "$@"
}
# The first two once more with own products, whose ends stand for the norms and the rotation; not in the table.
part_score() {
	local spec header=() own=0 bad=0
	for spec in $scored; do
		score "$spec" "${header[@]}" || bad=1
		header=(--no-header)
		[ "$own" -lt 2 ] || continue
		own=$((own + 1))
		if [ "$own_products_passed" = 5 ]; then
			echo "the same with CAPSHAPE_PRODUCT=own:"
			json=/dev/null CAPSHAPE_PRODUCT=own score "$spec" --no-header
		else
			echo "not with CAPSHAPE_PRODUCT=own: the tests of own products have not passed in this call"
		fi
	done
	return $bad
}
part_score_peer() {
	find_peer || return 0
	context=$score_context peer 120 score --group 4 --size "${scored// /,}"
}

part_equal() {
	local bad=0
	program 60 check equal --kernels "$kernels" --precision "$precision" --vocabulary "$vocabulary" --context "$context" \
		--json "$json" "${checked[@]}" || bad=1
	program 60 check gradients --kernels "$kernels" --vocabulary "$vocabulary" --context "$context" --json "$json" \
		"${checked[@]}" || bad=1
	# Their head is another kernel.
	[ "$shapes" = tiny ] || program 60 check gradients --kernels "$kernels" --vocabulary "$vocabulary" --context "$context" \
		--json "$json" "${narrow[@]}" || bad=1
	return $bad
}

# Large models are compiled block by block: as a whole they take minutes. What is over when the time is, is left out; a
# minute is kept for what follows.
part_peer() {
	local spec whole=() blocks=() kept=$((seconds / 9))
	find_peer || return 0
	for spec in $sizes; do
		case $spec in
		521M* | 1030M* | 1816M*) blocks+=("$spec") ;;
		*) whole+=("$spec") ;;
		esac
	done
	peer 60 attention --shapes "$attention"
	peer $((($(left) - kept) * 6 / 10)) train --size "$(joined "${whole[@]}")"
	[ ${#blocks[@]} = 0 ] || peer $(($(left) - kept)) train --blocks --size "$(joined "${blocks[@]}")"
}
find_peer() {
	script=$here/torch_peer.py
	[ -e "$script" ] || script=$here/../bench/torch_peer.py
	[ -n "$torch_python" ] || { echo "no Python here has torch: set python=..."; return 1; }
}
joined() {
	local IFS=,
	echo "$*"
}
peer() { # SECONDS ARGUMENT...: no model is begun in the last fifth
	local limit=$1
	shift
	limited torch_peer.py "$limit" "$torch_python" -B -u "$script" "$@" --device "$device" --precision "$precision" --json "$json" \
		--vocabulary "$vocabulary" --context "$context" --steps "$steps" --square "$square" --threads "$(nproc)" \
		--budget $((limit * 8 / 10))
}

# A checkout of llm.c that was carried along: built here, with cuDNN where it has cudnn-frontend/ inside, and trained on random
# tokens from random parameters, without recomputation.
part_llmc() {
	local folder=${llmc:-$here/llm.c} cudnn=0 part rate from
	[ -e "$folder/train_gpt2.cu" ] || { echo "no llm.c at $folder: set llmc=..."; return 0; }
	data=$(mktemp -d) && cp -r "$folder" "$data/llm.c" || return 1
	trap 'rm -rf "$data"' EXIT
	[ ! -d "$folder/cudnn-frontend/include" ] || cudnn=1
	# The driver's library of management may be a stub of the toolkit here.
	(cd "$data/llm.c" && PATH=$PATH:/usr/local/cuda/bin LIBRARY_PATH=$libraries:/usr/local/cuda/lib64/stubs \
		limited "make train_gpt2cu" 200 make train_gpt2cu NO_MULTI_GPU=1 NO_USE_MPI=1 USE_CUDNN=$cudnn \
		GPU_COMPUTE_CAPABILITY=90) || return 1
	for part in train val; do # 256 numbers of 32 bits, then tokens of 16
		python3 - "$data/$part.bin" <<- 'END' || return 1
			import array, random, sys
			random.seed(1)
			count = 1 << 21
			with open(sys.argv[1], "wb") as file:
			    file.write(array.array("i", [20240520, 1, count] + [0] * 253).tobytes())
			    file.write(array.array("H", [random.randrange(50257) for _ in range(count)]).tobytes())
		END
	done
	from=$(here_in_log)
	(cd "$data/llm.c" && limited train_gpt2cu 90 env LD_LIBRARY_PATH="$library_path" ./train_gpt2cu -i "$data/train.bin" -j "$data/val.bin" \
		-e d12 -b 64 -t 1024 -d 65536 -r 0 -v 0 -s 0 -h 0 -m 0 -n 0 -x 25 -l 0.0006 -c 0.1)
	# The median of the later steps' own figures.
	rate=$(since "$from" | grep -oE '[0-9]+ tok/s' | grep -oE '^[0-9]+' | tail -n 15 | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
	[ -n "$rate" ] && note llmc tokens_per_second "$rate"
}

part_table() {
	local script=$here/table.py try calculated=()
	for try in "${torch_python:-python3}" python3 /usr/bin/python3; do
		command -v "$try" > /dev/null || continue
		if [ -x "$bin/trace" ] && [ ${#calculated[@]} = 0 ]; then
			calculated=("$(mktemp)")
			"$try" -B "$here/roofline.py" "$bin/trace" --json "${calculated[0]}" > /dev/null || true
		fi
		"$try" -B "$script" "$json" "${calculated[@]}" | tee "$results/table.md" && { rm -f "${calculated[@]}"; return 0; }
	done
	rm -f "${calculated[@]}"
	echo "a Python is needed: table.py $json"
	return 1
}

# ---- the parts that were asked for

parts=("$@")
[ $# -gt 0 ] && [ "$1" != all ] || parts=(probe test train equal kernels score score_peer peer profile questions sanitize table)
for part in "${parts[@]}"; do
	declare -F "part_$part" > /dev/null || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
done
for part in "${parts[@]}"; do
	part_began=$SECONDS part_limit=${part_seconds:-$(limit_of "$part")}
	echo "== $part" | tee -a "$results/log"
	"part_$part" || { failures=$((failures + 1)); echo "== $part: NOT OK"; }
	note part name "$part" seconds $((SECONDS - part_began))
	[ "$part" = table ] || part_table > /dev/null
	echo "== $part: $((SECONDS - part_began)) s"
done
[ "$failures" = 0 ]
