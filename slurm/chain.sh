#!/usr/bin/env bash
# A chain of jobs, each of which continues where the one before it stopped, for sites that do not let jobs be requeued. From
# the folder above slurm/:
#
#     bash slurm/chain.sh 5 inputs/sweep.in [section/key=value ...]
#
# submits five times slurm/run.sbatch. A job begins when the one before it has ended unfinished (stopped in time, killed, a
# node lost). When one finishes, Slurm removes the rest; when one fails in a way that the next would repeat, it removes the
# rest itself.
#
# EDIT the resources in slurm/run.sbatch, or give them here: SBATCH_OPTIONS='--time=6:00:00 --account=me', GPUS_PER_NODE=8 and
# CPUS_PER_TASK (slurm/options.sh).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if [ $# -lt 2 ] || [[ ! $1 =~ ^[1-9][0-9]*$ ]]; then
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
	exit 2
fi
jobs=$1
shift

# shellcheck source=slurm/options.sh
. slurm/options.sh

# The jobs find each other by their name.
CAPSHAPE_CHAIN=capshape-chain-$$-$(date +%s)
export CAPSHAPE_CHAIN CAPSHAPE_ON_STOP=exit
before=
for ((job = 1; job <= jobs; job++)); do
	before=$(sbatch --parsable --no-requeue --job-name="$CAPSHAPE_CHAIN" --kill-on-invalid-dep=yes \
		${before:+--dependency=afternotok:$before} "${options[@]}" slurm/run.sbatch "$@")
	echo "job $before"
done
echo "squeue --name=$CAPSHAPE_CHAIN shows the chain, scancel --name=$CAPSHAPE_CHAIN ends it"
