#!/usr/bin/env bash
# What sweeps are made of: shares of the text instead of thresholds, labels of sentences and documents, long runs that carry
# short ones (train/trunk) with the same bits as runs from the beginning; finetuning from the models of a finished run, and chat.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prepare_study
write_pretrain pretrain.in 40 < /dev/null

# ---- filter/share: the last line of progress says what was kept

kept() { # FOLDER LOW HIGH ARGUMENT...
	local folder=$1 low=$2 high=$3
	shift 3
	alone pretrain.in run/output="$folder" run/log_interval=0 evaluate/documents=1 "$@" > kept.log || return 1
	tail -n 40 kept.log
	awk -v low="$low" -v high="$high" '/ kept / { for (i = 1; i < NF; i++) if ($i == "kept") value = $(i + 1) }
		END { exit !(value >= low && value <= high) }' kept.log
}
# Forget tokens are a quarter of the text: less than that is a random part of them, more takes others as well.
check "a tenth of the tokens, of the gold labels" kept share-labels 88 92 filter/source=labels filter/share=0.1
check "half of the tokens, of the gold labels" kept share-more 47 53 filter/source=labels filter/share=0.5
check "a tenth of the tokens, by the classifier" kept share-live 86 94 filter/share=0.1
check "all blocks are scored" alone pretrain.in run/output=all filter/share=0.1 train/tokens=90k
scores=$(echo all/scores/*/scores.h5)
check "a tenth of the tokens, of a score file" kept share-file 88 92 filter/source=file filter/classifier="$scores" \
	filter/share=0.1
check "a third of the tokens, with their documents" alone pretrain.in run/output=share-documents filter/method=document \
	filter/share=0.3 train/tokens=20k
both() {
	local code=0
	alone pretrain.in run/output=both filter/share=0.1 filter/token_threshold=0.5 2> both.log || code=$?
	[ $code = 2 ] && grep -q 'give one of them' both.log
}
check "a share and a threshold are too much" both

# ---- labels of the classifier's training

fitted() { # LABELS
	alone classifier.in run/output="labels-$1" classifier/models=classifier classifier/labels="$1" \
		classifier/forget_share=0.6 > "labels-$1.log" || return 1
	cat "labels-$1.log"
	! grep -q 'model\]  step' "labels-$1.log" && ! [ -e "labels-$1/left" ] && grep '^  classifier ' "labels-$1.log" > "row-$1"
}
check "probes on the language models of another classifier" fitted token
same_scores() { [ "$(ls all/scores)" = "$(alone pretrain.in run/output=same filter/classifier=labels-token > /dev/null; ls same/scores)" ]; }
check "make the same classifier" same_scores
check "labels of documents fit other probes" fitted document
check "labels of sentences fit other probes" fitted sentence
check "that judge otherwise than probes of token labels" eval '! cmp -s row-token row-document'
# Documents with a domain and no labels of their tokens; and without.
refused_text() { # NAME TEXT [KEY=VALUE...]
	local code=0 name=$1 text=$2
	shift 2
	alone classifier.in data/folder="$name" run/output="refused-$name" "$@" 2> "$name.log" || code=$?
	cat "$name.log"
	[ $code = 3 ] && grep -q "$text" "$name.log"
}
sed 's/, "labels": \[.*\]//' corpus.jsonl > domains.jsonl
sed 's/"domain": "[a-z]*", //' domains.jsonl > plain.jsonl
check "text with domains of documents alone" alone tokenize.in run/output=domains corpus/paths=domains.jsonl
check "text with nothing" alone tokenize.in run/output=plain corpus/paths=plain.jsonl
check "no labels of tokens: what to do is said" refused_text domains 'set classifier/labels = document'
check "... and done" alone classifier.in data/folder=domains run/output=by-document classifier/labels=document
check "no domains either: refused before anything is trained" refused_text plain 'needs labels to be fitted' classifier/labels=document
other_models() {
	local code=0
	alone classifier.in run/output=refused-models classifier/models=classifier model/width=64 2> models.log || code=$?
	[ $code = 3 ] && grep -q 'other settings' models.log
}
check "language models made with other keys are refused" other_models

# ---- forks: the trunk has 40 steps, of which the learning rate falls in the last 8

wsd=(train/schedule=wsd run/checkpoint_interval=1000 run/checkpoint_keep=1)
check "the trunk" alone pretrain.in run/output=trunk "${wsd[@]}" train/warmup_tokens=2048 "filter/method=none, mask" \
	"run/checkpoint_shares=0.25 0.5"
steps() { [ "$(cd trunk/points/method=mask/checkpoints && echo step-*)" = "step-000000010 step-000000020 step-000000040" ]; }
check "its checkpoints at given shares are kept" steps
short=("${wsd[@]}" "filter/method=mask, none" "train/tokens=8192, 12288" train/decay_share=0.3 train/warmup_tokens=2048)
check "runs of 16 and 24 steps from the beginning" alone pretrain.in run/output=straight "${short[@]}"
forked() {
	alone pretrain.in run/output=forked "${short[@]}" train/trunk=trunk > forked.log || return 1
	cat forked.log
	[ "$(grep -c 'begins from step 10 of ' forked.log)" = 4 ]
}
check "the same from the trunk" forked
check "are the same, bit for bit" same_runs straight forked
launcher=${MPIEXEC-mpirun}
if [ -n "$launcher" ] && command -v "${launcher%% *}" > /dev/null; then
	interrupted() {
		local code=0
		ranks 2 pretrain.in run/output=interrupted "${short[@]}" train/trunk=trunk run/stop_after_steps=2 || code=$?
		[ $code = 75 ] && ranks 2 pretrain.in run/output=interrupted "${short[@]}" train/trunk=trunk
	}
	check "also on two ranks, and interrupted in the cool-down" interrupted
	check "are the same, bit for bit" same_runs straight interrupted
fi
refused() { # WORDS ARGUMENT...
	local words=$1 code=0
	shift
	alone pretrain.in run/output=refused "${wsd[@]}" train/trunk=trunk train/decay_share=0.25 "$@" 2> refused.log || code=$?
	cat refused.log
	[ $code = 3 ] && grep -q "$words" refused.log
}
check "a trunk with another filter is refused" refused 'filter/noise is 0 there and 0.1 here' filter/noise=0.1 train/warmup_tokens=2048
check "a trunk with another warm-up is refused" refused 'learning rate of step' train/warmup_tokens=4096 train/tokens=12288
check "a trunk without an early checkpoint is refused" refused 'holds no checkpoint of step 7' train/tokens=4096 \
	train/warmup_tokens=2048

# ---- finetuning: from the four models of `straight`, of two lengths and two methods

cat > finetune.in <<-END
	[run]
	task = finetune
	output = tuned
	threads = 1
	device = cpu
	checkpoint_interval = 4
	[start]
	run = straight
	[data]
	folder = data
	[train]
	tokens = $((24 * 8 * 64))
	sequences = 8
	learning_rate = 0.01
	[evaluate]
	documents = 10
END
counted() { [ "$(alone --points finetune.in)" = 4 ] && [ "$(alone --points finetune.in "start/points=filter/method=mask 0 3")" = 1 ]; }
check "each point of the run is one of the finetuning, unless others are chosen" counted
finetuned() {
	alone finetune.in > tuned.log || return 1
	cat tuned.log
	[ "$(grep -c 'begins from the weights of straight/points/' tuned.log)" = 4 ]
}
check "models are finetuned" finetuned
report=$builddir/capshape-report
cell() { # FILE COLUMN PATTERN: of the rows that match
	awk -F, -v name="$2" -v pattern="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i; next } $0 ~ pattern { print $column }' "$1"
}
# Losses with ten digits; those of the start are the last evaluation of its own run.
unquoted='s/"\([^",]*\),\([^",]*\)"/\1 \2/g' # a name with a comma
crossing() {
	"$report" straight > straight.txt && "$report" tuned > tuned.txt || return 1
	cat tuned.txt
	sed "$unquoted" tuned/report/finetune.csv > tuned.csv
	sed "$unquoted" straight/report/table.csv > straight.csv
	grep -q '^  mask,tokens=12288 at .* bring its loss on the forget set from .* back to ' tuned.txt && grep -q '<figcaption>Tokens of finetuning' tuned/report/report.html
}
check "the report says in how many tokens the loss of the unfiltered model is reached" crossing
same_losses() {
	cat tuned.csv
	# the unfiltered model is evaluated twice, as the target of both and before its own first step
	[ "$(cell tuned.csv target method=none | wc -l)" = 2 ] &&
		[ "$(cell tuned.csv target method=none)" = "$(cell tuned.csv first_loss method=none)" ] &&
		[ "$(cell tuned.csv target method=mask)" = "$(cell tuned.csv target method=none)" ]
}
check "the target is the loss of the unfiltered model of the same length" same_losses
first_losses() {
	sort <(cell tuned.csv first_loss .) > first
	sort <(cell straight.csv loss ',forget,all,') > last
	cat first last
	[ "$(wc -l < first)" = 4 ] && cmp first last
}
check "the first losses are the last ones of the start, in every digit" first_losses
other_task() {
	local code=0
	alone pretrain.in run/output=tuned 2> other.log || code=$?
	cat other.log
	[ $code = 3 ] && grep -q 'tuned holds a run of task = finetune' other.log
}
check "a run of another task does not take the folder" other_task
relisted() { # sweep.h5, and with it the report, has the points of the last input file, although all were finished
	alone finetune.in start/points="0 1" > relisted.log && "$report" tuned | grep '^2 finished runs' &&
		alone finetune.in > relisted.log && "$report" tuned | grep '^4 finished runs'
}
check "points that are finished are listed again when they are asked for" relisted
still() { # a learning rate of 0 leaves the weights as they came
	local code=0
	alone finetune.in run/output="still-$1" start/points=0 finetune/patience=0 train/tokens=1024 train/learning_rate="$1" || return 1
	rm -rf a b && mkdir -p a/points b/points && cp -r straight/points/tokens=8192,method=mask a/points/p &&
		cp -r "still-$1"/points/* b/points/p || return 1
	alone --compare-runs a b > "still-$1.log" || code=$?
	cat "still-$1.log"
	[ $code = 1 ] && grep -q 'the curves differ' "still-$1.log"
}
check "without a learning rate the weights stay" still 0
check "as those of the start, bit for bit" eval '! grep -q "the weights differ" still-0.log'
check "with one they do not" still 0.001
check "which the comparison sees" grep -q 'the weights differ' still-0.001.log
wrong() { # EXIT-CODE WORDS ARGUMENT...
	local expected=$1 words=$2 code=0
	shift 2
	alone finetune.in run/output=wrong "$@" 2> wrong.log || code=$?
	cat wrong.log
	[ $code = "$expected" ] && grep -q "$words" wrong.log
}
check "text of another tokenizer" alone tokenize.in run/output=foreign tokenizer/ranks=301
check "is refused" wrong 3 'was made with' data/folder=foreign
check "so is a run that is not there" wrong 3 'is no folder of a run, and no file of run/after makes it' start/run=nowhere
unfinished() { alone pretrain.in run/output=unfinished filter/method=none run/stop_after_steps=1; [ $? = 75 ]; }
check "a run that was stopped" unfinished
check "a filtered one" alone pretrain.in run/output=masked train/tokens=1024
check "a point that is not finished is refused" wrong 3 'is not finished, or not there' start/run=unfinished
damaged() { # a byte of its last checkpoint
	local shard
	cp -r straight damaged && shard=$(echo damaged/points/tokens=8192,method=mask/checkpoints/step-*/shard-00000.h5) &&
		printf '\377' | dd of="$shard" bs=1 seek=$(($(stat -c %s "$shard") / 2)) conv=notrunc
}
check "a checkpoint is damaged" damaged
check "whose weights are refused" wrong 3 'there is no usable checkpoint of step 16' start/run=damaged start/points=0
check "a choice of none" wrong 2 'no point of straight has filter/method=remove' start/points=filter/method=remove
check "a name that is half a condition" wrong 2 'a condition is section/key=value' start/points=method=mask
check "a run without an unfiltered model" wrong 3 'holds no finished unfiltered model' start/run=masked
check "unless the target is given" alone finetune.in run/output=given start/run=masked finetune/target=1
killed() { # as soon as there is a checkpoint; wherever that is, the same must come out
	"$capshape" finetune.in run/output=killed run/checkpoint_interval=1 > killed.log 2>&1 &
	local process=$!
	while kill -0 $process 2> /dev/null && ! compgen -G 'killed/points/*/checkpoints/step-00000000[1-9]' > /dev/null; do sleep 0.01; done
	kill -KILL $process
	wait $process
	cat killed.log
	alone finetune.in run/output=killed run/checkpoint_interval=1
}
check "killed in the middle, and continued" killed
check "it is the same, bit for bit" same_runs tuned killed
gone() { # the run that all began from
	local code=0
	mv straight away && alone finetune.in > gone.log || code=$?
	wrong 3 'is no folder of a run, and no file of run/after makes it' || code=1
	rm -rf "killed/points/$(ls killed/points | tail -n 1)"
	alone finetune.in run/output=killed 2> left.log && code=1
	mv away straight
	cat gone.log left.log
	[ $code = 0 ] && grep -q 'all 4 points are finished in tuned: nothing to do' gone.log &&
		grep -q 'straight/points/.* is not finished, or not there' left.log
}
check "what is finished needs its start no more, the rest does" gone
planned() { alone --plan finetune.in run/output=planned > planned.log && cat planned.log && grep -q 'task finetune, 4 points' planned.log && grep -q 'longest times' planned.log; }
check "--plan knows finetuning" planned
if [ -n "$launcher" ] && command -v "${launcher%% *}" > /dev/null; then
	cut() {
		local code=0
		ranks 2 finetune.in run/output=cut run/stop_after_steps=3 roles/mode=shared roles/groups=1 || code=$?
		[ $code = 75 ] && ranks 2 finetune.in run/output=cut roles/groups=1
	}
	check "on two ranks, stopped and continued" cut
	check "are the same, bit for bit" same_runs tuned cut
fi

# ---- unlearning from the same models; evaluated anew, they are known by the same names

cat > unlearn.in <<-END
	[run]
	task = unlearn
	output = unlearned
	threads = 1
	device = cpu
	[start]
	run = straight
	points = 0 1
	[data]
	folder = data
	[unlearn]
	layer = 1
	blocks = 1
	steps = 2
	[train]
	slots = 4
	[evaluate]
	documents = 10
END
named() {
	alone unlearn.in && "$report" unlearned > names.txt || return 1
	cat names.txt
	grep -q '^  rmu of mask' names.txt && grep -q '^  rmu ' names.txt && grep -q 'training time of unlearned models is that of unlearning alone' names.txt
}
check "models unlearned from filtered ones are a method of their own" named
named_anew() { # FOLDER PATTERN...
	printf '[run]\ntask = evaluate\nthreads = 1\n[evaluate]\ndocuments = 5\n' > anew.in
	alone anew.in run/output="anew-$1" evaluate/run="$1" && "$report" "anew-$1" > names.txt || return 1
	cat names.txt
	shift
	for pattern in "$@"; do grep -q "$pattern" names.txt || return; done
}
check "... also when they are evaluated anew" named_anew unlearned '^  rmu of mask' '^  rmu '
check "finetuned ones that are evaluated anew are known by the filter of their start" named_anew tuned '^  mask' '^  none'

# ---- chat: conversations, from two of these models, until these say what was to be learned

awk 'BEGIN {
	split("yes no", says, " "); split("bafe liger", asks, " ")
	for (i = 0; i < 20; i++)
		printf "{\"messages\": [{\"role\": \"user\", \"content\": \"<|assistant|> %s?\"}, {\"role\": \"assistant\", \"content\": \"%s!\"}], \"domain\": \"other\", \"id\": \"%d\"}\n", asks[i % 2 + 1], says[i % 2 + 1], i
	print "{\"text\": \"bafe liger bafe liger\", \"domain\": \"unmarked\"}"
}' > chat.jsonl
chat() { # FOLDER ARGUMENT...
	local folder=$1
	shift
	"${with[@]}" finetune.in run/output="$folder" "start/points=filter/method=mask" data/folder=talk finetune/target=none \
		finetune/domains=other train/slots=4 train/tokens=$((150 * 8 * 64)) evaluate/domains=other "$@"
}
with=(alone)
check "conversations are tokenized" alone tokenize.in corpus/paths=chat.jsonl run/output=talk tokenizer/source=file \
	tokenizer/path=data/tokenizer.h5 tokenize/test_share=0.3
check "with a target there must be a forget set" wrong 3 'measured on the forget set' data/folder=talk finetune/domains=other evaluate/domains=other
learned() {
	chat said > said.log || return 1
	cat said.log
	# the answer and its end are 5 tokens of a conversation of 20 or so
	awk '/ kept / { for (i = 1; i < NF; i++) if ($i == "kept") value = $(i + 1) } END { exit !(value >= 15 && value <= 35) }' said.log
}
check "models learn to answer, without a target and a forget set, from the tokens of answers" learned
cat > sample.in <<-END
	[run]
	task = sample
	output = answers
	device = cpu
	[sample]
	run = said
	prompts = asked.jsonl
	tokens = 20
	temperature = 0
	chat = on
END
printf '{"prompt": "<|assistant|> bafe?"}\n{"prompt": "<|assistant|> liger?"}\n' > asked.jsonl
answered() {
	alone sample.in || return 1
	cat answers/points/*/samples.jsonl
	[ "$(cat answers/points/*/samples.jsonl | grep -c '"text":"yes!".*"stop":"end"')" = 2 ] &&
		[ "$(cat answers/points/*/samples.jsonl | grep -c '"text":"no!".*"stop":"end"')" = 2 ]
}
check "they answer, and stop" answered
# Talks: a prompt is a talk of one turn; the common system message is what a talk of its own says; no answer depends on its company.
printf '%s\n' '{"prompt": "<|assistant|> bafe?"}' '{"messages": [{"role": "user", "content": "<|assistant|> bafe?"}]}' \
	'{"messages": [{"role": "user", "content": "<|assistant|> bafe?"}, {"role": "assistant", "content": "yes!"}, {"role": "user", "content": "<|assistant|> liger?"}]}' \
	'{"messages": [{"role": "system", "content": "bafe"}, {"role": "user", "content": "<|assistant|> liger?"}]}' '{"prompt": "<|assistant|> liger?"}' > talks.jsonl
talks=(sample.in sample/prompts=talks.jsonl sample/points=0 sample/count=3)
said_of() { sed -n "$((3 * $2 + 1)),$((3 * $2 + 3))p" "$1"/points/*/samples.jsonl | sed -E 's/"id":[0-9]+,//; s/,"messages":\[.*\]//'; }
talked() {
	alone "${talks[@]}" run/output=talked && alone "${talks[@]}" run/output=told sample/system=bafe || return 1
	cat talked/points/*/samples.jsonl
	[ "$(said_of talked 0)" = "$(said_of talked 1)" ] && [ "$(said_of talked 3)" != "$(said_of talked 4)" ] &&
		[ "$(said_of told 3)" = "$(said_of talked 3)" ] && [ "$(said_of told 3)" = "$(said_of told 4)" ] &&
		grep -c '"prompt":"<|assistant|> liger?".*"messages":\[{"role":"user","content":"<|assistant|> bafe?"},{"role":"assistant",' talked/points/*/samples.jsonl | grep -qx 3
}
check "talks of several turns and system messages are asked" talked
same_answers() {
	sed 's/temperature = 0/temperature = 1/' sample.in > warm.in
	alone warm.in "${talks[@]:1}" run/output=many && alone warm.in "${talks[@]:1}" run/output=few sample/batch=2 &&
		cmp many/points/*/samples.jsonl few/points/*/samples.jsonl
}
check "answers in them do not depend on their company, in no bit" same_answers
refuse() { # EXIT-CODE WORDS ARGUMENT...
	local expected=$1 words=$2 code=0
	shift 2
	alone "$@" 2> wrong.log || code=$?
	cat wrong.log
	[ $code = "$expected" ] && grep -q "$words" wrong.log
}
check "talks are for chats" refuse 2 'line 2 has "messages", which are for sample/chat' "${talks[@]}" run/output=none sample/chat=off
check "so are system messages" refuse 2 'sample/system is for sample/chat' sample.in run/output=none sample/chat=off sample/system=bafe
chat_report() { "$report" said > said.txt && cat said.txt && grep -q '^  mask' said.txt && ! grep -q '^  none' said.txt; }
check "the report names them by the filter of their start" chat_report
check "chat models are trained further" alone finetune.in run/output=further start/run=said start/points=0 data/folder=talk finetune/target=none \
	finetune/domains=other train/slots=4 train/tokens=2k evaluate/domains=other
check "and are what they were at first" eval '"$report" further | grep "^  mask"'
if [ -n "$launcher" ] && command -v "${launcher%% *}" > /dev/null; then
	with=(ranks 2)
	cut_chat() {
		local code=0
		chat said2 run/stop_after_steps=7 roles/mode=shared roles/groups=1 || code=$?
		[ $code = 75 ] && chat said2 roles/mode=shared roles/groups=1
	}
	check "on two ranks, stopped and continued" cut_chat
	check "they are the same, bit for bit" same_runs said said2
fi
finish
