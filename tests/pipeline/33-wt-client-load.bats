#!/usr/bin/env bats
# wt-client as a load generator: many clients, sessions and streams, all
# counted on both sides; connections that move and change keys.
bats_require_minimum_version 1.5.0

setup() {
	load common
	load client
	common_setup
	accept_start
}

teardown() { common_teardown; }

@test "100 clients with three tracks: nothing lost, each at its pace" {
	client --clients 100 --seconds 2 --track v:video:jpeg:2000@10 \
		--track a:audio:pcm:960@20 --track c:chat:chat:200@2 \
		--json >sum.json
	[ "$(json sum.json sessions opened)" -eq 100 ]
	n=$(json sum.json tracks 0 packets)
	[ "$n" -ge 1900 ] && [ "$n" -le 2100 ]
	all=$((n + $(json sum.json tracks 1 packets) +
		$(json sum.json tracks 2 packets)))
	tracks got
	[ "$(metric got.prom packets_total)" -eq "$all" ]
	# Each from a port of its own.
	[ "$("$TESTBIN/catrecords" <accept.out |
		grep -c SESSION_OPEN)" -eq 100 ]
	[ "$(grep -aoE '127\.0\.0\.1 [0-9]+' accept.out | sort -u |
		wc -l)" -eq 100 ]
}

@test "10 sessions in each of 5 connections" {
	client --clients 5 --sessions 10 --track c:chat:chat:200@max --count 20
	tracks got
	[ "$(metric got.prom packets_total)" -eq 1000 ]
	[ "$(metric accept.prom connections_total)" -eq 5 ]
	[ "$(metric accept.prom sessions_total)" -eq 50 ]
}

@test "more streams than the server allows at once" {
	client --track c:x:synthetic:100@max --streams 3000 --count 3000 \
		--split 1000
	tracks got
	[ "$(metric got.prom packets_total)" -eq 3000 ]
}

@test "datagrams of 20 clients" {
	client --clients 20 --track c:x:synthetic:500@100 --count 50 \
		--datagrams --json >sum.json
	[ "$(json sum.json tracks 0 packets)" -eq 1000 ]
	tracks got
	[ "$(metric got.prom packets_total)" -eq 1000 ]
}

@test "ready when all sessions are open; idle ones are held and let go" {
	start idle "$BIN/wt-client" "$URL" --cert-hash cert.sha256 --idle \
		--clients 50 >sum
	until_true 5 metric_is accept.prom sessions_active "" -eq 50
	kill -TERM "$(pid idle)"
	wait "$(pid idle)"
	until_true 5 metric_is accept.prom sessions_active "" -eq 0
}

@test "not ready when one of them fails" {
	stop accept
	accept_start --max-sessions 2
	! start idle "$BIN/wt-client" "$URL" --cert-hash cert.sha256 --idle \
		--sessions 3 --seconds 0.5 >sum || false
	grep -q 'status 429' idle.err
}

@test "--keep-alive holds an idle session over the idle timeout" {
	stop accept
	accept_start --idle-timeout 1
	client --idle --seconds 3 --keep-alive 300ms
	run -69 client --idle --seconds 3 --keep-alive 0
}

@test "migrating, rebinding and key updates lose nothing" {
	client --track v:x:synthetic:1000@500 --track b:x:synthetic:20KiB@200 \
		--seconds 2 --migrate 0.4 --rebind 1 --update-keys 1.5 \
		--json >sum.json
	n=$(($(json sum.json tracks 0 packets) +
		$(json sum.json tracks 1 packets)))
	tracks got
	[ "$(metric got.prom packets_total)" -eq "$n" ]
	[ "$(metric got.prom packet_errors_total)" -eq 0 ]
	[ "$(metric accept.prom path_changes_total)" -ge 2 ]
}

@test "IPv6, and localhost whichever it is" {
	stop accept
	start six "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen '[::1]:0' >six.out ||
		skip "no IPv6 here"
	port=$(sed -n 's/.*listening on ::1 port //p' six.err)
	"$BIN/wt-client" "https://[::1]:$port/wt" --ca cert.pem --local ::1 \
		--track c:x:synthetic:10@max --count 1
	stop six
	# Where localhost is also ::1, that is tried and nobody is there.
	accept_start
	"$BIN/wt-client" "https://localhost:$PORT/wt" --ca cert.pem \
		--local 127.0.0.1 --track c:x:synthetic:10@max --count 1
}

@test "SSLKEYLOGFILE" {
	SSLKEYLOGFILE=keys client --track c:x:synthetic:10@max --count 1
	grep -q '^CLIENT_TRAFFIC_SECRET_0 ' keys
}

@test "the summary lines up, and JSON says the same" {
	client --track live_video:video:synthetic:1000@max --count 10 >sum
	head -n 2 sum
	# Columns end where their heads do.
	awk 'NR == 1 { a = index($0, "packets") + 6 }
		NR == 2 { exit substr($0, a - 1, 2) != "10" }' sum
	client --track live_video:video:synthetic:1000@max --count 10 --json \
		>sum.json
	[ "$(json sum.json exit)" -eq 0 ]
	[ "$(json sum.json tracks 0 bytes)" -eq 10320 ]
	[ "$(json sum.json tracks 0 track)" = live_video ]
	[ "$(json sum.json sessions opened)" -eq 1 ]
}
