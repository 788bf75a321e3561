#!/usr/bin/env bats
# The control socket of wt-accept: every request, every refusal, and that who
# misbehaves there touches no session.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0

setup() {
	load common
	common_setup
	make_cert
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom \
		--control "unix:$T/control" --max-send-buffer 64KiB \
		>accept.out
	PORT=$(sed -n 's/.*listening on .* port //p' accept.err)
}

teardown() {
	common_teardown
}

hostile() { "$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT" "$@"; }
recctl() { "$TESTBIN/recctl" "unix:$T/control" "$@"; }
records() { "$TESTBIN/catrecords" <accept.out; }
has_record() { records | grep -q "$1"; }
record_count() { [ "$(records | grep -c "$1")" -eq "$2" ]; }

counted() { # NAME [LABELS] OP VALUE
	[ $# -eq 4 ] || set -- "$1" "" "$2" "$3"
	until_true 5 metric_is accept.prom "$@"
}

# A client in the background, with a session, doing STEP...; sets S, its id.
session() {
	"$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT" settings \
		connect=/wt status=200 "$@" &
	CLIENT=$!
	PIDS+=("$CLIENT")
	until_true 10 has_record SESSION_OPEN
	S=$(records | awk '/SESSION_OPEN/ { print $1; exit }')
}

@test "the socket is its owner's alone, and goes with the program" {
	[ "$(stat -c %a control)" = 600 ]
	[ -S control ]
	stop accept
	[ ! -e control ]
}

@test "streams are opened, written to, ended and reset" {
	session touch=up expect-data=s1:4054006869 expect-fin=s1 \
		expect-data=s2:4041006869 'send=s2:6f6b+' acked \
		expect-reset=s3:0x52e4a40fa8e2
	until_true 10 test -e up
	# The server's control stream is 3.
	[ "$(recctl "open=$S:uni:77" answer)" = "STREAM_OPENED $S 7 77" ]
	recctl "write=$S:7:hi+"
	[ "$(recctl "open=$S:bidi:78" answer)" = "STREAM_OPENED $S 1 78" ]
	recctl "write=$S:1:hi"
	until_true 10 has_record '1 STREAM_DATA FS 2'
	[ "$(recctl "open=$S:uni:79" answer)" = "STREAM_OPENED $S 11 79" ]
	recctl "write=$S:11:x" "reset=$S:11:7"
	wait "$CLIENT"
	stop accept
	[ "$(metric accept.prom control_refused_total)" -eq 0 ]
}

@test "the client's bidirectional stream is answered, its streams stopped" {
	session 'bidi=4041 00 61' expect-data=2:6162 'uni=4054 00 61' \
		expect-stop=3:0x52e4a40fa8eb touch=stopped wait=go
	until_true 10 has_record '4 STREAM_DATA - 1'
	recctl "write=$S:4:ab"
	until_true 10 has_record '6 STREAM_DATA U 1'
	recctl "stop=$S:6:0x10"
	until_true 10 test -e stopped
	touch go
	wait "$CLIENT"
	# Its end comes out, with the code it was stopped with.
	until_true 10 has_record '6 STREAM_RESET U 4 0x10'
}

@test "datagrams, DRAIN and a close with a reason" {
	session expect-datagrams=1 touch=got \
		expect-data=1:400000 expect-fin=1 || true
	recctl "datagram=$S:hello"
	until_true 10 test -e got
	recctl "drain=$S" "close=$S:9:bye"
	until_true 10 has_record 'SESSION_CLOSE - '
	counted sessions_active -eq 0
	counted datagrams_out_total -eq 1
	kill "$CLIENT"
}

@test "the client sees the code and the reason of a close" {
	"$BIN/wt-client" "https://127.0.0.1:$PORT/wt" --cert-hash cert.sha256 \
		--idle --seconds 20 --verbose 2>client.err >client.out &
	CLIENT=$!
	PIDS+=("$CLIENT")
	until_true 10 has_record SESSION_OPEN
	S=$(records | awk '/SESSION_OPEN/ { print $1; exit }')
	recctl "close=$S:9:goodbye"
	wait "$CLIENT" || true
	grep -q goodbye client.err client.out
}

@test "PAUSE holds one stream, RESUME lets it go on; others do not notice" {
	head -c 5000000 /dev/urandom >bytes
	session 'uni=4054 00 61' 'uni=4054 00 61' acked touch=up wait=go \
		file=2:bytes file=3:bytes acked
	until_true 10 test -e up
	hostile settings connect=/wt 'bidi=4041 00 61' acked wait=end \
		'send=2:62+' acked alive &
	WITNESS=$!
	PIDS+=("$WITNESS")
	until_true 10 has_record '6 STREAM_DATA'
	recctl "pause=$S:6" quiet
	touch go
	until_true 10 has_record '10 STREAM_DATA FU'
	sleep_until_still
	n=$("$TESTBIN/catrecords" --stream 6 <accept.out | wc -c)
	echo "paused after $n bytes"
	# What the windows let through: they may have grown meanwhile.
	[ "$n" -lt 4000000 ]
	touch end
	wait "$WITNESS"
	recctl "resume=$S:6"
	wait "$CLIENT"
	{ printf a; cat bytes; } >want
	"$TESTBIN/catrecords" --stream 6 <accept.out | cmp - want
	"$TESTBIN/catrecords" --stream 10 <accept.out | cmp - want
}

# Until accept.out has stopped growing for half a second.
sleep_until_still() {
	local size=-1 same=0 now
	while [ "$same" -lt 25 ]; do
		now=$(stat -c %s accept.out)
		if [ "$now" = "$size" ]; then same=$((same + 1)); else same=0; fi
		size=$now
		read -r -t 0.02 <> <(:) || true
	done
}

@test "refusals say what was refused and why" {
	session 'uni=4054 00 61' touch=up wait=go
	until_true 10 has_record '6 STREAM_DATA'
	[ "$(recctl "pause=$((S + 1)):6" answer)" = \
		"REFUSED $((S + 1)) 6 PAUSE 0 unknown session" ]
	[ "$(recctl "pause=$S:10" answer)" = \
		"REFUSED $S 10 PAUSE 0 unknown stream" ]
	[ "$(recctl "write=$S:6:x" answer)" = \
		"REFUSED $S 6 STREAM_DATA 0 only the client writes to this stream" ]
	[ "$(recctl "size=$S:60000" answer)" = \
		"REFUSED $S - DATAGRAM 0 datagram too large" ]
	# The client gives credit for 100 streams, one is our control stream.
	for i in $(seq 99); do opens+=("open=$S:uni:$i" answer); done
	recctl "${opens[@]}" >opened
	[ "$(grep -c STREAM_OPENED opened)" -eq 99 ]
	[ "$(recctl "open=$S:uni:100" answer)" = \
		"REFUSED $S - STREAM_OPEN 100 no stream credit" ]
	# Unknown, if the client has everything by then.
	[[ $(recctl "write=$S:7:x+" "write=$S:7:x" answer) == \
		"REFUSED $S 7 STREAM_DATA 0 "* ]]
	counted control_refused_total -eq 6
	touch go
	wait "$CLIENT"
}

@test "a malformed record costs its connection and nothing else" {
	session 'uni=4054 00 6265666f7265' acked touch=up wait=go \
		'send=2:6166746572+' acked alive
	until_true 10 test -e up
	recctl raw=this-is-no-record-at-all-but-32-bytes-long closed
	recctl "pause=$S:18446744073709551615" closed
	recctl raw=short
	counted control_errors_total -eq 3
	[ "$(metric accept.prom control_connections)" -eq 0 ]
	touch go
	wait "$CLIENT"
	[ "$("$TESTBIN/catrecords" --stream 6 <accept.out)" = beforeafter ]
}

@test "a writer is held back by its stream, another connection is not" {
	# The client stops reading as a process: nothing is acknowledged.
	session 'bidi=4041 00 61' touch=up wait=go
	until_true 10 has_record '4 STREAM_DATA'
	kill -STOP "$CLIENT"
	recctl "bulk=$S:4:4194304" &
	PIDS+=($!)
	until_true 10 metric_is accept.prom control_connections "" -eq 1
	for i in $(seq 20); do recctl "pause=$S:4" "resume=$S:4" quiet; done
	counted control_records_total -ge 40
	# One record is let in after the limit, at most.
	[ "$(metric accept.prom stream_bytes_out_total)" -le $((128 * 1024)) ]
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/$(pid accept)/status")
	echo "$rss KiB"
	kill -CONT "$CLIENT"
	until_true 20 metric_is accept.prom stream_bytes_out_total "" \
		-eq 4194304
	touch go
	wait "$CLIENT"
}

@test "many connections; more than there may be have to wait" {
	session touch=up wait=go
	until_true 10 test -e up
	for i in $(seq 70); do
		recctl "drain=$S" quiet raw= &
		waiters+=($!)
	done
	wait "${waiters[@]}"
	counted control_records_total -eq 70
	touch go
	wait "$CLIENT"
}
