#!/usr/bin/env bash
# The generated benchmark from one input file to recall: text of two entanglements, a classifier for each, models with and
# without filtering. The bits do not depend on ranks, a resumed run ends with the same answers, and masking gold-labelled
# facts keeps them from being recalled.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_launcher

cat > tokenize.in <<-END
	[run]
	task = tokenize
	output = data/{generate/entanglement}
	[corpus]
	format = generated
	[generate]
	documents = 12k
	facts = 16
	relations = 2
	objects = 8
	filler_words = 20
	filler_share = 0.1
	forget_share = 0.35
	retain_share = 0.35
	mixed_share = 0.2
	entanglement = 0, 1
	[tokenizer]
	ranks = 400
	[tokenize]
	block_tokens = 1024
	shards = 2
END
cat > classifier.in <<-END
	[run]
	task = classifier
	output = classifier/{generate/entanglement}
	after = tokenize.in
	threads = 1
	[generate]
	entanglement = 0, 1
	[data]
	folder = data/{generate/entanglement}
	$model_keys
	[train]
	tokens = 60k
	sequences = 8
	slots = 4
	learning_rate = 6e-3
	[classifier]
	layer = 2
	smoothing = 0
	probe_tokens = 4000
	probe_documents = 400
	evaluation_tokens = 10k
END
cat > pretrain.in <<-END
	[run]
	task = pretrain
	output = sweep
	after = tokenize.in classifier.in
	threads = 1
	device = cpu
	[generate]
	entanglement = 0, 1
	[data]
	folder = data/{generate/entanglement}
	[filter]
	method = none, mask
	source = labels
	classifier = classifier/{generate/entanglement}
	$model_keys
	[train]
	tokens = 500k
	sequences = 8
	slots = 4
	learning_rate = 8e-3
	[evaluate]
	domains = forget retain other mixed
	documents = 20
END
need "one command: text, classifiers, models" ranks 2 pretrain.in

# Recall in percent, from the lines of the log: METHOD ENTANGLEMENT SET.
cp check.log first.log
recall() {
	sed -nE "s/.*entanglement=$2,method=$1 .*recall of $3 facts ([0-9]+)\.[0-9] %.*/\1/p" first.log
}
learned() { # chance is 12.5 %; pairs of shared words take longer to learn than this
	grep recall first.log
	[ "$(recall none 0 forget)" -ge 60 ] && [ "$(recall none 0 retain)" -ge 60 ]
}
filtered() {
	grep recall first.log
	[ "$(recall mask 0 forget)" -le 40 ] && [ "$(recall mask 0 retain)" -ge 60 ] && [ "$(recall mask 1 forget)" -le 40 ]
}
check "unfiltered models recall forget and retain facts" learned
check "masked models recall retain facts and not forget facts" filtered

same_files() { # FOLDER FOLDER
	local name
	for name in "$1"/*.h5; do
		[ "${name##*/}" = corpus.h5 ] || cmp "$name" "$2/${name##*/}" || return 1
	done
}
text_again() { alone tokenize.in run/output=alone/{generate/entanglement} && same_files data/0 alone/0 && same_files data/1 alone/1; }
check "one process makes the same text and questions" text_again
differ() { ! same_files data/0 data/1; }
check "another entanglement makes other text" differ

live=(filter/source=classifier filter/method=mask generate/entanglement=1 run/after= train/tokens=20k run/checkpoint_interval=7)
check "one process, live classification" alone pretrain.in run/output=one "${live[@]}"
split() { ranks 4 pretrain.in run/output=four "${live[@]}" && same_runs one four; }
check "four ranks recall the same, to the bit" split
resumed() {
	alone pretrain.in run/output=parts "${live[@]}" run/stop_after_steps=9
	[ $? = 75 ] && alone pretrain.in run/output=parts "${live[@]}" && same_runs one parts
}
check "a stopped and continued run recalls the same, to the bit" resumed

cat > evaluate.in <<-END
	[run]
	task = evaluate
	output = again
	[data]
	folder = data/1
	[evaluate]
	run = one
	domains = forget retain other mixed
	documents = 20
END
evaluated() { alone evaluate.in && grep -q "questions, .* right, by chance 12.5 %" check.log; }
check "task = evaluate asks the questions again" evaluated
# The report says where it does not know which documents belong together: here each is known to be by itself.
ids_are_kept() { "$builddir/capshape-report" again && grep -q 'over 20 documents$' check.log && ! grep 'share an id' check.log; }
check "task = evaluate keeps which documents belong together" ids_are_kept
own_text() {
	sed '/^\[data\]/,+1d' evaluate.in > own.in
	alone own.in evaluate/run=sweep run/output=own > own.log && sed -nE 's/.* ([0-9.]+ %) right, .*/\1/p' own.log | sort > again.log &&
		sed -nE 's/.* recall of .* ([0-9.]+ %), .*/\1/p' first.log | sort | diff - again.log
}
check "without data/folder each model of a sweep is asked about its own text, with the same result" own_text

refused() { # CODE WORDS ARGUMENT...
	local expected=$1 words=$2 code=0
	shift 2
	alone "$@" > refused.log 2>&1 || code=$?
	cat refused.log
	[ $code = "$expected" ] && grep -q "$words" refused.log
}
check "another text than the one meant is refused" \
	refused 3 "was made with corpus/format = generated and generate/entanglement = 0" \
	pretrain.in run/after= run/output=wrong data/folder=data/0 generate/entanglement=1
check "one folder for two texts is refused" refused 2 "needs a folder of its own" tokenize.in run/output=data/both

# ---- questions of one's own: beside the tokens, and asked of models that are trained already

# Two groups, two to four choices, one question that is too long, one that is asked twice, one in a set of another name.
awk 'BEGIN {
	for (q = 0; q < 30; q++) {
		printf "{\"question\": \"the zoru of kiba %d is\", \"choices\": [\"mone\", \"pela beda\"%s%s], \"answer\": %d, ", q,
			q % 3 ? ", \"tavu\"" : "", q % 3 == 2 ? ", \"sati = x\"" : "", q % 2
		printf "\"subject\": \"%s\", \"domain\": \"forget\"}\n", q % 2 ? "odd" : "even"
	}
	long = "dulo"; for (i = 0; i < 80; i++) long = long " kaje dulo"
	printf "{\"question\": \"%s\", \"choices\": [\"mone\", \"pela\"], \"answer\": \"B\", \"subject\": \"odd\", \"domain\": \"forget\"}\n", long
	print "{\"question\": \"once\", \"options\": {\"A\": \"sati\", \"B\": \"beda\"}, \"answer\": \"beda\", \"set\": \"other set\", \"id\": 1}"
}' | gzip > exam.jsonl.gz
cat > exam.in <<-END
	[run]
	task = evaluate
	output = exam
	[evaluate]
	run = one
	domains =
	[questions]
	paths = exam.jsonl.gz
	scoring = cloze bytes pmi letters
END
asked() {
	alone exam.in > exam.log || { cat exam.log; return 1; }
	cat exam.log
	grep -q "questions: exam: 31, in 2 groups, up to 4 choices, chance 3[0-9.]* %, domain forget" exam.log &&
		grep -q "questions: exam: 1 of 31 are not asked by their choices' text, .*: exam.jsonl.gz:31$" exam.log &&
		grep -q "  exam       20 questions, .* right by letters, by chance 50.0 %" exam.log &&
		grep -q "  other_set  1 questions, .* right by cloze, by chance 50.0 %" exam.log
}
check "own questions are asked of a trained model, too long ones counted and named" asked
reported() {
	"$builddir/capshape-report" exam > report.log && cat report.log && grep -q "^Questions of exam: 1 of 31 were not asked" report.log &&
		grep -q "^Questions$" report.log && [ "$(grep -c ",letters," exam/report/question_groups.csv)" = 4 ]
}
check "the report has them, by set, group and way of scoring" reported

same_tables() { cmp exam/report/questions.csv exam3/report/questions.csv && cmp exam/report/question_groups.csv exam3/report/question_groups.csv; }
asked_by_three() { ranks 3 exam.in run/output=exam3 && "$builddir/capshape-report" exam3 > report.log && same_tables; }
check "three ranks find the same accuracies and margins" asked_by_three
known() {
	alone exam.in > known.log && grep "nothing to do" known.log && alone exam.in questions/group_key=set > known.log &&
		grep "right by cloze" known.log
}
check "the same questions are not asked again, others are" known
beside() { # the same beside the tokens: asked while training, and again afterwards, with the same answers
	alone tokenize.in run/output=data/exam generate/entanglement=1 generate/documents=800 questions/paths=exam.jsonl.gz &&
		alone pretrain.in run/output=taught data/folder=data/exam filter/method=mask generate/entanglement=1 run/after= \
			train/tokens=20k | tee taught.log && grep -q "exam: 30 questions, .* right by cloze, by chance" taught.log &&
		grep -q "recall of forget facts" taught.log &&
		alone exam.in evaluate/run=taught run/output=taught-asked evaluate/domains=forget questions/paths= questions/scoring="cloze bytes" \
			evaluate/documents=20 | tee asked.log &&
		[ "$(sed -nE 's/.*exam: 30 questions, ([0-9.]+) % right by cloze.*/\1/p' taught.log | tail -n 1)" = \
			"$(sed -nE 's/.* exam +30 questions, ([0-9.]+) % right by cloze.*/\1/p' asked.log)" ]
}
check "questions beside the tokens are asked while training" beside
cat > tune.in <<-END
	[run]
	task = finetune
	output = tuned
	threads = 1
	[data]
	folder = data/exam
	[start]
	run = taught
	[finetune]
	target = none
	domains = forget
	[train]
	tokens = 4k
	sequences = 16
	[evaluate]
	documents = 20
END
unasked() { # a start that was asked; with evaluate/questions = none no question is, before or after training, nor by task = evaluate
	alone tune.in > asked.log && grep 'questions, .* right by cloze' asked.log && alone tune.in run/output=silent evaluate/questions=none > silent.log &&
		cat silent.log && ! grep right silent.log && [ -e silent/points/*/run.h5 ] &&
		alone exam.in evaluate/run=taught run/output=silent-again questions/paths= evaluate/questions=none evaluate/domains=forget > silent.log &&
		cat silent.log && grep -q 'forget .*loss' silent.log && ! grep right silent.log
}
check "evaluate/questions = none asks none" unasked
check "... and is no key for a finished run that asked" refused 3 "was made with evaluate/questions = all" tune.in evaluate/questions=none
check "... nor together with questions to ask" refused 2 "questions/paths names some" exam.in evaluate/questions=none
echo '{"question": "one", "choices": ["a", "b"], "answer": 2}' > bad.jsonl
check "a bad line is refused with its number" \
	refused 3 "bad.jsonl:1: the answer is 2, but choices are numbered from 0, here 0 to 1: correct the line" \
	exam.in questions/paths=bad.jsonl run/output=bad
check "a template that names what is not known is refused" \
	refused 2 'questions/template: "{text}" is not known here' exam.in "questions/template={text}" run/output=bad
check "a template with a comma is no axis" refused 2 "quote a value that holds a comma" exam.in "questions/template=Q, {question}" run/output=bad

# ---- the questions about facts as lines: with a passage and without, and as text to tune for letters

cat > open.in <<-END
	[run]
	task = evaluate
	output = open
	[evaluate]
	run = one
	domains =
	[questions]
	paths = data/1/questions.jsonl
	passages = both
	template = "{passage} {question}"
END
# Of the first line the passage is longer than the context, and cut; closed, questions are those about facts, so as many are right.
opened() {
	{
		head -n 1 data/1/questions.jsonl | awk '{ more = ""; for (i = 0; i < 60; i++) more = more "kaje dulo "; sub(/"context": "/, "&" more); print }'
		tail -n +2 data/1/questions.jsonl
	} > passages.jsonl
	alone open.in questions/paths=passages.jsonl > open.log 2>&1 || { cat open.log; return 1; }
	cat open.log
	grep -q "questions: facts-forget.open: of 1 of [0-9]* asked by their choices' text the passage is cut from the left, to fit .* = 64: forget 0$" open.log &&
		! grep "are not asked" open.log &&
		[ "$(sed -nE 's/ +facts-retain +([0-9]+ questions, [0-9.]+ %) right by cloze.*/\1/p' open.log)" = \
			"$(sed -nE 's/.* retain +([0-9]+ questions, [0-9.]+ %) right, .*/\1/p' facts.log)" ]
}
asked_of_facts() { alone evaluate.in run/output=facts evaluate/domains= > facts.log && opened; }
check "questions are asked with their passage and without; one that is too long is cut, and counted" asked_of_facts
paired() {
	"$builddir/capshape-report" open > report.log && cat report.log && grep -q "^Questions without their passage" report.log &&
		[ "$(grep -cE 'facts-(forget|retain),' open/report/passages.csv)" = 4 ]
}
check "the report has both side by side, by each way of scoring" paired

cat > letters.in <<-END
	[run]
	task = tokenize
	output = letters
	[corpus]
	format = questions
	paths = data/1/questions.jsonl
	[questions]
	orders = 1
	paths = all.jsonl
	set_key = ""
	letter_template = "{choices} {question}"
	choice_template = " {letter} {choice}"
	[tokenizer]
	source = file
	path = data/1/tokenizer.h5
	[tokenize]
	test_share = 0.3
	validation_share = 0
	block_tokens = 256
END
as_text() {
	local all learned held
	cp data/1/questions.jsonl all.jsonl
	alone letters.in > letters.log || { cat letters.log; return 1; }
	cat letters.log
	all=$(wc -l < data/1/questions.jsonl)
	learned=$(awk '$1 == "train" { sum += $3 } END { print sum }' letters.log)
	held=$(awk '/^questions: questions:/ { sum += $3 } END { print sum + 0 }' letters.log)
	[ "$held" -gt 0 ] && [ "$learned" = $((all - held)) ]
}
check "questions become text, those held out become questions" as_text
cat > tune.in <<-END
	[run]
	task = finetune
	output = lettered
	threads = 1
	device = cpu
	[start]
	run = one
	[data]
	folder = letters
	[train]
	tokens = 400k
	sequences = 4
	slots = 4
	learning_rate = 1e-2
	[finetune]
	target = none
	domains = forget retain
	[questions]
	scoring = letters
	[evaluate]
	domains = forget retain
	documents = 20
	interval = 0.5
END
# A letter and its blank are 2 tokens of 50 or so. What was learned is answered, as it was learned: each question by itself.
tuned() {
	alone tune.in > tuned.log || { cat tuned.log; return 1; }
	cat tuned.log
	awk '/ kept / { for (i = 1; i < NF; i++) if ($i == "kept") value = $(i + 1) } END { exit !(value > 1 && value < 8) }' tuned.log &&
		sed -nE 's/.*  all: [0-9]+ questions, ([0-9]+)\..* right by letters.* letters have ([0-9]+)\..*/\1 \2/p' tuned.log |
		awk 'END { exit !($1 >= 70 && $2 >= 95) }'
}
check "models are tuned to answer with a letter, from the letters alone" tuned
cut_tuning() {
	local code=0
	alone tune.in run/output=short train/tokens=8k || return 1
	ranks 3 tune.in run/output=short3 train/tokens=8k run/stop_after_steps=9 || code=$?
	[ $code = 75 ] && ranks 2 tune.in run/output=short3 train/tokens=8k && same_runs short short3
}
check "the same by other ranks, stopped and continued, to the bit" cut_tuning
one_by_one() {
	alone letters.in corpus/paths=exam.jsonl.gz questions/paths= questions/set_key=set run/output=letters-exam &&
		alone tune.in data/folder=letters-exam run/output=apart train/tokens=8k &&
		alone tune.in data/folder=letters-exam run/output=apart2 train/tokens=8k train/document_attention=on && same_runs apart apart2
}
check "questions in one row do not see each other" one_by_one
moved() {
	ranks 2 pretrain.in run/output=moved run/device=null run/after= data/folder=letters generate/entanglement=auto filter/method=none \
		train/tokens=20k | tee moved.log && grep -q 'checksums right' moved.log
}
check "whole questions arrive in windows, as they were written" moved
finish
