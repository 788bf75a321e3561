#!/usr/bin/env bats
# How wt-client ends: its exit status tells what went wrong, whoever of its
# neighbours dies, refuses or stops.
bats_require_minimum_version 1.5.0

setup() {
	load common
	load client
	common_setup
}

teardown() { common_teardown; }

# client_start OPTION...: one in the background; $CLIENT, sum, client.err.
client_start() {
	"$BIN/wt-client" "$URL" --cert-hash cert.sha256 "$@" >sum 2>client.err &
	CLIENT=$!
	PIDS+=("$CLIENT")
}

# ended STATUS: it ends with that within 15 s.
ended() {
	local rc=0
	until_true 15 gone "$CLIENT"
	wait "$CLIENT" || rc=$?
	[ "$rc" -eq "$1" ] || { echo "ended with $rc"; cat sum client.err; }
	[ "$rc" -eq "$1" ]
}

# For until_true: a session is there; sets s.
opened() {
	s=$("$TESTBIN/catrecords" <accept.out 2>/dev/null |
		awk '/SESSION_OPEN/ { print $1; exit }') && [ -n "$s" ]
}

is_sending() { metric_is client.prom track_packets_total "" -gt "${1:-0}"; }

@test "refused: 404 for a path, 403 for an origin" {
	accept_start --origin https://good.example
	run -77 "$BIN/wt-client" "https://127.0.0.1:$PORT/other" \
		--cert-hash cert.sha256 --idle
	[[ $output == *"status 404"* ]]
	run -77 client --idle --origin https://bad.example
	[[ $output == *"status 403"* ]]
	client --track c:x:synthetic:10@max --count 1 \
		--origin https://good.example
}

@test "header fields and the subprotocol reach the server" {
	accept_start --protocol track-1 --protocol track-2
	run -0 client --track c:x:synthetic:10@max --count 1 --verbose \
		--protocol other --protocol track-2 --header 'X-Token: a b'
	[[ $output == *"subprotocol track-2"* ]]
	LC_ALL=C grep -aq 'x-token.a b' accept.out
}

@test "certificates: hash, CA, and no way around them" {
	accept_start
	printf '%064d\n' 0 >wrong.sha256
	run -69 "$BIN/wt-client" "$URL" --cert-hash wrong.sha256 --idle
	[[ $output == *"does not have the hash"* ]]
	run -69 "$BIN/wt-client" "$URL" --idle
	[[ $output == *"NOT trusted"* ]]
	"$BIN/wt-client" "$URL" --ca cert.pem --idle --seconds 0.1
	run -69 "$BIN/wt-client" "https://127.0.0.2:$PORT/wt" --ca cert.pem \
		--idle --connect-timeout 2
	echo xyz >bad.sha256
	run -65 "$BIN/wt-client" "$URL" --cert-hash bad.sha256 --idle
	run -66 "$BIN/wt-client" "$URL" --cert-hash none --idle
	# As openssl prints it.
	openssl x509 -in cert.pem -noout -fingerprint -sha256 |
		cut -d= -f2 >colons.sha256
	"$BIN/wt-client" "$URL" --cert-hash colons.sha256 --idle --seconds 0.1
}

@test "nobody listens; an unknown host; nobody answers" {
	make_cert
	PORT=$(free_port) URL=https://127.0.0.1:$PORT/wt
	run -69 client --idle
	[[ $output == *"Connection refused"* ]]
	run -68 "$BIN/wt-client" https://host.invalid/ --idle
	# A socket that says nothing.
	python3 -c 'import signal, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1]))); print("up", flush=True)
signal.pause()' "$PORT" >up 3>&- &
	PIDS+=($!)
	until_true 5 grep -q up up
	run -69 client --idle --connect-timeout 500ms
}

@test "--retry-connect waits for a server" {
	make_cert
	PORT=$(free_port) URL=https://127.0.0.1:$PORT/wt
	client_start --track c:x:synthetic:10@max --count 1 \
		--retry-connect yes --metrics client.prom
	until_true 5 metric_is client.prom connect_retries_total "" -gt 1
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen "127.0.0.1:$PORT" >accept.out
	ended 0
}

@test "SIGTERM: what was sent is acknowledged, status 0" {
	accept_start
	client_start --track c:x:synthetic:1000@1000 --metrics client.prom
	until_true 10 is_sending
	kill -TERM "$CLIENT"
	ended 0
	n=$(awk '$1 == "c" { print $3 }' sum)
	[ "$n" -gt 0 ]
	tracks got
	[ "$(metric got.prom packets_total)" -eq "$n" ]
	[ "$(metric got.prom packet_errors_total)" -eq 0 ]
}

@test "SIGTERM before there is a connection: status 0" {
	make_cert
	PORT=$(free_port) URL=https://127.0.0.1:$PORT/wt
	client_start --idle --retry-connect yes --metrics client.prom
	until_true 5 metric_is client.prom connect_retries_total "" -gt 1
	kill -TERM "$CLIENT"
	ended 0
	[ ! -s client.err ]
}

@test "the server is killed and another one takes its place" {
	accept_start
	client_start --track c:x:synthetic:1000@100 --metrics client.prom
	until_true 10 is_sending
	kill -KILL "$(pid accept)"
	wait "$(pid accept)" || true
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen "127.0.0.1:$PORT" >accept.out
	ended 69
	grep -q 'cut short' sum
}

@test "the server drains" {
	accept_start
	client_start --track c:x:synthetic:1000@100 --metrics client.prom
	until_true 10 is_sending
	stop accept
	ended 69
	grep -q 'the server drains' client.err
	[ "$(awk '$1 == "c" { print $7 }' sum)" -eq 0 ]
}

@test "the server closes a session, with a reason" {
	accept_start --control "unix:$T/control"
	client_start --track c:x:synthetic:1000@100 --metrics client.prom
	until_true 10 is_sending
	opened
	"$TESTBIN/recctl" "unix:$T/control" "close=$s:7:go away"
	ended 69
	grep -q 'code 7: go away' client.err
}

@test "the server closes an idle session without a word: no failure" {
	accept_start --control "unix:$T/control"
	start client "$BIN/wt-client" "$URL" --cert-hash cert.sha256 --idle >sum
	until_true 5 opened
	"$TESTBIN/recctl" "unix:$T/control" "close=$s:0:"
	wait "$(pid client)"
}

@test "a stream is stopped: its packets are lost, the other track goes on" {
	accept_start --control "unix:$T/control"
	client_start --track a:x:synthetic:1000@200 \
		--track b:x:synthetic:1000@200 --seconds 2 \
		--metrics client.prom
	until_true 10 metric_is client.prom track_packets_total 'index="1"' \
		-gt 0
	read -r s id < <("$TESTBIN/catrecords" <accept.out |
		awk '/STREAM_DATA/ { print $1, $2; exit }')
	"$TESTBIN/recctl" "unix:$T/control" "stop=$s:$id:17"
	ended 76
	grep -q 'stopped by the server, code 0x11 (BAD_TRACK_ID)' client.err
	[ "$(grep '^[ab] ' sum | awk '$8 == 1' | wc -l)" -eq 1 ]
	[ "$(grep '^[ab] ' sum | awk '$3 >= 390' | wc -l)" -eq 1 ]
}

@test "a server that stops reading: sending pauses, memory stays, none is lost" {
	make_cert
	mkfifo pipe
	"$BIN/demux" --metrics demux.prom <pipe >packets 2>demux.err &
	demux=$!
	PIDS+=("$demux")
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 >pipe
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	URL=https://127.0.0.1:$PORT/wt
	kill -STOP "$demux"
	client_start --track c:x:synthetic:64KiB@max --count 3000 \
		--metrics client.prom
	last=-1
	# Until a second passes without progress.
	stalled() {
		local n seen=$SECONDS
		n=$(metric client.prom track_packets_total 2>/dev/null)
		[ "${n:-0}" -gt 0 ] || return 1
		if [ "$n" -ne "$last" ]; then last=$n since=$seen; fi
		[ $((seen - since)) -ge 3 ]
	}
	until_true 20 stalled
	[ "$last" -lt 3000 ]
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/$CLIENT/status")
	kill -CONT "$demux"
	ended 0
	stop accept
	wait "$demux"
	[ "$(metric demux.prom packets_total)" -eq 3000 ]
	case $BUILD in *asan*) ;; *) [ "$rss" -lt 32768 ] ;; esac
}

@test "what is received goes to stdout" {
	accept_start --control "unix:$T/control"
	client_start --receive -
	until_true 5 opened
	id=$("$TESTBIN/recctl" "unix:$T/control" "open=$s:uni:1" answer |
		awk '{ print $3 }')
	"$TESTBIN/recctl" "unix:$T/control" "write=$s:$id:hello+" \
		"datagram=$s: again" quiet
	until_true 5 grep -q 'hello' sum
	until_true 5 grep -q 'again' sum
	kill -TERM "$CLIENT"
	ended 0
	grep -q '5 bytes on streams, 1 opened by the server; 1 datagrams' \
		client.err
}

@test "what is received goes to files" {
	accept_start --control "unix:$T/control"
	mkdir in
	client_start --receive in
	until_true 5 opened
	for i in 1 2; do
		id=$("$TESTBIN/recctl" "unix:$T/control" "open=$s:uni:$i" \
			answer | awk '{ print $3 }')
		"$TESTBIN/recctl" "unix:$T/control" "write=$s:$id:file $id+"
		until_true 5 grep -qs "file $id" "in/c0-s0-uni-$id"
	done
	"$TESTBIN/recctl" "unix:$T/control" "datagram=$s:d1" "datagram=$s:d2" \
		quiet
	until_true 5 grep -qs d1d2 in/c0-s0-datagrams
	kill -TERM "$CLIENT"
	ended 0
	run -73 client --receive none
}

@test "the reader of --receive - is gone: status 74" {
	accept_start --control "unix:$T/control"
	mkfifo reader
	"$BIN/wt-client" "$URL" --cert-hash cert.sha256 --receive - >reader \
		2>client.err &
	CLIENT=$!
	PIDS+=("$CLIENT")
	exec 7<reader
	until_true 5 opened
	exec 7<&-
	id=$("$TESTBIN/recctl" "unix:$T/control" "open=$s:uni:1" answer |
		awk '{ print $3 }')
	"$TESTBIN/recctl" "unix:$T/control" "write=$s:$id:hello"
	: >sum
	ended 74
	grep -q 'the reader is gone' client.err
}

@test "an echo that does not come: status 75; one that is wrong: 76" {
	accept_start --control "unix:$T/control"
	for kind in "" --bidi --datagrams; do
		# shellcheck disable=SC2086
		run -75 client --echo $kind --linger 300ms \
			--track c:x:synthetic:100@max --count 2
		[[ $output == *" missing"* ]]
	done
	stop accept
	accept_start --control "unix:$T/control"
	client_start --echo --bidi --track c:x:synthetic:100@max --count 2
	sent() { "$TESTBIN/catrecords" <accept.out 2>/dev/null |
		grep -q ' 4 STREAM_DATA F'; }
	until_true 5 sent
	opened
	"$TESTBIN/recctl" "unix:$T/control" "write=$s:4:wrong+"
	ended 76
	grep -q 'is not what was sent' client.err
}
