#!/usr/bin/env bash
# A private Slurm of several nodes on this machine: munged, slurmctld and one slurmd a node, all in one folder, talking
# over loopback, using nothing of /etc, gone without a trace after `stop`. For root and for ordinary users.
#
#   cluster.sh start DIR [NODES [CPUS [GPUS]]]   DIR: a new or empty folder with a short name; 16 nodes of 4 CPUs and no GPUs
#                                  where not given. GPUs are those that Slurm counts and hands out; no program can use them
#   cluster.sh env DIR             what a shell evaluates to use the cluster: export SLURM_CONF=...
#   cluster.sh fail DIR NODE       kills the node with all that runs on it, as a power cut does, and tells Slurm
#   cluster.sh stop DIR            ends every job and daemon and removes DIR
#
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

die() { echo "cluster.sh: $*" >&2; exit 1; }

# Slurm puts unix sockets under DIR/spool/NODE; their paths are limited to 108 bytes.
longest_folder=48

node_names() { local node; for ((node = 1; node <= $1; node++)); do printf 'node%02d ' "$node"; done; }

# ---- processes: always by the process id that was recorded, and only when it still is that program

# A daemon that has ended may stay a zombie for a while: kill -0 would call it alive.
is_running() { # PID NAME
	local line
	line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	[[ $line == "$1 ($2"* && $line != *") Z "* ]]
}

end_process() { # PIDFILE NAME
	local pid try
	[ -s "$1" ] || return 0
	read -r pid < "$1"
	for signal in TERM KILL; do
		is_running "$pid" "$2" || return 0
		kill -$signal "$pid" 2>/dev/null || true
		for ((try = 0; try < 30; try++)); do
			is_running "$pid" "$2" || return 0
			sleep 0.1
		done
	done
	die "$2 (process $pid) does not end"
}

# Step daemons and tasks carry the name of our configuration in their environment, and slurmd's node name.
end_steps() { # DIR
	local entry try left
	for ((try = 0; try < 50; try++)); do
		left=0
		for entry in /proc/[0-9]*; do
			grep -zqxF "SLURM_CONF=$1/slurm.conf" "$entry/environ" 2>/dev/null || continue
			grep -zq '^SLURMD_NODENAME=' "$entry/environ" 2>/dev/null || [[ $(cat "$entry/comm" 2>/dev/null) == slurmstepd* ]] ||
				continue
			[ "${entry#/proc/}" != $$ ] || continue
			kill -KILL "${entry#/proc/}" 2>/dev/null && left=1
		done
		[ $left = 1 ] || return 0
		sleep 0.1
	done
}

# ---- configuration

# The first of `count` free ports in a row, below those that the kernel hands out.
free_ports() { # COUNT
	local used port first
	used=" $(awk 'FNR > 1 { split($2, part, ":"); print part[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		while read -r port; do echo $((16#$port)); done | sort -nu | tr '\n' ' ')"
	first=$((12000 + $$ % 150 * 64))
	for ((port = first; port < first + $1; port++)); do
		[[ $used != *" $port "* ]] || first=$((port + 1))
		[ "$port" -lt 32000 ] || return 1
	done
	echo "$first"
}

# Why the lines are as they are, where it is not plain:
#   TmpFS          Slurm's PMIx plugin makes a folder named after job and step in it, for every node: with one folder for
#                  all nodes only the first could.
#   task_prolog    see write_prolog
#   config_overrides, CPUs   nodes have as many CPUs as is said here, whatever the machine has
write_configuration() { # DIR NODES PORT CPUS GPUS
	local user gpus=${5#0} gpu
	user=$(id -un)
	cat > "$1/slurm.conf" <<END
ClusterName=capshape
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$3
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$1/munge/socket
CredType=cred/munge
StateSaveLocation=$1/state
SlurmctldPidFile=$1/run/slurmctld.pid
SlurmctldLogFile=$1/log/slurmctld.log
SlurmdPidFile=$1/run/%n.pid
SlurmdLogFile=$1/log/%n.log
SlurmdSpoolDir=$1/spool/%n
TmpFS=$1/tmp/%n
TaskProlog=$1/task_prolog
MpiDefault=pmix
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobRequeue=1
ReturnToService=2
KillWait=5
SlurmdTimeout=10
MessageTimeout=30
NodeName=node[01-$(printf %02d "$2")] NodeAddr=127.0.0.1 Port=$(($3 + 1))-$(($3 + $2)) CPUs=$4 RealMemory=1024${gpus:+ Gres=gpu:$gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES DefaultTime=10 MaxTime=INFINITE State=UP
END
	# A GPU has to be a device; the digits of its name are its number.
	if [ -n "$gpus" ]; then
		echo "GresTypes=gpu" >> "$1/slurm.conf"
		mkdir -p "$1/devices"
		for ((gpu = 0; gpu < gpus; gpu++)); do
			ln -s /dev/null "$1/devices/gpu$gpu"
			echo "Name=gpu File=$1/devices/gpu$gpu"
		done > "$1/gres.conf"
	fi
	# With Slurm's default, ranks may leave MPI_Init's fence before all have come, and Open MPI's TCP layer crashes.
	echo "PMIxCollFence=ring" > "$1/mpi.conf"
}

# Every task gets what emulated nodes need, where the user has not set it: messages between nodes go over loopback, which
# Open MPI leaves out by itself; waiting ranks let others run; and shared memory has a folder for each node, as Open MPI
# names its segments by host and rank on the node, and all these nodes are one host.
write_prolog() { # DIR
	cat > "$1/task_prolog" <<END
#!/bin/sh
mkdir -p "$1/shared/\$SLURMD_NODENAME"
[ -n "\${OMPI_MCA_btl_tcp_if_include+set}" ] || echo export OMPI_MCA_btl_tcp_if_include=lo
[ -n "\${OMPI_MCA_mpi_yield_when_idle+set}" ] || echo export OMPI_MCA_mpi_yield_when_idle=1
[ -n "\${OMPI_MCA_btl_vader_backing_directory+set}" ] ||
	echo "export OMPI_MCA_btl_vader_backing_directory=$1/shared/\$SLURMD_NODENAME"
END
	chmod 755 "$1/task_prolog"
}

# ---- commands

start() { # DIR NODES CPUS GPUS
	local dir nodes=$2 program port node try
	for program in munged slurmctld slurmd srun sinfo scancel; do
		command -v $program >/dev/null || die "$program was not found (Debian: munge slurmctld slurmd slurm-client)"
	done
	mkdir -p "$1"
	dir=$(cd "$1" && pwd -P)
	[ ${#dir} -le $longest_folder ] || die "$dir: the name is longer than $longest_folder characters"
	[ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
	port=$(free_ports $((nodes + 1))) || die "no $((nodes + 1)) free ports in a row"
	mkdir -p "$dir"/{munge,key,log,run,shared,state,spool,tmp}
	# munged wants a folder that everybody may enter, and a key that nobody else may read.
	chmod 755 "$dir" "$dir"/{munge,log,run,shared,spool,tmp}
	chmod 700 "$dir"/{key,state}
	(umask 077; head -c 1024 /dev/urandom > "$dir/key/munge.key")
	for node in $(node_names "$nodes"); do
		mkdir -p "$dir/spool/$node" "$dir/tmp/$node"
		chmod 1777 "$dir/tmp/$node"
	done
	write_configuration "$dir" "$nodes" "$port" "$3" "$4"
	write_prolog "$dir"

	export SLURM_CONF=$dir/slurm.conf
	munged --socket="$dir/munge/socket" --key-file="$dir/key/munge.key" --seed-file="$dir/key/seed" \
		--pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" >> "$dir/log/start.log" 2>&1 < /dev/null ||
		failed "$dir" "munged did not start"
	slurmctld -i -f "$SLURM_CONF" >> "$dir/log/start.log" 2>&1 < /dev/null || failed "$dir" "slurmctld did not start"
	for node in $(node_names "$nodes"); do
		slurmd -N "$node" -f "$SLURM_CONF" >> "$dir/log/start.log" 2>&1 < /dev/null || failed "$dir" "slurmd of $node did not start"
	done
	for ((try = 0; try < 300; try++)); do
		[ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" -lt "$nodes" ] || return 0
		sleep 0.2
	done
	failed "$dir" "not all $nodes nodes came up in a minute"
}

# Tasks carry the node's name; their step daemons are their parents. Slurm itself would notice after SlurmdTimeout.
fail() { # DIR NODE
	local dir entry pid parent state try victims=()
	dir=$(cd "$1" && pwd -P)
	export SLURM_CONF=$dir/slurm.conf
	for entry in /proc/[0-9]*; do
		grep -zqxF "SLURM_CONF=$SLURM_CONF" "$entry/environ" 2>/dev/null || continue
		grep -zqxF "SLURMD_NODENAME=$2" "$entry/environ" 2>/dev/null || continue
		pid=${entry#/proc/}
		parent=$(awk '/^PPid:/ { print $2 }' "$entry/status" 2>/dev/null) || continue
		victims+=("$pid")
		[[ $(cat "/proc/$parent/comm" 2>/dev/null) != slurmstepd* ]] || victims+=("$parent")
	done
	victims+=("$(cat "$dir/run/$2.pid")")
	kill -KILL "${victims[@]}" 2>/dev/null || true
	for state in DRAIN DOWN; do
		for try in 1 2 3 4 5; do # a busy controller may refuse for a moment
			scontrol update NodeName="$2" State=$state Reason=failed && break
			[ $try -lt 5 ] || die "the controller does not take $2 for failed"
			sleep 1
		done
	done
}

failed() { # DIR MESSAGE
	tail -n 5 "$1"/log/*.log >&2 || true
	stop "$1" || true
	die "$2"
}

stop() { # DIR
	local dir pidfile
	[ -e "$1/slurm.conf" ] || return 0
	dir=$(cd "$1" && pwd -P)
	export SLURM_CONF=$dir/slurm.conf
	if [ -s "$dir/run/slurmctld.pid" ] && is_running "$(cat "$dir/run/slurmctld.pid")" slurmctld; then
		timeout 5 scancel --full --signal=KILL --user="$(id -un)" >/dev/null 2>&1 || true
	fi
	end_process "$dir/run/slurmctld.pid" slurmctld
	for pidfile in "$dir"/run/node*.pid; do
		end_process "$pidfile" slurmd
	done
	end_steps "$dir"
	end_process "$dir/run/munged.pid" munged
	rm -rf "$dir"
}

case ${1:-} in
start) [ $# -ge 2 ] || die "start DIR [NODES [CPUS [GPUS]]]"; start "$2" "${3:-16}" "${4:-4}" "${5:-0}" ;;
env) [ -e "${2:-}/slurm.conf" ] || die "no cluster in ${2:-?}"; printf 'export SLURM_CONF=%q\n' "$(cd "$2" && pwd -P)/slurm.conf" ;;
fail) [ $# = 3 ] || die "fail DIR NODE"; fail "$2" "$3" ;;
stop) [ $# = 2 ] || die "stop DIR"; stop "$2" ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
