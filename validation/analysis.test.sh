#!/usr/bin/env bash
# docs/analysis.md is what capshape-report does: its options, the columns of every table, and the Python that it shows, run
# on a small sweep.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
page=$here/../docs/analysis.md
report=$builddir/capshape-report

options() {
	"$report" --help | grep -oE -- '^  --[a-z-]+' | tr -d ' ' | grep -vE -- '--(help|version)' | sort > said
	sed -n '/^| option/,/^$/p' "$page" | grep -oE -- '`--[a-z-]+' | tr -d '`' | sort > written
	sed 's/\\//g' "$here/../docs/capshape-report.1" | grep -oE -- '--[a-z-]+' | grep -vE -- '--(help|version)' | sort -u > manual
	[ -s said ] && diff said written && diff said manual
}
check "docs/analysis.md and docs/capshape-report.1 have the options of capshape-report --help" options

# Two sizes, two methods, two seeds, on a few sentences with gold labels. Six documents have one id.
write_corpus corpus.jsonl 200 && awk '{ sub(/document-[0-9]+/, "book-" int((NR - 1) / 6)); print }' corpus.jsonl > books.jsonl &&
	mv books.jsonl corpus.jsonl
write_tokenize tokenize.in && echo "test_share = 0.4" >> tokenize.in
cat > study.in <<-END
	[run]
	task = pretrain
	output = runs/quickstart
	seed = 1, 2
	[data]
	folder = data
	[model]
	size = L1-D32-H1, L2-D32-H1
	context = 64
	base_width = 32
	[train]
	tokens = 8k
	sequences = 8
	slots = 2
	[filter]
	method = none, mask
	source = labels
	noise = 0, 0.3
	[evaluate]
	documents = 10
	resamples = 50
END
need "a corpus is tokenized" alone tokenize.in
need "a small sweep is trained" alone study.in
need "the report is made, with a prediction" "$report" --predict 30k runs/quickstart
cp check.log report.log
check "a prediction by a line through two sizes has no interval, and says so" \
	grep "have no interval: a power law .* run 3 sizes or more" report.log

# From the id in the corpus over the token files and the evaluation of a run into the report.
check "the report counts documents of one id as a group" \
	grep -E 'over 10 documents in [2-9] groups \(of one id\)' report.log

# Groups and columns as the page lists them, one "group column" a line.
written_columns() {
	sed -n '/^| group | one row/,/^$/p' "$page" | awk -F'|' 'NR > 2 && NF > 3 {
		gsub(/[` ]/, "", $2); count = split($4, names, " ")
		for (i = 1; i <= count; i++) print $2, names[i]
	}' | sort
}
# The CSV files have the columns of the groups; those that this sweep fills are compared.
columns() {
	written_columns > written
	for file in runs/quickstart/report/*.csv; do
		group=$(basename "$file" .csv)
		[ "$group" = table ] && group=losses
		head -n 1 "$file" | tr ',' '\n' | sed "s/^/$group /"
		echo "$group" >> groups
	done | sort > said
	grep -E "^($(sort -u groups | paste -sd '|')) " written | diff said - && [ "$(sort -u groups | wc -l)" -ge 9 ]
}
check "docs/analysis.md lists the columns of every table" columns

page_is_whole() {
	local html=runs/quickstart/report/report.html
	grep -q '</html>' "$html" && grep -q 'What was found' "$html" && grep -q 'Where this comes from' "$html" &&
		grep -q '<svg' "$html" && ! grep -qE '(src|href)="(https?:|[a-z])' "$html"
}
check "report.html holds its figures and needs no other file" page_is_whole

python=
for candidate in "${PYTHON:-}" python3 /usr/bin/python3; do
	[ -n "$candidate" ] && "$candidate" -c 'import h5py, pandas' 2> /dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
	echo "skipped: the Python of docs/analysis.md, as no Python here has h5py and pandas"
	finish
fi
snippets() {
	sed -n '/^## Read it with three lines/,/^| group/p' "$page" | sed -n 's/^    //p' > snippet.py
	cat >> snippet.py <<-END
		assert len(table) > 0 and table["slowdown"].dtype == float, table.dtypes
		losses = pandas.read_csv("runs/quickstart/report/table.csv")
		assert list(losses.columns) == [name for name in losses.columns if name in report["losses"]]
		assert len(losses) == len(report["losses/loss"]) and (losses["seeds"] == 2).all()
	END
	"$python" snippet.py && [ "$(grep -c import snippet.py)" = 1 ]
}
check "the Python of docs/analysis.md runs" snippets
finish
