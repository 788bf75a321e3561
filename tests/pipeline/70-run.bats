#!/usr/bin/env bats
# scripts/run: starts quickly, mends what dies, leaves nothing behind.

bats_require_minimum_version 1.5.0

setup() {
	load common
	common_setup
	export SLUICE_RUN=$T/run SLUICE_BUILD=$BUILD
	PORT=$(free_port)
	WEB_PORT=$((PORT > 40000 ? PORT - 20000 : PORT + 20000))
	cd "$ROOT" || return 1
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || cat "$T/out" "$SLUICE_RUN/log" || true
	common_teardown
}

# Starts it in the background, as a person's shell would: SIGINT is heard.
run_up() {
	env --default-signal=INT scripts/run --port "$PORT" \
		--web-port "$WEB_PORT" >"$T/out" 2>&1 3>&- </dev/null &
	RUN_PID=$!
	PIDS+=("$RUN_PID")
	until_true 60 grep -q 'Ctrl-C stops' "$T/out"
}

# children COMMAND: process ids of what scripts/run started, of that name.
children() {
	ps -o pid=,comm= --ppid "$RUN_PID" | awk -v c="$1" 'c == "" || $2 == c { print $1 }'
}

replaced() { # COMMAND OLD: another one runs
	local now
	now=$(children "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

replaced_or_over() { gone "$RUN_PID" || replaced sink-chat "$1"; }

all_gone() { # PID...
	local pid
	for pid; do gone "$pid" || return 1; done
}

no_socket() { [ -z "$(find "$SLUICE_RUN" -type s)" ]; }

chat() { # TEXT: one message through the whole pipeline
	"$BIN/wt-client" "https://127.0.0.1:$PORT/wt" \
		--cert-hash "$SLUICE_RUN/cert.sha256" \
		--track live_chat:chat:- <<-EOT
	{"message_id":"$1","timestamp":1,"user":"u","message":"$1","type":"text"}
	EOT
}

arrived() { # TEXT
	"$BIN/bus-consume" --bus "ipc://$SLUICE_RUN/bus.sock" --raw \
		--topic chat-topic --from earliest --timeout 1 2>/dev/null |
		grep -q "\"$1\""
}

@test "Ctrl-C ends everything, exit 0, no process and no socket is left" {
	run_up
	mapfile -t pids < <(children "")
	[ ${#pids[@]} -ge 8 ]
	kill -INT "$RUN_PID"
	wait "$RUN_PID"
	all_gone "${pids[@]}"
	no_socket
}

@test "the second start takes less than 5 s" {
	run_up
	kill -INT "$RUN_PID"
	wait "$RUN_PID"
	before=$(date +%s%N)
	run_up
	[ $(($(date +%s%N) - before)) -lt 5000000000 ]
}

@test "a run that is killed leaves no process behind" {
	run_up
	mapfile -t pids < <(children "")
	kill -KILL "$RUN_PID"
	until_true 10 all_gone "${pids[@]}"
}

@test "a directory has one run at a time" {
	run_up
	run -1 scripts/run --port $((PORT + 1)) --web-port $((WEB_PORT + 1))
	[[ $output = *"already running"* ]]
}

@test "what is killed runs again, and messages pass as before" {
	run_up
	for name in wt-accept demux route sink-chat topic-bus; do
		old=$(children "$name")
		kill -KILL "$old"
		until_true 10 grep -q "$name.* 137" "$SLUICE_RUN/log"
		until_true 10 replaced "$name" "$old"
		until_true 10 chat "after-$name"
		until_true 10 arrived "after-$name"
	done
}

@test "what dies again and again is given up, with a clear word" {
	run_up
	mapfile -t pids < <(children "")
	for _ in 1 2 3 4 5 6; do
		old=$(children sink-chat)
		kill -KILL "$old"
		until_true 10 replaced_or_over "$old"
	done
	status=0
	wait "$RUN_PID" || status=$?
	[ "$status" -eq 1 ]
	grep 'sink-chat ended too often' "$T/out"
	all_gone "${pids[@]}"
	no_socket
}
