#!/usr/bin/env bash
# A study on a Slurm of 16 nodes on this machine. Undisturbed: one process makes tokens and classifier, `srun -N 16` a sweep of
# eight points. As jobs: one that makes tokens and classifier anew, a job array that waits for it, in which one task is preempted,
# one loses a node and one comes to its wall limit, and a report that waits for the array. Every point ends once, none twice;
# files, results and report are those of the undisturbed study bit for bit; and so are short runs of 128 ranks, eight a node. Some minutes; not part of `make check`. Run it
# after make: validation/slurm/study.sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
builddir=${builddir:-$(dirname "${BASH_SOURCE[0]}")/../../build}
limit=${limit:-300}
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
need_launcher
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
tokens=${TOKENS:-600k}

prepare_study
write_pretrain sweep.in 24 < /dev/null
sed -i 's/^method = .*/method = none, document, mask, remove/; s/^tokens = .*/tokens = '"$tokens"'/
	s/^checkpoint_interval = .*/checkpoint_interval = 40\nseed = 1, 2/; s/^task = .*/&\nafter = classifier.in/' sweep.in
sed -i 's/^task = .*/&\nafter = tokenize.in/' classifier.in

cluster=$(mktemp -d /tmp/slXXXXXX)
cleanups+=("'$here/slurm/cluster.sh' stop '$cluster'")
need "16 nodes start" "$here/slurm/cluster.sh" start "$cluster" 16 8
eval "$("$here/slurm/cluster.sh" env "$cluster")"
unset OMPI_MCA_btl_vader_backing_directory
export CAPSHAPE=$capshape
ln -s "$here/../slurm" slurm

slurm() { timeout -s INT -k 20 "$limit" srun -Q "$@"; }
job_states() { scontrol -o show job "$1" | grep -o ' JobState=[A-Z_]*' | cut -d = -f 2; }
waits_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.3
	done
}

# Between its end and its requeueing a job shows any state, so only the last one counts.
has_completed() { [ -n "$(job_states "$1")" ] && ! job_states "$1" | grep -qv '^COMPLETED$'; }

# ---- undisturbed

undisturbed() {
	slurm -N 16 "$capshape" sweep.in run/output=srun | tee srun.log
	[ "${PIPESTATUS[0]}" = 0 ] && grep '^roles:' srun.log
}
check "srun -N 16 capshape sweep.in: eight points, live classification" undisturbed
grep -E '^roles:|points finished|^node' srun.log

# ---- disturbed

# A requeued job waits two minutes by itself. One whose time is near is left alone: setting it again would put it off.
hurry() {
	local job
	while sleep 0.5; do
		for job in $(squeue -h -r -t PENDING -o '%i %r %S' |
			awk -v near="$(date -d '+5 seconds' +%FT%T)" '$2 == "BeginTime" && $3 > near { print $1 }'); do
			scontrol update JobId="$job" StartTime=now+2 || true
		done
	done > /dev/null 2>&1
}
hurry &
cleanups+=("kill $!")

has_checkpoint() { find "array/points" -path "*$1*" -name 'step-*' -not -name '*.tmp' 2> /dev/null | grep -q .; }
name_of() { sed -n "s/^$1 //p" names; }
alone --plan sweep.in run/output=srun | awk '$1 ~ /^[0-7]$/ { print $1, $2 }' > names

# Tokens and classifier anew, by a job of four nodes; the array waits for it.
mkdir alone
mv data classifier alone
makes() { sbatch --parsable --nodes=4 --time=30 --output=made.log slurm/run.sbatch classifier.in > made; }
need "slurm/run.sbatch submits the job that makes tokens and classifier" makes

submits() {
	# The margin is for the task at its limit: it stops ten seconds after it began. No two tasks share a node, so that only
	# one loses it.
	SBATCH_OPTIONS="--hold --nodes=2 --exclusive --time=30 --dependency=afterok:$(cat made)" AT_ONCE=4 bash slurm/sweep.sbatch sweep.in run/output=array run/stop_margin=50 |
		tee submitted
	array=$(grep -o '[0-9]*$' submitted)
	scontrol update JobId="${array}_3" TimeLimit=1 && scontrol release "$array"
}
need "slurm/sweep.sbatch submits an array of eight" submits
array=$(grep -o 'job [0-9]*$' submitted | cut -d ' ' -f 2)
# After any end of the array, as its tasks may fail and be requeued: the report says what is missing.
reports() {
	sbatch --parsable --nodes=1 --time=30 --output=report.log --dependency=afterany:"$array" \
		--wrap "'$builddir/capshape-report' array" > reported
}
need "a job for the report, which waits for the array" reports
wait_for_others() { squeue -h -r -o '%i %r' > waiting; [ "$(grep -c ' Dependency$' waiting)" -ge 2 ]; }
waits() {
	waits_until 30 wait_for_others
	cat waiting
	wait_for_others && ! squeue -h -t RUNNING -o %i | grep "^$array"
}
check "array and report wait for the jobs before them" waits
made() {
	local shard
	waits_until "$limit" has_completed "$(cat made)" || { cat made.log; return 1; }
	cat made.log
	for shard in alone/data/*-0*.h5; do
		cmp "$shard" "${shard#alone/}" || return
	done
	[ -s classifier/classifier.h5 ] # what it decides shows in the results
}
check "the job of four nodes makes tokens, those of one process bit for bit, and a classifier" made

# Both while the first tasks run.
disturb() {
	local node
	waits_until 120 has_checkpoint "$(name_of 2)" || return
	node=$(squeue -h -j "${array}_2" -o %N)
	node=$(scontrol show hostnames "$node" | tail -n 1)
	echo "task 2 loses $node"
	"$here/slurm/cluster.sh" fail "$cluster" "$node" || return
	waits_until 120 has_checkpoint "$(name_of 1)" && scancel --batch --signal=USR1 "${array}_1"
}
check "task 2 loses a node, task 1 is preempted" disturb
restarted() { # TASK
	waits_until 180 grep -q 'start 2' "capshape-sweep-$array-$1.log"
	cat "capshape-sweep-$array-$1.log"
	grep -q 'start 2' "capshape-sweep-$array-$1.log"
}
check "task 2 is requeued" restarted 2
preempted() { restarted 1 && grep -q 'exit code 75' "capshape-sweep-$array-1.log"; }
check "task 1: a checkpoint, exit code 75, requeued" preempted
all_end() {
	waits_until "$limit" has_completed "$array" || squeue -h -r -o '%i %T %r, starts %S'
	scontrol -o show job "$array" | grep -oE 'ArrayTaskId=[0-9]+|JobState=[A-Z_]+|Restarts=[0-9]+|RunTime=[0-9:]+' | paste - - - -
	has_completed "$array"
}
check "all tasks end well" all_end
scontrol -o show job "$array" | grep -oE 'ArrayTaskId=[0-9]+|JobState=[A-Z_]+|Restarts=[0-9]+|RunTime=[0-9:]+' | paste - - - -
at_limit() {
	cat "capshape-sweep-$array-3.log"
	grep -q "before the job's time is over" "capshape-sweep-$array-3.log" && grep -q 'start 2' "capshape-sweep-$array-3.log"
}
check "task 3: stops by itself before its wall limit, 75, requeued" at_limit
once() { # the last step of every point: in one log, once
	local count
	count=$(cat "capshape-sweep-$array"-*.log | grep -oE 'step ([0-9]+)/\1 ' | wc -l)
	cat "capshape-sweep-$array"-*.log | grep -E 'step ([0-9]+)/\1 '
	echo "$count last steps"
	[ "$count" = 8 ] && [ "$(find array -name lock | wc -l)" = 0 ]
}
check "every point ends once, none twice" once
check "the merged results equal the undisturbed run bit for bit" same_runs srun array

reported() {
	waits_until 60 has_completed "$(cat reported)"
	cat report.log
	has_completed "$(cat reported)" && "$builddir/capshape-report" srun > /dev/null && cmp array/report/table.csv srun/report/table.csv &&
		[ "$(grep -c . array/report/table.csv)" -gt 8 ]
}
check "the report is made when the array has ended, and is that of the undisturbed run" reported

# ---- many ranks. Open MPI starts them in loops that sleep 0.1 ms at a time: on two cores Slurm's daemons have to come first, and it takes
# half a minute where nothing else runs, minutes where something does.

many() {
	local code=0
	alone sweep.in run/output=few train/tokens=12k || return
	limit=900 slurm -N 16 --ntasks-per-node=8 --time=30 nice -n 19 "$capshape" sweep.in run/output=many train/tokens=12k > many.log || code=$?
	cat many.log
	[ "$code" = 0 ] && grep -q ', 128 ranks: ' many.log && [ "$(grep -c '^node' many.log)" -le 8 ]
}
check "srun -N 16 --ntasks-per-node=8: 128 ranks, the log has few lines on nodes" many
check "their results equal those of one process" same_runs few many
grep -E '^roles:|^node|peak memory' many.log
finish
