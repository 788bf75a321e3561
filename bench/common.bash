# Shared by the benches: programs with a name, their CPU time, medians.
#
# SLUICE_BUILD chooses the build (default: build).
#
# shellcheck shell=bash

declare -A BENCH_PID=() BENCH_TICKS=()
TICKS=$(getconf CLK_TCK)

# bench_init PROGRAM...: checks that they are built, sets BIN and TESTBIN and
# goes to a scratch directory T, which is removed at the end together with
# what still runs.
bench_init() {
	local build=${SLUICE_BUILD:-build} p
	for p in "$@"; do
		[ -x "$build/$p" ] && continue
		echo "${0##*/}: $build/$p: not built (make all test-programs)" >&2
		exit 69
	done
	build=$(cd "$build" && pwd)
	BIN=$build/bin TESTBIN=$build/tests/bin
	T=$(mktemp -d "${TMPDIR:-/tmp}/sluice-bench.XXXXXX")
	export BIN TESTBIN T
	trap bench_end EXIT
	trap 'exit 130' INT TERM
	cd "$T" || exit 73
}

bench_end() {
	local name
	set +e # one that is gone already must not save the others
	for name in "${!BENCH_PID[@]}"; do
		kill -KILL "${BENCH_PID[$name]}" 2>/dev/null
	done
	wait 2>/dev/null
	cd / && rm -rf "$T"
}

# start NAME COMMAND...: in the background, until it says it is ready; stderr
# in NAME.err. Redirect stdin and stdout at the call.
start() {
	local name=$1
	shift
	rm -f "$name.ready" && mkfifo "$name.ready"
	"$@" --ready-fd 9 <&0 9>"$name.ready" 2>"$name.err" &
	BENCH_PID[$name]=$!
	read -r -t 20 <"$name.ready" && return
	echo "${0##*/}: $name did not start:" >&2
	cat "$name.err" >&2
	exit 69
}

# stop NAME [SIGNAL]: its exit status.
stop() {
	local pid=${BENCH_PID[$1]}
	unset "BENCH_PID[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait "$pid"
}

# User and system time of a process and all its threads, in ticks.
ticks() { # NAME
	local stat
	read -r stat <"/proc/${BENCH_PID[$1]}/stat"
	# The name in parentheses may hold blanks.
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# settle NAME...: until none of them has used the processor for 0.3 s, for
# what is under way to arrive; at most 20 s.
settle() {
	local was=-1 now name end=$((SECONDS + 20))
	while [ $SECONDS -lt $end ]; do
		now=0
		for name in "$@"; do now=$((now + $(ticks "$name"))); done
		[ $now -ne $was ] || return 0
		was=$now
		read -r -t 0.3 <> <(:) || true
	done
}

# cpu_mark NAME...: from now on.
cpu_mark() {
	local name
	for name in "$@"; do
		BENCH_TICKS[$name]=$(ticks "$name")
	done
}

# cpu_seconds NAME: CPU seconds since its mark.
cpu_seconds() {
	awk -v a="${BENCH_TICKS[$1]}" -v b="$(ticks "$1")" -v hz="$TICKS" \
		'BEGIN { printf "%.2f\n", (b - a) / hz }'
}

# Resident memory in KiB.
rss_kib() { # NAME
	awk '/^VmRSS/ { print $2 }' "/proc/${BENCH_PID[$1]}/status"
}

# The middle one of the numbers on stdin.
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# median_of KEY FILE: of the lines "KEY NUMBER".
median_of() { awk -v k="$1" '$1 == k { print $2 }' "$2" | median; }

# most_of KEY FILE: the highest of them.
most_of() { awk -v k="$1" '$1 == k && $2 > n { n = $2 } END { print n + 0 }' "$2"; }

# json FILE KEY...: a number out of a summary of wt-client.
json() {
	python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    o = o[int(key) if key.isdigit() else key]
print(o)' "$@"
}

# What the figures were measured on.
machine() {
	printf '%s, %s cores; %s; sluice %s\n' \
		"$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" \
		"$(nproc)" "$(uname -sr)" \
		"$("$BIN/demux" --version | awk '{ print $3 }')"
}
