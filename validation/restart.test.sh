#!/usr/bin/env bash
# Nothing that is finished is lost: tokenizing and fitting probes are stopped at random moments, by SIGTERM and by SIGKILL, and
# started again with another number of ranks. The files are those of a run that nobody touched, byte for byte, and by the
# program's own account no document is tokenized, no block read by the models and no probe fitted twice.
# SEED=N repeats the moments of an earlier test.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher
prepare_study
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "        SEED=$seed"

# The same line every time, as files hold the command line; the number of ranks is held as well, so each has its own copy.
start() { # RANKS INPUT
	if [ "$1" = 1 ]; then
		setsid "$capshape" "$2" > start.log 2>&1 &
	else
		# shellcheck disable=SC2086 # MPIEXEC may be a command with options
		setsid ${MPIEXEC:-mpirun} -n "$1" "$capshape" "$2" > start.log 2>&1 &
	fi
	session=$!
}
undisturbed() { # INPUT FOLDER: what it makes with 1, 2 and 3 ranks, as FOLDER.1 and so on, and how long that takes
	local count begin
	for count in 1 2 3; do
		rm -rf "$2"
		begin=$(date +%s%N)
		start $count "$1"
		wait_session $session || { cat start.log; return 1; }
		lengths[count]=$((($(date +%s%N) - begin) / 1000000))
		mv "$2" "$2.$count"
	done
}
# Files with a provenance hold the date on which they were made, and the checksum of what holds it: four bytes in one place.
dateless() { LC_ALL=C sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/....-..-..T........./g' "$1"; }
same_file() { # FILE EXPECTED
	case $1 in
	*/corpus.h5 | */classifier.h5)
		[ "$(stat -c %s "$1")" = "$(stat -c %s "$2")" ] &&
			{ cmp -l <(dateless "$1") <(dateless "$2") || true; } |
			awk -v file="$1" 'NR == 1 { first = $1 } { last = $1 } END { if (last - first > 3) { print file " differs"; exit 1 } }'
		;;
	*) cmp "$1" "$2" ;;
	esac
}
same_files() { # FOLDER EXPECTED: the very same files and no others
	local file
	diff <(cd "$1" && find . -type f | sort) <(cd "$2" && find . -type f | sort) || return
	(cd "$2" && find . -type f) | while read -r file; do same_file "$1/$file" "$2/$file" || exit; done
}

# Starts INPUT again and again, with 1 to 3 ranks, until it has been cut CUTS times; then once more without a cut. SIGNAL: TERM,
# KILL or, at random, any. What it said is in said, start after start; where it came to its end before a cut it begins anew.
series() { # SIGNAL CUTS INPUT FOLDER
	local signal=$1 cuts=$2 input=$3 folder=$4 cut=0 ended=0 maker=0 try count code
	local last=$folder/corpus.h5
	[ "$folder" = large ] || last=$folder/classifier.h5
	rm -rf "$folder"
	: > said
	for ((try = 0; try < 40 && cut < cuts; try++)); do
		count=$((RANDOM % 3 + 1))
		[ "$1" != any ] || { [ $((RANDOM % 2)) = 0 ] && signal=TERM || signal=KILL; }
		start $count "$input"
		milliseconds $((RANDOM % lengths[count]))
		signal_session $session "$signal"
		code=0
		wait_session $session || code=$?
		# Cut or not: whoever wrote the last file is named in it.
		[ $maker != 0 ] || [ ! -e "$last" ] || maker=$count
		case $code in
		75 | 137) cut=$((cut + 1)) ;;
		143) ;; # SIGTERM before there was a handler
		0)
			ended=$((ended + 1))
			same_files "$folder" "$folder.$maker" || return
			rm -rf "$folder"
			: > said
			maker=0
			;;
		*) cat said start.log && return 1 ;;
		esac
		[ "$code" = 0 ] || { echo "start $count ranks, $signal" && cat start.log; } >> said
	done
	count=$((RANDOM % 3 + 1))
	start $count "$input"
	wait_session $session || { cat said start.log && return 1; }
	[ $maker != 0 ] || maker=$count
	{ echo "start $count ranks, to the end" && cat start.log; } >> said
	cat said
	echo "$cut cuts, finished $ended times before a cut"
	same_files "$folder" "$folder.$maker"
}
# Until COMMAND finds that what was said shows something: cuts may come too early or too late for it.
series_until() { # COMMAND SIGNAL CUTS INPUT FOLDER
	local command=$1 try
	shift
	for try in 1 2 3 4 5; do
		series "$@" || return
		! $command || return 0
	done
	echo "five times without a cut that shows anything"
	return 1
}

# ---- tokenize

for ((i = 0; i < 100; i++)); do sed "s/document-/copy-$i-/" corpus.jsonl; done > large.jsonl
sed 's/corpus\.jsonl/large.jsonl/; s/= data/= large/; s/^shards = .*/shards = 4/; s/^ranks = .*/&\nsample_bytes = 1M/
	s/^output.*/&\nsave_interval = 0.05/' tokenize.in > large.in
documents=$(wc -l < large.jsonl)
need "tokenize with 1, 2 and 3 ranks" undisturbed large.in large
equal_shards() {
	local file
	for file in large.1/*-0*.h5 large.1/tokenizer.h5; do
		cmp "$file" "large.2/${file##*/}" && cmp "$file" "large.3/${file##*/}" || return
	done
}
check "which makes the same files" equal_shards

# After SIGTERM every document that was tokenized is kept: each start finds the sum of those before it, and the sum of all is the
# corpus. A start without a line of its own was stopped before it came to the documents, or had nothing to go on from.
wrong=0
each_document_once() {
	awk -v documents="$documents" '
		/documents: [0-9]+ tokenized now, [0-9]+ before/ {
			match($0, /documents: /); split(substr($0, RSTART), word, " ")
			if (word[5] != sum) { print "a start found " word[5] " documents, but " sum + 0 " were tokenized"; wrong = 2 }
			sum += word[2]; lines++
		}
		END { if (lines > 0 && sum != documents) { print sum " of " documents " documents"; wrong = 2 }; exit wrong ? wrong : lines < 2 }' said
	[ $? != 2 ] || wrong=1
	[ "$wrong" = 1 ] || [ "$(grep -c 'documents: [0-9]* tokenized now' said)" -ge 2 ]
}
tokenizes_once() { series_until each_document_once TERM 4 large.in large && [ "$wrong" = 0 ]; }
check "tokenize, stopped four times by SIGTERM: the same bytes, each document tokenized once" tokenizes_once
# SIGKILL loses what was done since the last saving, and no more than that.
never_less() {
	awk -v documents="$documents" '
		/of the documents, [0-9]+ are tokenized already/ {
			match($0, /documents, [0-9]+/); kept = substr($0, RSTART + 11, RLENGTH - 11) + 0
			if (kept < most) { print "a start found " kept " documents after one that had found " most; wrong = 2 }
			most = kept; found++
		}
		/documents: [0-9]+ tokenized now, [0-9]+ before/ {
			match($0, /documents: /); split(substr($0, RSTART), word, " "); last = word[2] + word[5]
		}
		END { if (found > 0 && last != documents) { print last " of " documents " documents"; wrong = 2 }; exit wrong ? wrong : found < 1 }' said
	[ $? != 2 ] || wrong=1
	[ "$wrong" = 1 ] || grep -q 'are tokenized already' said
}
tokenizes_after_kill() { series_until never_less "$1" 4 large.in large && [ "$wrong" = 0 ]; }
check "tokenize, killed four times: the same bytes, what was saved is used" tokenizes_after_kill KILL
check "tokenize, killed or stopped four times" tokenizes_after_kill any

# In the vocabulary, which takes its time where the text is long.
sed '/^sample_bytes/d; s/= large$/= wordy/' large.in > wordy.in
in_vocabulary() { # SIGNAL
	local code=0 try
	for try in 1 2 3 4 5 6 7 8; do
		rm -rf wordy
		start 1 wordy.in
		until [ -e wordy/unfinished/vocabulary.h5 ] || ! kill -0 $session; do sleep 0.005; done 2> /dev/null
		signal_session $session "$1"
		wait_session $session
		[ -e wordy/unfinished/vocabulary.h5 ] && [ ! -e wordy/unfinished/vocabulary.done ] && break
	done
	cat start.log
	start 3 wordy.in
	wait_session $session || code=$?
	cat start.log
	[ "$code" = 0 ] && grep -Eq 'vocabulary: [0-9]+ documents are counted already' start.log && same_files wordy wordy.3
}
need "tokenize with a vocabulary of all of the text" undisturbed wordy.in wordy
check "stopped while a vocabulary is learned" in_vocabulary TERM
check "killed while a vocabulary is learned" in_vocabulary KILL

# What does not fit any more is not used.
unfinished() { # SIGNAL: some documents are tokenized, and not all
	local try
	for try in 1 2 3 4 5 6; do
		rm -rf large
		start 2 large.in
		until compgen -G 'large/unfinished/*.journal' > found.log || ! kill -0 $session; do sleep 0.005; done 2> /dev/null
		signal_session $session "$1"
		wait_session $session
		[ ! -e large/corpus.h5 ] && return
	done
	return 1
}
another_key() {
	unfinished TERM || return
	alone large.in tokenize/shards=1 run/output=large > other.log || return
	cat other.log
	[ "$(grep -c 'begins anew' other.log)" = 1 ] && grep -q '"tokenize/shards = 4", but now it is "tokenize/shards = 1"' other.log &&
		! grep -q already other.log && [ "$(echo large/train-*)" = large/train-00000.h5 ] && [ ! -e large/unfinished ]
}
check "another key: begins anew, and says which" another_key
another_text() {
	unfinished KILL || return
	cp -p large.jsonl before.jsonl
	sed -i '1s/document/DOCUMENT/; 1s/copy/Copy/' large.jsonl # of the same size
	alone large.in > other.log || return
	mv before.jsonl large.jsonl
	cat other.log
	[ "$(grep -c 'begins anew' other.log)" = 1 ] && grep -q '"large.jsonl = [0-9]* bytes of hash' other.log && ! grep -q already other.log
}
check "another text of the same size: begins anew" another_text
# The checksums of files that are as they were are not computed again; that a time was set back hides no change.
same_text() {
	sleep 4 # what has changed just now is not remembered
	unfinished TERM && grep -q '^text: 1 file, [0-9.]* .*, read for a checksum' start.log || return
	start 3 large.in
	wait_session $session || { cat start.log && return 1; }
	cat start.log
	grep -q '^text: 1 file, .*, unchanged since an earlier start' start.log && ! grep -q 'read for a checksum' start.log &&
		grep -q 'are tokenized already' start.log && same_files large large.3
}
check "the same text is not read for its checksum again" same_text
text_set_back() {
	local code=0
	unfinished TERM || return
	cp -p large.jsonl before.jsonl
	printf D | dd of=large.jsonl bs=1 seek=8 conv=notrunc status=none # in a name, the same file and size
	touch -r before.jsonl large.jsonl
	alone large.in > other.log || code=$?
	cp -p before.jsonl large.jsonl
	cat other.log
	[ "$code" = 0 ] && [ "$(grep -c 'begins anew' other.log)" = 1 ] && grep -q '"large.jsonl = [0-9]* bytes of hash' other.log
}
check "another text of the same file, size and time: begins anew" text_set_back
another_version() { # of the program has worked there, or one that did not say so yet: it is gone on with
	local note=large/unfinished/made-with now
	now=$("$capshape" --version | sed -n '1s/^capshape //p')
	unfinished TERM && [ -n "$now" ] && [ "$(head -n 1 "$note")" = "capshape = $now" ] || return
	sed -i '1s/=.*/= 0.0.9 (1234567)/' "$note"
	start 1 large.in
	wait_session $session || { cat start.log && return 1; }
	cat start.log
	[ "$(grep -cF "large/unfinished: capshape $now goes on with the work of capshape 0.0.9 (1234567)" start.log)" = 1 ] &&
		grep -q 'are tokenized already' start.log && same_files large large.1 || return
	unfinished TERM && sed -i 1d "$note" || return
	start 1 large.in
	wait_session $session || { cat start.log && return 1; }
	cat start.log
	grep -qF "large/unfinished: capshape $now goes on with the work of an earlier version" start.log &&
		grep -q 'are tokenized already' start.log && same_files large large.1
}
check "work of another version of the program is gone on with, and a line says so" another_version
spoil() { # FILE PLACE
	printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
damaged() { # a byte in the middle of a journal, or in its head
	local journal number=0
	unfinished TERM || return
	for journal in large/unfinished/*.journal; do
		spoil "$journal" $((number++ % 2 == 0 ? $(stat -c %s "$journal") / 2 : 1))
	done
	start 1 large.in
	wait_session $session || return
	cat start.log
	same_files large large.1
}
check "damaged journals: what they held is made again, with the same bytes" damaged
taken_away() { # a finished file that is removed is made again
	local try
	for try in 1 2 3 4 5 6 7 8; do
		rm -rf large
		start 1 large.in
		until compgen -G 'large/unfinished/*-*.done' > found.log || ! kill -0 $session; do sleep 0.002; done 2> /dev/null
		signal_session $session KILL
		wait_session $session
		[ ! -e large/corpus.h5 ] && break
	done
	rm large/train-00000.h5 || return
	start 1 large.in
	wait_session $session || return
	cat start.log
	grep -q 'token files are finished already' start.log && same_files large large.1
}
check "a finished file that somebody removed is made again" taken_away
spoiled() { # a finished file that is damaged, and one that nobody knows of; the note was not there when it was stopped before
	unfinished KILL || return
	rm -f large/unfinished/made-with
	cp large.1/train-00000.h5 large/train-00009.h5
	start 1 large.in
	until [ -e large/unfinished/train-00000.done ] || ! kill -0 $session; do sleep 0.002; done 2> /dev/null
	signal_session $session KILL
	wait_session $session
	[ ! -e large/corpus.h5 ] || return 0 # it was too fast
	spoil large/train-00000.h5 $(($(stat -c %s large/train-00000.h5) / 2))
	start 1 large.in
	wait_session $session || { cat start.log && return 1; }
	cat start.log
	same_files large large.1
}
check "a finished file that is damaged is made again; what was there before there was a note is removed" spoiled
spoiled_vocabulary() {
	rm -rf wordy
	start 1 wordy.in
	until [ -e wordy/unfinished/vocabulary.h5 ] || ! kill -0 $session; do sleep 0.005; done 2> /dev/null
	signal_session $session KILL
	wait_session $session
	[ -e wordy/unfinished/vocabulary.h5 ] || return 0
	truncate -s -100 wordy/unfinished/vocabulary.h5
	start 1 wordy.in
	wait_session $session || { cat start.log && return 1; }
	cat start.log
	grep -q 'vocabulary is learned from the beginning' start.log && same_files wordy wordy.1
}
check "a damaged vocabulary is learned again" spoiled_vocabulary
not_ours() {
	local code=0
	rm -rf large && mkdir -p large/unfinished && echo mine > large/unfinished/thesis.txt
	alone large.in > other.log 2>&1 || code=$?
	cat other.log
	[ "$code" = 2 ] && grep -q 'large/unfinished holds thesis.txt' other.log && [ -e large/unfinished/thesis.txt ]
}
check "a folder of that name which is not ours is left alone" not_ours

# ---- classifier: only its probes, as the language models are there

sed 's/^output = .*/output = fitted\nsave_interval = 0.2/; s/^probe_tokens.*/probe_tokens = 8000/
	s/^evaluation_tokens.*/evaluation_tokens = 20000\nmodels = models/; s/= data$/= middle/' classifier.in > fitted.in
head -n 6000 large.jsonl > middle.jsonl
need "text of the probes" alone tokenize.in corpus/paths=middle.jsonl run/output=middle
need "language models of it" alone classifier.in data/folder=middle run/output=models
need "probes with 1, 2 and 3 ranks" undisturbed fitted.in fitted

account='probes: features of [0-9]+ blocks computed now, [0-9]+ before; [0-9]+ fitted now, [0-9]+ before; [0-9]+ blocks measured now, [0-9]+ before'
# Each start finds the sums of those before it.
each_block_once() {
	grep -Eo "$account" said | tr -dc '0-9 \n' | awk '
		$2 != a || $4 != b || $6 != c { print "found " $2, $4, $6 ", done were " a + 0, b + 0, c + 0; wrong = 2 }
		{ a += $1; b += $3; c += $5 }
		END { print "all starts: " a + 0, b + 0, c + 0; exit wrong ? wrong : NR < 2 }'
	[ $? != 2 ] || wrong=1
	[ "$wrong" = 1 ] || [ "$(grep -Ec "$account" said)" -ge 2 ]
}
fits_once() { series_until each_block_once TERM 4 fitted.in fitted && [ "$wrong" = 0 ]; }
check "classifier, stopped four times by SIGTERM: the same bytes, nothing computed twice" fits_once
# All that there is to do, whatever the cuts: what a start finds and what it does.
all_of_it() {
	grep -Eo "$account" said | tail -n 1 | tr -dc '0-9 \n' | awk '{ print $1 + $2, $3 + $4, $5 + $6 }'
}
fits_once_all=$(all_of_it)
same_account() {
	grep -Eq "$account" said || return
	[ "$(all_of_it)" = "$fits_once_all" ] || { echo "$(all_of_it), not $fits_once_all" && wrong=1; }
}
fits_after_kill() { series_until same_account "$1" 4 fitted.in fitted && [ "$wrong" = 0 ]; }
check "classifier, killed four times: the same bytes, what was saved is used" fits_after_kill KILL
check "classifier, killed or stopped four times" fits_after_kill any
partly_fitted() { # [INPUT]
	local try
	for try in 1 2 3 4 5 6; do
		rm -rf fitted
		start 2 "${1:-fitted.in}"
		until compgen -G 'fitted/unfinished/*.probe' > found.log || ! kill -0 $session; do sleep 0.005; done 2> /dev/null
		signal_session $session KILL
		wait_session $session
		[ ! -e fitted/classifier.h5 ] && return
	done
	return 1
}
# What does not depend on the ridge stays, the features; a ridge that was given before finds its probes again.
another_ridge() {
	local features=0
	sed 's/^save_interval.*/save_interval = 0/' fitted.in > saving.in
	partly_fitted saving.in || return
	alone saving.in classifier/l2=1e-3 > other.log || return
	cat other.log
	features=$(grep -Eo "$account" other.log | tr -dc '0-9 \n' | awk '$3 > 0 && $4 == 0 { print $2 }')
	! grep -q 'begins anew' other.log && [ "${features:-0}" -gt 0 ] && [ ! -e fitted/unfinished ] || return
	mv fitted kept
	alone saving.in classifier/l2=1e-3 > other.log && same_files kept fitted
}
check "another ridge: the features are kept, with the same bytes" another_ridge
another_sample() {
	partly_fitted || return
	alone fitted.in classifier/probe_tokens=7000 > other.log || return
	cat other.log
	[ "$(grep -c 'begins anew' other.log)" = 1 ] && ! grep -Eq "$account" other.log && [ ! -e fitted/unfinished ]
}
check "another key of the probes: begins anew" another_sample
damaged_probe() {
	local file
	partly_fitted || return
	for file in fitted/unfinished/*.probe fitted/unfinished/*.counts; do
		[ ! -e "$file" ] || printf '\377' | dd of="$file" bs=1 seek=40 conv=notrunc status=none
	done
	start 3 fitted.in
	wait_session $session || return
	cat start.log
	grep -q 'is damaged' start.log && same_files fitted fitted.3
}
check "damaged files of a fit: what they held is made again, with the same bytes" damaged_probe
finish
