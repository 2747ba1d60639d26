#!/usr/bin/env bash
# Puts what validation/gpu/run.sh needs into one folder, BUILD/gpu-bundle, that is copied to the machine with the GPU as it is.
# `make gpu-bundle` builds the programs and calls it:
#   pack.sh BUILD PROGRAM...
# Programs go to bin/, libraries of theirs that a bare system lacks to lib/, where their run path ($ORIGIN/../lib) finds them.
# Fails when a program needs MPI, HDF5 or a library of the CPU kernels, or a C library newer than glibc 2.36, or when the
# folder is larger than 60 MiB.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$1"
shift
folder=gpu-bundle
fail() {
	echo "pack.sh: $*" >&2
	exit 1
}

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib"
for program; do
	target=$folder/bin/${program##*/}
	cp "$program" "$target"
	strip "$target"
	while read -r name _ file _; do
		case $name in
		linux-vdso* | */ld-linux* | libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.*) ;;
		libmpi* | libhdf5* | libdnnl* | *blas* | libopen-* | libcuda.so*) fail "$program needs $name" ;;
		*)
			[ -e "$file" ] || fail "$program needs $name, which is not here"
			cp -L "$file" "$folder/lib/$name"
			;;
		esac
	done < <(ldd "$program")
	newest=$(objdump -T "$program" "$folder"/lib/* 2> /dev/null | grep -oE 'GLIBC_2\.[0-9]+' | sort -uV | tail -n 1)
	[ "$(printf '%s\nGLIBC_2.36\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.36 ] || fail "$program needs $newest"
done
cp "$here/run.sh" "$here/table.py" "$here/roofline.py" "$here/../bench/torch_peer.py" "$folder"
chmod +x "$folder/run.sh"
size=$(du -sm "$folder" | cut -f 1)
[ "$size" -le 60 ] || fail "$folder has $size MiB: more than 60"
echo "$folder: $(find "$folder/bin" -type f | wc -l) programs, $size MiB; there: $folder/run.sh"
