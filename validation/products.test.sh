#!/usr/bin/env bash
# Own products on warp-group instructions (CAPSHAPE_PRODUCT=own, all): the tests of kernels and of a bfloat16 model over the emulated table
# once more with them; and, where a toolkit has built them for compute capability 9.0, what the compiler made of them: the
# instructions are there, no registers are in memory, registers and shared memory are what a multiprocessor has.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
emulator=$builddir/validation/emulator
[ -x "$emulator/linear_test" ] || { echo "there is no C++ compiler here for the CUDA emulator"; exit 77; }

emulated() { # PRODUCT TEST
	CAPSHAPE_PRODUCT=$1 timeout -k 5 "$limit" "$emulator/$2_test"
}
check "products of linear layers, all by own ones" emulated all linear
check "rotation, norms and the stream in the ends of own products" emulated own ends
check "heads, wide ones by own products" emulated own narrow_head
check "a bfloat16 model, own products where they save a pass" emulated own precision
check "a bfloat16 model, own products for all" emulated all precision
check "features of a bfloat16 model, whose norms own products do" emulated own probes
check "a word that is none is a mistake" eval '! emulated mine linear > said 2>&1 && cat said'

# ---- machine code

sources=(warp_group_linear warp_group_head warp_group_rope)
tools=$PATH:/usr/local/cuda/bin
# 168 registers for each of 384 threads are all of a multiprocessor, which the warp groups then share out anew: with fewer, a group
# would wait for ever.
made() {
	local source
	for source in "${sources[@]}"; do
		PATH=$tools nvcc -std=c++17 -O3 -Xptxas=-v -arch=sm_90a -I"$builddir" -I"$here/.." -I"$here/../src" -cubin -o "$source.cubin" \
			"$here/../kernels/cuda/$source.cu" > "$source.said" 2>&1 || { cat "$source.said"; return 1; }
	done
	grep -h 'entry function\|spill\|Used' ./*.said
	[ "$(cat ./*.said | grep -c 'entry function.*warp_group_product')" -ge 30 ] || return 1
	! grep -h 'stack frame' ./*.said | grep -v ' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' || return 1
	! grep -hi 'serializ' ./*.said || return 1
	! grep -h 'C75[0-9][0-9]' ./*.said || return 1
	! awk '/entry function/ { product = /warp_group_product/ } product && /Used/ && !/Used 168 registers/' ./*.said | grep .
}
instructions() {
	local word source
	for source in "${sources[@]}"; do PATH=$tools cuobjdump -sass "$source.cubin" || return 1; done > code
	for word in HGMMA.64x256x16 HGMMA.64x224x16 HGMMA.64x128x16 UTMALDG.2D UTMALDG.3D UTMASTG.3D SYNCS.PHASECHK USETMAXREG; do
		printf '%s: %s\n' "$word" "$(grep -c "$word" code)"
		grep -q "$word" code || return 1
	done
	! grep -E 'LDL|STL' code
}
if ! PATH=$tools command -v nvcc > /dev/null; then
	echo "there is no nvcc here: the machine code of own products is not looked at"
else
	check "own products keep all in registers, and the compiler waits nowhere between them" made
	if PATH=$tools command -v cuobjdump > /dev/null; then
		check "own products are made of warp-group instructions" instructions
	else
		echo "there is no cuobjdump here: the instructions of own products are not looked at"
	fi
fi

finish
