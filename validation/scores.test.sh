#!/usr/bin/env bash
# Where scores come from changes nothing but where they come from: live classification, the score file of a finished pass,
# the reference's raw files. Also every filter method, smoothing, and task = evaluate.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prepare_study
write_pretrain pretrain.in 12 < /dev/null

thresholds=(filter/token_threshold=0.4 filter/document_threshold=0.4)
need "live classification, every method" alone pretrain.in run/output=live \
	filter/method="none, document, mask, remove, weight" "${thresholds[@]}"
scores=$(echo live/scores/*/scores.h5)
check "the pass is kept as a score file" [ -s "$scores" ]
check "the score file as source" alone pretrain.in run/output=file filter/source=file filter/classifier="$scores" \
	filter/method="none, document, mask, remove, weight" "${thresholds[@]}"
best() { # without thresholds: those that the classifier found best, in the file too
	alone pretrain.in run/output=live-best && alone pretrain.in run/output=file-best filter/source=file \
		filter/classifier="$scores" && same_runs live-best file-best
}
check "the score file knows the best thresholds" best
check "live and file give the same bits" same_runs live file
check "gold labels as source" alone pretrain.in run/output=labels filter/source=labels
differs() { ! same_runs labels/points/point live/points/method=mask; }
check "gold labels are not the classifier's scores" differs

# A score file of other text is refused.
other() {
	sed 's/output = data/output = other/; s/block_tokens = 512/&\nvalidation_share = 0.2/' tokenize.in > other.in
	alone other.in || return 1
	local code=0
	alone pretrain.in run/output=refused data/folder=other filter/source=file filter/classifier="$scores" \
		"${thresholds[@]}" 2> refused.log || code=$?
	[ $code = 3 ] && grep -q 'other text' refused.log
}
check "scores of other text are bad data" other

# Another arithmetic moves scores and a few decisions, which --compare-scores counts; with the score file they are those of the
# file whatever computes.
alone_at() { # FOLDER KEY=VALUE...
	alone pretrain.in run/output="$1" filter/method=mask "${thresholds[@]}" "${@:2}"
}
other_devices() {
	local file=(filter/source=file filter/classifier="$scores")
	alone_at whole && alone_at half run/precision=bfloat16 && alone_at plain run/device=reference &&
		alone_at file-half run/precision=bfloat16 "${file[@]}" && alone_at file-plain run/device=reference "${file[@]}"
}
check "classified in bfloat16 and by the reference's loops, and read from a file there" other_devices
compared() { # EXIT-CODE FILE-WORDS... : what --compare-scores says of the first file and another
	local code=0
	alone --compare-scores "$scores" "${@:2}" > compared || code=$?
	cat compared
	[ "$code" = "$1" ]
}
counted() {
	cp "$scores" copy.h5
	compared 0 copy.h5 && grep -q 'tokens: [1-9][0-9]* compared, 0 scores differ' compared && ! grep -q ' [1-9][0-9]* decisions' compared &&
		grep -q '^tokens at p .* [1-9][0-9]* flagged' compared && grep -q '^documents at p' compared || return 1
	compared 1 half/scores/*/scores.h5 --data data --thresholds 0.2,0.3,0.4,0.5,0.6 || return 1
	grep -q 'tokens: .* [1-9][0-9]* scores differ.* by at most 0*[0-9.]*[1-9]' compared && [ "$(grep -c '^tokens at p' compared)" = 5 ] &&
		grep -Eq '^tokens at p .* [1-9][0-9]* decisions differ.*(forget|retain|other) [1-9]' compared || return 1
	compared 1 plain/scores/*/scores.h5 && grep -q 'tokens: .* [1-9][0-9]* scores differ.* by at most 0[.]0' compared
}
check "--compare-scores: a copy has no difference, bfloat16 has some, of domains, the reference small ones" counted
refused() {
	compared 3 classifier/classifier.h5 || return 1
	compared 2 copy.h5 --thresholds 1.5 && compared 2 copy.h5 --thresholds "$(seq -s , 0.01 0.01 0.4)" && compared 3 copy.h5 --data other && alone --data data pretrain.in
	[ $? = 2 ]
}
check "--compare-scores refuses what is no score file, no probability, other text" refused
file_decides() {
	same_runs whole half > said && return 1
	grep -q "the filter's counts differ" said && grep -q 'the weights differ' said || { cat said; return 1; }
	for other in file-half file-plain; do
		same_runs whole "$other" > said && return 1
		cat said
		grep -q 'the weights differ' said && ! grep -q "the filter's counts differ" said || return 1
	done
}
check "with a score file the decisions are its own, in any precision and on any device" file_decides

# Probe keys change without training the language models again; smoothing is one of them.
smoothed() {
	cp -r classifier smooth
	alone classifier.in run/output=smooth classifier/smoothing=4 2> smooth.log && return 1
	rm smooth/classifier.h5
	alone classifier.in run/output=smooth classifier/smoothing=4 > smooth.log || return 1
	! grep -q 'model\]  step' smooth.log
}
check "another smoothing fits new probes on the same language models" smoothed

evaluated() {
	cat > evaluate.in <<-END
		[run]
		task = evaluate
		output = evaluated
		threads = 1
		[data]
		folder = data
		[evaluate]
		run = live
		documents = 10
	END
	alone evaluate.in > evaluate.log || return 1
	[ "$(grep -c 'documents, loss' evaluate.log)" -ge 15 ]
}
check "task = evaluate reads the models of a run" evaluated

# Raw files of the reference: uint32 ids and float16 scores, little-endian. 64 documents of 32 tokens; ids 65 to 122.
raw() {
	perl -e 'print pack("V*", map { 65 + $_ * $_ % 58 } 0 .. 2047)' > raw-train.bin
	perl -e 'print pack("V*", (32) x 64)' > raw-train_lens.bin
	perl -e 'print pack("v*", map { $_ % 4 ? 0 : 0x3b00 } 0 .. 2047)' > raw-train_filter.bin # 0x3b00: 0.875
	cp raw-train.bin raw-val.bin
	cat > raw.in <<-END
		[run]
		task = tokenize
		output = rawdata
		[tokenizer]
		source = file
		path = data/tokenizer.h5
		[tokenize]
		raw = raw-train
		block_tokens = 256
	END
	alone raw.in || return 1
	alone pretrain.in run/output=rawrun data/folder=rawdata filter/source=file filter/classifier=rawdata/scores.h5 \
		filter/token_threshold=0.5 evaluate/set=validation > raw.log || return 1
	# A quarter of the tokens has p = 0.875; every 33rd is the end-of-text that was added.
	grep -Eq 'kept 7[4-7]\.[0-9] %' raw.log
}
check "the reference's raw files, with their scores" raw
finish
