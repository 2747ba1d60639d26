#!/usr/bin/env bash
# Every source, header, test and script is listed in Makefile.am, so that it is built, run and part of the release; and
# everything listed exists.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 99

listed=$(grep -v '^#' Makefile.am | grep -oE '(src|kernels|validation|inputs|slurm|docs)/[A-Za-z0-9_./-]+' | sort -u)
present=$(find src kernels validation inputs slurm docs -type f \
	\( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' -o -name '*.in' -o -name '*.sbatch' \
	-o -name '*.supp' -o -name '*.md' -o -name '*.1' -o -name '*.svg' -o -name '*.png' -o -name '*.py' \) |
	sort -u)
# A program of one file, such as a unit test, is listed by the program's name.
missing=$(comm -23 <(echo "$present") <(echo "$listed") | while read -r name; do
	grep -qxF "${name%.c}" <<< "$listed" || echo "$name"
done)
# A program of other sources has a line that lists them.
absent=$(for name in $listed; do
	[ -e "$name" ] || [ -e "$name.c" ] || grep -q "^$(tr /.- ___ <<< "$name")_SOURCES = " Makefile.am || echo "$name"
done)

[ -z "$missing" ] || printf 'not listed in Makefile.am:\n%s\n' "$missing"
[ -z "$absent" ] || printf 'listed in Makefile.am, but not there:\n%s\n' "$absent"
[ -n "$present" ] && [ -z "$missing" ] && [ -z "$absent" ]
