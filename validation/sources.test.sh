#!/usr/bin/env bash
# Every source, header, test and script is listed in Makefile.am, so that it is built, run and part of the release; and
# everything listed exists. No folder of the program includes what the table of rooms in docs/design.md has above it. Where
# clang-format 14 is installed (another version may have it otherwise) the layout is what it makes of .clang-format.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 99

listed=$(grep -v '^#' Makefile.am | grep -oE '(src|kernels|validation|inputs|slurm|docs)/[A-Za-z0-9_./-]+' | sort -u)
present=$(find src kernels validation inputs slurm docs -type f \
	\( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cpp' -o -name '*.sh' -o -name '*.in' -o -name '*.sbatch' \
	-o -name '*.supp' -o -name '*.md' -o -name '*.1' -o -name '*.svg' -o -name '*.png' -o -name '*.py' \) |
	sort -u)
# A program of one file, such as a unit test, is listed by the program's name.
missing=$(comm -23 <(echo "$present") <(echo "$listed") | while read -r name; do
	grep -qxF "${name%.c}" <<< "$listed" || echo "$name"
done)
# One that shares its sources with another has them under its own name.
absent=$(for name in $listed; do
	[ -e "$name" ] || [ -e "$name.c" ] || grep -q "^${name//[^A-Za-z0-9]/_}_SOURCES = " Makefile.am || echo "$name"
done)

# Folders from the top of the table down; the programs' own files are above all of them.
rooms=$(sed -n '/^## Rooms of the source/,/^## /s/^| \(src\/\|\)\([a-z]*\) | .*/\2/p' docs/design.md | grep -v '^folder$')
upward=$(find src kernels \( -name '*.[ch]' -o -name '*.cu' \) -exec grep -H '^#include "[a-z0-9_]*/' {} + | awk -F '[:"]' -v rooms="${rooms//$'\n'/ }" '
	BEGIN { for (count = split(rooms, names, " "); ++i <= count;) place[names[i]] = i }
	{
		split($1, path, "/"); split($3, target, "/")
		own = path[1] == "src" ? path[2] : path[1]
		if (own ~ /\./) next
		if (!(own in place) || !(target[1] in place)) print $1 ": includes " $3 ": not both are in the table of rooms"
		else if (place[target[1]] < place[own]) print $1 ": includes " $3 ", which is above it"
	}')
unknown=$(comm -3 <(sort <<< "$rooms") <(find src kernels -maxdepth 1 -mindepth 1 -type d -path 'src/*' -printf '%f\n' -o -path kernels/kernels.h -printf 'kernels\n' | sort))

formatter=$(command -v clang-format-14 || command -v clang-format)
misshapen=
if [ -n "$formatter" ] && "$formatter" --version | grep -q 'version 14\.'; then
	misshapen=$(find src kernels validation -name '*.[ch]' -o -name '*.cu' -o -name '*.cpp' | sort |
		xargs "$formatter" --dry-run 2>&1 | sed -n 's/^\([^:]*\):.*clang-format-violations.*/\1/p' | sort -u)
fi

# What only tests need is made by make check, not by make.
early=$(sed -n '/^noinst_[A-Z]* \(+\|\)= .*emulator/p' Makefile.am)

[ -z "$early" ] || printf 'of the tests, but made by make:\n%s\n' "$early"
[ -z "$misshapen" ] || printf 'not as clang-format 14 has them:\n%s\n' "$misshapen"
[ -z "$upward" ] || printf 'dependencies that do not point down (docs/design.md, rooms of the source):\n%s\n' "$upward"
[ -z "$unknown" ] || printf 'rooms in docs/design.md and folders differ:\n%s\n' "$unknown"
[ -z "$missing" ] || printf 'not listed in Makefile.am:\n%s\n' "$missing"
[ -z "$absent" ] || printf 'listed in Makefile.am, but not there:\n%s\n' "$absent"
[ -n "$present" ] && [ -n "$rooms" ] && [ -z "$missing" ] && [ -z "$absent" ] && [ -z "$upward" ] && [ -z "$unknown" ] &&
	[ -z "$misshapen" ] && [ -z "$early" ]
