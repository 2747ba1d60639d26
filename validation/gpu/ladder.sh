#!/usr/bin/env bash
# The ladder on one GPU, by the whole program: none, document, mask and remove at several sizes, a classifier live beside the trainer,
# and the report. Needs MPI and HDF5, unlike run.sh. VOCABULARY: small or cl100k (inputs/ladder.in, inputs/ladder-cl100k.in).
#   ladder.sh tokens VOCABULARY FOLDER TEXT [TIKTOKEN]  token shards of TEXT, JSON lines in a file or a folder, into FOLDER; for cl100k
#                                                       TIKTOKEN is the vocabulary's file
#   ladder.sh classifier VOCABULARY FOLDER              the classifier, into FOLDER
#   ladder.sh run VOCABULARY FOLDER                     the ladder (and before it a classifier that is not there yet), into FOLDER, and
#                                                       what came out into $out: ladder-VOCABULARY.html .md .log .tar.gz
# Further arguments KEY=VALUE go to the program. `run` ends with 0 when all is finished and with 75 when its time was over; the same line
# goes on, in FOLDER, or in one that holds the tokens, the classifier and ladder-VOCABULARY.tar.gz of before: finished points are
# in it, the checkpoint of the one that was not is only in FOLDER.
# Environment: seconds (400) for the whole of `run`, of which `reserve` (40) are for the report; out (default: $OUT, else FOLDER/results);
# groups (1) of one trainer each that share the GPU, classifiers (1) beside them, 0: trainers score their own text; device (cuda;
# cpu, auto); scale (tiny: a try of seconds, on anything); capshape, report: the programs, default in builddir (../../build); MPIEXEC.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
began=$SECONDS
usage() { sed -n 's/^# \{0,1\}//; 2,10p' "$0" >&2; exit 2; }
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
# N ranks, or one process where N is 1. Paths of the keys are in FOLDER, so that it can be moved.
launch() { # N INPUT
	local launcher=() given
	mapfile -d '' -t given < <(arguments | sort -z)
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
	export OMPI_MCA_hwloc_base_binding_policy=none
	# shellcheck disable=SC2206 # MPIEXEC may be a command with options
	[ "$1" = 1 ] || launcher=(${MPIEXEC:-mpirun} -n "$1")
	(cd "$folder" && ${limit:+timeout -k 5 "$limit"} "${launcher[@]}" "$capshape" "$inputs/$2" "${given[@]}")
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
	launch 1 $name-tokenize.in
}

# ---- classifier

make_classifier() { # DEVICE [KEY=VALUE...]
	give run/output=classifier run/after= data/folder=data run/device="$1"
	shift
	! tiny || give model/size=L1-D16-H1 model/context=32 train/tokens=20k train/sequences=8 classifier/layer=1 classifier/smoothing=0 \
		classifier/probe_tokens=1k classifier/probe_documents=60 classifier/evaluation_tokens=100k
	give "$@"
	launch 1 $name-classifier.in
}

# ---- the ladder

# Small enough for an emulated GPU where tokens, sizes and documents are fewer still.
give_ladder() { # DEVICE SECONDS
	local mode=split
	[ "$classifiers" -gt 0 ] || mode=shared
	give run/output=run run/after= data/folder=data filter/classifier=classifier run/device="$1" run/time_limit="$2" \
		run/stop_margin="${margin:-10}" roles/mode=$mode roles/readers=0 roles/classifiers="$classifiers" \
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

# The page, the tables, and all but checkpoints and scores, which are large and can be made again.
collect() {
	local page=$folder/run/report
	# From where the paths of the runs lead to the classifier. What it prints is in the page.
	(cd "$folder" && timeout -k 5 "$((reserve > 10 ? reserve - 5 : 5))" "$report" run > /dev/null) || return
	cp "$page/report.html" "$out/ladder-$vocabulary.html"
	tables "$page" | tee "$out/tables" || return
	{ echo "# $name"; echo; sed 's/^/    /' "$out/tables"; echo; cat "$page/report.md"; } > "$out/ladder-$vocabulary.md"
	rm "$out/tables"
	tar -C "$folder" -cz --exclude=run/scores --exclude=checkpoints --exclude=lock -f "$out/ladder-$vocabulary.tar.gz" run
}

run_ladder() {
	local code=0 left earlier=$folder/ladder-$vocabulary.tar.gz device=${device:-cuda}
	out=${out:-${OUT:-$folder/results}} seconds=${seconds:-400} reserve=${reserve:-40} groups=${groups:-1} classifiers=${classifiers:-1}
	mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 4
	if [ ! -e "$folder/run" ] && [ -e "$earlier" ]; then
		tar -C "$folder" -xzf "$earlier" && echo "ladder.sh: goes on with the points of $earlier" || exit 4
	fi
	if [ ! -e "$folder/classifier/classifier.h5" ]; then
		# A run of its own: what is given on the command line is for the ladder.
		(limit=$((seconds - reserve)) make_classifier "$device") || return
	fi
	left=$((seconds - (SECONDS - began) - reserve))
	[ "$left" -gt 0 ] || { echo "ladder.sh: the time is over before the ladder began"; return 75; }
	give_ladder "$device" "$left"
	give "$@"
	limit=$((left + 15)) launch $((groups + classifiers)) $name.in || code=$?
	echo "ladder.sh: the program ended with $code after $((SECONDS - began)) s"
	collect || { [ "$code" != 0 ] || code=1; }
	return $code
}

mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 4
case $part in
tokens) make_tokens "$@" ;;
classifier) make_classifier "${device:-auto}" "$@" ;;
run)
	code=0
	log=$(mktemp) || exit 4
	trap 'rm -f "$log"' EXIT
	run_ladder "$@" > >(tee "$log") 2>&1 || code=$?
	wait $!
	out=${out:-${OUT:-$folder/results}}
	cat "$log" >> "$out/ladder-$vocabulary.log"
	exit $code
	;;
*) usage ;;
esac
