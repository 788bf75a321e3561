# Shared by the pipeline tests. Load it from setup():
#
#	setup() { load common; common_setup; }
#	teardown() { common_teardown; }
#
# SLUICE_BUILD chooses the build under test (default: build).

# shellcheck shell=bash

# Sets ROOT, BIN, TESTBIN and a scratch directory T, and goes there.
common_setup() {
	export ROOT BUILD BIN TESTBIN T
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	BUILD=${SLUICE_BUILD:-$ROOT/build}
	BIN=$BUILD/bin
	TESTBIN=$BUILD/tests/bin
	T=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
	PIDS=()
	export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:detect_leaks=1}
	export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
	cd "$T" || return 1
}

# Ends what the test started, shows what it wrote if it failed.
common_teardown() {
	local pid f
	for pid in "${PIDS[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid in "${PIDS[@]}"; do
		until_true 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
	done
	if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		for f in "$T"/*.err; do
			[ -s "$f" ] && { echo "--- $f"; tail -n 40 "$f"; }
		done
	fi
	cd / && rm -rf "$T"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# until_true SECONDS COMMAND...: polls a condition with a deadline.
until_true() {
	local end=$((SECONDS + $1 + 1)) # SECONDS counts whole seconds
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -r -t 0.02 <> <(:) || true
	done
}

# start NAME COMMAND...: runs it in the background with --ready-fd and waits
# until it says it is ready (15 s). stderr goes to NAME.err, the pid to
# $PID and NAME.pid. Redirect stdin and stdout at the call.
start() {
	local name=$1 fifo
	shift
	fifo=$T/$name.ready
	rm -f "$fifo"
	mkfifo "$fifo"
	# <&0: without it the shell gives a background command /dev/null.
	"$@" --ready-fd 9 <&0 9>"$fifo" 2>"$T/$name.err" &
	PID=$!
	PIDS+=("$PID")
	echo "$PID" >"$T/$name.pid"
	# Closed without a newline: it died before it was ready.
	read -r -t 15 <"$fifo" || { cat "$T/$name.err"; return 1; }
}

pid() { cat "$T/$1.pid"; }

# stop NAME [SIGNAL]: signals it and waits for its end; its exit status.
stop() {
	local p
	p=$(pid "$1")
	kill "-${2:-TERM}" "$p"
	wait "$p"
}

# metric FILE NAME [LABELS]: the value of one row, 0 when there is none (yet);
# LABELS as written there, e.g. 'reason="too_long"'.
metric() {
	[ -f "$1" ] || { echo 0; return; }
	awk -v n="sluice_$2{" -v l="${3:-}" 'index($0, n) == 1 &&
		(l == "" || index($0, l)) { v += $NF } END { print v + 0 }' "$1"
}

# metric_is FILE NAME LABELS OP VALUE: for until_true.
metric_is() {
	[ -f "$1" ] && test "$(metric "$1" "$2" "$3")" "$4" "$5"
}

# A UDP/TCP port that nothing is bound to just now.
free_port() {
	python3 - <<-'PY' 2>/dev/null || echo $((20000 + RANDOM % 20000))
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("127.0.0.1", 0))
	print(s.getsockname()[1])
	PY
}

# A certificate as scripts/run makes it: cert.pem, key.pem, cert.sha256.
make_cert() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key.pem -out cert.pem -days 13 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
		2>/dev/null
	openssl x509 -in cert.pem -outform der | sha256sum | cut -d' ' -f1 \
		>cert.sha256
}

# fails COMMAND...: bats lets "! COMMAND" pass unseen.
fails() { if "$@"; then return 1; fi; }
