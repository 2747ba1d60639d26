# Sourced by the scripts beside it when they submit jobs: what GPUS_PER_NODE=8 means to sbatch, in the array `options`. One rank
# a GPU, and to each rank its share of the cores of such a node. Which rank takes which GPU is capshape's own business
# (docs/slurm.md): all ranks of a node see all of its GPUs, so no --gpu-bind and no --gpus-per-task.
#
# Environment: GPUS_PER_NODE=8, or with a kind, h100:8; CPUS_PER_TASK=14 where Slurm's answer is not to be asked for;
# SBATCH_OPTIONS, further options of sbatch, which count more than these.
# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0

# The partitions that the job may go to: as sbatch hears of them.
asked_partitions() {
	local name=${SBATCH_PARTITION:-} word before=
	for word in ${SBATCH_OPTIONS:-}; do
		case $before in -p | --partition) name=$word ;; esac
		case $word in
		--partition=*) name=${word#*=} ;;
		-p?*) name=${word#-p} ;;
		esac
		before=$word
	done
	echo "$name"
}

# The least share of cores that a GPU has on nodes with GPUS of KIND (any, when empty); nothing where Slurm names no such node.
cpus_of_a_gpu() { # GPUS KIND
	sinfo -h -N -o '%P %c %G' 2> /dev/null | awk -v gpus="$1" -v kind="$2" -v asked="$(asked_partitions)" '
		asked == "" ? $1 !~ /\*$/ : index("," asked ",", "," ($1 ~ /\*$/ ? substr($1, 1, length($1) - 1) : $1) ",") == 0 { next }
		{
			found = 0
			gsub(/\([^)]*\)/, "", $3) # gpu:h100:8(S:0-1)
			for (count = split($3, resources, ","); count > 0; count--) {
				fields = split(resources[count], part, ":")
				if (part[1] == "gpu" && (kind == "" || (fields == 3 && part[2] == kind)))
					found += part[fields]
			}
			share = found >= gpus ? int($2 / found) : 0
			if (share > 0 && (least == 0 || share < least))
				least = share
		}
		END { if (least > 0) print least }'
}

options=()
if [ -n "${GPUS_PER_NODE:-}" ]; then
	if [[ ! $GPUS_PER_NODE =~ ^(([A-Za-z][A-Za-z0-9_.-]*):)?([1-9][0-9]*)$ ]]; then
		echo "GPUS_PER_NODE=$GPUS_PER_NODE: a number such as 8 is expected, or with a kind, h100:8" >&2
		exit 2
	fi
	ranks=${BASH_REMATCH[3]}
	cpus=${CPUS_PER_TASK:-$(cpus_of_a_gpu "$ranks" "${BASH_REMATCH[2]}")}
	options+=(--gpus-per-node="$GPUS_PER_NODE" --ntasks-per-node="$ranks" ${cpus:+--cpus-per-task="$cpus"})
	echo "on each node $ranks GPUs, a rank for each${cpus:+ with $cpus CPUs}"
	[ -n "$cpus" ] || echo "Slurm names no node with so many GPUs: give CPUS_PER_TASK=N, or a rank may get one CPU only" >&2
elif [ -n "${CPUS_PER_TASK:-}" ]; then
	options+=(--cpus-per-task="$CPUS_PER_TASK")
fi
# shellcheck disable=SC2206 # several words
options+=(${SBATCH_OPTIONS:-})
