#!/usr/bin/env bash
# What the job scripts of slurm/ ask Slurm for when they are to use GPUs, and what ranks get: on a real Slurm of two nodes on this
# machine, whose 16 CPUs and 8 GPUs a node it only counts. A script that notes what it was given stands for the program.
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

# Unix sockets need a short name.
cluster=$(mktemp -d /tmp/slXXXXXX)
cleanups+=("'$here/slurm/cluster.sh' stop '$cluster'")
need "2 nodes of 16 CPUs and 8 GPUs start" "$here/slurm/cluster.sh" start "$cluster" 2 16 8
eval "$("$here/slurm/cluster.sh" env "$cluster")"
unset OMPI_MCA_btl_vader_backing_directory GPUS_PER_NODE CPUS_PER_TASK
ln -s "$here/../slurm" slurm
write_pretrain processors.in 2 < /dev/null
sed '/^device/d; s/^method = .*/method = none, mask/' processors.in > sweep.in

# A line a rank: its node, the GPUs that it sees, its CPUs, and its arguments.
cat > note.sh <<-END
	#!/usr/bin/env bash
	case "\$*" in *--points* | *--print*) exec "$capshape" "\$@" ;; esac
	echo "\$SLURMD_NODENAME \${CUDA_VISIBLE_DEVICES:-none} \${SLURM_CPUS_PER_TASK:-none} \$*" > "$work/noted.\$SLURM_JOB_ID.\$SLURM_PROCID"
END
chmod +x note.sh
export CAPSHAPE=$work/note.sh

has_ended() {
	local states
	states=$(scontrol -o show job "$1" | grep -o ' JobState=[A-Z_]*')
	[ -n "$states" ] && ! grep -qE 'PENDING|RUNNING|COMPLETING|CONFIGURING|SUSPENDED|REQUEUED' <<< "$states"
}
ends() { # JOB
	local end=$((SECONDS + limit))
	until has_ended "$1"; do
		[ "$SECONDS" -lt "$end" ] || { scontrol -o show job "$1"; return 1; }
		sleep 0.3
	done
}
job_of() { grep -oE '(Submitted batch job|^job) [0-9]+' submitted | grep -oE '[0-9]+' | head -n 1; }
notes() { # RANKS LINE: of all ranks of all jobs, each of these lines as often
	local count=$1
	shift
	sort noted.* | uniq -c | sed 's/^ *//' | tee noted
	rm -f noted.*
	printf "$count %s\n" "$@" | diff - noted
}
submitted() { # RANKS LINE...; the command before: > submitted
	local count=$1 job
	shift
	cat submitted
	job=$(job_of) && ends "$job" && { cat slurm-*.log 2> /dev/null; notes "$count" "$@"; }
}
export SBATCH_OPTIONS='--nodes=2 --time=5 --output=slurm-%j.log'
all=0,1,2,3,4,5,6,7

one_job() { GPUS_PER_NODE=8 bash slurm/run.sbatch sweep.in > submitted && submitted 8 "node01 $all 2 sweep.in run/device=cuda" "node02 $all 2 sweep.in run/device=cuda"; }
check "GPUS_PER_NODE=8 slurm/run.sbatch: a rank a GPU, each sees all of its node, has its share of the CPUs, and is to use them" one_job
a_chain() { GPUS_PER_NODE=2 bash slurm/chain.sh 1 sweep.in > submitted && submitted 2 "node01 0,1 2 sweep.in run/device=cuda" "node02 0,1 2 sweep.in run/device=cuda"; }
check "GPUS_PER_NODE=2 slurm/chain.sh" a_chain
an_array() {
	SBATCH_OPTIONS="$SBATCH_OPTIONS --nodes=1" GPUS_PER_NODE=4 bash slurm/sweep.sbatch sweep.in > submitted && cat submitted &&
		ends "$(job_of)" && sed 's/^node.. [0-7,]* //' -i noted.* && notes 4 "2 sweep.in --point 0-0 run/device=cuda" "2 sweep.in --point 1-1 run/device=cuda"
}
check "GPUS_PER_NODE=4 slurm/sweep.sbatch: the tasks of an array" an_array
few_cpus() {
	GPUS_PER_NODE=8 CPUS_PER_TASK=1 bash slurm/run.sbatch sweep.in run/device=auto run/output=x > submitted &&
		submitted 8 "node01 $all 1 sweep.in run/device=auto run/output=x run/device=cuda" "node02 $all 1 sweep.in run/device=auto run/output=x run/device=cuda"
}
check "CPUS_PER_TASK=1 counts more than Slurm's answer" few_cpus
kind() { # none of such a kind is here
	local code=0
	GPUS_PER_NODE=h100:8 bash slurm/run.sbatch sweep.in > submitted 2>&1 || code=$?
	cat submitted
	[ "$code" != 0 ] && grep -qx 'Slurm names no node with so many GPUs: give CPUS_PER_TASK=N, or a rank may get one CPU only' submitted &&
		grep -q 'on each node 8 GPUs, a rank for each$' submitted && [ -z "$(squeue -h)" ]
}
check "GPUs of a kind that Slurm does not know" kind
by_hand() {
	sbatch --nodes=1 --gpus-per-node=1 --time=5 slurm/run.sbatch sweep.in > submitted && submitted 1 "node01 0 none sweep.in run/device=cuda"
}
check "sbatch --gpus-per-node=1 slurm/run.sbatch" by_hand
on_processors() { GPUS_PER_NODE=1 bash slurm/run.sbatch processors.in > submitted && submitted 1 "node01 0 2 processors.in" "node02 0 2 processors.in"; }
check "run/device = cpu of the input file remains so" on_processors
without() { bash slurm/run.sbatch sweep.in > submitted && submitted 1 "node01 none none sweep.in" "node02 none none sweep.in"; }
check "nothing is said of GPUs where none are asked for" without
refused() { # VALUE
	local code=0
	GPUS_PER_NODE=$1 bash slurm/run.sbatch sweep.in > submitted 2>&1 || code=$?
	cat submitted
	[ "$code" = 2 ] && grep -q "^GPUS_PER_NODE=$1: a number such as 8 is expected" submitted && [ -z "$(squeue -h)" ]
}
check "GPUS_PER_NODE=eight is refused" refused eight
check "GPUS_PER_NODE=0 is refused" refused 0

# ---- the program itself: it says what ranks see

prepare_study
seats() {
	CAPSHAPE=$capshape GPUS_PER_NODE=8 SBATCH_OPTIONS='--nodes=1 --time=5 --output=seats.log' bash slurm/run.sbatch processors.in run/output=seats > submitted &&
		ends "$(job_of)" || return
	cat seats.log
	grep -qE '^node01: 8 ranks, cores [0-9,-]+ for each, GPUs 0,1,2,3,4,5,6,7 for each$' seats.log && alone processors.in run/output=one && same_runs seats one
}
check "eight ranks and eight GPUs are a line of the log" seats
finish
