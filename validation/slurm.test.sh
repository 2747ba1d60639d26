#!/usr/bin/env bash
# A real Slurm of 16 nodes on this machine: `srun -N 16`, the job scripts of slurm/, a stop by signal with requeueing, a chain,
# a launch that does not fit, and a rank that is killed. validation/slurm/study.sh is the longer story. Results are compared bit for bit with those of mpirun.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
for program in munged slurmctld slurmd srun; do
	command -v $program > /dev/null ||
		{ echo "$program is not installed (Debian: munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins)"; exit 77; }
done

prepare_study
write_pretrain pretrain.in 24 < /dev/null
sed 's/^method = .*/method = none, mask/' pretrain.in > sweep.in
need "mpirun -n 4, a sweep of two points" ranks 4 sweep.in run/output=mpirun

# Unix sockets need a short name.
cluster=$(mktemp -d /tmp/slXXXXXX)
cleanups+=("'$here/slurm/cluster.sh' stop '$cluster'")
need "16 nodes start" "$here/slurm/cluster.sh" start "$cluster" 16
eval "$("$here/slurm/cluster.sh" env "$cluster")"
# What the cluster sets for its tasks.
unset OMPI_MCA_btl_vader_backing_directory
export CAPSHAPE=$capshape
ln -s "$here/../slurm" slurm

slurm() { timeout -s INT -k 20 "$limit" srun -Q "$@"; }

# ---- helpers: waiting for states of a job; an empty queue proves nothing, as a job that is requeued leaves it for a moment

job_states() { scontrol -o show job "$1" | grep -o ' JobState=[A-Z_]*' | cut -d = -f 2; }
waits_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.3
	done
}
has_ended() {
	local states
	states=$(job_states "$1")
	[ -n "$states" ] && ! grep -qE 'PENDING|RUNNING|COMPLETING|CONFIGURING|SUSPENDED|REQUEUED' <<< "$states"
}
has_completed() { job_states "$1" | grep -q . && ! job_states "$1" | grep -qv '^COMPLETED$'; }
finishes() {
	waits_until "$limit" has_ended "$1"
	scontrol -o show job "$1"
	has_completed "$1"
}

# ---- the line of the manual

check "srun -N 16 capshape sweep.in" slurm -N 16 "$capshape" sweep.in run/output=srun
check "srun's results equal mpirun's" same_runs mpirun srun

# ---- several ranks a node, dealt out in turn: groups of trainers are whole on a node all the same

several() {
	slurm -N 2 --ntasks-per-node=4 -m cyclic "$capshape" sweep.in run/output=several roles/groups=2 roles/trainers=4 \
		roles/classifiers=2 roles/readers=2 > several.log || return
	cat several.log
	grep -qx 'node01 and 1 more like it: trainers 0,1, classifier 2, reader 3' several.log
}
check "srun -N 2 --ntasks-per-node=4 -m cyclic" several
check "its results equal mpirun's" same_runs mpirun several

# ---- job array

array() {
	local job
	job=$(sbatch --parsable --nodes=2 --time=30 --output=array-%a.log --array=0-1 slurm/sweep.sbatch sweep.in \
		run/output=array) && finishes "$job"
	local code=$?
	cat array-*.log
	return "$code"
}
check "sbatch --array=0-1 slurm/sweep.sbatch" array
check "the array's results equal mpirun's" same_runs mpirun array

# ---- several points a task, sized by the script; the wall limit is asked of Slurm

sized() {
	local job code=0
	POINTS=2 SBATCH_OPTIONS='--nodes=1 --time=30 --output=sized-%a.log' bash slurm/sweep.sbatch sweep.in run/output=sized > sized.out &&
		job=$(grep -o '[0-9]*$' sized.out | tail -n 1) && finishes "$job" || code=1
	cat sized.out sized-*.log
	[ "$code" = 0 ] && grep -q '2 points, 1 tasks' sized.out && grep -q 'time limit in .*:.*: stops with exit code 75' sized-0.log
}
check "slurm/sweep.sbatch with two points a task" sized
check "its results equal mpirun's" same_runs mpirun sized

# ---- a chain: the first job stops after half of the steps, the second finishes, the third is removed

chain() {
	local jobs
	SBATCH_OPTIONS='--nodes=2 --time=30 --output=chain-%j.log' bash slurm/chain.sh 3 pretrain.in run/output=chain \
		run/stop_after_steps=13 > chain.out || return
	mapfile -t jobs < <(sed -n 's/^job //p' chain.out)
	waits_until "$limit" has_ended "${jobs[1]}"
	waits_until 60 has_ended "${jobs[2]}"
	cat chain.out chain-*.log
	scontrol -o show job | cut -c 1-400
	[ "$(job_states "${jobs[0]}") $(job_states "${jobs[1]}") $(job_states "${jobs[2]}")" = 'FAILED COMPLETED CANCELLED' ] &&
		grep -q 'exit code 75' "chain-${jobs[0]}.log"
}
check "slurm/chain.sh: continued by the second job, the third is not needed" chain

# ---- srun and MPI that do not know of each other

mismatch() {
	local code=0
	slurm -N 3 --mpi=none "$capshape" sweep.in run/output=mismatch > mismatch.log 2>&1 || code=$?
	cat mismatch.log
	[ "$code" = 5 ] && [ "$(grep -c 'error: Slurm started 3 tasks' mismatch.log)" = 1 ] && [ ! -e mismatch ]
}
check "srun --mpi=none: one message, exit code 5" mismatch

# ---- stop by signal, requeue, continue: a run that takes some seconds, however fast the machine is

steps=200
long_run() { # OUTPUT: the arguments of the long run
	echo "pretrain.in run/output=$1 run/checkpoint_interval=$((steps / 10)) train/tokens=$((steps * 8 * 64))"
}
reference() {
	local begin=$SECONDS
	until [ $((SECONDS - begin)) -ge 3 ]; do
		steps=$((steps * 2))
		rm -rf long
		begin=$SECONDS
		# shellcheck disable=SC2046 # several arguments
		ranks 4 $(long_run long) || return
	done
}
need "mpirun, a longer run" reference

is_waiting() { squeue -h -j "$1" -o '%T %r' | grep -q '^PENDING BeginTime'; }
has_checkpoint() { find "$1" -name 'step-*' -not -name '*.tmp' 2> /dev/null | grep -q .; }
signalled() {
	local job code=0
	# shellcheck disable=SC2046 # several arguments
	job=$(sbatch --parsable --nodes=4 --time=30 --output=signalled.log slurm/run.sbatch $(long_run signalled)) || return
	waits_until 60 has_checkpoint signalled && scancel --batch --signal=USR1 "$job" && waits_until 60 is_waiting "$job" &&
		scontrol update JobId="$job" StartTime=now+2 && finishes "$job" && grep -q 'exit code 75' signalled.log &&
		grep -q 'start 2' signalled.log || code=1
	cat signalled.log
	return "$code"
}
check "sbatch slurm/run.sbatch: USR1, exit code 75, requeued, finished" signalled
check "the requeued job's results equal mpirun's" same_runs long signalled

# ---- a rank dies: srun by itself would leave the others waiting until the time limit

victim() { # RANK: its process in the step
	local entry
	for entry in /proc/[0-9]*; do
		if grep -zqx "SLURM_PROCID=$1" "$entry/environ" 2> /dev/null &&
			grep -zqxF "SLURM_CONF=$SLURM_CONF" "$entry/environ" && [ "$(readlink "$entry/exe")" = "$(readlink -f "$capshape")" ]; then
			echo "${entry#/proc/}"
			return
		fi
	done
	return 1
}
lost() { # RANK
	local code=0
	rm -rf lost
	slurm -N 4 "$capshape" sweep.in run/output=lost train/tokens=1G 2> lost.err &
	waits_until 60 has_checkpoint lost || return
	kill -KILL "$(victim "$1")" || return
	local killed=$SECONDS
	wait $! || code=$?
	cat lost.err
	echo "exit code $code, $((SECONDS - killed)) s after the kill"
	[[ ! $code =~ ^(0|124)$ ]] && [ $((SECONDS - killed)) -le 30 ] && grep -q "error: rank $1 was lost" lost.err
}
check "a rank that is killed ends the job within 30 s, and is named" lost 2
check "and so does the first, which the second names" lost 0
finish
