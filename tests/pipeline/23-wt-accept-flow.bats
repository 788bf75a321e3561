#!/usr/bin/env bats
# wt-accept and the reader of its stdout: slow, stopped, dead; and its end.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0

setup() {
	load common
	common_setup
	make_cert
}

teardown() {
	common_teardown
}

# OPTION...; stdout goes to the pipe `records`, which a reader has open.
accept_start() {
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom "$@" >records
	PORT=$(sed -n 's/.*listening on .* port //p' accept.err | tail -1)
}

# Copies the pipe to FILE until it ends; sets READER.
reader_start() { # FILE
	[ -p records ] || mkfifo records
	cat <records >"$1" &
	READER=$!
	PIDS+=("$READER")
}

hostile_start() { # STEP...
	"$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT" settings connect=/wt \
		"$@" 2>>hostile.err &
	CLIENT=$!
	PIDS+=("$CLIENT")
}

client() { # OPTION...
	"$BIN/wt-client" "https://127.0.0.1:$PORT/wt" --cert-hash cert.sha256 \
		"$@"
}

counted() { # NAME [LABELS] OP VALUE
	[ $# -eq 4 ] || set -- "$1" "" "$2" "$3"
	until_true 10 metric_is accept.prom "$@"
}

# Until a metric keeps its value for a second.
settled() { # NAME
	local last=-1 same=0 now
	while [ "$same" -lt 50 ]; do
		now=$(metric accept.prom "$1")
		if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
		last=$now
		read -r -t 0.02 <> <(:) || true
	done
}

# `run` is a subshell, which has no children to wait for.
status_of() { # STATUS COMMAND...
	local status=0
	"${@:2}" || status=$?
	[ "$status" -eq "$1" ]
}

later_than() { [ "$(date +%s)" -gt "$1" ]; }

rss_kib() { awk '/VmRSS/ { print $2 }' "/proc/$(pid accept)/status"; }

@test "a reader that stops holds the sender back; nothing is lost" {
	head -c 60000000 /dev/urandom >bytes
	reader_start out
	accept_start
	hostile_start 'uni=4054 00' touch=up wait=go file=2:bytes acked
	until_true 10 test -e up
	kill -STOP "$READER"
	touch go
	# Credit is announced in pieces of the window, the last may be kept.
	counted buffer_size_bytes -ge 190000
	settled stream_bytes_in_total
	n=$(metric accept.prom stream_bytes_in_total)
	queue=$(metric accept.prom buffer_size_bytes)
	echo "$n received, $queue queued, $(rss_kib) KiB"
	# A pipe of 1 MiB, and the connection's window, of 16 MiB at most.
	[ "$n" -lt 20000000 ]
	[ "$queue" -lt 18000000 ]
	[ "$(rss_kib)" -lt 60000 ] || [ -n "${ASAN_TEST:-}" ] ||
		ldd "$BIN/wt-accept" | grep -q asan
	kill -CONT "$READER"
	wait "$CLIENT"
	stop accept
	wait "$READER"
	"$TESTBIN/catrecords" --stream 6 <out | cmp - bytes
	[ "$(metric accept.prom connections_shed_total)" -eq 0 ]
}

@test "a fixed window is the bound" {
	head -c 8000000 /dev/zero >bytes
	reader_start out
	accept_start --fixed-window --max-data 256KiB --max-stream-data 64KiB
	kill -STOP "$READER"
	hostile_start 'uni=4054 00' 'uni=4054 00' 'uni=4054 00' 'uni=4054 00' \
		'uni=4054 00' 'uni=4054 00' file=2:bytes file=3:bytes \
		file=4:bytes file=5:bytes file=6:bytes file=7:bytes acked
	# Credit is announced in pieces of the window, the last may be kept.
	counted buffer_size_bytes -ge 190000
	settled stream_bytes_in_total
	# The window and the headers of records.
	[ "$(metric accept.prom buffer_size_bytes)" -lt 300000 ]
	[ "$(metric accept.prom max_buffer_size_bytes)" -lt 300000 ]
	kill -CONT "$READER"
	wait "$CLIENT"
	stop accept
	[ "$(metric accept.prom stream_bytes_in_total)" -eq 48000000 ]
}

@test "datagrams are dropped, not queued without end" {
	reader_start out
	accept_start --max-buffered 2MiB --max-data 64KiB
	kill -STOP "$READER"
	client --track a:video:synthetic:1000@20000 --datagrams --seconds 1 ||
		true
	counted datagrams_dropped_total 'reason="stdout"' -gt 0
	[ "$(metric accept.prom max_buffer_size_bytes)" -le $((2 << 20)) ]
	kill -CONT "$READER"
	counted buffer_size_bytes -eq 0
	stop accept
	wait "$READER"
	got=$("$TESTBIN/catrecords" <out | grep -c DATAGRAM)
	all=$(metric accept.prom datagrams_in_total)
	gone=$(metric accept.prom datagrams_dropped_total 'reason="stdout"')
	[ $((got + gone)) -eq "$all" ]
}

@test "who fills the queue with empty streams is closed, others are not" {
	reader_start out
	accept_start --max-buffered 64KiB --max-data 32KiB
	kill -STOP "$READER"
	# Fills the pipe, so that what follows has to wait.
	head -c 1100000 /dev/zero >bytes
	hostile_start 'uni=4054 00' file=2:bytes touch=one wait=never
	witness=$CLIENT
	counted buffer_size_bytes -gt 0
	settled stream_bytes_in_total
	hostile_start flood=20000:405400 alive
	counted connections_shed_total -eq 1
	status_of 1 wait "$CLIENT"
	kill -0 "$witness"
	[ "$(metric accept.prom sessions_active)" -eq 1 ]
	kill -CONT "$READER"
	until_true 10 test -e one
	counted buffer_size_bytes -eq 0
	grep -q 'wait for stdout' accept.err
	kill "$witness"
}

@test "over --max-buffered-total the network is not read, and then is again" {
	head -c 3000000 /dev/urandom >bytes
	reader_start out
	accept_start --max-buffered 2MiB --max-buffered-total 2MiB \
		--max-data 1MiB --max-stream-data 1MiB
	kill -STOP "$READER"
	for _ in 1 2 3 4 5; do
		hostile_start 'uni=4054 00' file=2:bytes acked
		clients+=("$CLIENT")
	done
	counted reading_pauses_total -ge 1
	[ "$(metric accept.prom reading_paused)" -eq 1 ]
	# The last batch read may go over it.
	[ "$(metric accept.prom max_buffer_size_bytes)" -lt 4000000 ]
	kill -CONT "$READER"
	for c in "${clients[@]}"; do wait "$c"; done
	counted reading_paused -eq 0
	stop accept
	wait "$READER"
	[ "$("$TESTBIN/catrecords" --stream 6 <out | wc -c)" -eq 15000000 ]
}

@test "a reader that is killed ends it with a message, and clients are told" {
	reader_start out
	accept_start
	hostile_start 'uni=4054 00 61' touch=up expect-close=0x100
	until_true 10 test -e up
	kill -KILL "$READER"
	status_of 74 wait "$(pid accept)"
	wait "$CLIENT"
	grep -q 'stdout: the reader is gone' accept.err
}

@test "SIGTERM: GOAWAY, and an end when the last session has ended" {
	reader_start out
	accept_start --drain 60s
	hostile_start touch=up expect-drain=s0 touch=drained wait=go \
		'uni=4054 00 6c617374+' acked
	until_true 10 test -e up
	kill -TERM "$(pid accept)"
	until_true 10 test -e drained
	# No new connections; the session that is there goes on.
	run ! "$BIN/wt-client" "https://127.0.0.1:$PORT/wt" --idle \
		--seconds 1 --cert-hash cert.sha256 --connect-timeout 1s
	kill -0 "$(pid accept)"
	touch go
	wait "$CLIENT"
	wait "$(pid accept)"
	wait "$READER"
	"$TESTBIN/catrecords" <out >lines
	grep -q 'STREAM_DATA FU 4' lines
	[ "$(tail -1 lines | cut -d' ' -f3)" = SESSION_CLOSE ]
}

@test "SIGTERM: sessions that stay are closed after --drain" {
	reader_start out
	accept_start --drain 300ms
	hostile_start touch=up expect-end
	until_true 10 test -e up
	stop accept
	wait "$CLIENT"
	wait "$READER"
	[ "$("$TESTBIN/catrecords" <out | grep -c SESSION_CLOSE)" -eq 1 ]
}

@test "SIGTERM twice: at once" {
	reader_start out
	accept_start --drain 600s
	hostile_start touch=up expect-drain=s0 touch=drained expect-end
	until_true 10 test -e up
	kill -TERM "$(pid accept)"
	until_true 10 test -e drained
	stop accept
	wait "$READER"
	[ "$("$TESTBIN/catrecords" <out | grep -c SESSION_CLOSE)" -eq 1 ]
}

@test "SIGTERM while the reader stands still: it says what it could not write" {
	head -c 5000000 /dev/zero >bytes
	reader_start out
	accept_start --drain 300ms
	kill -STOP "$READER"
	hostile_start 'uni=4054 00' file=2:bytes acked || true
	counted buffer_size_bytes -gt 0
	status_of 74 stop accept
	grep -q 'bytes were not taken' accept.err
	kill -CONT "$READER"
}

@test "SIGHUP is no reason to end" {
	reader_start out
	accept_start
	hostile_start touch=up wait=go 'uni=4054 00 61+' acked alive
	until_true 10 test -e up
	kill -HUP "$(pid accept)"
	until_true 10 grep -q SIGHUP accept.err
	touch go
	wait "$CLIENT"
	stop accept
}

@test "--out to a listening socket" {
	"$BIN/demux" --in "unix:$T/pipe" --out - >packets &
	PIDS+=($!)
	demux=$!
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom \
		--out "unix:$T/pipe"
	PORT=$(sed -n 's/.*listening on .* port //p' accept.err)
	client --track a:chat:synthetic:100@1000 --count 500
	stop accept
	wait "$demux"
	[ "$("$TESTBIN/catrecords" <packets | grep -c PACKET)" -eq 500 ]
}

@test "a restart takes other session ids" {
	for run in 1 2; do
		reader_start "out.$run"
		accept_start
		client --track a:chat:synthetic:100@1000 --count 1
		stop accept
		wait "$READER"
		"$TESTBIN/catrecords" <"out.$run" | awk '{ print $1; exit }' \
			>"id.$run"
		# Ids begin with the second of the start.
		until_true 3 later_than "$(stat -c %Y accept.err)"
	done
	[ "$(cat id.1)" -lt "$(cat id.2)" ]
}

@test "killed, it starts again on the same port and control socket" {
	reader_start out
	accept_start --control "unix:$T/control"
	port=$PORT
	# A packet has to be larger than the reset that answers it.
	hostile_start touch=up wait=go "uni=4054 00 $(printf '%0128d' 0)" \
		expect-end
	until_true 10 test -e up
	kill -KILL "$(pid accept)"
	wait "$READER"
	# What it wrote is whole as far as it goes: it wrote whole records.
	"$TESTBIN/catrecords" <out | grep -q SESSION_OPEN
	[ -S control ]
	reader_start again
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen "127.0.0.1:$port" --control "unix:$T/control" >records
	client --track a:chat:synthetic:100@1000 --count 1
	# The old connection is told with a stateless reset.
	touch go
	wait "$CLIENT"
	stop accept
}
