#!/usr/bin/env bash
# Which device a run computes on where there is no GPU: run/device = cuda says so, auto takes the CPU, and the program starts
# without any library of CUDA.
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

write_corpus corpus.jsonl 60
write_tokenize tokenize.in
need "tokenize" alone tokenize.in
write_pretrain pretrain.in 2 < /dev/null
plain=(pretrain.in filter/method=none filter/classifier=)

refused() {
	local code=0 text='there is no CUDA device that can be used here'
	[ $cuda = yes ] || text='this build has no CUDA kernels'
	alone "${plain[@]}" run/device=cuda run/output=refused > refused.log 2>&1 || code=$?
	cat refused.log
	[ "$code" = 5 ] && [ "$(grep -c 'error:' refused.log)" = 1 ] && grep -q "$text.*run/device = " refused.log
}
check "run/device = cuda without a GPU ends with 5 and one line that says what to do" refused

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

plans() {
	alone --plan --ranks 4 "${plain[@]}" run/device=cuda | tee plan.log
	grep -q 'ASSUMED' plan.log
}
check "a plan for run/device = cuda is made without a GPU" plans

finish
