# Sourced by the test scripts: where the program is, how ranks are started here, a small corpus, and plain checks.
# A script that sources this gets a folder of its own, $work, which is its working directory and is removed at the end.
# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
builddir=$(cd "${builddir:-$here/../build}" && pwd) || exit 99
capshape=$builddir/capshape
[ -x "$capshape" ] || { echo "$capshape is not built"; exit 99; }

# Longest time of one command, in seconds: a command that hangs fails.
limit=${limit:-180}

temporary=${TMPDIR:-/tmp}
work=$(mktemp -d "$temporary/capshape.XXXXXX") || exit 99
cleanups=("rm -rf '$work'")
cleanup() {
	local index
	# A child that a signal meets before it has become the program still has this script's traps.
	[ "$BASHPID" = $$ ] || return
	for ((index = ${#cleanups[@]} - 1; index >= 0; index--)); do
		eval "${cleanups[index]}"
	done
}
trap cleanup EXIT
trap 'exit 99' INT TERM HUP
cd "$work" || exit 99

# Open MPI: as root, with more ranks than cores, waiting ranks giving way to others, all on this machine; files of jobs that
# are killed stay in $work, and /dev/shm, often small in a container, is left alone.
mkdir shared sessions
export TMPDIR=$work OMPI_MCA_btl_vader_backing_directory=$work/shared
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
export OMP_NUM_THREADS=1
# One process without a launcher starts no daemon, which only MPI_Comm_spawn() would need: half of what such a start costs.
export OMPI_MCA_ess_singleton_isolated=1

# A folder for each start: the daemon of one that has ended may still be removing what the next one makes.
new_session() {
	OMPI_MCA_orte_tmpdir_base=$(mktemp -d "$work/sessions/XXXXXX")
	export OMPI_MCA_orte_tmpdir_base
}

# Without a process of its own, as its start takes a while where many want the cores: reads what nobody ever writes.
mkfifo never
exec {never}<> never
rm never
sleep() { # SECONDS
	read -rt "$1" -u "$never"
	return 0
}

# One process without a launcher.
alone() {
	new_session
	timeout -k 5 "$limit" "$capshape" "$@"
}

# N ranks.
ranks() { # N ARGUMENT...
	local count=$1
	shift
	new_session
	# shellcheck disable=SC2086 # MPIEXEC may be a command with options
	timeout -k 5 "$limit" ${MPIEXEC:-mpirun} -n "$count" "$capshape" "$@"
}

need_launcher() {
	local launcher=${MPIEXEC-mpirun}
	if [ -z "$launcher" ] || ! command -v "${launcher%% *}" >/dev/null; then
		echo "there is no MPI launcher here"
		exit 77
	fi
}

# ---- checks: each says what it checked; a script ends with `finish`

checks=0 failures=0
check() { # DESCRIPTION COMMAND...
	local description=$1 code=0 begin=$SECONDS
	shift
	checks=$((checks + 1))
	"$@" > check.log 2>&1 || code=$?
	if [ $code = 0 ]; then
		printf 'ok     %3d s  %s\n' $((SECONDS - begin)) "$description"
	else
		failures=$((failures + 1))
		printf 'NOT OK %3d s  %s (exit code %d)\n' $((SECONDS - begin)) "$description" $code
		tail -n 60 check.log | sed 's/^/        /'
	fi
}
finish() {
	echo "$((checks - failures)) of $checks checks passed"
	[ "$checks" -gt 0 ] && [ "$failures" = 0 ]
	exit
}
# For what later checks need: without it there is no point in going on.
need() { # DESCRIPTION COMMAND...
	check "$@"
	[ "$failures" = 0 ] || finish
}

same_runs() { alone --compare-runs "$1" "$2"; }

# ---- a study of seconds: three domains with words of their own, a classifier, models of a few thousand parameters

# Documents as JSON lines: words of three made-up vocabularies that share a third. The last quarter of a document is of the
# third vocabulary whatever its domain, and its label ends there.
write_corpus() { # FILE DOCUMENTS
	awk -v documents="$2" 'BEGIN {
		srand(7)
		split("forget retain other", domain, " ")
		split("ba ke li mo nu", first, " "); split("dan fer gis hol", second, " "); split("ra te si do mu", third, " ")
		for (d = 1; d <= 3; d++)
			for (i = 1; i <= 60; i++)
				word[d, i] = (i <= 20 ? "" : substr("xyz", d, 1)) first[i % 5 + 1] second[i % 4 + 1] third[int(i / 12) % 5 + 1]
		for (n = 0; n < documents; n++) {
			d = n % 3 + 1
			text = ""
			for (i = 0; i < 60; i++) {
				if (i == 45)
					end = length(text)
				text = text (i ? " " : "") word[i < 45 ? d : 3, int(rand() * rand() * 60) + 1]
			}
			printf "{\"id\": \"document-%d\", \"domain\": \"%s\", \"text\": \"%s.\", ", n, domain[d], text
			printf "\"labels\": [{\"begin\": 0, \"end\": %d, \"domain\": \"%s\"}]}\n", end, domain[d]
		}
	}' > "$1"
}

model_keys="
[model]
layers = 2
width = 32
heads = 2
context = 64
base_width = 32"

write_tokenize() { # FILE
	cat > "$1" <<-END
		[run]
		task = tokenize
		output = data
		[corpus]
		paths = corpus.jsonl
		[tokenizer]
		ranks = 300
		[tokenize]
		block_tokens = 512
		shards = 2
	END
}

# Token shards in ./data and a classifier in ./classifier, from one process.
prepare_study() { # [KEY=VALUE of tokenize...]
	write_corpus corpus.jsonl 600
	write_tokenize tokenize.in
	cat > classifier.in <<-END
		[run]
		task = classifier
		output = classifier
		threads = 1
		device = cpu
		[data]
		folder = data
		$model_keys
		[train]
		tokens = 8192
		sequences = 8
		slots = 4
		[classifier]
		probe_tokens = 2000
		probe_documents = 200
		evaluation_tokens = 4000
	END
	need "tokenize" alone tokenize.in "$@"
	need "classifier" alone classifier.in
}

# A pretraining run of STEPS steps with the classifier's decisions; further lines from standard input.
write_pretrain() { # FILE STEPS
	{
		cat <<-END
			[run]
			task = pretrain
			output = run
			threads = 1
			device = cpu
			checkpoint_interval = 4
			[data]
			folder = data
			$model_keys
			[train]
			tokens = $(($2 * 8 * 64))
			sequences = 8
			slots = 4
			[filter]
			method = mask
			classifier = classifier
			[evaluate]
			documents = 10
		END
		cat
	} > "$1"
}

# Processes, by /proc: a bare system has no pgrep.
processes_with() { # TEXT of the command line
	local file
	for file in /proc/[0-9]*/cmdline; do
		tr '\0' ' ' 2> /dev/null < "$file" | grep -qF -- "$1" && echo "${file//[!0-9]/}"
	done
}
pid_of_rank() { # LAUNCHER RANK
	local child
	for child in $(children_of "$1"); do
		tr '\0' '\n' < "/proc/$child/environ" 2>/dev/null |
			grep -qxE "(OMPI_COMM_WORLD_RANK|PMI_RANK|PMIX_RANK)=$2" && echo "$child" && return
	done
}
children_of() { # PROCESS
	local file line parent
	for file in /proc/[0-9]*/stat; do
		read -r line 2> /dev/null < "$file" || continue
		read -r _ parent _ <<< "${line##*) }"
		[ "$parent" != "$1" ] || echo "${file//[!0-9]/}"
	done
}
# Stops the process of rank RANK (its connections stay open) of the launcher that process TIMER has started, once LOG shows
# PATTERN and SECONDS (0) have gone by, and waits for TIMER. Its exit code is $silenced.
silenced=
silence_rank() { # TIMER RANK LOG PATTERN [SECONDS]
	local launcher='' victim='' try
	silenced=0
	for ((try = 0; try < 200; try++)); do
		sleep 0.1
		launcher=$(children_of "$1") && [ -n "$launcher" ] && victim=$(pid_of_rank "$launcher" "$2") && grep -q "$4" "$3" && break
	done
	sleep "${5:-0}"
	kill -STOP "$victim" || return
	wait "$1" || silenced=$?
	kill -KILL "$victim" 2> /dev/null
	return 0
}
# Processes of a session, which setsid made: the ranks, with SIGKILL also their launcher.
signal_session() { # SESSION SIGNAL
	local process
	for process in $(session_processes "$1" "$([ "$2" = KILL ] || echo capshape)"); do kill -"$2" "$process" 2>/dev/null; done
	return 0
}
session_processes() { # SESSION [NAME]
	local entry fields name wanted=$2
	for entry in /proc/[0-9]*; do
		read -r fields 2>/dev/null < "$entry/stat" || continue
		name=${fields#*(} name=${name%%)*} fields=${fields##*) }
		# shellcheck disable=SC2086 # split on purpose: state, parent, group, session
		set -- "$1" $fields
		[ "$5" = "$1" ] && [ "$2" != Z ] && { [ -z "$wanted" ] || [ "$name" = "$wanted" ]; } && echo "${entry#/proc/}"
	done
}

# The exit code of a session; 124 where it has not ended after 400 s. When ranks die while they connect to it, the mpirun of Open
# MPI 4 may lock itself out as it ends, for ever (PMIx_server_finalize): a launcher that has been without ranks for half a
# minute is killed.
wait_session() { # SESSION
	local begin=$SECONDS seen=$SECONDS
	while kill -0 "$1" 2> /dev/null; do
		sleep 0.05
		[ $((SECONDS - seen)) -ge 30 ] || continue
		[ -n "$(session_processes "$1" capshape)" ] || { signal_session "$1" KILL && break; }
		seen=$SECONDS
		[ $((SECONDS - begin)) -lt 400 ] || { signal_session "$1" KILL && return 124; }
	done
	wait "$1"
}

milliseconds() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }
