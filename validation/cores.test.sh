#!/usr/bin/env bash
# Ranks that are bound to cores of their own use all of these; ranks that share cores divide them. With affinities as launchers on
# large nodes make them (validation/unit/affinity_stand_in.c), and with those that a launcher makes here.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
unset OMP_NUM_THREADS
need_launcher
prepare_study
write_pretrain pretrain.in 1 < /dev/null
sed -i '/^threads/d' pretrain.in classifier.in

stand_in=$builddir/validation/unit/libaffinity.so
# The threads of the first of two ranks whose cores are those.
threads() { # CORES EXPECTED
	runs=$((${runs:-0} + 1))
	CAPSHAPE_TEST_CORES=$1 LD_PRELOAD=$stand_in ranks 2 pretrain.in filter/method=none filter/classifier= evaluate/documents=1 \
		run/output="threads-$runs" > threads.log 2>&1 || { cat threads.log; return 1; }
	grep -E '^device:|ranks, cores' threads.log
	grep -qE "^device: .* $2 threads?\$" threads.log
}
env_threads() { # OMP_NUM_THREADS CORES EXPECTED
	local -x OMP_NUM_THREADS=$1
	threads "$2" "$3"
}
# An instrumented program must load its runtime first.
if [ -e "$stand_in" ] && LD_PRELOAD=$stand_in alone --version > /dev/null 2>&1; then
	check "two ranks, three cores each: three threads" threads '0-2 3-5' 3
	check "the same six cores for both: three threads" threads '0-5 0-5' 3
	check "nine cores, of which three are another rank's as well: seven" threads '0-8 3-5' 7
	check "one core for both: one thread" threads '3 3' 1
	check "OMP_NUM_THREADS is an upper limit" env_threads 2 '0-2 3-5' 2
	check "... and no lower one, as a list neither" env_threads 8,4 '0-2 3-5' 3
else
	echo "left out: affinities of large nodes, as $stand_in is not there or cannot be loaded first"
fi

# OpenMP, asked to, binds the thread that starts to a part of the cores.
binds() {
	local count
	count=$(env -u OMP_NUM_THREADS nproc)
	OMP_PROC_BIND=true OMP_PLACES=cores alone pretrain.in filter/method=none filter/classifier= evaluate/documents=1 \
		run/output=binds > binds.log 2>&1 || { cat binds.log; return 1; }
	grep -E '^device:|rank, cores' binds.log
	grep -qE "^device: .* $count threads?\$" binds.log
}
! grep -q '^OPENMP_CFLAGS = .' "$builddir/Makefile" || check "OMP_PROC_BIND takes no cores away" binds

# Ranks that train a classifier.
trainers() { # EXPECTED OUTPUT LAUNCHER...
	local expected=$1 output=$2
	shift 2
	MPIEXEC=$* ranks 2 classifier.in run/output="$output" > trainers.log 2>&1 || { cat trainers.log; return 1; }
	grep -E 'ranks, cores|^ *trainer' trainers.log
	grep -qE "^ *trainer +x$expected " trainers.log
}
# Options of Open MPI, on a machine with two cores for this test.
if mpirun --version 2> /dev/null | grep -q 'Open MPI' && [ "${MPIEXEC:-mpirun}" = mpirun ] && [ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] &&
	command -v taskset > /dev/null; then
	check "two ranks with a core each train a classifier together" trainers 2 bound mpirun --bind-to core
	check "... and so do two without a binding" trainers 2 free mpirun --bind-to none
	first=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	check "... but one of them alone where both have the same core" trainers 1 crowded taskset -c "$first" mpirun --bind-to none
	check "they train the same" same_runs bound/left free/left
	check "... whoever trains" same_runs bound/left crowded/left
fi
finish
