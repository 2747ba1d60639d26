#!/usr/bin/env bash
# What a system sets limits to, where there are many ranks or many journals of scores: open files, connections that nobody has taken
# yet. Here the limits are made small instead.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prepare_study
write_pretrain pretrain.in 4 < /dev/null
need "undisturbed" alone pretrain.in run/output=whole

# ---- open files

soft_limit() { (ulimit -Sn 24 && alone pretrain.in run/output=soft) && same_runs whole soft; }
check "the soft limit on open files is raised" soft_limit

# A run with the scores of many ranks: each once more, in journals of their own.
many_journals() { # NAME: of the output
	local folder number
	mkdir -p "$1" && cp -r whole/scores "$1" || return
	folder=$(echo "$1"/scores/*)
	for number in $(seq 1 150); do
		cp "$folder/scores-00000.journal" "$folder/scores-$(printf %05d "$number").journal" || return
	done
	rm -f "$folder/claims" "$folder/scores-00000.journal" "$folder/scores.h5"
}
few_handles() {
	many_journals many || return
	(ulimit -n 60 && alone pretrain.in run/output=many) > many.log 2>&1 || { cat many.log; return 1; }
	cat many.log
	grep -q 'scored [1-9]' many.log && { echo "scored again"; return 1; }
	same_runs whole many && [ "$(find many/scores -name 'scores-*.journal' | wc -l)" = 151 ] && [ -s "$(echo many/scores/*/scores.h5)" ]
}
check "150 journals of scores with 60 open files: nothing is scored again" few_handles

launcher=${MPIEXEC-mpirun}
if [ -z "$launcher" ] || ! command -v "${launcher%% *}" > /dev/null; then
	echo "not run: there is no MPI launcher here"
	finish
fi

cat > limited.sh <<-'END'
	#!/usr/bin/env bash
	# Limits of rank 0: OPTIONS of ulimit, then the command.
	[ "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}" != 0 ] || ulimit $LIMIT || exit 99
	exec "$@"
END
chmod +x limited.sh
limited() { # NAME RANKS LIMIT
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	LIMIT=$3 timeout -k 5 "$limit" ${MPIEXEC:-mpirun} -n "$2" ./limited.sh "$capshape" pretrain.in run/output="$1"
}
soft_ranks() { limited soft-ranks 12 '-Sn 24' && same_runs whole soft-ranks; }
check "12 ranks, of which the first may open 24 files (soft limit)" soft_ranks
hard_ranks() {
	local code=0
	limited hard-ranks 12 '-n 64' > hard.log 2>&1 || code=$?
	cat hard.log
	[ "$code" = 5 ] && grep -q 'may have 64 files and connections open and needs .* 11 to the other ranks, 64 for' hard.log &&
		[ "$(grep -c 'error:' hard.log)" = 1 ] && [ ! -e hard-ranks/points ]
}
check "and 64 (hard limit): refused with the numbers, exit code 5" hard_ranks

# ---- connections that nobody has taken yet

preload=$builddir/validation/short_queue.so
crowd() {
	LD_PRELOAD=$preload SHORT_QUEUE_LOG=$work/short.log ranks 12 pretrain.in run/output=crowd > crowd.log 2>&1 ||
		{ cat crowd.log; return 1; }
	cat crowd.log
	[ -s short.log ] && ! grep -q 'cannot reach rank 0' crowd.log && same_runs whole crowd
}
if [ ! -e "$preload" ]; then
	echo "not run: $preload is not built"
elif ldd "$capshape" | grep -q 'lib[a-z]*san'; then
	echo "not run: sanitizers want to be loaded first"
else
	check "12 ranks connect where the system keeps one connection" crowd
fi
finish
