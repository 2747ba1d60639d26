#!/usr/bin/env bash
# What docs/corpus.md says about labels: text without one is left out of the classifier, binary labels leave a retain side, offsets in
# either unit, misspelt keys; and the threshold of balanced data. Then labels by a sparse autoencoder (task = label).
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prepare_study
write_pretrain pretrain.in 12 < /dev/null

ends_with() { # CODE WORDS COMMAND...
	local code=0
	"${@:3}" > said 2>&1 || code=$?
	cat said
	[ "$code" = "$1" ] && grep -q -- "$2" said
}
tokens() { # FOLDER FILE KEY=VALUE...
	alone tokenize.in run/output="$1" corpus/paths="$2" "${@:3}"
}
classify() { # FOLDER TOKENS KEY=VALUE...
	alone classifier.in run/output="$1" data/folder="$2" "${@:3}"
}

# Seven documents of ten lose domain and labels.
awk 'NR % 10 < 7 { sub(/"domain": "[a-z]*", /, ""); sub(/, "labels": \[.*\]/, "") } { print }' corpus.jsonl > some.jsonl
some() {
	tokens some some.jsonl tokenize/validation_share=0.2 > some.log 2>&1 || return 1
	cat some.log
	grep -q 'some.jsonl:1: 420 of 600 documents have neither' some.log && grep -Eq '^train +unlabelled +[1-9]' some.log
}
check "documents without a label are told apart, and counted" some
left_out() {
	classify some-classifier some > left.log || return 1
	cat left.log
	[ "$(grep -c '^no label: [1-9][0-9]* of [1-9][0-9]* documents of the train set .* left out' left.log)" = 1 ]
}
check "the classifier says in one line what it leaves out" left_out
# A third is forget: so it is measured, whoever has no label.
prevalence() {
	grep -E '^ +classifier ' left.log && awk '$1 == "classifier" { found = 1; if ($(NF - 1) < 0.2 || $(NF - 1) > 0.36) exit 1 } END { exit !found }' left.log
}
check "its prevalence is that of labelled text" prevalence

sed 's/"domain": "[a-z]*", //; s/, "labels": \[.*\]//' corpus.jsonl > none.jsonl
nothing() {
	tokens none none.jsonl || return 1
	ends_with 3 'none of the .* documents of the train set has a label' classify none-classifier none && ! grep -q ' step ' said
}
check "where nothing has a label it stops before it trains" nothing

# What was made when labels meant something else; any other version will do.
other_version() {
	mkdir other && cp data/tokenizer.h5 other/corpus.h5 &&
		ends_with 3 'other/corpus.h5 was made by an older or newer program.*remove the folder other' tokens other corpus.jsonl
}
check "a corpus of another version is refused" other_version

# A finished folder of tokens whose text is not what it was (docs/corpus.md). `said` is what the last command said.
mkdir text && cp corpus.jsonl text/a.jsonl && sed 's/document-/more-/' corpus.jsonl > text/b.jsonl && touch -d '1 hour ago' text/*
check "a folder of text" tokens changed text
check "... that stays as it was is nothing to do, and not read" ends_with 0 'changed is finished: nothing to do' tokens changed text
unread() { ! grep -q 'read for a checksum' said; }
check "... as that start says" unread
modified() {
	touch text/a.jsonl && sleep 3 && ends_with 0 'text: 1 file, .*, modified since .*: read for a checksum' tokens changed text &&
		ends_with 0 'nothing to do' tokens changed text && unread
}
check "another time, the same content: read once, nothing to do" modified
other_content() {
	sed -i '1s/document-0/document-X/' text/a.jsonl
	ends_with 3 'made with text/a.jsonl of the same size and other content' tokens changed text
}
check "the same size, other content: refused" other_content
other_size() {
	head -n 500 corpus.jsonl > text/a.jsonl
	ends_with 3 'made with text/a.jsonl of [0-9]* bytes, which now has' tokens changed text
}
check "another size: refused" other_size
added() {
	cp -p corpus.jsonl text/a.jsonl && touch text/c.jsonl && ends_with 3 'made without text/c.jsonl' tokens changed text && rm text/c.jsonl
}
check "a file more: refused" added
removed() {
	rm text/b.jsonl && ends_with 3 'made with text/b.jsonl, which is not there any more' tokens changed text
}
check "a file less: refused" removed
gone() {
	rm -r text && ends_with 0 '2 of its 2 sources are gone' tokens changed text && grep -q 'nothing to do' said
}
check "text that was removed as a whole is no obstacle" gone

# The paper's labels: forget stretches and nothing else.
sed 's/\("domain": "retain".*\|"domain": "other".*\)"labels": \[.*\]/\1"labels": []/' corpus.jsonl > binary.jsonl
binary() {
	tokens binary binary.jsonl && alone pretrain.in run/output=binary-run data/folder=binary filter/source=labels || return 1
	"$builddir/capshape-report" binary-run > report.log || return 1
	cat report.log
	grep -q 'Loss on retain (all tokens, which all have that label)' report.log &&
		grep -q 'Loss on other (all tokens, which all have that label)' report.log &&
		grep -A 1 'Share of corpus tokens filtered' report.log | grep -q 'forget.*retain.*other'
}
check "binary labels: retain and other have label losses and shares" binary

# The forget stretches of mixed documents have a label loss.
sed 's/"domain": "forget", "text"/"domain": "mixed", "text"/' binary.jsonl > mixed.jsonl
mixed() {
	tokens mixed mixed.jsonl && alone pretrain.in run/output=mixed-run data/folder=mixed filter/source=labels \
		evaluate/domains="retain mixed" || return 1
	"$builddir/capshape-report" mixed-run > report.log || return 1
	cat report.log
	grep -q 'Loss on mixed (tokens of that label only)' report.log
}
check "mixed documents have a label loss: that of their forget stretches" mixed

printf '%s\n' '{"text": "caf\u00e9 noir", "labels": [{"begin": 0, "end": 4, "domain": "forget"}]}' > offsets.jsonl
cat corpus.jsonl >> offsets.jsonl
check "an offset inside a character is refused, with file and line" ends_with 3 'offsets.jsonl:1: .*corpus/label_offsets = characters' \
	tokens offsets offsets.jsonl
check "offsets may count characters" tokens offsets offsets.jsonl corpus/label_offsets=characters

sed '1,5s/"labels"/"label"/; 6s/"domain"/"Domains"/' corpus.jsonl > misspelt.jsonl
misspelt() {
	ends_with 0 'misspelt.jsonl:1: the key "label" is not read (5 documents' tokens misspelt misspelt.jsonl &&
		grep -q 'misspelt.jsonl:6: the key "Domains" is not read (1 ' said && [ "$(grep -c 'is not read' said)" = 2 ]
}
check "keys that look like misspelt labels are warned of once" misspelt

# The threshold of balanced data is the one that the classifier's own record has.
balanced() {
	local p
	for way in auto balanced; do
		alone pretrain.in run/output="$way" filter/token_threshold="$way" || return 1
	done
	same_runs auto balanced && return 1
	"$builddir/capshape-report" balanced > report.log || return 1
	p=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
		$column["who"] == "classifier" && $column["set"] == "test" && $column["prevalence"] == "balanced" { print $column["threshold"] }' \
		balanced/report/classifier.csv)
	echo "threshold $p"
	alone pretrain.in run/output=number filter/token_threshold="$p" && same_runs number balanced
}
check "token_threshold = balanced is the threshold of balanced data" balanced
from_file() {
	alone pretrain.in run/output=file filter/token_threshold=balanced filter/source=file filter/classifier="$(echo balanced/scores/*/scores.h5)" &&
		same_runs file balanced
}
check "... which a score file knows too" from_file
check "... and which filter/share does without" ends_with 2 'filter/share chooses the threshold' \
	alone pretrain.in run/output=both filter/token_threshold=balanced filter/share=0.1

# ---- task = label

# Forget text has tokens of its own: what a model of a few steps can tell apart.
head -n 200 corpus.jsonl | sed '/"domain": "forget"/s/\("text": "\)\([^"]*\)/\1\U\2/' > upper.jsonl
tokens upper upper.jsonl > upper.log 2>&1 || cat upper.log
alone pretrain.in run/output=plain data/folder=upper filter/method=none filter/classifier= train/tokens=40k train/learning_rate=0.004 \
	> plain.log 2>&1 || cat plain.log
cat > label.in <<-END
	[run]
	task = label
	output = labelled
	save_interval = 0
	[start]
	run = plain
	[data]
	folder = upper
	[label]
	latents = 96
	active = 4
	tokens = 66k
	batch = 256
	screen_tokens = 20k
	minimum = 5
	votes = 1
END
shards() { # FOLDER
	(cd "$1" && cat latents.jsonl train-*.h5 validation-*.h5 test-*.h5 | sha256sum)
}
same_shards() { [ "$(shards labelled)" = "$(shards "$1")" ]; }
before=$(sha256sum upper/*)
autoencoder() {
	alone label.in > label.log || return 1
	cat label.log
	[ "$(sha256sum upper/*)" = "$before" ] && [ ! -e labelled/unfinished ] && [ -e labelled/tokenizer.h5 ] &&
		awk '$1 == "train" && $2 == "forget" { of_forget = $5 } $1 == "train" && $2 == "retain" { of_retain = $5 }
			$1 == "test" && $2 == "autoencoder" { precision = $3; auroc = $6 }
			END { exit !(of_forget > 10 * of_retain && precision > 0.6 && auroc > 0.7) }' label.log &&
		grep -q '"taken":"screen".*"strongest":\[{"value":[0-9.]*,"domain":"forget"' labelled/latents.jsonl
}
need "a sparse autoencoder labels tokens, and the text it reads stays as it is" autoencoder
check "what is finished is not made again" ends_with 0 'labelled is finished: nothing to do' alone label.in
check "... and not of other keys" ends_with 3 'was made with label/votes = 1, but the input now says 2' alone label.in label/votes=2
if [ -n "${MPIEXEC-mpirun}" ] && command -v "${MPIEXEC:-mpirun}" > /dev/null; then
	three() { ranks 3 label.in run/output=three && same_shards three; }
	check "three ranks make the same bits" three
fi
# Killed when the first state of training is there.
killed() {
	local job tries=0
	new_session
	"$capshape" label.in run/output=killed &
	job=$!
	while [ ! -e killed/unfinished/autoencoder.h5 ] && [ $((tries += 1)) -lt 3000 ] && kill -0 $job; do sleep 0.02; done
	kill -KILL $job
	wait $job
	[ -e killed/unfinished/autoencoder.h5 ] && [ ! -e killed/corpus.h5 ] || return 1
	alone label.in run/output=killed > killed.log || return 1
	cat killed.log
	grep -q 'autoencoder: goes on after [1-9]' killed.log && same_shards killed
}
check "what was killed goes on, to the same bits" killed
# Another run's autoencoder, and latents by hand: those that the screen took, and no others.
by_hand() {
	sed -n 's/{"latent":\([0-9]*\),"taken":"screen".*/\1 # one/p' labelled/latents.jsonl > taken.txt
	alone label.in run/output=by-hand label/autoencoder=labelled label/ratio=1e9 label/take=taken.txt &&
		diff <(cd labelled && cat train-*.h5 | sha256sum) <(cd by-hand && cat train-*.h5 | sha256sum)
}
check "latents can be taken by hand" by_hand
check "... or left out" ends_with 3 'shows those that are nearest' alone label.in run/output=left label/autoencoder=labelled label/leave=taken.txt
sets() {
	alone label.in run/output=sets label/autoencoder=labelled label/sets="train validation" &&
		cmp sets/train-00001.h5 labelled/train-00001.h5 && ! cmp -s sets/test-00000.h5 labelled/test-00000.h5 &&
		cmp sets/test-00000.h5 upper/test-00000.h5 && alone pretrain.in run/output=sets-run data/folder=sets filter/source=labels
}
check "a set that is not named keeps its labels; models train on the others" sets
# Of the documents without a domain those that have forget words get the domain forget.
unlabelled() {
	awk 'NR % 10 < 4 { sub(/"domain": "[a-z]*", /, ""); sub(/, "labels": \[.*\]/, "") } { print }' upper.jsonl > part.jsonl
	tokens part part.jsonl tokenizer/source=file tokenizer/path=upper/tokenizer.h5 &&
		alone label.in run/output=part-labelled data/folder=part label/autoencoder=labelled label/domains="forget retain other unlabelled" > part.log ||
		return 1
	cat part.log
	awk '$1 == "train" && $2 == "unlabelled" { share = $5; found = $3 > 0 } END { exit !(found && share > 30 && share < 70) }' part.log &&
		! cmp -s part/train-00000.h5 part-labelled/train-00000.h5
}
check "documents without a domain are labelled when that is asked for" unlabelled
check "a layer that the model has not" ends_with 2 'label/layer = 3: the model .* has 2 blocks' alone label.in run/output=bad label/layer=3
check "the text's own folder" ends_with 2 'run/output and data/folder are the same folder' alone label.in run/output=upper
check "the folder of other text" ends_with 2 'some holds tokens that task = label has not made' alone label.in run/output=some
check "several points, one folder" ends_with 2 '2 points would write to bad' alone label.in run/output=bad label/votes=1,2
check "a latent that is not there" ends_with 2 'label/take: the autoencoder has latents 0 to 95, not 96' alone label.in run/output=bad \
	label/autoencoder=labelled label/take=96
check "what is no number" ends_with 3 'words.txt:2: "two" is no number of a latent' \
	sh -c 'printf "1\ntwo\n" > words.txt && "$@"' sh "$capshape" label.in run/output=bad label/take=words.txt
finish
