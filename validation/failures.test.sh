#!/usr/bin/env bash
# What goes wrong ends soon, with one clear line and its documented exit code, and loses nothing that was finished.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # functions that are called through check
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# fails CODE PATTERN COMMAND...: ends with CODE and exactly one `error:` line on standard error that matches PATTERN.
fails() {
	local expected=$1 pattern=$2 code=0
	shift 2
	"$@" 2> errors > /dev/null || code=$?
	cat errors
	[ "$code" = "$expected" ] || { echo "exit code $code instead of $expected"; return 1; }
	[ "$(grep -c 'error: ' errors)" = 1 ] || { echo "$(grep -c 'error: ' errors) error lines instead of one"; return 1; }
	grep 'error: ' errors | grep -q -- "$pattern" || { echo "the message does not name $pattern"; return 1; }
}

# ---- in a mount namespace of its own (see the end): folders that can not be written, and a disk that fills up

on_small_disks() {
	mkdir readonly disk
	mount -t tmpfs -o size=1m,ro none readonly || return
	check "read-only file system" fails 4 readonly ranks 2 sweep.in run/output=readonly/run

	# Room for the first point and little more.
	need "a sweep with room" alone sweep.in run/output=room
	mkdir first
	need "its first point" alone sweep.in run/output=first/run --point 0
	size=$(($(du -sk first/run | cut -f 1) + 40))
	mount -t tmpfs -o "size=${size}k" none disk || return
	cp -r first/run disk/run
	name=$(basename "$(dirname first/run/points/*/run.h5)")
	check "full disk" fails 4 disk/run ranks 2 sweep.in run/output=disk/run
	check "the finished point is untouched" cmp "first/run/points/$name/run.h5" "disk/run/points/$name/run.h5"
	cp -r disk/run roomier
	check "with room, the same line finishes the sweep" ranks 2 sweep.in run/output=roomier
	check "and equals a sweep that always had room" same_runs room roomier
}

if [ "${1:-}" = --small-disks ]; then
	cleanups+=("umount -q '$work/disk' '$work/readonly'")
	cp -r "$2"/data "$2"/classifier "$2"/sweep.in . || exit 99
	on_small_disks
	finish
fi

need_launcher
prepare_study
write_pretrain pretrain.in 6 < /dev/null
sed 's/^method = .*/method = none, mask/' pretrain.in > sweep.in

# ---- command line and input file

check "no file" fails 2 '' alone
check "file that does not exist" fails 2 nowhere.in alone nowhere.in
check "a folder instead of a file" fails 2 'data: is a folder' alone data
check "... from two ranks" fails 2 '/: is a folder' ranks 2 /
sed 's/^width/widht/' pretrain.in > bad.in
check "unknown key names file, line and the nearest key" fails 2 'bad.in:[0-9]*:.*widht.*width' alone bad.in
check "before there are roles a rank has its number alone" fails 2 '^capshape: rank 0: error: nowhere.in: ' ranks 2 nowhere.in
# ... also where another file was run before it, in whose task ranks had roles.
sed '/"labels"/s/, "labels": .*/}/' corpus.jsonl > domains.jsonl
sed 's/= data$/= domains/; s/corpus.jsonl/domains.jsonl/' tokenize.in > domains-tokenize.in
sed 's/folder = data/folder = domains/; s/= classifier$/= by-domain/; s/task = by-domain/task = classifier\nafter = domains-tokenize.in/' \
	classifier.in > domains.in
check "... after a prerequisite, too" fails 3 '^capshape: rank 0: error: domains: only whole documents are labelled' ranks 2 domains.in
check "the same from four ranks" fails 2 'bad.in:[0-9]*:.*widht.*width' ranks 4 bad.in
check "unknown key on the command line" fails 2 'train/stpes' alone pretrain.in train/stpes=1
check "value out of range" fails 2 'train/beta1' alone pretrain.in train/beta1=2
check "text where a number belongs" fails 2 'train/tokens' alone pretrain.in train/tokens=many
check "more tokens than can be counted" fails 2 'tokens_per_parameter = 1e+300 x [0-9]* parameters' ranks 2 pretrain.in train/tokens=auto \
	train/tokens_per_parameter=1e300
check "... of a plan" fails 2 'command line: train/tokens_per_parameter = 3e+11 x' alone --plan pretrain.in train/tokens=auto \
	train/tokens_per_parameter=3e11
check "point outside the sweep" fails 2 '7' alone sweep.in --point 7
check "the same of a plan" fails 2 'points 0 to 1' alone --plan sweep.in --point 1-7
check "--ranks without --plan" fails 2 '--ranks.*--plan.*srun -N 4' alone sweep.in --ranks 4
check "--rate without --plan" fails 2 '--rate.*--plan' alone --rate 1e9 sweep.in
check "--tune-roles with --plan" fails 2 '--tune-roles and --plan do not go together' alone --plan --tune-roles sweep.in
check "two things at once" fails 2 'do not go together' alone --plan --points sweep.in
plans_point() { # only this one
	alone --plan --rate 1e9 sweep.in --point 1 > plan.log || return
	cat plan.log
	grep -q '1 of 2 points' plan.log && grep -q '^1 .*method=mask' plan.log && ! grep -q '^0 ' plan.log
}
check "--plan --point plans that point" plans_point

# ---- data

check "data folder that does not exist" fails 3 nowhere ranks 2 pretrain.in run/output=a data/folder=nowhere
check "classifier that does not exist" fails 3 nowhere ranks 2 pretrain.in run/output=b filter/classifier=nowhere

cp -r data truncated
shard=$(find truncated -name 'train-00000.h5')
truncate -s $(($(stat -c %s "$shard") / 2)) "$shard"
check "truncated shard" fails 3 train-00000 ranks 2 pretrain.in run/output=c data/folder=truncated

need "another tokenizer" alone tokenize.in run/output=data2 tokenizer/ranks=290
check "classifier of another tokenizer" fails 3 tokenizer ranks 2 pretrain.in run/output=d data/folder=data2

compares() { # PATTERN --compare-... A B: what can not be compared
	fails 3 "$1" alone "${@:2}" && grep -q -- "$2 takes two files\|$2 takes the output folders" errors
}
mkdir nothing
printf 'no HDF5\n' > text.h5
cp -r classifier broken && truncate -s 100 broken/left/run.h5
check "runs that do not exist" compares nowhere --compare-runs nowhere classifier
check "a folder without runs" compares 'nothing holds no run.h5' --compare-runs nothing nothing
check "a damaged run" compares broken/left/run.h5 --compare-runs classifier broken
check "scores that do not exist" compares nowhere.h5 --compare-scores nowhere.h5 text.h5
check "scores that are none" compares text.h5 --compare-scores text.h5 text.h5
check "another file for scores" compares 'run.h5 is no score file' --compare-scores classifier/left/run.h5 text.h5

# A file with a hole of 8 TB, which takes no room.
warns_of_memory() {
	local pid i
	truncate -s 8T huge.txt || return
	"$capshape" tokenize.in run/output=huge corpus/paths=huge.txt corpus/format=text > huge.log 2> huge.err &
	pid=$!
	for ((i = 0; i < 10 * limit; i++)); do
		grep -q warning huge.err && break
		kill -0 $pid 2> /dev/null || break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid
	rm -f huge.txt
	cat huge.log huge.err
	[ "$(grep -c 'warning: tokenizing some 1.9T tokens into tokenize/shards = 2 files takes about .* TiB of memory' huge.err)" = 1 ]
}
check "more text than memory is warned of" warns_of_memory
no_warning() { alone tokenize.in run/output=modest > modest.log 2>&1 && ! grep warning modest.log; }
check "... and little text is not" no_warning

# ---- ranks

many=(train/sequences=16777216 roles/depth=4096 roles/readers=1 roles/trainers=1)
check "more blocks on their way than can be counted" fails 2 'train/sequences = 16777216 x roles/depth = 4096 x 1 group' ranks 2 pretrain.in \
	filter/method=none run/output=many "${many[@]}"
check "... of a plan" fails 2 'lower roles/depth or train/sequences' alone --plan --rate 1e9 --ranks 2 pretrain.in filter/method=none "${many[@]}"
check "... of the stream alone" fails 2 'lower roles/depth or train/sequences' ranks 2 pretrain.in filter/method=none run/output=many \
	run/device=null "${many[@]}"
check "3 ranks for a split of 4" fails 5 3 ranks 3 pretrain.in run/output=e roles/readers=1 roles/classifiers=1 \
	roles/trainers=2
check "trainers that do not divide the slots" fails 5 '' ranks 3 pretrain.in run/output=f roles/trainers=3 roles/mode=shared

# ---- output

touch file
check "output under a regular file" fails 4 file/run ranks 2 pretrain.in run/output=file/run

if [ "$(id -u)" = 0 ]; then
	namespace=(unshare --mount)
else
	namespace=(unshare --user --map-root-user --mount)
fi
if "${namespace[@]}" sh -c 'mkdir -p probe && mount -t tmpfs none probe' 2> /dev/null; then
	small_disks() {
		TMPDIR=$temporary builddir=$builddir "${namespace[@]}" bash "$here/failures.test.sh" --small-disks "$work"
	}
	check "read-only and full disks" small_disks
	grep -E '^(ok|NOT)' check.log | sed 's/^/        /'
else
	echo "not run: mounting a small disk is not allowed here (read-only and full disks)"
fi
finish
