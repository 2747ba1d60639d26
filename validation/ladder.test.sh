#!/usr/bin/env bash
# validation/gpu/ladder.sh without a GPU: tokens, classifier and a ladder of tiny models on the CPU, stopped, killed and continued from what
# came back, with programs that fail and hang, and one on an emulated GPU.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
emulated=$builddir/validation/emulator/capshape
export builddir scale=tiny
ladder() { timeout -k 5 "$limit" bash "$here/gpu/ladder.sh" "$@"; }
ends_with() { # CODE TEXT ARGUMENT...
	local expected=$1 text=$2 code=0
	shift 2
	ladder "$@" > said 2>&1 || code=$?
	cat said
	[ "$code" = "$expected" ] && grep -q -- "$text" said
}

# Domains of documents, without labels of tokens, as most corpora have them.
write_corpus labelled.jsonl 300
sed 's/, "labels": \[.*\]//' labelled.jsonl > corpus.jsonl
need "tokens" ladder tokens small study corpus.jsonl
need "a classifier" ladder classifier small study

# Three sizes, so that there is a law with a misfit. Intervals are of few draws.
small=('model/size=L1-D8-H1, L1-D16-H1, L1-D24-H1' train/tokens_per_parameter=0.5 run/precision=float32 run/threads=1 evaluate/resamples=20)
need "the ladder on the CPU" eval 'out=whole device=cpu ladder run small study "${small[@]}"'
came_back() { # FOLDER
	[ "$(cd "$1" && LC_ALL=C && echo *)" = "$(echo ladder-small{-classifier.h5,.html,.log,.md,.tar.gz})" ] &&
		cmp "$1/ladder-small-classifier.h5" study/classifier/classifier.h5 &&
		grep -q '<svg' "$1/ladder-small.html" && tar -tzf "$1/ladder-small.tar.gz" > list &&
		[ "$(grep -c 'run.h5$' list)" = 12 ] && ! grep -q 'checkpoints/\|scores/' list
}
check "the page, the tables, the log and the runs come back" came_back whole
slowdowns() { sed -n 's/^    \(\(forget\|retain\|other\|hard\)\t.*\)/\1/p' "$1/ladder-small.md"; }
# Three methods at three sizes on three sets that the corpus has, each with an interval that holds it.
complete() {
	slowdowns whole | tee slowdowns
	[ "$(wc -l < slowdowns)" = 27 ] && awk -F '\t' '$4 !~ /^[0-9]/ || $5 + 0 > $4 + 0 || $6 + 0 < $4 + 0 { bad = 1 } END { exit bad }' slowdowns
}
check "a slowdown with its interval for each method, size and set" complete

first_half() { out=half device=cpu ends_with 75 'the program ended with 75' run small other "${small[@]}" run/stop_after_steps=25; }
cp -r study other && rm -r other/run
check "stopped on the way" first_half
second_half() {
	mkdir fresh && cp -r study/data half/ladder-small.tar.gz half/ladder-small-classifier.h5 fresh &&
		out=second device=cpu ends_with 0 'goes on with the points of' run small fresh "${small[@]}"
}
check "... and continued elsewhere from what came back" second_half
check "... with the same result" eval 'slowdowns second | cmp - slowdowns'

fitted_first() {
	mkdir bare && cp -r study/data bare &&
		out=first device=cpu ends_with 75 'the program ended with 75' run small bare "${small[@]}" run/stop_after_steps=1 &&
		cmp bare/classifier/left/checkpoints/*/shard-00000.h5 study/classifier/left/checkpoints/*/shard-00000.h5
}
check "a classifier that is not there is fitted first" fitted_first

# ---- what goes wrong

program() { # FILE, its lines from standard input
	{ echo '#!/usr/bin/env bash'; cat; } > "$1" && chmod +x "$1"
}
runs_in() { tar -tzf "$1/ladder-small.tar.gz" 2> /dev/null | grep -c 'run.h5$'; }

echo 'exit 3' | program no-report
unreported() {
	report=$work/no-report out=unreported device=cpu ends_with 1 'no-report ended with 3' run small study "${small[@]}" &&
		[ "$(runs_in unreported)" = 12 ]
}
check "a report that fails leaves the runs" unreported

# Points of a second, more and more.
long=("${small[@]}" 'model/size=L1-D16-H1, L1-D24-H1, L1-D32-H1' train/tokens_per_parameter=20 run/log_interval=1)
begin_long() { # FOLDER; into $session
	cp -r study "$1" && rm -r "$1/run" || return
	out=$work/$1-results refresh=0 device=cpu setsid bash "$here/gpu/ladder.sh" run small "$1" "${long[@]}" > "$1.said" 2>&1 &
	session=$!
	local end=$((SECONDS + limit))
	until [ "$(runs_in "$1-results")" -ge 3 ]; do
		if [ "$SECONDS" -gt "$end" ] || ! kill -0 "$session"; then
			cat "$1.said"
			return 1
		fi
		sleep 0.1
	done
}
killed() {
	begin_long killed && signal_session "$session" KILL
	wait "$session"
	grep -q 'the program ended' killed-results/ladder-small.log && echo "it was finished before" && return 1
	grep '12 points to run, 0 finished' killed-results/ladder-small.log || return
	mkdir after && cp -r study/data after && cp killed-results/*.tar.gz killed-results/*.h5 after || return
	out=after-results device=cpu ends_with 75 'goes on with the points of' run small after "${long[@]}" run/stop_after_steps=1
	grep -E 'points to run, [1-9][0-9]* finished' said
}
check "all killed on the way: finished points, classifier and log are there, and it goes on from them elsewhere" killed
ended_in_order() { # FOLDER
	grep -q 'stopped on request' "$1-results/ladder-small.log" && grep -q 'the program ended with 75' "$1-results/ladder-small.log" &&
		ls "$1"/run/points/*/checkpoints/*/manifest.h5
}
told() {
	local code=0
	begin_long told && kill -TERM "$session"
	wait "$session" || code=$?
	cat told.said
	[ "$code" = 75 ] && grep -q 'stopped on request' told.said && ended_in_order told
}
check "told to stop by SIGTERM" told
orphaned() {
	begin_long orphaned && kill -KILL "$session"
	wait "$session"
	local end=$((SECONDS + limit))
	until [ -z "$(session_processes "$session" "")" ] || [ "$SECONDS" -gt "$end" ]; do sleep 0.1; done
	cat orphaned-results/ladder-small.log
	ended_in_order orphaned
}
check "the script alone killed: the program stops in order" orphaned

# Its own limit, where the program does not know of it.
endless=("${long[@]}" train/tokens_per_parameter=100000 run/time_limit=1000)
limited() {
	out=limited seconds=20 reserve=12 device=cpu ends_with 75 'stopped on request' run small told "${endless[@]}" run/seed=2 run/output=limited
}
check "stopped by the limit of the call: 75" limited
program slow-fit <<-END
	exec $capshape "\${@/train\/tokens=20k/train\/tokens=1G}"
END
limited_fit() {
	mkdir unfitted && cp -r study/data unfitted || return
	capshape=$work/slow-fit margin=1 out=fit seconds=20 reserve=14 device=cpu ends_with 75 'stopped .* with a checkpoint; the same command continues' \
		run small unfitted "${small[@]}" && ls unfitted/classifier/left/checkpoints/*/manifest.h5 && ! ls unfitted/run
}
check "the classifier's fit is stopped in the time of the call, too" limited_fit
program stuck-launcher <<-'END'
	trap : USR1 TERM
	mpirun "$@" &
	while :; do sleep 0.5; done
END
locked() {
	MPIEXEC=$work/stuck-launcher out=locked seconds=20 reserve=12 device=cpu ends_with 75 'stopped on request' \
		run small told "${endless[@]}" run/seed=3 run/output=locked
}
[ -n "${MPIEXEC:-}" ] || check "... also where the launcher does not end" locked

# What ignores every signal, and stays behind with the log in its hands. The call has to be over in its time whatever it runs.
program stuck <<-'END'
	trap '' USR1 TERM
	sleep 40
END
in_time() {
	local begin=$SECONDS
	capshape=$work/stuck report=$work/stuck out=hung seconds=16 reserve=12 device=cpu ends_with 137 'the program ended with 137' \
		run small told "${small[@]}"
	local code=$?
	echo "took $((SECONDS - begin)) s"
	[ "$code" = 0 ] && [ $((SECONDS - begin)) -le 16 ] && grep 'stuck ended with 137' said && [ "$(runs_in hung)" -ge 3 ]
}
check "programs that hang: over in the time that was given, with the runs" in_time

over() { out=over seconds=41 reserve=41 device=cpu ends_with 75 'the time is over' run small other "${small[@]}"; }
check "no time for the ladder" over
check "a vocabulary that is not there" ends_with 2 'there is no vocabulary huge' run huge study
check "cl100k without its file" ends_with 2 'cl100k_base.tiktoken, is missing' tokens cl100k study corpus.jsonl
check "text that is not there" ends_with 2 'there is no nowhere' tokens small study nowhere
check "a setting that is none" ends_with 2 'threads is not KEY=VALUE' run small study threads

on_gpu() {
	rm -rf study/run
	CAPSHAPE_EMULATOR_BUS=0000:3b:00.0 out=emulated capshape=$emulated ends_with 0 'the program ended with 0' run small study \
		'model/size=L1-D8-H1, L1-D16-H1' train/tokens=512 evaluate/documents=2 evaluate/resamples=20 && grep -q 'device: emulated device, loops' said &&
		grep -q 'roles: 1 trainer, 1 classifier' said && grep -q 'trainer 0 on GPU 0, classifier 1 on GPU 0' said && [ -e emulated/ladder-small.html ]
}
if [ -x "$emulated" ]; then
	check "on an emulated GPU that trainer and classifier share" on_gpu
else
	echo "there is no C++ compiler here for the CUDA emulator"
fi
finish
