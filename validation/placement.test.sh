#!/usr/bin/env bash
# Ranks on several nodes: groups of trainers whole on a node, those who feed them beside them, whether ranks are dealt out to the nodes
# in blocks or in turn; and results that depend on none of it. Nodes are names that the ranks are given, as Slurm does.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher

prepare_study
write_pretrain pretrain.in 6 < /dev/null
sed 's/^method = .*/method = none, mask, remove, document/' pretrain.in > sweep.in

# What a rank is told by Slurm: the node that it is on, one of $NODES.
cat > rank.sh <<-'END'
	#!/usr/bin/env bash
	nodes=($NODES)
	export SLURMD_NODENAME=${nodes[${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${PMIX_RANK:-0}}}]}
	exec "$PROGRAM" "$@"
END
chmod +x rank.sh
export NODES PROGRAM=$capshape
on_nodes() { # "NODE ..." ARGUMENT...: a rank on each of these nodes, in this order
	local capshape=./rank.sh nodes
	NODES=$1
	read -ra nodes <<< "$1"
	ranks ${#nodes[@]} "${@:2}"
}

need "one process, one point after the other" alone sweep.in run/output=one

placed() { # NAME "NODE ..." LINE KEY=VALUE...
	local name=$1 nodes=$2 line=$3
	shift 3
	logged() {
		on_nodes "$nodes" sweep.in run/output="$name" "$@" > "$name.log" 2> "$name.err" || { cat "$name.err"; return 1; }
		cat "$name.log"
		grep -qxF "$line" "$name.log"
	}
	check "$name: $nodes" logged "$@"
	check "$name equals one process" same_runs one "$name"
}
roles=(roles/groups=2 roles/trainers=4 roles/classifiers=2 roles/readers=2)
placed blocks "a a a a b b b b" "a and 1 more like it: trainers 0,1, classifier 2, reader 3" "${roles[@]}"
placed turns "a b a b a b a b" "a and 1 more like it: trainers 0,1, classifier 2, reader 3" "${roles[@]}"
placed uneven "a b b b b b b a" "b: trainers 0,1, classifiers 2,3, readers 4,5" "${roles[@]}"
placed single "a b c d e f g h" "a and 3 more like it: trainer 0" "${roles[@]}"
placed over "a b a b a b" "a and 1 more like it: trainers 0,1, reader 2" roles/trainers=4 roles/groups=1 roles/classifiers=0 \
	roles/readers=2
placed chosen "a b a b a b" "a: trainers 0,1, classifier 2"

# Splits are entered and left again, each with seats of its own.
tuned() {
	on_nodes "a b a b" sweep.in --tune-roles run/output=tuned > tuned.log && cat tuned.log && grep -q '^tried ' tuned.log
}
check "--tune-roles on two nodes in turn" tuned
check "its run equals one process" same_runs one tuned

# Order, blocks and windows of every trainer are checked by the program itself.
stream() {
	on_nodes "a b a b a b a b" pretrain.in run/device=null run/output=stream roles/trainers=4 roles/groups=1 roles/classifiers=2 \
		roles/readers=2 > stream.log
	cat stream.log
	[ -e stream/stream ]
}
check "run/device = null on two nodes in turn" stream

# A failure that one rank finds is agreed on by all and ends with its exit code.
fails() {
	local code=0
	on_nodes "a b a b a b a b" sweep.in run/output=fails train/learning_rate=1e30 train/clip_norm=0 "${roles[@]}" 2> fails.err || code=$?
	cat fails.err
	echo "exit code $code"
	[ $code = 7 ] && [ "$(grep -c 'error:' fails.err)" = 1 ]
}
check "a point that diverges ends the job in order" fails

# A rank that falls silent is named by the number that the launcher gave it, not by its seat: 1 classifies on seat 2, 2 trains on seat 1.
silent() { # RANK LINE: which some rank says of it
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	NODES="a b a b" timeout -k 5 60 ${MPIEXEC:-mpirun} -n 4 ./rank.sh pretrain.in run/output=silent run/timeout=2 train/tokens=1G \
		run/log_interval=0 run/checkpoint_interval=1000000 roles/trainers=2 roles/groups=1 roles/classifiers=1 \
		roles/readers=1 > silent.log 2> silent.err &
	silence_rank $! "$1" silent.log 'step 5/' || return
	cat silent.err
	echo "exit code $silenced"
	rm -rf silent
	# The launcher may wake the silent one before it ends it, which then says what it sees.
	[ "$silenced" = 6 ] && grep -q "$2" silent.err && ! grep 'error:' silent.err | grep -v "capshape: rank $1 (" | grep -v "$2"
}
check "a silent classifier is named by its rank" silent 1 'from classifier rank 1\|rank 1 gives no sign of life'
check "a silent trainer is named by its rank" silent 2 'rank 2 gives no sign of life\|from trainer rank 2'
finish
