#!/usr/bin/env bash
# The ladder on one GPU, by the whole program: none, document, mask and remove at several sizes, a classifier live beside the trainer,
# and the report. Needs MPI and HDF5, unlike run.sh. VOCABULARY: small or cl100k (inputs/ladder.in, inputs/ladder-cl100k.in).
#   ladder.sh tokens VOCABULARY FOLDER TEXT [TIKTOKEN]  token shards of TEXT, JSON lines in a file or a folder, into FOLDER; for cl100k
#                                                       TIKTOKEN is the vocabulary's file
#   ladder.sh classifier VOCABULARY FOLDER              the classifier, into FOLDER
#   ladder.sh run VOCABULARY FOLDER                     the ladder (and before it a classifier that is not there yet), into FOLDER, and
#                                                       what came out into $out: ladder-VOCABULARY.html .md .log .tar.gz and
#                                                       ladder-VOCABULARY-classifier.h5
# Further arguments KEY=VALUE go to the program. `run` ends with 0 when all is finished, with 75 when its time was over or it was told
# to stop (SIGTERM, SIGINT, SIGHUP), with 1 when only the report failed. The same line goes on, in FOLDER, or in one that holds the tokens,
# ladder-VOCABULARY.tar.gz and ladder-VOCABULARY-classifier.h5 of before: finished points are in them, the checkpoint of the one that
# was not is only in FOLDER. $out is kept up to date while the ladder runs, so that a call that is killed leaves what was finished.
# Environment: seconds (400) for the whole of `run`, of which `reserve` (40) are for stopping and the report; out (default: $OUT, else
# FOLDER/results); groups (1) of one trainer each that share the GPU, classifiers (1) beside them, 0: trainers score their own text; device
# (cuda; cpu, auto); scale (tiny: a try of seconds, on anything); capshape, report: the programs, default in builddir (../../build);
# MPIEXEC; refresh (2): seconds between looks for finished points.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
began=$SECONDS
usage() { sed -n 's/^# \{0,1\}//; 2,15p' "$0" >&2; exit 2; }
fail() {
	echo "ladder.sh: error: $*" >&2
	exit 2
}
[ $# -ge 3 ] || usage
part=$1 vocabulary=$2 folder=$3
shift 3
case $vocabulary in
small) name=ladder ;;
cl100k) name=ladder-cl100k ;;
*) fail "there is no vocabulary $vocabulary; there are small and cl100k" ;;
esac
inputs=$(cd "${inputs:-$here/../../inputs}" && pwd) || exit 2
builddir=${builddir:-$here/../../build}
capshape=$(realpath "${capshape:-$builddir/capshape}") && [ -x "$capshape" ] || fail "there is no program: set capshape=..."
report=$(realpath "${report:-$builddir/capshape-report}") && [ -x "$report" ] || fail "there is no program of reports: set report=..."
tiny() { [ "${scale:-}" = tiny ]; }

# What the program is given beside the input file: a later value of a key replaces an earlier one.
declare -A keys=()
give() {
	local word
	for word; do
		[[ $word = */*=* ]] || fail "$word is not KEY=VALUE"
		keys[${word%%=*}]=${word#*=}
	done
}
arguments() {
	local key
	for key in "${!keys[@]}"; do printf '%s=%s\0' "$key" "${keys[$key]}"; done
}
# N ranks, or one process where N is 1. Paths of the keys are in FOLDER, so that it can be moved. Takes the place of the shell: for a
# subshell. With `limit` the program is told to stop after so many seconds, and ended `grace` seconds later: by SIGUSR1, because mpirun
# passes it on, while it ends its ranks soon after a SIGTERM.
launch() { # N INPUT
	local launcher=() given
	mapfile -d '' -t given < <(arguments | sort -z)
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
	export OMPI_MCA_hwloc_base_binding_policy=none
	# shellcheck disable=SC2206 # MPIEXEC may be a command with options
	[ "$1" = 1 ] || launcher=(${MPIEXEC:-mpirun} -n "$1")
	cd "$folder" || exit 4
	exec ${limit:+timeout --preserve-status -s USR1 -k "$grace" "$limit"} "${launcher[@]}" "$capshape" "$inputs/$2" "${given[@]}"
}

# ---- tokens

make_tokens() { # TEXT [TIKTOKEN] [KEY=VALUE...]
	[ $# -gt 0 ] && [[ $1 != */*=* || -e $1 ]] || usage
	[ -e "$1" ] || fail "there is no $1"
	give run/output=data corpus/paths="$(realpath "$1")"
	shift
	if [ "$vocabulary" = cl100k ]; then
		[ $# -gt 0 ] && [ -e "$1" ] || fail "the vocabulary's file, cl100k_base.tiktoken, is missing behind the text"
		give tokenizer/path="$(realpath "$1")"
		shift
	elif tiny; then
		give tokenizer/ranks=400 tokenizer/sample_bytes=200k
	fi
	! tiny || give tokenize/block_tokens=2048 tokenize/validation_share=0.2 tokenize/test_share=0.2
	give "$@"
	(launch 1 $name-tokenize.in)
}

# ---- classifier

give_classifier() { # DEVICE [KEY=VALUE...]
	give run/output=classifier run/after= data/folder=data run/device="$1"
	shift
	! tiny || give model/size=L1-D16-H1 model/context=32 train/tokens=20k train/sequences=8 classifier/layer=1 classifier/smoothing=0 \
		classifier/probe_tokens=1k classifier/probe_documents=60 classifier/evaluation_tokens=100k
	give "$@"
}

# ---- the ladder

# Small enough for an emulated GPU where tokens, sizes and documents are fewer still.
give_ladder() { # DEVICE
	local mode=split
	[ "$classifiers" -gt 0 ] || mode=shared
	give run/output=run run/after= data/folder=data filter/classifier=classifier run/device="$1" roles/mode=$mode roles/readers=0 roles/classifiers="$classifiers" \
		roles/trainers="$groups" roles/groups="$groups"
	! tiny || give "model/size=L1-D16-H1, L1-D24-H1, L1-D32-H1, L2-D32-H1, L2-D48-H1" model/context=32 train/sequences=4 \
		train/tokens_per_parameter=1 filter/token_threshold=0.5 evaluate/documents=10 evaluate/resamples=100
}

# One line a column of a table of the report: rows are taken by AWK's condition.
columns() { # FILE CONDITION COLUMN...
	local file=$1 condition=$2
	shift 2
	[ -e "$file" ] || return 0
	awk -v names="$*" '
		function cells(line, out,   n, field) { # of a line of CSV; quotes may hold commas
			n = 0
			while (line != "") {
				if (match(line, /^"([^"]|"")*"/)) { field = substr(line, 2, RLENGTH - 2); gsub(/""/, "\"", field) }
				else { match(line, /^[^,]*/); field = substr(line, 1, RLENGTH) }
				out[++n] = field
				line = substr(line, RLENGTH + 2)
			}
			return n
		}
		NR == 1 { n = cells($0, head); for (i = 1; i <= n; i++) at[head[i]] = i; wanted = split(names, name, " "); next }
		{ for (i in cell) delete cell[i]; cells($0, cell)
		  if (!('"$condition"')) next
		  text = ""
		  for (i = 1; i <= wanted; i++) {
			value = cell[at[name[i]]]
			if (value ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) value = sprintf("%.4g", value)
			text = text (i > 1 ? "\t" : "") (value == "" ? "-" : value)
		  }
		  print text }' "$file"
}
tables() { # REPORT
	echo "loss-matched slowdown (6ND, power law), label tokens, with 95 % intervals over documents; one seed"
	printf 'set\tmethod\tsize\tslowdown\tlow\thigh\textrapolated\n'
	columns "$1/slowdown.csv" 'cell[at["compute"]] == "6ND" && cell[at["law"]] == "power" && cell[at["tokens"]] == "label"' \
		set method size slowdown slowdown_low slowdown_high extrapolated
	echo
	echo "what training alone took: 6 N D by its seconds"
	printf 'method\tsize\tparameters\ttokens\tseconds\tFLOP/s\n'
	columns "$1/runs.csv" 1 method size parameters tokens seconds nominal_flops |
		awk -F '\t' -v OFS='\t' '{ $6 = $5 > 0 ? sprintf("%.3g", $6 / $5) : "-"; print }'
}

# Seconds of the call that are left, rounded down: SECONDS counts seconds of the clock, one of which may just have begun.
remaining() { echo $((began + seconds - SECONDS - 1)); }
at_least() { echo $(($2 > $1 ? $2 : $1)); } # LEAST NUMBER

# All but checkpoints and scores, which are large and can be made again. A file that changes meanwhile (tar's 1) is no failure: those of a
# run get their name when they are whole.
archive() {
	local code=0 file=$out/ladder-$vocabulary.tar.gz
	[ -e "$folder/run" ] || return 0
	timeout -k 1 "$(at_least 1 "$(remaining)")" tar -C "$folder" -cz --exclude=run/scores --exclude=checkpoints --exclude=lock \
		--exclude='*.tmp-*' -f "$file.part" run 2> "$out/trouble" || code=$?
	if [ "$code" -gt 1 ]; then
		cat "$out/trouble"
		echo "ladder.sh: error: no $file (tar ended with $code)"
	fi
	rm -f "$out/trouble"
	[ "$code" -le 1 ] && mv "$file.part" "$file"
}
# The classifier beside it: other machines need the same one, and fitting it there may give other bits.
keep_classifier() {
	local from=$folder/classifier/classifier.h5 to=$out/ladder-$vocabulary-classifier.h5
	cmp -s "$from" "$to" || { cp "$from" "$to.part" && mv "$to.part" "$to"; }
}
# What the time goes by: the runs of points, which are written anew when a point is finished.
state_of_runs() { stat -c '%n %s %y' "$folder"/run/points/*/run.h5 2> /dev/null; }

# Waits for the program that `launch` became, and keeps the archive up to date meanwhile. It is told to stop when this script is, or
# was killed: then what it has done since its last checkpoint is saved, too. Its exit code; 75 also where it had stopped in order, but its
# launcher did not end.
program='' told=''
tell() {
	told=yes
	[ -z "$program" ] || kill -USR1 "$program" 2> /dev/null
}
attend() {
	local code=0 begin=$SECONDS seen now said
	program=$!
	[ -z "$told" ] || tell
	said=$(stat -c %s "$log")
	seen=$(state_of_runs)
	while kill -0 "$program" 2> /dev/null; do
		sleep 0.2
		[ -n "$told" ] || kill -0 $$ 2> /dev/null || tell
		[ $((SECONDS - begin)) -ge "${refresh:-2}" ] || continue
		begin=$SECONDS now=$(state_of_runs)
		[ "$now" = "$seen" ] || { archive && seen=$now; }
	done
	wait "$program" || code=$?
	if [ "$code" -gt 123 ] && tail -c "+$((said + 1))" "$log" | grep -q 'stopped .*; the same command continues'; then code=75; fi
	program=
	return $code
}

# The archive comes first: reports can fail, and take long.
collect() {
	local page=$folder/run/report code=0 left
	archive || return
	left=$(($(remaining) - 4)) # for its end by force, the tables and the archive with it
	[ "$left" -gt 0 ] || { echo "ladder.sh: error: there is no time left for the report"; return 1; }
	# From where the paths of the runs lead to the classifier. What it prints is in the page.
	(cd "$folder" && exec timeout -k 1 "$left" "$report" run > /dev/null) || code=$?
	if [ "$code" != 0 ]; then
		echo "ladder.sh: error: $report ended with $code: there is no new page; the runs are in $out/ladder-$vocabulary.tar.gz"
		return 1
	fi
	cp "$page/report.html" "$out/ladder-$vocabulary.html"
	tables "$page" > "$out/tables" || return
	cat "$out/tables"
	{ echo "# $name"; echo; sed 's/^/    /' "$out/tables"; echo; cat "$page/report.md"; } > "$out/ladder-$vocabulary.md"
	rm "$out/tables"
	archive
}

# For what is given before what is on the command line: the program stops by itself, a margin before it is told to, which is `reserve`
# before the end; the rest is for its end by force, the archive and the report.
give_limits() {
	limit=$(($(remaining) - reserve)) grace=$(at_least 1 $((reserve / 4)))
	[ -z "$told" ] || return 75
	[ "$limit" -gt 0 ] || { echo "ladder.sh: the time is over before $1 began"; return 75; }
	give run/time_limit="$limit" run/stop_margin="${margin:-10}" run/usr1=stop
}
# A run of its own: what is given on the command line is for the ladder.
fit_first() {
	give_classifier "$device"
	give_limits "the classifier" || return
	launch 1 $name-classifier.in &
	attend || return
	keys=()
}

run_ladder() {
	local code=0 earlier=$folder/ladder-$vocabulary device=${device:-cuda} limit grace
	trap tell USR1
	echo "ladder.sh: $(date -u +%FT%TZ), $seconds s"
	if [ ! -e "$folder/run" ] && [ -e "$earlier.tar.gz" ]; then
		tar -C "$folder" -xzf "$earlier.tar.gz" && echo "ladder.sh: goes on with the points of $earlier.tar.gz" || return 4
	fi
	if [ ! -e "$folder/classifier/classifier.h5" ] && [ -e "$earlier-classifier.h5" ]; then
		mkdir -p "$folder/classifier" && cp "$earlier-classifier.h5" "$folder/classifier/classifier.h5" || return 4
	fi
	[ -e "$folder/classifier/classifier.h5" ] || fit_first || return
	keep_classifier || return 4
	give_ladder "$device"
	give_limits "the ladder" || return
	give "$@"
	launch $((groups + classifiers)) $name.in &
	attend || code=$?
	echo "ladder.sh: the program ended with $code after $((SECONDS - began)) s"
	collect || { [ "$code" != 0 ] || code=1; }
	return $code
}

# The ladder in a process of its own, which writes to the log itself: nothing that is killed takes lines with it, and the log is shown
# beside it, for as long as it lives and not as long as someone else holds a pipe.
attend_ladder() {
	local code=0 worker viewer begin i
	out=${out:-${OUT:-$folder/results}} seconds=${seconds:-400} reserve=${reserve:-40} groups=${groups:-1} classifiers=${classifiers:-1}
	mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 4
	log=$out/ladder-$vocabulary.log
	touch "$log" || exit 4
	rm -f "$out"/ladder-"$vocabulary"*.part # of a call that was killed
	begin=$(($(stat -c %s "$log") + 1))
	run_ladder "$@" >> "$log" 2>&1 &
	worker=$!
	tail -c "+$begin" -s 0.1 -f --pid=$worker "$log" &
	viewer=$!
	trap 'kill -USR1 $worker 2> /dev/null' TERM INT HUP
	while kill -0 $worker 2> /dev/null; do wait $worker; done
	wait $worker || code=$?
	for ((i = 0; i < 20; i++)); do kill -0 $viewer 2> /dev/null && sleep 0.1; done
	kill $viewer 2> /dev/null
	exit $code
}

mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 4
case $part in
tokens) make_tokens "$@" ;;
classifier)
	give_classifier "${device:-auto}" "$@"
	(launch 1 $name-classifier.in)
	;;
run) attend_ladder "$@" ;;
*) usage ;;
esac
