#!/usr/bin/env bash
# What is written about the program is what the program says: the table of keys, the options, the exit codes, and the input
# files that come with it.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
top=$here/..

keys() { alone --help markdown | diff - "$top/docs/parameters.md"; }
check "docs/parameters.md is capshape --help markdown" keys

# Options of the usage text, as in "--plan", and those that the manual page writes, with its escapes taken out.
options() {
	alone --help | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u > said
	sed 's/\\//g' "$top/docs/capshape.1" | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u > written
	[ -s said ] && diff said written
}
check "docs/capshape.1 has the options of capshape --help" options

one_key() {
	alone --help | grep -- '--help \[.*KEY' && alone --help train/beta1 > key && cat key && [ "$(grep -c ' = ' key)" = 1 ]
}
check "capshape --help KEY explains one key, and --help says so" one_key

exit_codes() {
	grep -oE '^\| [0-9]+' "$top/docs/exit-codes.md" | tr -d '| ' > written
	sed -n '/^\.TS/,/^\.TE/p' "$top/docs/capshape.1" | grep -oE '^[0-9]+' > manual
	diff written manual && diff written <(printf '%s\n' 0 1 2 3 4 5 6 7 75)
}
check "docs/exit-codes.md and docs/capshape.1 have the same codes" exit_codes

# The example of docs/planning.md is what the program prints: without a GPU, and but for what a reader takes, which begins with the size of
# the program itself.
planned() {
	local command
	sed -n '/^    \$ capshape --plan/,/^[^ ]/p' "$top/docs/planning.md" | sed '$d;s/^    //' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' > pasted
	command=$(sed -n '1s/^\$ capshape //p' pasted)
	[ -n "$command" ] || return 1
	# shellcheck disable=SC2086 # words
	(cd "$top" && CUDA_VISIBLE_DEVICES='' alone $command) > printed || return 1
	sed -i 1d pasted
	sed -i 's/; reader .*//' pasted printed
	[ "$(wc -l < printed)" -gt 20 ] && diff pasted printed
}
check "docs/planning.md shows what --plan prints" planned
# ... and what the README says to type is a plan for GPUs.
readme() {
	local command
	command=$(sed -n 's/^ *build\/capshape \(--plan [^ ]* *[^ ]* [^ ]* run\/device=cuda\) .*/\1/p' "$top/README.md")
	[ -n "$command" ] || return 1
	# shellcheck disable=SC2086 # words
	(cd "$top" && CUDA_VISIBLE_DEVICES='' alone $command) > printed && cat printed && grep -q '^rates ASSUMED' printed && grep -q 'GPU time' printed
}
check "the README's plan is one for GPUs" readme

# Every page and file that a page names is there, and the README leads to every page.
links() {
	local page target missing=0
	for page in "$top"/README.md "$top"/docs/*.md; do
		while read -r target; do
			[ -e "$(dirname "$page")/$target" ] || { echo "${page##*/}: $target is not there"; missing=1; }
		done < <(grep -oE '\]\([^)#]+' "$page" | cut -c3- | grep -v '^http')
		[ "${page##*/}" = README.md ] || grep -qF "(docs/${page##*/})" "$top/README.md" ||
			{ echo "README.md does not lead to ${page##*/}"; missing=1; }
	done
	[ "$missing" = 0 ]
}
check "links of the pages" links

inputs=0
for input in "$top"/inputs/*.in; do
	inputs=$((inputs + 1))
	check "inputs/${input##*/} is understood" alone --print run/task "$input"
done
check "there are input files" [ "$inputs" -gt 0 ]
finish
