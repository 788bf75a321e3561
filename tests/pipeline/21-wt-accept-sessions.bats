#!/usr/bin/env bats
# Which sessions wt-accept accepts, what it says about them, and its limits.
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

accept_start() {
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom "$@" >accept.out
	PORT=$(sed -n 's/.*listening on .* port //p' accept.err | tail -1)
}

hostile() { "$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT" "$@"; }

client() { # PATH OPTION...
	"$BIN/wt-client" "https://127.0.0.1:$PORT$1" --cert-hash cert.sha256 \
		"${@:2}"
}

records() { "$TESTBIN/catrecords" <accept.out; }

counted() { # NAME [LABELS] OP VALUE
	[ $# -eq 4 ] || set -- "$1" "" "$2" "$3"
	until_true 5 metric_is accept.prom "$@"
}

@test "paths that are not on the list get 404" {
	accept_start
	hostile settings connect=/ status=404 connect=/wtx status=404 \
		connect=/wt/ status=404 'connect=/wt?x=/' status=200 \
		connect=/wt status=200
	counted sessions_refused_path_total -eq 3
	counted sessions_total -eq 2
	stop accept
	accept_start --path /a --path /b/c
	hostile settings connect=/wt status=404 connect=/a status=200 \
		connect=/b/c status=200
	stop accept
	[ "$(records | grep -c SESSION_OPEN)" -eq 2 ]
	run ! client /b --track a:chat:synthetic:10@10 --count 1
}

@test "origins that are not on the list get 403, and so does none" {
	accept_start --origin https://a.example --origin https://b.example
	hostile settings field=origin:https://evil.example connect=/wt \
		status=403 connect=/wt status=403 \
		field=origin:https://b.example connect=/wt status=200
	counted sessions_refused_origin_total -eq 2
	client /wt --origin https://a.example --track a:chat:synthetic:10@10 \
		--count 1
	stop accept
	accept_start --origin none
	hostile settings connect=/wt status=200 \
		field=origin:https://a.example connect=/wt status=403
	stop accept
}

@test "the first subprotocol of --protocol that the client offers" {
	accept_start --protocol v2 --protocol v1
	hostile settings 'field=wt-available-protocols:"v1", "v2"' connect=/wt \
		status=200 'has=wt-protocol:"v2"' \
		'field=wt-available-protocols:"v1"' connect=/wt status=200 \
		'has=wt-protocol:"v1"' \
		'field=wt-available-protocols:"x", v1' connect=/wt status=200 \
		has=wt-protocol:absent connect=/wt status=200 \
		has=wt-protocol:absent
	counted sessions_total -eq 4
	stop accept
	LC_ALL=C grep -aq 'protocol.v2' accept.out
}

@test "SESSION_OPEN has what was asked for" {
	accept_start
	hostile settings field=origin:https://a.example field=x-one:1 \
		field=x-one:2 'connect=/wt?room=7' status=200
	stop accept
	for s in peer 127.0.0.1 authority localhost 'path./wt?room=7' \
		'origin.https://a.example' 'x-one.1, 2'; do
		LC_ALL=C grep -aq "$s" accept.out || { echo "$s"; false; }
	done
}

@test "bytes come as they were sent: streams both ways, datagrams, resets" {
	accept_start
	head -c 3000000 /dev/urandom >bytes
	hostile settings connect=/wt 'uni=4054 00' file=2:bytes acked
	hostile settings connect=/wt 'bidi=4041 00 68656c6c6f+' \
		'datagram=00 6162' 'uni=4054 00 78' acked reset=3 alive
	client /wt --raw bytes --bidi
	stop accept
	records | grep -q '0 - SESSION_OPEN' || records | head
	"$TESTBIN/catrecords" --stream 6 <accept.out >all
	# The first session's stream 6, whole; the second's was reset.
	cmp -n 3000000 bytes all
	[ "$(records | grep -c 'DATAGRAM - 2$')" -eq 1 ]
	[ "$(records | grep -c 'STREAM_RESET U 4 0x0')" -eq 1 ]
	[ "$(records | grep -c 'STREAM_DATA F 5$')" -eq 1 ]
	[ "$(records | grep -c SESSION_CLOSE)" -eq 3 ]
}

@test "several sessions in a connection, each with its own streams" {
	accept_start --max-sessions 3
	hostile settings connect=/wt status=200 connect=/wt status=200 \
		connect=/wt status=200 connect=/wt status=429 \
		'uni=4054 00 61+' 'uni=4054 04 6262+' 'uni=4054 08 636363+' \
		acked
	counted sessions_refused_total -eq 1
	stop accept
	records >lines
	for n in 1 2 3; do
		[ "$(grep -c "STREAM_DATA FU $n$" lines)" -eq 1 ]
	done
	# Three ids, each opened and closed once, counting up.
	[ "$(awk '{print $1}' lines | sort -u | wc -l)" -eq 3 ]
	awk '/SESSION_OPEN/ { open[$1]++ }
		/STREAM_DATA/ && !open[$1] { exit 1 }
		/SESSION_CLOSE/ { close_[$1]++ }
		close_[$1] && !/SESSION_CLOSE/ { exit 1 }
		END { for (s in open) if (open[s] != 1 || close_[s] != 1)
			exit 1 }' lines
}

@test "a close with code and reason" {
	accept_start
	hostile settings connect=/wt \
		'send=1:00 0a 6843 07 00000007 627965+' expect-fin=1
	stop accept
	records | grep -q 'SESSION_CLOSE - 7 0x7'
	grep -aq bye accept.out
}

@test "connections over --max-connections are refused" {
	accept_start --max-connections 2
	hostile settings connect=/wt touch=one wait=go &
	PIDS+=($!)
	hostile settings connect=/wt touch=two wait=go &
	PIDS+=($!)
	until_true 10 test -e one -a -e two
	run ! hostile settings connect=/wt
	counted connections_refused_total -ge 1
	[ "$(metric accept.prom sessions_active)" -eq 2 ]
	touch go
	wait "${PIDS[1]}" "${PIDS[2]}"
	until_true 10 hostile settings connect=/wt status=200
	stop accept
}

@test "more handshakes than --max-handshakes have to wait" {
	accept_start --max-handshakes 5 --retry never
	client /wt --clients 15 --connect-timeout 30s \
		--track a:chat:synthetic:10@10 --count 1
	counted connections_refused_total -ge 1
	stop accept
	[ "$(records | grep -c SESSION_OPEN)" -eq 15 ]
}

@test "Retry always, and never" {
	accept_start --retry always
	client /wt --clients 5 --track a:chat:synthetic:10@10 --count 1
	counted retries_sent_total -ge 5
	stop accept
	accept_start --retry never
	client /wt --clients 5 --track a:chat:synthetic:10@10 --count 1
	stop accept
	[ "$(metric accept.prom retries_sent_total)" -eq 0 ]
}

@test "IPv6, and several addresses" {
	[ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6 ||
		skip "no IPv6 here"
	accept_start --listen '[::1]:0'
	PORT4=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	PORT6=$(sed -n 's/.*listening on ::1 port //p' accept.err)
	"$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT4" settings \
		connect=/wt status=200
	"$TESTBIN/hostile" cert.sha256 ::1 "$PORT6" settings connect=/wt \
		status=200
	stop accept
	[ "$(grep -ac '::1' accept.out)" -ge 1 ]
}

@test "moving to another port, and new keys, go unnoticed" {
	accept_start
	client /wt --track a:file:synthetic:1000@1000 --count 1000 \
		--migrate 200ms --update-keys 400ms
	client /wt --track a:file:synthetic:1000@1000 --count 1000 \
		--rebind 300ms
	counted path_changes_total -ge 2
	counted sessions_total -eq 2
	counted stream_bytes_in_total -eq $((2 * 1000 * 1032))
	stop accept
}

@test "a key log for SSLKEYLOGFILE" {
	SSLKEYLOGFILE=$T/keys accept_start
	hostile settings connect=/wt status=200
	stop accept
	grep -q CLIENT_TRAFFIC_SECRET_0 keys
	[ "$(stat -c %a keys)" = 600 ]
}

@test "options that make no sense" {
	run -64 "$BIN/wt-accept"
	run -64 "$BIN/wt-accept" --cert cert.pem --key key.pem x
	run -64 "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen nowhere
	run -64 "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--control tcp:localhost:1
	run -64 "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--max-data 32MiB
	run -78 "$BIN/wt-accept" --cert nope.pem --key key.pem \
		--listen 127.0.0.1:0
	accept_start
	run -69 "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen "127.0.0.1:$PORT"
	[[ $output == *"127.0.0.1"*"in use"* ]]
}

@test "every option of --help is in the manual, with its default" {
	page=$ROOT/wt-accept/wt-accept.1
	"$BIN/wt-accept" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' >names
	[ "$(wc -l <names)" -gt 20 ]
	while read -r name; do
		grep -q "^\.It Fl -$name" "$page" || { echo "$name"; false; }
	done <names
	# "(default 16KiB)" in one is "default is 16 KiB" in the other.
	"$BIN/wt-accept" --help |
		sed -n 's/^  --\([a-z-]*\) .*(default \([0-9]*\)\([KM]iB\|s\|\))$/\1 \2 \3/p' \
		>defaults
	[ "$(wc -l <defaults)" -ge 13 ]
	while read -r name value unit; do
		awk -v n=".It Fl -$name" -v d="default is $value${unit:+ $unit}" '
			index($0, n) == 1 { in_ = 1; next }
			/^\.(It|El)/ { in_ = 0 }
			in_ && index($0, d) { found = 1 }
			END { exit !found }' "$page" ||
			{ echo "$name $value $unit"; false; }
	done <defaults
}
