#!/usr/bin/env bash
# What --plan prints: sums, units, which groups fit into a GPU, who shares one, which way gradients go, what is asked of hosts and by
# recall questions, and what of it is assumed. No GPU is needed: some plans are for GPUs that are not here, some for emulated ones.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CUDA_VISIBLE_DEVICES= # GPUs that are here are hidden

made_text() { # FOLDER QUESTIONS
	cat > tokenize.in <<-END
		[run]
		task = tokenize
		output = $1
		[corpus]
		format = generated
		[generate]
		documents = 2000
		facts = 64
		questions = $2
		[tokenizer]
		ranks = 400
		[tokenize]
		block_tokens = 1024
	END
	alone tokenize.in
}
need "text with recall questions" made_text data 64
need "... and without" made_text silent 0
cat > plan.in <<-END
	[run]
	task = pretrain
	output = run
	threads = 1
	[data]
	folder = data
	[model]
	size = L2-D32-H2, L2-D64-H2
	context = 128
	base_width = 64
	[train]
	tokens = 64k
	sequences = 32
	slots = 8
	[filter]
	method = none
	[evaluate]
	documents = 20
END
plan() { # FILE ARGUMENT...: from a plan
	local file=$1 code=0
	shift
	alone --plan plan.in "$@" > "$file" 2> "$file.err" || code=$?
	cat "$file" "$file.err"
	return "$code"
}
says() { grep -qE -- "$2" "$1" || { echo "$1 does not say: $2"; return 1; }; } # FILE PATTERN

# Cells of a table, with '|' between them: that with this title at its begin, up to the empty line or a remark.
table() { # FILE TITLE
	awk -v title="$2" 'index($0, title) == 1 { on = 1 } on && (NF == 0 || /^!/) { exit } on { sub(/^ +/, ""); gsub(/  +/, "|"); print }' "$1"
}
column() { # NAME: of a table's cells
	awk -F'|' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) { t = $i; sub(/ $/, "", t); if (t == name) c = i } next } { print $c }'
}
# "1:23:45", "12.3 ms", "4.5 min" in seconds.
seconds='function seconds(text,    part, n, i, s) {
	split(text, word, " ")
	n = split(word[1], part, ":")
	for (i = 1; i <= n; i++)
		s = 60 * s + part[i]
	return s * (word[2] == "us" ? 1e-6 : word[2] == "ms" ? 1e-3 : word[2] == "min" ? 60 : word[2] == "h" ? 3600 : 1)
}'
near() { awk -v a="$1" -v b="$2" -v part="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; if (d > part * b) { print a, "is not", b; exit 1 } }'; }

# ---- the tables

tables() {
	plan gpu.log --ranks 4 run/device=cuda && says gpu.log '^rates ASSUMED' && [ "$(table gpu.log ranks | column ranks | xargs)" = '1 2 4' ] &&
		[ "$(table gpu.log parameters | column GPUs | xargs)" = '1 2 4 1 2 4' ] && [ "$(table gpu.log "point  name" | column point | xargs)" = '1 0 all' ]
}
check "a plan for run/device = cuda is made without a GPU" tables

# ---- units and sums

three_digits() {
	for title in step exchange waiting "point time" "GPU time"; do
		table gpu.log parameters | column "$title"
	done > cells
	for title in time "GPU time"; do
		table gpu.log ranks | column "$title"
		table gpu.log "point  name" | grep -v '^all' | column "$title"
	done >> cells
	grep -q ' us$' cells && grep -q ' ms$' cells &&
		! grep -vE '^(0 s|([0-9]\.[0-9]{2}|[0-9]{2}\.[0-9]|[0-9]{3,}) (us|ms|s|min|h)|[0-9:]+)$' cells && ! grep -E '[^0-9]0\.0' gpu.log
}
check "times of microseconds and of hours have three digits" three_digits

adds_up() { # FILE: a table of points; its last line has the sums of times, and of time on GPUs where there are GPUs
	table "$1" "point  name" > points
	awk -F'|' "$seconds"'
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == "time") c = i; next }
		$1 == "all" { for (i = 1; i <= NF; i++) if ($i ~ / (us|ms|s)$|:/) { all = seconds($i); exit } }
		{ sum += seconds($c); rows++ }
		END { d = sum - all; if (d < 0) d = -d; print sum, all; exit rows < 2 || d > rows * 0.005 * sum }' points
}
totals() {
	adds_up gpu.log && plan cpu.log --rate 1e10 --ranks 2 && adds_up cpu.log || return 1
	awk "$seconds"'/^about .* = / {
			text = $0
			sub(/^about /, "", text); sub(/ in all.*/, "", text)
			total = seconds(text); sum = 0
			text = $0
			sub(/.* = /, "", text); sub(/;.*/, "", text)
			n = split(text, part, / \+ /)
			for (i = 1; i <= n; i++)
				sum += seconds(part[i])
			d = sum - total
			if (d < 0) d = -d
			found++
			if (d > n * 0.005 * total || n < 2) wrong++
		}
		END { exit found != 2 || wrong > 0 }' gpu.log cpu.log
}
check "points add up to their sum, and the parts of the whole to the whole" totals
gpu_time() { # is time x GPUs
	table gpu.log ranks | awk -F'|' "$seconds"'NR > 1 { a = seconds($4) * $3; b = seconds($5); rows++; if (a < 0.985 * b || a > 1.015 * b) wrong++ }
		END { exit rows != 3 || wrong > 0 }'
}
check "time on GPUs is that of the job, of each of them" gpu_time
straight() { # every row is as long as the titles, whatever stands in it
	plan wide.log --ranks 4 run/device=cuda train/learning_rate=1e-3,2.34567891e-3 train/weight_decay=0.0123456789,0.1 train/tokens=9000000000 ||
		return 1
	awk '/^point  name/ { on = 1; columns = NF } on && NF == 0 { exit } on && $1 != "all" { sub(/ $/, ""); print length($0); rows++ }' wide.log > lengths
	[ "$(wc -l < lengths)" = 9 ] && [ "$(sort -u lengths | wc -l)" = 1 ]
}
check "columns are as wide as long names and large numbers" straight

# ---- memory of GPUs

large=(model/size=1030M model/context=1024 model/base_width=256 train/tokens_per_parameter=20 train/tokens=auto run/device=cuda run/precision=bfloat16)
group_sizes() { # FILE: ranks, size of a group, and the mark, of each row of the sweep's table
	table "$1" ranks | awk -F'|' 'NR > 1 { size = $NF; sub(/.*groups of /, "", size); print $1, size + 0, $6 ~ /!/ ? "!" : "-" }'
}
smallest_group() {
	plan fits.log --ranks 8 "${large[@]}" --gpu-memory 22 run/seed=1,2,3,4,5,6,7,8 || return 1
	group_sizes fits.log > sizes
	cat sizes
	[ "$(tr '\n' ';' < sizes)" = '1 1 !;2 2 !;4 4 -;8 4 -;' ] &&
		says fits.log '^! more than the 20.5 GiB that a GPU is said to have' && says fits.log '^! 865M parameters need groups of 4 GPUs or more' &&
		says fits.log '^roles 2 groups of 4 trainers' && ! table fits.log "point  name" | grep '!'
}
check "groups are large enough for the memory of a GPU, and what is too large is marked" smallest_group
room_for_one() { # where one GPU is enough points go side by side on one each
	plan roomy.log --ranks 8 "${large[@]}" --gpu-memory 141 run/seed=1,2,3,4,5,6,7,8 && ! grep '!' roomy.log && says roomy.log '^roles 8 groups of 1 trainer'
}
check "... and no larger than that" room_for_one
follows_advice() {
	local slots group
	plan nowhere.log --ranks 4 "${large[@]}" --gpu-memory 12 || return 1
	[ "$(table nowhere.log "point  name" | grep -c '!')" = 1 ] && [ "$(group_sizes nowhere.log | grep -c '!$')" = 3 ] &&
		says nowhere.log '^roles .*too small for all splits' || return 1
	read -r slots group < <(sed -n 's/^! .* with train\/slots = 8 .*; with train\/slots = \([0-9]*\) .* groups of \([0-9]*\) GPUs or more do$/\1 \2/p' nowhere.log)
	[ "${slots:-0}" -gt 8 ] || return 1
	plan advised.log --ranks "$group" "${large[@]}" --gpu-memory 12 train/slots="$slots" && ! table advised.log "point  name" | grep '!'
}
check "what fits nowhere is told what to change, and fits then" follows_advice

# ---- speeds

float_peak() {
	local heavy=(model/size=61M train/sequences=4096 train/tokens=100M)
	plan float.log --ranks 1 run/device=cuda "${heavy[@]}" && plan half.log --ranks 1 run/device=cuda "${heavy[@]}" run/precision=bfloat16 &&
		says float.log '^rates ASSUMED, .* of 67.0TFLOP/s, the float32 peak of an H100' && says half.log '^rates ASSUMED, .* of 989TFLOP/s, the bfloat16 peak' || return 1
	trained() { sed -n 's/^one rank alone would train for \([^,]*\),.*/\1/p' "$1" | awk "$seconds"'{ print seconds($0) }'; }
	awk -v a="$(trained float.log)" -v b="$(trained half.log)" 'BEGIN { print a, b; exit !(a > 5 * b) }'
}
check "float32 has the speed of float32" float_peak

# A trainer that scores keeps the classifier through points that need none.
kept_classifier() {
	(cd "$here/.." && CUDA_VISIBLE_DEVICES="" alone --plan --ranks 8 inputs/scaling.in run/device=cuda roles/mode=shared roles/groups=1 --point 28-29) \
		> kept.log || return
	cat kept.log
	table kept.log "point  name" | column "GPU memory" > kept
	[ "$(grep -c iB kept)" = 2 ] && [ "$(grep iB kept | sort -u | wc -l)" = 1 ]
}
check "points without a classifier have its memory, where trainers score" kept_classifier

# Two layers, eight slots: 8 x (2 x 26 + 15) calls of 4 us.
small_steps() {
	plan small.log --ranks 1 run/device=cuda train/slots=8 && says small.log '^ASSUMED: a micro-step takes at least 4 us for each of its calls, 26 a layer and 15 more' &&
		[ "$(table small.log parameters | column step | sort -u | grep -c '^2.1[45] ms$')" -ge 1 ]
}
check "small steps take as long as their calls" small_steps

no_axis() { # one device computes all points
	local code=0
	plan axis.log run/precision=float32,bfloat16 || code=$?
	[ "$code" = 2 ] && says axis.log.err 'run/precision'
}
check "run/precision is the same for all points" no_axis

# ---- nodes

nodes() {
	plan nodes.log --ranks 8 run/device=cuda roles/trainers=8 roles/groups=1 && says nodes.log '^ASSUMED: 8 GPUs a node' &&
		says nodes.log '^ASSUMED: a GPU of its own for each rank that trains or classifies' && [ "$(table nodes.log ranks | column nodes)" = 1 ] || return 1
	plan nodes2.log --ranks 8 --gpus-per-node 2 run/device=cuda roles/trainers=8 roles/groups=1 && says nodes2.log '^as asked for: 2 GPUs a node' &&
		[ "$(table nodes2.log ranks | column nodes)" = 4 ] || return 1
	moved() { table "$1" parameters | awk -F'|' "$seconds"'$2 == 8 { print seconds($4); exit }'; }
	awk -v a="$(moved nodes2.log)" -v b="$(moved nodes.log)" 'BEGIN { exit !(a > b) }' # between nodes
}
check "nodes and their GPUs are said, and can be given" nodes

# ---- which way gradients go

through_host() {
	plan host.log --ranks 4 run/device=cuda run/exchange=host && says host.log '^ASSUMED: .* through the memory of the hosts \(run/exchange = host\)' &&
		! grep -i 'NCCL\|nan' host.log &&
		table host.log parameters | awk -F'|' 'NR > 1 { rows++; wrong += $2 == 1 ? $4 != "0 s" || $5 != "0 s" : $4 != $5 } END { exit rows != 6 || wrong }'
}
check "run/exchange = host is waited for, without NCCL" through_host
host=(roles/trainers=4 roles/groups=1 run/device=cuda)
shares() {
	plan shared.log --ranks 4 --gpus-per-node 1 --ranks-per-node 4 "${host[@]}" && says shared.log '^note: gradients go through .* 4 trainers share 1 GPU' &&
		says shared.log '^ASSUMED: 4 trainers a GPU' && [ "$(table shared.log ranks | column GPUs)" = 1 ] || return 1
	plan alone.log --ranks 4 "${host[@]}" && ! grep -E '^note: gradients|a GPU and' alone.log || return 1
	took() { sed -n 's/^points: \([^ ]* *[a-z]*\).*/\1/p' "$1" | awk "$seconds"'{ print seconds($0) }'; }
	awk -v a="$(took shared.log)" -v b="$(took alone.log)" 'BEGIN { print a, b; exit !(a > 3.5 * b) }'
}
check "ranks that share a GPU take turns, and exchange through the host" shares
shares_device() {
	local code=0
	plan shared.log --ranks 4 --gpus-per-node 1 --ranks-per-node 4 "${host[@]}" run/exchange=device || code=$?
	[ "$code" = 5 ] && [ "$(grep -c 'error: run/exchange = device: .*4 trainers share 1 GPU' shared.log.err)" = 1 ]
}
check "... which run/exchange = device refuses" shares_device
on_processors() { # as the run does: the same words, but for who says them
	local code=0 said='run/exchange = device: devices cannot exchange directly: .*the device is "cpu", which cannot; use run/exchange = auto or host'
	plan refused.log --rate 1e10 --ranks 2 run/device=cpu run/exchange=device roles/trainers=2 roles/groups=1 || code=$?
	[ "$code" = 5 ] && [ "$(grep -c 'error:' refused.log.err)" = 1 ] && says refused.log.err "error: $said" || return 1
	plan single.log --rate 1e10 run/device=cpu run/exchange=device && says single.log '^note: run/exchange = device means nothing here'
}
check "run/exchange = device on processors: one line, exit code 5, or that it means nothing" on_processors
if [ -n "${MPIEXEC-mpirun}" ] && command -v "${MPIEXEC:-mpirun}" > /dev/null; then
	runs_so() {
		local code=0 said
		said=$(sed 's/.*error: \(run.*directly: \)\(the.*\)/\1.*\2/' refused.log.err)
		ranks 2 plan.in run/device=cpu run/exchange=device roles/trainers=2 roles/groups=1 model/size=L2-D32-H2 > ran.log 2>&1 || code=$?
		cat ran.log
		[ "$code" = 5 ] && grep -q "error: $said" ran.log
	}
	check "... as the run says and ends" runs_so
fi
emulated=$builddir/validation/emulator/capshape
if [ -x "$emulated" ]; then
	emulated_plan() { capshape=$emulated plan "$@"; }
	small=(model/size=L1-D32-H1 model/context=64 train/tokens=2048 run/device=auto evaluate/documents=1 roles/trainers=2 roles/groups=1)
	finds() {
		emulated_plan found.log --ranks 2 "${small[@]}" && says found.log '^rates measured here' && says found.log '^ASSUMED: gradients go from GPU to GPU by NCCL \(found here\)' &&
			says found.log '^ASSUMED: [0-9]* GPUs? a node, as here'
	}
	check "NCCL and the GPUs that are here are found" finds
	misses() {
		export CAPSHAPE_EMULATOR_NCCL=absent
		emulated_plan missing.log --ranks 2 "${small[@]}" && says missing.log '^ASSUMED: .* through the memory of the hosts \(GPUs cannot exchange directly here: NCCL was not found' &&
			says missing.log '^note: gradients go through .*NCCL was not found' &&
			[ "$(table missing.log parameters | tail -n 1 | awk -F'|' '{ print $4 == $5 && $4 != "0 s" }')" = 1 ] || return 1
		local code=0
		emulated_plan missing.log --ranks 2 "${small[@]}" run/exchange=device || code=$?
		[ "$code" = 5 ] && says missing.log.err 'error: run/exchange = device: .*NCCL was not found'
	}
	check "a missing NCCL is said, priced, and refused where it is asked for" misses
	unset CAPSHAPE_EMULATOR_NCCL
fi

# ---- what comes before: the file of the text, of a classifier, of models to begin from

before() {
	sed 's/^output = .*/output = first/; s/= L2-D32-H2, L2-D64-H2/= L2-D64-H2/; s/^folder = .*/folder = silent/' plan.in > first.in
	{
		printf '[run]\ntask = classifier\noutput = fitted\nafter = tokenize.in\n[data]\nfolder = silent\n'
		printf '[model]\nsize = L2-D64-H2\ncontext = 128\nbase_width = 64\n[train]\ntokens = 64k\nsequences = 32\nslots = 8\n'
	} > fit.in
	plan before.log --rate 1e10 --ranks 2 "run/after=fit.in first.in tokenize.in" && says before.log '^before it: tokenize.in: finished$' &&
		says before.log '^before it: fit.in: about .*: 2 language models of .* parameters, 64.0k tokens each' &&
		says before.log '^before it: first.in: about .*: training of 1 of 1 points' && [ "$(grep -c '^before it' before.log)" = 3 ] || return 1
	# two models of this shape and length on two ranks, and one; and all together
	took() { sed -n "s/$1/\\1/p" before.log | awk "$seconds"'{ print seconds($0) }'; }
	near "$(took '^before it: fit.in: about \([^:]*[0-9: ]*[a-z]*\): .*')" "$(awk -v a="$(took '^before it: first.in: about \([^:]*[0-9: ]*[a-z]*\): .*')" 'BEGIN { print 2 * a }')" 0.02 &&
		near "$(took '^about \(.*\) with what comes before it$')" "$(awk -v a="$(took '^about \(.*\) in all on .*')" -v b="$(took '^before it: first.in: about \([^:]*[0-9: ]*[a-z]*\): .*')" 'BEGIN { print a + 3 * b }')" 0.02
}
check "what comes before is priced, or finished" before
unknown() { # text that is not here is no mistake of a plan
	sed 's/^format = .*/paths = nowhere.jsonl/; s/^output = .*/output = elsewhere/' tokenize.in > nowhere.in
	plan unknown.log --rate 1e10 run/after=nowhere.in && says unknown.log '^before it: nowhere.in: not counted: cannot open nowhere.jsonl' &&
		says unknown.log '^about .* with what comes before it, as far as that is counted'
}
check "and what cannot be priced is said" unknown
letters() { # questions as text, with the vocabulary of another text: the model is as large as one for that
	{
		printf '[run]\ntask = tokenize\noutput = letters\nafter = tokenize.in\n[corpus]\nformat = questions\npaths = data/questions.jsonl\n'
		printf '[tokenizer]\nsource = file\npath = silent/tokenizer.h5\n'
	} > letters.in
	plan letters.log --rate 1e10 data/folder=letters run/after=letters.in && plan text.log --rate 1e10 data/folder=silent &&
		says letters.log '^before it: letters.in: about .* of text' && says letters.log '^before it: tokenize.in: finished$' || return 1
	shapes() { table "$1" "point  name" | grep -v '^all' | column parameters | xargs; }
	[ "$(shapes letters.log)" = "$(shapes text.log)" ]
}
check "questions that are not made into tokens yet are priced as text" letters
each() { # one folder for each value of an axis, of which the first is made
	sed 's,^output = .*,output = each/{generate/entanglement},; s/^documents = .*/documents = 200\nentanglement = 0\, 0.5/' tokenize.in > each.in
	alone each.in --point 0 && plan each.log --rate 1e10 generate/entanglement=0,0.5 'data/folder=each/{generate/entanglement}' run/after=each.in &&
		says each.log '^before it: each.in: not counted: 1 of 2 points' && [ "$(table each.log "point  name" | column point | sort | xargs)" = '0 1 2 3 all' ]
}
check "every point of what comes before is looked at" each
changed() { # what is finished with other values than its file has now would be refused, text as models
	sed 's/^ranks = .*/ranks = 300/' tokenize.in > other.in
	sed 's/^output = .*/output = trained/; s/= L2-D32-H2, L2-D64-H2/= L2-D32-H2/; s/^tokens = .*/tokens = 2048/' plan.in > trained.in
	sed 's/^tokens = .*/tokens = 4096/' trained.in > longer.in
	alone trained.in && plan trained.log --rate 1e10 run/after=trained.in && says trained.log '^before it: trained.in: finished$' &&
		plan changed.log --rate 1e10 "run/after=longer.in other.in" || return 1
	says changed.log '^before it: longer.in: not counted: .*run.h5 was made with train/tokens = 2048, but the input now says 4096' &&
		says changed.log '^before it: other.in: not counted: silent/corpus.h5 was made with tokenizer/ranks = 400, but the input now says 300'
}
check "... and what was made otherwise is not called finished" changed

# ---- hosts

hosts() { # page-locked are parameters and moments of the own part, and a trainer reads no more than these
	plan host.log --ranks 4 "${large[@]}" roles/trainers=4 roles/groups=1 || return 1
	sed -n 's/^memory of the host: largest trainer \(.*\) = \(.*\) program.*page-locked \(.*\) for copies and \(.*\) for a checkpoint, \(.*\) more to read one, \(.*\) text; about.*/\1|\2|\3|\4|\5|\6/p' host.log > parts
	awk -F'|' 'function bytes(text) { split(text, w, " "); return w[1] * (w[2] == "GiB" ? 1024 : w[2] == "KiB" ? 1 / 1024 : 1) }
		{ rows++; sum = bytes($2) + bytes($3) + bytes($4) + bytes($5) + bytes($6); d = bytes($1) - sum; print bytes($1), sum
		  if (d * d > 104 * 104 || $3 != "32.0 MiB") wrong++; p = 865.4e6 / 1048576; if (bytes($4) < 2.95 * p || bytes($4) > 3.05 * p || bytes($5) > 0.01 * p) wrong++ }
		END { exit rows != 1 || wrong > 0 }' parts && table host.log "point  name" | grep -q 'host memory' || return 1
	plan host1.log --ranks 4 "${large[@]}" roles/trainers=4 roles/groups=1 run/exchange=host && says host1.log '^memory of the host: .* 4.8 GiB for gradients on their way'
}
check "the memory of the host is counted: copies, checkpoint, gradients" hosts

tables_of_text() { # 25 bytes a document and 8 a block, where shards are read: a reader, or a trainer without one
	local count
	count=$(train_documents many) || return
	for folder in silent many; do
		plan "with-$folder.log" --rate 1e10 --ranks 2 roles/readers=1 roles/trainers=1 data/folder=$folder &&
			plan "without-$folder.log" --rate 1e10 --ranks 1 data/folder=$folder || return 1
	done
	# A trainer with a reader, the reader, a trainer without: of little text, then of much.
	for folder in silent many; do
		sed -n 's/.*largest trainer \([0-9.]*\) MiB, reader \([0-9.]*\) MiB;.*/\1 \2/p' with-$folder.log
		sed -n 's/.*largest trainer \([0-9.]*\) MiB;.*/\1/p' without-$folder.log
	done | xargs > parts
	cat parts
	awk -v count="$count" '{ wanted = 25 * count / 1048576; reader = $5 - $2 - wanted; trainer = ($6 - $4) - ($3 - $1) - wanted
		exit NF != 6 || reader < -0.4 || reader > 0.5 || trainer < -0.4 || trainer > 0.5 }' parts
}
train_documents() { # FOLDER: documents of the training set, as tokenize has counted them
	awk '$1 == "train" { sum += $3 } END { print sum; exit !(sum > 40000) }' "$1.log"
}
sed 's/^documents = .*/documents = 60000/; s/^output = .*/output = many/' tokenize.in > many.in
many_documents() { alone many.in > many.log 2>&1 || { cat many.log; return 1; }; }
need "text of many documents" many_documents
check "tables of documents are counted where shards are read" tables_of_text

# ---- recall questions

questions() {
	plan asks.log --rate 1e10 model/size=L2-D64-H2 && plan asks3.log --rate 1e10 model/size=L2-D64-H2 evaluate/interval=0.5 &&
		plan silent.log --rate 1e10 model/size=L2-D64-H2 data/folder=silent || return 1
	asked() { sed -n 's/.*ask recall questions for \([^,]*\),.*/\1/p' "$1" | awk "$seconds"'{ print seconds($0) }'; }
	took() { sed -n 's/^points: //p' "$1" | awk "$seconds"'{ print seconds($0) }'; }
	! grep 'recall' silent.log && near "$(asked asks3.log)" "$(awk -v a="$(asked asks.log)" 'BEGIN { print 2 * a }')" 0.01 || return 1
	# 128 questions, each with all its answers: a token costs no more than one of a document
	awk -v a="$(asked asks.log)" -v b="$(took asks.log)" -v c="$(took silent.log)" 'BEGIN { print a, b, c; exit !(a > 0 && b > c) }'
}
check "recall questions are priced, at every evaluation" questions

finish
