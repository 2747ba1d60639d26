#!/usr/bin/env bash
# A node that vanishes, with its connections left open: two network namespaces that a cable joins stand for two nodes, and the
# cable is cut. Those on either side end, and name whom they lost. Without what is tested a quarter of an hour may pass first.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
skip() { echo "$1"; exit 77; }
[[ "$(${MPIEXEC:-mpirun} --version 2> /dev/null)" == *"Open MPI"* ]] || skip "the launcher is not that of Open MPI"
for program in ip unshare setsid; do
	command -v $program > /dev/null || skip "$program is not installed (Debian: iproute2 util-linux)"
done

# Names that no other test has at the same time; of an interface they have 15 characters at most.
first=csa$$ second=csb$$
cleanups+=("ip netns del $first 2> /dev/null; ip netns del $second 2> /dev/null")
lay_cable() {
	ip netns add $first && ip netns add $second &&
		ip link add $first netns $first type veth peer name $second netns $second &&
		ip -n $first addr add 10.213.77.1/24 dev $first && ip -n $second addr add 10.213.77.2/24 dev $second &&
		ip -n $first link set $first up && ip -n $second link set $second up &&
		ip -n $first link set lo up && ip -n $second link set lo up && ip netns exec $first unshare --uts hostname "$first"
}
lay_cable > cable.log 2>&1 || skip "network namespaces are not permitted here: $(tail -n 1 cable.log)"

# What mpirun starts its daemon on the other node with: HOST COMMAND...
cat > agent <<-'END'
	#!/bin/sh
	host=$1
	shift
	exec ip netns exec "$host" unshare --uts sh -c "hostname $host && $*"
END
# What a rank says and ends with, as nothing of the other node comes back.
cat > rank.sh <<-'END'
	#!/bin/sh
	code=0
	"$PROGRAM" "$@" 2> "error.$OMPI_COMM_WORLD_RANK" || code=$?
	hostname > "node.$OMPI_COMM_WORLD_RANK"
	echo $code > "code.$OMPI_COMM_WORLD_RANK"
END
chmod +x agent rank.sh
export PROGRAM=$capshape
prepare_study
write_pretrain pretrain.in 8 < /dev/null

# Ranks 0 and 1 on the first node, 2 and 3 on the second.
unset OMPI_MCA_btl_tcp_if_include OMPI_MCA_oob_tcp_if_include
setsid ip netns exec $first unshare --uts sh -c "hostname $first"' && exec "$@"' sh timeout -k 5 "$limit" mpirun -x PROGRAM \
	--mca plm rsh --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.213.77.0/24 \
	--mca oob_tcp_if_include 10.213.77.0/24 --host $first:2,$second:2 -n 4 --map-by slot \
	./rank.sh pretrain.in run/output=cut train/tokens=1G run/log_interval=0 roles/mode=shared roles/trainers=4 > cut.log 2> cut.err &
session=$!
disown "$session"
# The second node's daemon and ranks are in the session, too, unless the daemon has begun one of its own.
cleanups+=("end_all")
end_all() {
	local process
	signal_session "$session" KILL
	for process in $(processes_with "$work/"); do kill -KILL "$process" 2> /dev/null; done
	for process in $(ip netns pids "$first") $(ip netns pids "$second"); do kill -KILL "$process" 2> /dev/null; done
}
waits_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}
is_training() { grep -q 'step 20/' cut.log; }
trains() {
	waits_until "$limit" is_training
	cat cut.log cut.err error.* 2> /dev/null
	is_training && grep -qx "$first and 1 more like it: 2 ranks, .*" cut.log
}
need "two ranks on each of two nodes train" trains

# Tens of seconds are the program's own; without them TCP tries for fifteen minutes and more.
all_ended() { [ "$(cat code.* 2> /dev/null | wc -l)" = 4 ]; }
is_cut() {
	local begin=$SECONDS
	ip -n "$second" link set "$second" down || return
	waits_until 150 all_ended
	echo "$((SECONDS - begin)) s after the cut"
	tail -n 3 node.* code.* error.*
	all_ended && [ "$(sort -u code.*)" = 6 ] && [ "$(cat node.0 node.1 node.2 node.3 | xargs)" = "$first $first $second $second" ]
}
check "all ranks of both end with exit code 6 when the cable is cut" is_cut
names() { # FILE RANK...: exactly one line, of one of these
	local file=$1
	shift
	cat "$file"
	[ "$(wc -l < "$file")" = 1 ] && grep -E "error: rank ($(IFS='|'; echo "$*")) was lost \(killed, crashed, or its node failed\): ending the job" "$file"
}
check "the first rank names one of the second node" names error.0 2 3
check "the last rank names the first one" names error.3 0
others() { cat error.1 error.2; all_ended && [ ! -s error.1 ] && [ ! -s error.2 ]; }
check "others say nothing" others
finish
