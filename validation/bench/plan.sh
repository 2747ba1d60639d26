#!/usr/bin/env bash
# A benchmark, not a test: what --plan says against what runs take, from launch to end: time, and peak memory of a rank of each
# role. The plan is made before and after each run, and the mean of both counts, as the speed of a machine changes; on a machine
# that others use as well the times say little, and `load` says so. Within 25 % in time and 10 % in memory is the aim.
#   validation/bench/plan.sh [CONFIGURATION ...]      (default: all; --list shows them)
# Environment: data and classifier (a folder of token shards and a classifier for them; default: made up here), tokens of a
# point (600000), documents of a domain that are evaluated (200), rate (planned with --rate instead of a probe: memory only).
# SPDX-License-Identifier: Apache-2.0
limit=${limit:-1800}
# shellcheck source=validation/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
# NAME|RANKS|settings
configurations=(
	"one|1|filter/method=mask"
	"one-all-cores|1|filter/method=mask run/threads=auto"
	"one-bfloat16|1|filter/method=mask run/precision=bfloat16"
	"one-L2-D96|1|filter/method=none model/size=L2-D96-H3"
	"one-L4-D128|1|filter/method=none model/size=L4-D128-H4"
	"two-one-group|2|filter/method=mask roles/trainers=2 roles/groups=1"
	"two-one-group-L2-D96|2|filter/method=none model/size=L2-D96-H3 roles/trainers=2 roles/groups=1"
	"two-two-groups|2|filter/method=none,mask,document run/seed=1,2 roles/trainers=2 roles/groups=2"
	"two-two-groups-bfloat16|2|filter/method=none,mask,document run/seed=1,2 roles/trainers=2 roles/groups=2 run/precision=bfloat16"
	"two-auto|2|filter/method=none,mask,document,weight"
	"three-classifier|3|filter/method=mask,document roles/trainers=1 roles/classifiers=1 roles/readers=1"
	"four-classifier|4|filter/method=mask,document roles/trainers=2 roles/classifiers=1 roles/readers=1"
)
if [ "${1-}" = --list ]; then
	printf '%s\n' "${configurations[@]//|/  }"
	exit
fi
need_launcher

data=${data-} classifier=${classifier-}
if [ -z "$data" ]; then
	# All bytes, and pieces of three bytes, any four characters of base 64: a vocabulary of 2,048 with the two special ids.
	awk 'BEGIN {
		a = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		for (i = 0; i < 256; i++)
			printf "%s%s== %d\n", substr(a, int(i / 4) + 1, 1), substr(a, i % 4 * 16 + 1, 1), i
		for (i = 0; i < 1790; i++)
			printf "AA%s%s %d\n", substr(a, int(i / 64) + 1, 1), substr(a, i % 64 + 1, 1), 256 + i
	}' > made-up.tiktoken
	write_corpus corpus.jsonl 12000
	write_tokenize tokenize.in
	sed -i 's/^ranks = .*/source = file\npath = made-up.tiktoken/' tokenize.in
	cat > classifier.in <<-END
		[run]
		task = classifier
		output = classifier
		threads = 1
		[data]
		folder = data
		[model]
		size = L2-D96-H3
		context = 128
		base_width = 64
		[train]
		tokens = 64k
		sequences = 8
		slots = 4
		[classifier]
		layer = 2
		smoothing = 32
		probe_tokens = 4000
		probe_documents = 600
		evaluation_tokens = 8000
	END
	for input in tokenize.in classifier.in; do
		alone "$input" tokenize/block_tokens=2048 > made.log 2>&1 || alone "$input" > made.log 2>&1 || { cat made.log; exit 1; }
	done
	data=$work/data classifier=$work/classifier
fi
cat > pretrain.in <<-END
	[run]
	task = pretrain
	[data]
	folder = $data
	[model]
	context = 128
	base_width = 64
	[train]
	tokens = ${tokens:-600000}
	sequences = 16
	slots = 4
	[filter]
	classifier = $classifier
	[evaluate]
	documents = ${documents:-200}
END

planned_seconds() { # FILE: the last line that begins with "about"
	awk '/^about / { text = $2; unit = $3 }
		END { n = split(text, part, ":"); for (i = 1; i <= n; i++) s = 60 * s + part[i]; if (unit == "ms") s /= 1000; print s }' "$1"
}
planned_memory() { # FILE ROLE, in MiB
	sed -n "s/^largest .*$2 \([0-9.]*\) \([KMG]iB\).*/\1 \2/p;s/^largest $2 \([0-9.]*\) \([KMG]iB\).*/\1 \2/p" "$1" |
		awk 'NR == 1 { print $1 * ($2 == "GiB" ? 1024 : $2 == "KiB" ? 1 / 1024 : 1) }'
}
measured_memory() { awk -v role="$2" '$1 == role && /peak memory/ { print $(NF - 1) }' "$1"; }

make_plan() { # FILE
	alone --plan ${rate:+--rate "$rate"} --ranks "$count" pretrain.in "${settings[@]}" > "$1" 2>&1 || { cat "$1"; exit 1; }
}
compare() { # NAME RANKS SETTING...
	local name=$1 role real user system
	count=$2
	shift 2
	settings=(model/size=L2-D64-H2 run/threads=1 run/output="$name")
	for setting; do
		settings=("${settings[@]/#${setting%%=*}=*/$setting}")
		[[ " ${settings[*]} " == *" $setting "* ]] || settings+=("$setting")
	done
	make_plan before
	local command=(alone)
	[ "$count" = 1 ] || command=(ranks "$count")
	TIMEFORMAT='%R %U %S'
	{ time "${command[@]}" pretrain.in "${settings[@]}" > run.log 2>&1; } 2> clock.txt || { cat run.log; exit 1; }
	read -r real user system < clock.txt
	make_plan after
	printf '%-24s %5d  %-10s %9.1f %9.1f %7.2f  %8.1f %6s\n' "$name" "$count" time \
		"$(awk -v a="$(planned_seconds before)" -v b="$(planned_seconds after)" 'BEGIN { print (a + b) / 2 }')" "$real" \
		"$(awk -v a="$(planned_seconds before)" -v b="$(planned_seconds after)" -v m="$real" 'BEGIN { print m / ((a + b) / 2) }')" \
		"$(awk -v u="$user" -v s="$system" 'BEGIN { print u + s }')" "$(cut -d ' ' -f 1 /proc/loadavg)"
	for role in trainer classifier reader; do
		[ -n "$(measured_memory run.log $role)" ] || continue
		printf '%-24s %5d  %-10s %9.1f %9.1f %7.2f\n' "$name" "$count" "$role" "$(planned_memory after $role)" \
			"$(measured_memory run.log $role)" \
			"$(awk -v p="$(planned_memory after $role)" -v m="$(measured_memory run.log $role)" 'BEGIN { print m / p }')"
	done
}

printf '%-24s %5s  %-10s %9s %9s %7s  %8s %6s\n' configuration ranks 's or MiB' planned measured ratio 'CPU s' load
for configuration in "${configurations[@]}"; do
	IFS='|' read -r name count settings_text <<< "$configuration"
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	read -r -a list <<< "$settings_text"
	compare "$name" "$count" "${list[@]}"
done
