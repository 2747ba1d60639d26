#!/usr/bin/env bash
# The weights of a checkpoint in Python, as docs/checkpoints.md shows it: the forward pass that the page spells out has the losses of
# the run's own evaluation, with rotary positions and without, with and without width multiplier, from one trainer and two.
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

write_corpus corpus.jsonl 100
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
	worst, documents, least = 0, 0, 1e9
	for path in sorted(glob.glob("data/test-*.h5")):
	    shard = h5py.File(path)
	    offset, number, ids = (shard[name][:] for name in ("documents/offset", "documents/number", "tokens"))
	    for name, group in run["evaluations"].items():
	        known = dict(zip(group["documents/number"][:], group["documents/nll"][:]))
	        for document, begin, end in zip(number, offset, offset[1:]):
	            if document not in known:
	                continue
	            tokens = ids[begin : end - 1].astype(int)
	            logits = forward(tensors, model, numpy.concatenate([[shard.attrs["end_of_text"]], tokens[:-1]]))
	            top = logits.max(-1)
	            nll = top + numpy.log(numpy.exp(logits - top[:, None]).sum(-1)) - logits[numpy.arange(len(tokens)), tokens]
	            worst = max(worst, abs(nll.sum() - known[document]) / known[document])
	            least = min(least, abs(nll.mean() - numpy.log(model["vocabulary"])))
	            documents += 1
	print(documents, "documents, the losses differ by", worst, "at most; they are off a guess by", least)
	assert documents >= 5 and worst < 1e-5 and least > 0.05
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
finish
