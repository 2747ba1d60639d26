#!/usr/bin/env bash
# Builds the programs of validation/gpu/run.sh where they are to run, from the sources alone, with gcc and nvcc and nothing
# of what configure asks for (MPI, HDF5, autotools). The tests are built where cmocka's header and library are.
#   build.sh [FOLDER]          default: ./gpu-build; then: bin=FOLDER/bin validation/gpu/run.sh
# Environment: CC, NVCC, arch (90a), jobs, cudnn (a folder with include/cudnn.h; default: the toolkit's, else that of a Python's
# packages; without one attention is computed by own kernels alone).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${1:-gpu-build}
mkdir -p "$folder/bin" && folder=$(cd "$folder" && pwd)
compiler=${CC:-gcc}
nvcc=${NVCC:-$(PATH=$PATH:/usr/local/cuda/bin command -v nvcc)} || { echo "build.sh: there is no nvcc here" >&2; exit 1; }
cuda=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
arch=${arch:-90a}
jobs=${jobs:-$(nproc)}
flags=(-std=gnu17 -O2 -g -DHAVE_CUDA=1 -I"$folder" -I"$source" -I"$source/src" -I"$cuda/include")
cd "$source"
for library in "$cuda"/{lib64,lib,targets/x86_64-linux/lib}; do
	[ ! -e "$library/libcudart_static.a" ] || break
done
find_cudnn() {
	local try
	for try in "${cudnn:-/none}" "$cuda" $(python3 -c 'import nvidia.cudnn; print(*nvidia.cudnn.__path__)' 2> /dev/null); do
		[ ! -e "$try/include/cudnn.h" ] || { echo "$try/include"; return; }
	done
}
cudnn_headers=$(find_cudnn)

echo "#define CAPSHAPE_CUDA_LIBRARY_FOLDER \"$library\" /* by validation/gpu/build.sh */" > "$folder/config.h"
# The kernels, the model and the base, without what the programs do not use.
sources=(kernels/reference/*.c src/model/*.c src/classifier/{features,rows,scoring}.c validation/bench/bench_{table,tools}.c
	validation/gpu/absent.c)
unused=' src/base/content_hash.c kernels/cuda/peers_nccl.c '
if [ -n "$cudnn_headers" ]; then
	flags+=(-I"$cudnn_headers")
	sources+=(validation/bench/fused_{graph,products}.c)
	unused+='kernels/cuda/attention_absent.c '
else
	echo "build.sh: without cudnn.h, own attention alone"
	sources+=(validation/bench/fused_products_absent.c)
	unused+='kernels/cuda/attention_cudnn.c kernels/cuda/attention_graph.c kernels/cuda/cudnn_graph.c kernels/cuda/cudnn_plan.c '
fi
for file in src/base/*.c kernels/cuda/*.c; do
	[[ $unused = *" $file "* ]] || sources+=("$file")
done
object() { echo "$folder/$(tr / . <<< "${1%.*}").o"; }
{
	for file in "${sources[@]}" validation/bench/{kernel_times,kernel_trace,kernels_bench,own_products,questions_bench,score_bench,train_bench}.c validation/gpu/{check,probe,trace}.c; do
		echo "$compiler ${flags[*]@Q} -c $file -o $(object "$file")"
	done
	for file in kernels/cuda/*.cu; do
		echo "$nvcc -std=c++17 -O3 -lineinfo -Xptxas=-warn-spills -gencode=arch=compute_$arch,code=sm_$arch ${flags[*]:4} -c $file -o $(object "$file")"
	done
} | tr '\n' '\0' | xargs -0 -P "$jobs" -I {} bash -c '{} || { echo "failed: {}" >&2; exit 255; }'

shared=()
for file in "${sources[@]}" kernels/cuda/*.cu; do shared+=("$(object "$file")"); done
link() { # PROGRAM OBJECT... FLAG...
	local program=$1
	shift
	"$compiler" -o "$folder/bin/$program" "$@" "${shared[@]}" -L"$library" -lcudart_static -lstdc++ -lrt -lpthread -ldl -lm
}
bench() { echo "$folder/validation.bench.$1.o"; }
link train_bench "$(bench train_bench)" "$(bench kernel_times)"
link kernels_bench "$(bench kernels_bench)"
link questions_bench "$(bench questions_bench)" "$(bench own_products)"
link score_bench "$(bench score_bench)"
link check "$folder/validation.gpu.check.o"
link probe "$folder/validation.gpu.probe.o"
link trace "$folder/validation.gpu.trace.o" "$(bench kernel_trace)"
if echo 'int main(void) { return 0; }' | "$compiler" -x c - -o "$folder/try" -lcmocka 2> /dev/null; then
	for test in kernels_attention kernels_elementwise kernels_ends model_decode model_gradient kernels_linear kernels_loss kernels_narrow_head model_pass model_precision model_probes kernels_repeat; do
		"$compiler" "${flags[@]}" -DCAPSHAPE_TEST_CUDA -c "validation/unit/${test}_test.c" -o "$folder/$test.o"
		link "${test#*_}_test" "$folder/$test.o" -lcmocka
	done
else
	echo "build.sh: without cmocka there are no tests"
fi
cp validation/gpu/{run.sh,table.py,roofline.py} validation/bench/torch_peer.py "$folder"
echo "built: $folder/run.sh"
