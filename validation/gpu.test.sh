#!/usr/bin/env bash
# validation/gpu/run.sh without a GPU: its parts over the emulated kernels with tiny shapes, what it makes of tests that fail and
# of commands that hang, and its table of results.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
emulator=$builddir/validation/emulator
[ -x "$emulator/probe" ] || { echo "there is no C++ compiler here for the CUDA emulator"; exit 77; }
command -v python3 > /dev/null || { echo "there is no Python here"; exit 77; }

# Programs beside stand-ins for the tests, which `make check` runs in full elsewhere.
mkdir bin
for program in check kernels_bench probe questions_bench score_bench train_bench; do ln -s "$emulator/$program" bin; done
for test in elementwise loss linear narrow_head attention repeat gradient pass decode precision probes ends route; do
	printf '#!/bin/sh\necho "[  PASSED  ] 3 test(s)."\n' > bin/${test}_test
done
chmod +x bin/*_test
export bin=$PWD/bin shapes=tiny results=$PWD/results kernels=${gpu_kernels:-cuda}
run() { timeout -k 5 "$limit" bash "$here/gpu/run.sh" "$@"; }
lines() { grep -c "\"kind\": \"$1\"" results/results.jsonl; }

check "probe, equal, train, kernels, score and questions run and print" run probe equal train kernels score questions
figures() {
	[ "$(lines probe)" = 1 ] && [ "$(lines train)" = 5 ] && [ "$(lines head)" = 3 ] && [ "$(lines fused)" = 2 ] && [ "$(lines score)" = 1 ] && [ "$(lines equal)" = 2 ] && [ "$(lines gradients)" = 1 ] &&
		[ "$(lines product)" = 3 ] && [ "$(lines 'attention forward')" = 1 ] && [ "$(lines element-wise)" = 14 ]
}
check "every figure is a line of JSON" figures
json() {
	python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' results/results.jsonl
}
check "the lines are JSON" json

check "tests that pass" run test
one_fails() {
	printf '#!/bin/sh\necho "[  FAILED  ] test_of_rows"; exit 1\n' > bin/linear_test
	printf '#!/bin/sh\nsleep 100\n' > bin/repeat_test
	local code=0
	# shellcheck disable=SC2065 # the name of a part
	seconds=10 run test > said || code=$?
	cat said
	[ "$code" = 1 ] && grep -q 'FAILED.*test_of_rows' said && grep -q 'cut off after' said && grep -q '== test: NOT OK' said &&
		grep -q '"kind": "test", "passed": 9, "failed": 9' results/results.jsonl
}
check "a test that fails and one that hangs are told, the others run" one_fails
# A stand-in that passes. A file of its own, never a link: others are written in its place later.
passing() {
	rm -f "$1"
	printf '#!/bin/sh\nexit 0\n' > "$1" && chmod +x "$1"
}
wrong_library() {
	mkdir wrong
	for test in elementwise loss linear narrow_head repeat gradient pass decode precision probes ends route; do passing "wrong/${test}_test"; done
	printf '#!/bin/sh\n[ "$CAPSHAPE_ATTENTION" = own ] || { echo "[  FAILED  ] test_of_rows"; exit 1; }\n' > wrong/attention_test
	printf '#!/bin/sh\necho "attention: $CAPSHAPE_ATTENTION"\n' > wrong/probe
	chmod +x wrong/attention_test wrong/probe
	# shellcheck disable=SC2065 # the name of a part
	bin=$PWD/wrong results=$PWD/library run test probe > said
	cat said
	grep -q 'cuDNN fails its test' said && grep -q '^attention: own' said || return 1
	printf '#!/bin/sh\n[ "$CAPSHAPE_ATTENTION" = own ] || sleep 100\n' > wrong/attention_test
	# shellcheck disable=SC2065 # the name of a part
	bin=$PWD/wrong results=$PWD/library part_seconds=3 run test probe > said
	cat said
	grep -q 'attention_test: cut off' said && grep -q '^attention: $' said
}
wrong_head() {
	printf '#!/bin/sh\necho "[  FAILED  ] test_heads"; exit 1\n' > wrong/narrow_head_test
	printf '#!/bin/sh\necho "head: $CAPSHAPE_HEAD"\n' > wrong/probe
	passing wrong/attention_test
	# shellcheck disable=SC2065 # the name of a part
	bin=$PWD/wrong results=$PWD/library run test probe > said
	cat said
	grep -q 'narrow models fails its test' said && grep -q '^head: library' said
}
check "where cuDNN fails its test, and not where that is slow, what follows is done without it" wrong_library
check "where the own head fails its test, what follows is done without it" wrong_head
share_of_a_part() {
	local code=0
	results=$PWD/shared part_seconds=3 run test probe > said || code=$?
	cat said
	[ "$code" = 1 ] && grep -q 'repeat_test: cut off after [23] s' said && grep -q '"kind": "probe"' shared/results.jsonl &&
		grep -q '"name": "test", "seconds"' shared/results.jsonl
}
check "a part that hangs leaves the next its time" share_of_a_part
few_files() {
	ls shared > said
	[ "$(cat said)" = "$(printf 'log\nresults.jsonl\ntable.md')" ] && grep -q '| tests .* 9 of 18 .* MISSED |' shared/table.md &&
		grep -q 'test_of_rows' shared/log
}
check "the folder of results holds three files, the table without being asked for" few_files
killed() {
	rm -rf killed
	results=$PWD/killed setsid bash "$here/gpu/run.sh" probe test > /dev/null 2>&1 &
	local group=$! turn
	for turn in $(seq 300); do
		grep -qs '"name": "pass"' killed/results.jsonl && break
		sleep 0.1
	done
	kill -9 -- "-$group"
	wait "$group" 2> /dev/null
	cat killed/results.jsonl
	grep -q '"kind": "probe"' killed/results.jsonl && grep -q '"name": "linear", "code": 1' killed/results.jsonl &&
		grep -q '^| figure' killed/table.md
}
check "what was measured before a kill is there" killed
check "a part that is not there is a mistake" eval '! run nonsense > /dev/null 2>&1'
no_tools() {
	[ -n "$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer)" ] || run sanitize | grep 'no compute-sanitizer'
	llmc=/none run llmc | grep 'no llm.c'
}
check "without compute-sanitizer and llm.c their parts do nothing" no_tools

# Several ranks: the rest of ranks.sh is what emulated.test.sh does with less.
large_is_saved() {
	capshape=$emulator/capshape builddir=$builddir width=16 layers=1 heads=2 context=32 sequences=8 documents=60 saved='64 2 2' \
		bash "$here/gpu/ranks.sh" saving | tee said
	grep -q 'checkpoints 3, training stopped' said
}
[ -z "${MPIEXEC-mpirun}" ] || check "ranks.sh tells how long checkpoints stop training" large_is_saved

# The table: of nothing, of the lines so far, and of made-up ones whose ratios are known.
rows() { grep -c '^| .* | .* | ' "$1"; }
empty() {
	mkdir -p empty && : > empty/results.jsonl
	results=$PWD/empty run table > said && cat said && [ "$(grep -c '| unmeasured |' said)" = $(($(rows said) - 1)) ]
}
check "without lines everything is unmeasured" empty
own() {
	run table > said && cat said && grep -q '| bit-equality .* exact.*; met |' said && grep -q '| tests .* MISSED |' said &&
		grep -q '| element-wise kernels.* cross-entropy [0-9]' said
}
check "lines that were measured here are in it" own
made_up() {
	mkdir -p made && cat > made/results.jsonl <<- 'END'
		{"kind": "probe", "device": "made up", "gemm": 8e14, "copy": 4e12}
		{"kind": "train", "size": "61M", "context": 2048, "vocabulary": 100288, "sequences": 128, "micro_sequences": 32, "kept_share": 1, "seconds_per_step": 0.3, "tokens_per_second": 600000, "flops": 3e14, "gemm_ceiling": 7e14, "idle_share": 0.015}
		{"kind": "train", "size": "61M", "context": 2048, "vocabulary": 100288, "sequences": 128, "micro_sequences": 64, "kept_share": 1, "seconds_per_step": 0.25, "tokens_per_second": 900000, "flops": 4e14, "gemm_ceiling": 7e14, "idle_share": null}
		{"kind": "train", "size": "61M", "context": 2048, "vocabulary": 100288, "sequences": 128, "micro_sequences": 32, "kept_share": 0.8, "seconds_per_step": 0.27, "tokens_per_second": 700000, "flops": 2.888e14, "gemm_ceiling": 7e14, "idle_share": null}
		{"kind": "peer", "work": "train", "size": "61M", "context": 2048, "mask_share": 0.0, "tokens_per_second": 750000, "gemm_ceiling": 7.9e14}
		{"kind": "score", "size": "61M", "layer": 7, "context": 1024, "rows": 32, "tokens_per_second": 5000000}
		{"kind": "score", "size": "61M", "layer": 7, "context": 1024, "rows": 64, "tokens_per_second": 6000000}
		{"kind": "score", "size": "61M", "layer": 5, "context": 1024, "rows": 64, "tokens_per_second": 9000000}
		{"kind": "score", "size": "224M", "layer": 13, "context": 1024, "rows": 32, "tokens_per_second": 900000}
		{"kind": "peer", "work": "score", "size": "61M", "layer": 7, "context": 1024, "rows": 32, "mask_share": 0.0, "tokens_per_second": 4800000, "gemm_ceiling": 7e14}
		{"kind": "peer", "work": "score", "size": "61M", "layer": 7, "context": 1024, "rows": 64, "mask_share": 0.0, "tokens_per_second": 4000000, "gemm_ceiling": 7e14}
		{"kind": "peer", "work": "score", "size": "224M", "layer": 14, "context": 1024, "rows": 32, "mask_share": 0.0, "tokens_per_second": 800000, "gemm_ceiling": 7e14}
		{"kind": "train", "size": "61M", "context": 2048, "vocabulary": 100288, "sequences": 128, "micro_sequences": 32, "kept_share": 1, "any_order": 1, "seconds_per_step": 0.2, "tokens_per_second": 950000, "flops": 4.5e14, "gemm_ceiling": 7e14, "idle_share": null}
		{"kind": "attention forward", "name": "B1", "rate": 6e14}
		{"kind": "attention backward, any order", "name": "B1", "rate": 6e14, "seconds": 0.004}
		{"kind": "attention backward", "name": "B1", "rate": 4.8e14, "seconds": 0.005}
		{"kind": "head", "width": 448, "vocabulary": 100288, "rows": 32768, "chunk": 4096, "seconds": 0.010}
		{"kind": "head", "width": 448, "vocabulary": 100288, "rows": 32768, "chunk": 8192, "seconds": 0.008}
		{"kind": "head", "width": 448, "vocabulary": 100288, "rows": 32768, "chunk": 16384, "seconds": 0.009}
		{"kind": "fused", "direction": "forward", "width": 448, "rows": 65536, "way": "two steps", "seconds": 0.0004, "error": null}
		{"kind": "fused", "direction": "forward", "width": 448, "rows": 65536, "way": "engine 2, kernel 6", "seconds": 0.0003, "error": 0.001}
		{"kind": "fused", "direction": "forward", "width": 448, "rows": 65536, "way": "engine 2, kernel 7", "seconds": 0.0001, "error": 0.9}
		{"kind": "own", "product": "squares", "width": 448, "way": "library", "seconds": 0.0004, "error": null}
		{"kind": "own", "product": "squares", "width": 448, "way": "all", "seconds": 0.0001, "error": 0.9}
		{"kind": "own", "product": "squares", "width": 448, "way": "own", "seconds": 0.0003, "error": 0.001}
		{"kind": "peer attention", "name": "B1", "backend": "flash", "forward": 5e14, "backward": 4e14}
		{"kind": "peer attention", "name": "B1", "backend": "cudnn", "forward": 8e14, "backward": 5e14}
		{"kind": "element-wise", "name": "norm", "rate": 3e12}
		{"kind": "element-wise", "name": "norm", "rate": 3.6e12}
		{"kind": "element-wise", "name": "add", "rate": 3.4e12}
		{"kind": "gradients", "size": "61M", "tensor": "norm", "worst": 0.004}
		{"kind": "gradients", "size": "13M", "tensor": "block00.qkv", "worst": 0.02}
		{"kind": "equal", "what": "two runs", "size": "61M", "equal": 1, "steps": 10}
		{"kind": "equal", "what": "resumed at step 3", "size": "61M", "equal": 0, "steps": 10}
		{"kind": "sanitize", "tool": "memcheck", "test": "linear", "errors": 0}
		{"kind": "test", "passed": 7, "failed": 0}
		{"kind": "llmc", "tokens_per_second": 4
	END
	results=$PWD/made run table > said
	cat said
	local text
	while read -r text; do
		grep -qF -- "$text" said || { echo "missing: $text"; return 1; }
	done <<- 'END'
		| training tokens/s over torch.compile, 61M | >= 1.15 | 1.20 (900,000 / 750,000 tokens/s), met |
		| training tokens/s over torch.compile, 13M | >= 1.15 | unmeasured |
		| scoring tokens/s over torch.compile, 61M | >= 1.20 | 1.25 (6,000,000 / 4,800,000 tokens/s), met |
		| scoring tokens/s over torch.compile, 224M | >= 1.20 | unmeasured |
		| share of the GEMM ceiling, 61M | >= 45 % | 50.0 % of 800 TFLOP/s (900,000 tokens/s), met |
		| tokens/s over llm.c, GPT-2 124M, context 1024 | >= 1.20 | unmeasured |
		| needless FLOPs saved as time, 61M, 20 % masked | >= 80 % | 75 % (FLOPs -13.4 %, time -10.0 %), MISSED |
		| needless FLOPs saved as time, 61M, 50 % masked | >= 80 % | unmeasured |
		| attention forward over torch SDPA's best | >= 1.0 | B1: 0.75 (600 / 800 TFLOP/s, cudnn); MISSED |
		| attention backward over torch SDPA's best | >= 1.0 | B1: 0.96 (480 / 500 TFLOP/s, cudnn); MISSED |
		| time of a step, fixed order of sums over fastest mode | <= 1.05 | 61M: 1.500 (300.0 / 200.0 ms in any order); MISSED |
		| attention backward, time in a fixed order over any | to be learnt | B1: 1.25 |
		| rows of logits at a time, fastest | to be learnt | width 448: 8192 rows (4096: 1.250, 8192: 1.000, 16384: 1.125) |
		| product and ReLU squared in one kernel, time over two | to be learnt | forward 448: 0.75 (engine 2, kernel 6) |
		| own products, time over the library's way | to be learnt | squares 448: 0.75 own |
		| element-wise kernels, share of the copy bandwidth | >= 80 % | add 85, norm 90 % of 4.00 TB/s; met |
		| bfloat16 gradients against float32, worst tensor | <= 0.01 | 0.02 (13M, block00.qkv), MISSED |
		| bit-equality of two runs, and of a resumed one | exact | two runs (61M, 10 steps): exact, resumed (61M, 10 steps): NOT EQUAL; MISSED |
		| compute-sanitizer: errors | 0 | 0 (memcheck linear), met |
		| GPU idle inside a step, 61M | <= 2 % | 1.50 %, met |
		| tests of kernels and model over the CUDA table | pass | 7 of 7 programs pass, met |
	END
}
check "made-up lines give the ratios that follow from them, cut-off ones none" made_up

# What is calculated beside it: shares that lie between the limits of their own assumptions, and times kernel by kernel.
reckoned() {
	ln -sf "$emulator/trace" bin/trace
	run profile && grep -q '"kind": "profile", "size": "L2-D32-H2", "what": "cross-entropy\|"what": "head: narrow rows"' results/results.jsonl &&
		grep -q '"kind": "train profiled"' results/results.jsonl || return 1
	printf '{"kind": "profile", "size": "61M", "what": "cross-entropy", "calls": 16, "seconds": 0.03}\n' >> made/results.jsonl
	results=$PWD/made run table > said
	rm bin/trace
	cat said
	grep -q '^| share of the GEMM ceiling, 61M | .* met | [0-9.]* % ([0-9,]* tokens/s) |' said && grep -q '^| needless .* 224M, 50 .* | [0-9]* % |' said &&
		grep -q '^| 61M | cross-entropy | 30.00 | [0-9.]* | [0-9.]* |' said
}
check "calculated figures stand beside the measured ones" reckoned
bounded() {
	python3 -B "$here/gpu/roofline.py" "$emulator/trace" --json calculated.jsonl && python3 - <<- 'END'
		import json
		lines = [json.loads(line) for line in open("calculated.jsonl")]
		assert len(lines) == 14
		for line in lines:
		    assert 0.1 < line["share"] < line["floor_share"] < 1, line
		    assert abs(sum(line["parts"].values()) / line["seconds"] - 1) < 1e-6, line
	END
}
check "no calculated figure is above the ceiling, and the parts make up the whole" bounded
finish
