#!/usr/bin/env bash
# The weights of a checkpoint in Python, as docs/checkpoints.md shows it: the forward pass that the page spells out has the losses of
# the run's own evaluation, with rotary positions and without, with and without width multiplier, from one trainer and two. And what
# task = sample writes is what that forward pass would, whoever computes it.
# Then what unlearning (task = unlearn) does to them, what probes (task = probe) find in them, and a forget part (filter/method = route)
# that is cut out.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
page=$here/../docs/checkpoints.md

python=
for candidate in "${PYTHON:-}" python3 /usr/bin/python3; do
	[ -n "$candidate" ] && "$candidate" -c 'import h5py, numpy' 2> /dev/null && python=$candidate && break
done
[ -n "$python" ] || { echo "no Python here has h5py and numpy"; exit 77; }

write_corpus words.jsonl 100
# Forget text has tokens of its own: what a model of a few steps can tell apart.
sed '/"domain": "forget"/s/\("text": "\)\([^"]*\)/\1\U\2/' words.jsonl > corpus.jsonl
write_tokenize tokenize.in
need "tokenize" alone tokenize.in
write_pretrain pretrain.in 12 < /dev/null
# Every document fits into a row.
plain=(pretrain.in filter/method=none filter/classifier= model/context=512 train/sequences=8 train/learning_rate=0.01)
need "a run" alone "${plain[@]}" run/output=rotary
need "one without positions, of another width" alone "${plain[@]}" run/output=none model/positions=none model/base_width=8 model/heads=4
if [ -n "${MPIEXEC-mpirun}" ] && command -v "${MPIEXEC:-mpirun}" > /dev/null; then
	need "one of two trainers" ranks 2 "${plain[@]}" run/output=shared
fi

# The code of the page: what is indented below its heading.
sed -n '/^## The weights in Python/,$p' "$page" | sed -n 's/^    //p' > weights.py
cat >> weights.py <<-'END'
	import glob
	assert len(tensors) == 2 + 6 * model["layers"] and sum(t.size for t in tensors.values()) == model["parameters"]
	run = h5py.File(glob.glob(output + "/points/*/run.h5")[0])
	for column in manifest["tensors"]:
	    assert (manifest["tensors"][column][:] == run["tensors"][column][:]).all()
	turned = model["positions"] == "rotary"
	assert turned == (output != "none"), model["positions"]
	worst, documents, least, positions = 0, 0, 1e9, 0
	def nll_of(model, tokens, end_of_text):
	    logits = forward(tensors, model, numpy.concatenate([[end_of_text], tokens[:-1]]))
	    top = logits.max(-1)
	    return top + numpy.log(numpy.exp(logits - top[:, None]).sum(-1)) - logits[numpy.arange(len(tokens)), tokens]
	for path in sorted(glob.glob("data/test-*.h5")):
	    shard = h5py.File(path)
	    offset, number, ids = (shard[name][:] for name in ("documents/offset", "documents/number", "tokens"))
	    for name, group in run["evaluations"].items():
	        known = dict(zip(group["documents/number"][:], group["documents/nll"][:]))
	        for document, begin, end in zip(number, offset, offset[1:]):
	            if document not in known:
	                continue
	            tokens = ids[begin : end - 1].astype(int)
	            nll = nll_of(model, tokens, shard.attrs["end_of_text"])
	            worst = max(worst, abs(nll.sum() - known[document]) / known[document])
	            least = min(least, abs(nll.mean() - numpy.log(model["vocabulary"])))
	            if turned:  # that the positions are seen at all
	                without = nll_of({**model, "positions": "none"}, tokens, shard.attrs["end_of_text"])
	                positions = max(positions, abs(nll.sum() - without.sum()) / known[document])
	            documents += 1
	print(documents, "documents, the losses differ by", worst, "at most; they are off a guess by", least,
	      "positions change them by", positions)
	assert documents >= 5 and worst < 1e-7 and least > 0.05 and (positions > 5e-7 or not turned)
END
losses() { # OUTPUT
	local folder
	folder=$(ls -d "$1"/points/*/checkpoints/step-* | tail -n 1)
	sed "s|^folder = .*|folder = \"$folder/\"; output = \"$1\"|" weights.py > own.py
	grep -q "^folder = \"$1" own.py && "$python" own.py
}
for output in rotary none shared; do
	[ ! -d $output ] || check "the forward pass of docs/checkpoints.md has the losses of the run: $output" losses $output
done

# ---- sampling

head -n 7 corpus.jsonl > prompts.jsonl
cat > sample.in <<-END
	[run]
	task = sample
	output = greedy
	device = cpu
	[sample]
	run = none
	prompts = prompts.jsonl
	prompt_key = text
	tokens = 24
	temperature = 0
END
# The tokens of the documents are in the shards; what comes after them by the forward pass of the page, in double precision.
sed '/^import glob/,$d' own.py | sed 's|^folder = .*|import sys; folder = sys.argv[1] + "/"|' > greedy.py
cat >> greedy.py <<-'END'
	import glob, json
	corpus = [json.loads(line) for line in open("corpus.jsonl")]
	answers = {a["id"]: a for a in map(json.loads, open(sys.argv[2]))}
	vocabulary = h5py.File("data/tokenizer.h5")
	letters, offset = (vocabulary["tokens/" + name][:] for name in ("bytes", "offset"))
	special = dict(zip(vocabulary["special/name"][:], vocabulary["special/id"][:]))
	end, hidden = special[b"<|endoftext|>"], special[b"<|hidden|>"]
	checked, ended = 0, 0
	for path in glob.glob("data/*-0000?.h5"):
	    shard = h5py.File(path)
	    begins, numbers, ids = (shard[name][:] for name in ("documents/offset", "documents/number", "tokens"))
	    for number, begin, stop in zip(numbers, begins, begins[1:]):
	        if corpus[number]["id"] not in answers:
	            continue
	        answer = answers[corpus[number]["id"]]
	        tokens, new, sums = [end] + list(ids[begin : stop - 1]), [], [0, 0]
	        while len(new) < 24 and (not new or new[-1] != end):
	            logits = forward(tensors, model, numpy.array(tokens + new))[-1]
	            log_p = logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())
	            logits[hidden:] = -numpy.inf
	            new.append(int(logits.argmax()))
	            sums = [sums[0] + log_p[new[-1]], sums[1] + numpy.exp(log_p[hidden])]
	        text = b"".join(bytes(letters[offset[t] : offset[t + 1]]) for t in new if t != end).decode(errors="replace")
	        print(repr(text), sums, answer)
	        assert answer["text"] == text and answer["prompt"] == corpus[number]["text"]
	        assert answer["stop"] == ("end" if new[-1] == end else "length")
	        assert answer["tokens"] == len([t for t in new if t != end])
	        assert abs(answer["log_probability"] - sums[0] / len(new)) < 1e-5
	        assert abs(answer["hidden_probability"] - sums[1] / len(new)) < 1e-5 * sums[1]
	        checked += 1
	assert checked == 7
END
greedy() {
	alone sample.in > greedy.log && cat greedy.log || return 1
	"$python" greedy.py "$(ls -d none/points/*/checkpoints/step-* | tail -n 1)" greedy/points/point/samples.jsonl
}
check "greedy text and its probabilities are those of the forward pass of docs/checkpoints.md" greedy

warm=(sample.in sample/temperature=0.8 sample/count=3)
need "random text" alone "${warm[@]}" run/output=warm
same_files() { # FOLDER
	diff "warm/points/point/samples.jsonl" "$1/points/point/samples.jsonl" &&
		diff "warm/points/point/summary.json" "$1/points/point/summary.json"
}
alike() { # FOLDER RANKS KEY=VALUE...
	ranks "$2" "${warm[@]}" run/output="$1" "${@:3}" && same_files "$1"
}
unreported() {
	local code=0
	"$builddir/capshape-report" warm > unreported.log 2>&1 || code=$?
	cat unreported.log
	[ $code = 3 ] && grep -q 'task = sample.*samples.jsonl' unreported.log
}
check "capshape-report says where text is that a model wrote" unreported
if [ -d shared ] && [ -n "${MPIEXEC-mpirun}" ] && command -v "${MPIEXEC:-mpirun}" > /dev/null; then
	check "three ranks, five at a time, write the same files" alike warm3 3 sample/batch=5
fi
one_by_one() {
	alone "${warm[@]}" run/output=warm1 sample/batch=1 && same_files warm1
}
check "one at a time writes the same files" one_by_one
varied() {
	[ "$(sort -u warm/points/point/samples.jsonl | wc -l)" = 21 ] &&
		[ "$(grep -o '"text":"[^"]*"' warm/points/point/samples.jsonl | sort -u | wc -l)" -gt 14 ]
}
check "answers to a prompt differ" varied
multiplier() { # the model has m = 4
	alone "${warm[@]}" run/output=bug compat/generation_without_output_multiplier=on > bug.log 2>&1 &&
		alone sample.in sample/count=3 run/output=cold sample/temperature=0.2 > cold.log 2>&1 || return 1
	diff bug/points/point/samples.jsonl cold/points/point/samples.jsonl && ! same_files bug > /dev/null
}
check "without the output multiplier the temperature is m times as low" multiplier
again() {
	alone "${warm[@]}" run/output=warm > again.log && cat again.log && grep -q 'finished, nothing to do' again.log || return 1
	cp -r warm damaged && tail -n 3 warm/points/point/samples.jsonl > damaged/points/point/samples.jsonl
	alone "${warm[@]}" run/output=damaged > again.log && ! grep -q 'nothing to do' again.log && same_files damaged || return 1
	alone "${warm[@]}" run/output=damaged run/seed=2 > again.log && ! grep -q 'nothing to do' again.log && ! same_files damaged > /dev/null
}
check "what is finished is left alone, what is damaged or asked for otherwise is made anew" again
phrases() {
	printf '# a list\nba\n' > list.txt
	sed '1,3s/{/{"group": "first", /; 4,$s/{/{"group": "rest", /' prompts.jsonl > grouped.jsonl
	alone "${warm[@]}" run/output=matched sample/phrases=list.txt sample/prompts=grouped.jsonl > matched.log && cat matched.log || return 1
	local count
	count=$(grep -c '"match":"ba"' matched/points/point/samples.jsonl)
	[ "$count" = "$(grep -ciE '"text":"[^"]*ba' matched/points/point/samples.jsonl)" ] && [ "$count" -gt 0 ] &&
		grep -q "^point  .* $(awk -v n="$count" 'BEGIN { printf "%.1f", 100 * n / 21 }') (" matched.log || return 1
	local first
	first=$(head -n 9 matched/points/point/samples.jsonl | grep -c '"group":"first","match":"ba"')
	grep -Eq "^  first +9 .* $(awk -v n="$first" 'BEGIN { printf "%.1f", 100 * n / 9 }') \(" matched.log && grep -Eq '^  rest +12 ' matched.log &&
		diff <(sed 's/,"group.*//; s/,"match.*//' matched/points/point/samples.jsonl) <(sed 's/}$//' warm/points/point/samples.jsonl)
}
check "answers that match an expression are counted, by groups too; neither changes a text" phrases

refuses() { # CODE WORDS KEY=VALUE...
	local code=0
	alone sample.in "${@:3}" > refused.log 2>&1 || code=$?
	cat refused.log
	[ "$code" = "$1" ] && grep -q -- "$2" refused.log
}
check "prompts under another key" refuses 3 'prompts.jsonl:1: there is no key "question"; the keys are: "id", "domain"' sample/prompt_key=question
check "no prompts" refuses 2 'either sample/prompts' sample/prompts=
check "two kinds of prompts" refuses 2 'not both' sample/prompt=ba
check "a point that is not there" refuses 2 'no point of none is named \*mask\*; the first is named point' 'sample/points=*mask*'
check "the folder of the run" refuses 2 'the same folder' run/output=none
printf '{"text": "%s"}\n' "$(printf 'zu %.0s' $(seq 600))" > long.jsonl
check "a prompt beyond the context" refuses 3 'line 1 of long.jsonl has .* context is 512' sample/prompts=long.jsonl
lost() {
	cp -r none lost && rm -r lost/points/point/checkpoints && refuses 3 '1 of 1 points of lost were not sampled: point' sample/run=lost
}
check "a model that is gone" lost

# ---- unlearning changes the MLPs that it is to change, and no bit of anything else

cat > unlearn.in <<-END
	[run]
	task = unlearn
	output = unlearned
	threads = 1
	device = cpu
	checkpoint_interval = 4
	[data]
	folder = data
	[start]
	run = rotary
	[unlearn]
	layer = 2
	blocks = 1
	steps = 30
	relative_coefficient = 3
	[train]
	slots = 4
	learning_rate = 0.01
	[evaluate]
	documents = 10
END
need "a model unlearns" alone unlearn.in
check "twice the same" eval 'alone unlearn.in run/output=again && same_runs unlearned again'
interrupted() { # COMMAND...
	local code=0
	"$@" unlearn.in run/output=interrupted run/stop_after_steps=7 || code=$?
	[ $code = 75 ] && alone unlearn.in run/output=interrupted && same_runs unlearned interrupted
}
if [ -d shared/points ]; then
	check "the same of two trainers" eval 'ranks 2 unlearn.in run/output=both && same_runs unlearned both'
	check "the same when two trainers stop and one goes on" interrupted ranks 2
else
	check "the same when it stops and goes on" interrupted alone
fi
cat > changed.py <<-'END'
	import glob, h5py, numpy
	def arrays(output):
	    folder = sorted(glob.glob(output + "/points/*/checkpoints/step-*"))[-1]
	    manifest = h5py.File(folder + "/manifest.h5")
	    shard = h5py.File(folder + "/shard-00000.h5")
	    names = manifest["tensors/name"].asstr()[:]
	    places = zip(manifest["tensors/offset"][:], manifest["tensors/rows"][:], manifest["tensors/columns"][:])
	    return {name: [shard[part][o : o + r * c] for part in ("parameters", "moment1", "moment2")]
	            for name, (o, r, c) in zip(names, places)}
	before, after = arrays("rotary"), arrays("unlearned")
	learned = [name for name in after if (before[name][0] != after[name][0]).any()]
	assert learned == ["block01.up", "block01.down"], learned
	assert all((after[name][1] == 0).all() and (after[name][2] == 0).all() for name in after if name not in learned)
	run, start = (h5py.File(glob.glob(output + "/points/*/run.h5")[0]) for output in ("unlearned", "rotary"))
	forget, retain = run["curves/forget_distance"][:], run["curves/retain_distance"][:]
	own = run["unlearning"].attrs
	print("lengths", own["forget_length"], own["retain_length"], "wanted", own["coefficient"], "distances", forget, retain)
	assert own["coefficient"] == 3 * own["forget_length"] and own["layer"] == own["first_block"] == 2
	assert retain[0] == 0 and forget[-1] < 0.1 * forget[0] and 0 < retain[-1] < 0.01 * forget[0]
	worse = {name: run["evaluations"][name]["loss"][-1] - start["evaluations"][name]["loss"][-1] for name in ("forget", "retain")}
	print("losses grow by", worse)
	assert worse["forget"] > 0.1 and worse["forget"] > 5 * abs(worse["retain"])
END
check "it moves forget text towards its place, holds retain text, and changes the two matrices of a block" "$python" changed.py
reported() {
	"$builddir/capshape-report" unlearned > report.log || return 1
	cat report.log
	grep -q '^2 finished runs, 0 left out' report.log && grep -q 'rmu.* - none at .* on forget tokens = .*: worse' report.log
}
check "the report has it as a method beside the model that it began from" reported
evaluated() {
	alone evaluate.in && "$python" -c '
import glob, h5py
own, anew = (h5py.File(glob.glob(output + "/points/*/run.h5")[0]) for output in ("unlearned", "evaluated"))
for name in own["evaluations"]:
    assert (own["evaluations"][name]["documents/nll"][:] == anew["evaluations"][name]["documents/nll"][:]).all(), name'
}
cat > evaluate.in <<-END
	[run]
	task = evaluate
	output = evaluated
	threads = 1
	device = cpu
	[evaluate]
	run = unlearned
	documents = 10
END
check "task = evaluate takes it" evaluated
spoken() {
	alone sample.in sample/run=unlearned "sample/points=p?int 0-0" run/output=spoken && alone sample.in run/output=before sample/run=rotary || return 1
	! cmp spoken/points/*/samples.jsonl before/points/*/samples.jsonl && [ "$(wc -l < spoken/points/*/samples.jsonl)" = 7 ]
}
check "task = sample takes it" spoken
refused() { # WORDS CODE KEY=VALUE...
	local words=$1 wanted=$2 code=0
	shift 2
	alone unlearn.in run/output=refused "$@" 2> refused.log || code=$?
	cat refused.log
	[ $code = "$wanted" ] && grep -q "$words" refused.log
}
check "text that is not there is refused" refused 'unlearn/retain: the training set of data holds no document of hard' 3 unlearn/retain=hard
check "one slot for two texts is refused" refused 'train/slots = 1, but unlearning needs at least 2' 2 train/slots=1
check "a layer beyond the last is refused" refused 'unlearn/layer = 3, but the model has only 2 blocks' 2 unlearn/layer=3

# ---- probes: the same from any number of ranks, and from what an earlier start left; what is there is found

cat > probe.in <<-END
	[run]
	task = probe
	output = probed
	threads = 1
	device = cpu
	[probe]
	run = rotary
	tokens = 1000
	documents = 40
	pairs = forget:other even:odd
	groups = groups.jsonl
	group_key = half
END
awk '{ printf "{\"id\": \"document-%d\", \"half\": \"%s\"}\n", NR - 1, NR % 2 ? "even" : "odd" }' corpus.jsonl > groups.jsonl
need "a model is probed" alone probe.in
cat > probes.py <<-'END'
	import h5py, numpy
	def arrays(output):
	    found = {}
	    def note(name, item):
	        found.update({name + "@" + key: value for key, value in item.attrs.items()})
	        if isinstance(item, h5py.Dataset):
	            found[name] = item[...]
	    h5py.File(output + "/points/point/run.h5")["probes"].visititems(note)
	    return found
	def same(first, second):
	    a, b = arrays(first), arrays(second)
	    assert a.keys() == b.keys() and len(a) > 50
	    for name in a:
	        assert numpy.array_equal(a[name], b[name]), name
END
same_probes() { # FOLDER
	"$python" -c "from probes import same; same('probed', '$1')"
}
if [ -d shared/points ]; then
	check "three ranks find the same" eval 'ranks 3 probe.in run/output=probed3 && same_probes probed3'
fi
# A folder in the place of the file that comes last: all but that is done.
left_behind() {
	local code=0 left=half/points/point/unfinished
	mkdir -p half/points/point/run.h5/in_the_way
	alone probe.in run/output=half || code=$?
	[ $code = 4 ] && [ "$(find $left -name '*.h5' | wc -l)" = 6 ] || return 1
	rm $left/documents-001.h5 && truncate -s 3000 $left/documents-002.h5 && rm -r half/points/point/run.h5
	cp -r half changed && cp -r half stuck && alone probe.in run/output=half && same_probes half && [ ! -d $left ] || return 1
	"$python" -c 'import h5py; h5py.File("changed/points/point/unfinished/tokens-001.h5", "r+")["numbers"][0] = 0.125'
	alone probe.in run/output=changed && "$python" -c 'from probes import arrays; assert arrays("changed")["tokens/f1"][1] == 0.125'
}
check "what is done is not done again, what is missing or damaged is" left_behind
# Of the second of two ranks.
stuck() {
	local code=0 unit=stuck/points/point/unfinished/tokens-001.h5
	rm $unit && mkdir -p $unit/in_the_way || return 1
	ranks 2 probe.in run/output=stuck || code=$?
	[ $code = 4 ]
}
if [ -d shared/points ]; then
	check "one rank that cannot write ends all" stuck
fi
done_already() {
	alone probe.in > probe.log && grep -q 'finished, nothing to do' probe.log || return 1
	cp -r probed other && alone probe.in run/output=other probe/tokens=900 > probe.log && ! grep -q 'nothing to do' probe.log &&
		! same_probes other
}
check "a finished point is left alone, and probed anew with another key" done_already
counted() {
	"$builddir/capshape-report" probed > probe.log || return 1
	cat probe.log
	"$python" - <<-'END'
		import csv, numpy
		from probes import arrays
		found = arrays("probed")
		layers = list(found["layer"])
		forget, other = (found["tokens/documents/" + name].astype(float) for name in ("forget", "other"))
		right, wrong = (found["tokens/documents/" + name].astype(float) for name in ("true_forget", "false_forget"))
		f1 = 2 * right.sum(1) / (right.sum(1) + forget.sum() / other.sum() * wrong.sum(1) + forget.sum())
		print("F1", f1, found["tokens/f1"], "pairs", found["pairs/forget:other/accuracy"], found["pairs/even:odd/accuracy"])
		assert layers == [0, 1, 2] and numpy.abs(f1 - found["tokens/f1"]).max() < 1e-12
		best = found["tokens/validation_f1"].argmax()
		assert found["tokens@best_layer"] == layers[best] and f1[best] > 0.9 and found["tokens/average_precision"][best] > 0.9
		shown = list(csv.DictReader(open("probed/report/probe-tokens.csv")))[0]
		assert abs(float(shown["f1"]) - f1[best]) < 1e-8 and float(shown["f1_low"]) <= f1[best] <= float(shown["f1_high"])
		told = found["pairs/forget:other/accuracy"]
		side, correct = (found["pairs/forget:other/documents/" + name] for name in ("side", "correct"))
		assert numpy.allclose(told, [(row[side == 0].mean() + row[side == 1].mean()) / 2 for row in correct])
		assert told.min() > 0.9 and found["pairs/even:odd/accuracy"].max() < 0.9
	END
	[ -s probed/report/probe-f1.svg ] && [ -s probed/report/probe-documents.png ] && grep -q 'Forget tokens told' probed/report/report.html
}
check "figures are those of the documents, the report shows them, and forget text is told from other text" counted
unprobed() { # CODE WORDS KEY=VALUE...
	local code=0
	alone probe.in run/output=refused "${@:3}" > refused.log 2>&1 || code=$?
	cat refused.log
	[ "$code" = "$1" ] && grep -q -- "$2" refused.log
}
check "a layer beyond the last is not probed" unprobed 2 'probe/layers: 3: a layer of point is 0 (the embedding) to 2' probe/layers=3
check "a class that nobody knows is not probed" unprobed 2 'even is neither a domain' probe/groups=
check "a model that is gone is not probed" unprobed 3 '1 of 1 points of lost were not probed: point' probe/run=lost
grep -o '"text": "[^"]*"' corpus.jsonl | sed 's/.*/{&}/' > plain.jsonl
bare() {
	alone tokenize.in corpus/paths=plain.jsonl run/output=bare tokenizer/source=file tokenizer/path=data/tokenizer.h5 || return 1
	unprobed 3 'have 0 forget and 0 other tokens: a probe needs both' data/folder=bare
}
check "text without labels is not probed" bare
strange() {
	alone tokenize.in run/output=strange tokenizer/ranks=280 && unprobed 3 'data/folder must be of the same tokenizer' data/folder=strange
}
check "text of another tokenizer is not probed" strange

# ---- a forget part: two models in one

routed=(pretrain.in filter/method=route filter/classifier= filter/source=labels filter/route_neurons=0.25 filter/route_retain=0.5
	model/context=512 train/sequences=8 train/tokens=32k train/learning_rate=0.01)
need "a model with a forget part" alone "${routed[@]}" run/output=routed
routed_interrupted() { # COMMAND...
	local code=0
	"$@" "${routed[@]}" run/output=routed_interrupted run/stop_after_steps=3 || code=$?
	[ $code = 75 ] && alone "${routed[@]}" run/output=routed_interrupted && same_runs routed routed_interrupted
}
if [ -d shared/points ]; then
	check "the same of four ranks" eval 'ranks 4 "${routed[@]}" run/output=routed4 && same_runs routed routed4'
	check "the same when two trainers stop and one goes on" routed_interrupted ranks 2
else
	check "the same when it stops and goes on" routed_interrupted alone
fi
sed '/^import glob/,$d' own.py | sed 's|^folder = .*|import glob; folder = sorted(glob.glob("routed/points/*/checkpoints/step-*"))[-1] + "/"|' > routed.py
cat >> routed.py <<-'END'
	run = h5py.File("routed/points/point/run.h5")
	width, neurons, heads = model["width"], int(run["model"].attrs["route_neurons"]), int(run["model"].attrs["route_heads"])
	assert neurons == width and heads == 1
	part = width // model["heads"] * heads
	cut = {name: tensor.copy() for name, tensor in tensors.items()}
	for name, tensor in cut.items():
	    if name.endswith(".down"):
	        tensor[:, -neurons:] = 0
	    if name.endswith(".projection"):
	        tensor[:, -part:] = 0
	losses = {}
	for path in sorted(glob.glob("data/test-*.h5")):
	    shard = h5py.File(path)
	    offset, number, ids = (shard[name][:] for name in ("documents/offset", "documents/number", "tokens"))
	    for version, weights in ("", cut), ("whole_", tensors):
	        for domain in "forget", "retain", "other":
	            group = run["evaluations"][version + domain]
	            known = dict(zip(group["documents/number"][:], group["documents/nll"][:]))
	            for document, begin, end in zip(number, offset, offset[1:]):
	                if document not in known:
	                    continue
	                tokens = ids[begin : end - 1].astype(int)
	                logits = forward(weights, model, numpy.concatenate([[shard.attrs["end_of_text"]], tokens[:-1]]))
	                top = logits.max(-1)
	                nll = top + numpy.log(numpy.exp(logits - top[:, None]).sum(-1)) - logits[numpy.arange(len(tokens)), tokens]
	                assert abs(nll.sum() - known[document]) < 5e-7 * known[document], (version, domain, document)
	                losses.setdefault(version + domain, []).append(nll.mean())
	apart = {domain: numpy.mean(losses[domain]) - numpy.mean(losses["whole_" + domain]) for domain in ("forget", "retain", "other")}
	print({name: numpy.mean(values) for name, values in losses.items()}, apart)
	assert apart["forget"] > 0.01 and apart["forget"] > 2 * max(abs(apart["retain"]), abs(apart["other"]))
	filtered = dict(zip(run["filter/domain"].asstr()[:], run["filter/filtered"][:]))
	assert filtered["forget"] > 0 and filtered["retain"] == filtered["other"] == 0
END
check "both versions have the losses of the forward pass; what is cut out is what forget text needs" "$python" routed.py
evaluated_versions() {
	alone evaluate.in evaluate/run=routed run/output=version_cut &&
		alone evaluate.in evaluate/run=routed run/output=version_whole run/routed=whole && "$python" -c '
import h5py
own, cut, whole = (h5py.File(output + "/points/point/run.h5")["evaluations"] for output in ("routed", "version_cut", "version_whole"))
assert set(cut) | set(whole) == set(own) and not set(cut) & set(whole)
for name in own:
    assert (own[name]["documents/nll"][:] == (cut if name in cut else whole)[name]["documents/nll"][:]).all(), name'
}
check "task = evaluate takes the model without it, bit for bit, or the whole" evaluated_versions
cat > attack.in <<-END
	[run]
	task = finetune
	output = attack
	threads = 1
	device = cpu
	[data]
	folder = data
	[start]
	run = routed
	[train]
	tokens = 8192
	sequences = 4
	slots = 4
	learning_rate = 0.005
	[finetune]
	target = 1
	[evaluate]
	domains = forget
	documents = 10
END
attacked() {
	alone attack.in && alone attack.in run/output=attack_whole run/routed=whole && "$python" -c '
import glob, h5py
own = h5py.File("routed/points/point/run.h5")
for output, version, method in ("attack", "", b"route"), ("attack_whole", "whole_", b"route, whole"):
    run = h5py.File(glob.glob(output + "/points/*/run.h5")[0])
    nll = own["evaluations"][version + "forget"]["documents/nll"][:]
    first, last = run["finetune/nll"][0], run["finetune/nll"][-1]
    assert (first == nll).all() and last.sum() < 0.95 * first.sum(), (first, nll, last)
    assert run["start"].attrs["method"] == method
    folder = sorted(glob.glob(output + "/points/*/checkpoints/step-*"))[-1]
    manifest, values = h5py.File(folder + "/manifest.h5"), h5py.File(folder + "/shard-00000.h5")["parameters"][:]
    shapes = zip(manifest["tensors/name"].asstr()[:], *(manifest["tensors/" + c][:] for c in ("offset", "rows", "columns")))
    tensors = {name: values[o : o + r * c].reshape(r, c) for name, o, r, c in shapes}
    width, heads = int(own["model"].attrs["width"]), int(own["model"].attrs["heads"])
    for block in ("block00.", "block01."):
        forgotten = [tensors[block + "qkv"].reshape(3, width, width)[:, -width // heads :], tensors[block + "projection"][:, -width // heads :],
                     tensors[block + "up"][-width:], tensors[block + "down"][:, -width:]]
        assert all(((part == 0).all() if version == "" else (part != 0).all()) for part in forgotten), (output, block)'
}
check "finetuning begins without it, and it stays away; or from the whole" attacked
attack_reported() {
	"$builddir/capshape-report" attack > report.log && "$builddir/capshape-report" attack_whole > whole.log || return 1
	cat report.log whole.log
	grep -q '^ *route  ' report.log && ! grep -q 'route, whole' report.log && grep -q '^ *route, whole  ' whole.log
}
check "the reports of both say of which version they are" attack_reported
versions_probed() {
	local routed_probe=(probe.in probe/run=routed probe/tokens=300 probe/documents=20 probe/pairs=forget:other probe/groups=)
	alone "${routed_probe[@]}" run/output=probed_cut && alone "${routed_probe[@]}" run/output=probed_whole run/routed=whole || return 1
	"$builddir/capshape-report" probed_cut > report.log && "$builddir/capshape-report" probed_whole > whole.log || return 1
	cat report.log whole.log
	grep -q '^ *route  ' report.log && ! grep -q '^ *route, whole  ' report.log && grep -q '^ *route, whole  ' whole.log
}
check "so do those of probes" versions_probed
versions_sampled() {
	alone sample.in sample/run=routed run/output=said_cut && alone sample.in sample/run=routed run/output=said_whole run/routed=whole || return 1
	"$python" -c '
import json
for output, version in ("said_cut", "ablated"), ("said_whole", "whole"), ("greedy", None):
    settings = json.load(open(output + "/points/point/summary.json"))["settings"]
    assert settings.get("run/routed") == version and settings["run/seed"], (output, settings)'
}
check "so do the summaries of samples; of models without a forget part nothing is said" versions_sampled
routed_reported() {
	"$builddir/capshape-report" routed > report.log 2>&1 || return 1
	cat report.log
	grep -q '^2 finished runs' report.log && grep -q '^ *route, whole ' report.log && grep -q '^ *route ' report.log &&
		grep -q 'route at .* of the tokens routed' report.log && ! grep -q '% of the tokens filtered' report.log &&
		grep -q 'not left out of training but routed' report.log
}
check "the report has both versions" routed_reported
refused_route() { # WORDS KEY=VALUE...
	local code=0
	alone pretrain.in filter/method=route filter/classifier= filter/source=labels run/output=refused "${@:2}" 2> refused.log || code=$?
	cat refused.log
	[ $code = 2 ] && grep -q -- "$1" refused.log
}
check "no forget part is refused" refused_route 'needs a part of the model' filter/route_neurons=0 filter/route_heads=0
check "all heads are refused" refused_route '2 of the 2 heads' filter/route_heads=2
finish
