#!/usr/bin/env bats
# What strangers send to wt-accept costs nobody but them: each kind of bad
# input is counted, answered as the RFCs say, and a session that is there at
# the same time does not notice.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031

setup() {
	load common
	common_setup
	make_cert
	accept_start
	witness_start
}

teardown() {
	common_teardown
}

accept_start() {
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom "$@" >accept.out
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
}

hostile() { "$TESTBIN/hostile" cert.sha256 127.0.0.1 "$PORT" "$@"; }

# A session that sends "before" on a stream, and "after" when it is told to.
witness_start() {
	hostile settings connect=/wt status=200 'bidi=4041 00 6265666f7265' \
		acked touch=witness.up wait=witness.go send=2:6166746572+ \
		acked alive 2>witness.err &
	WITNESS=$!
	PIDS+=("$WITNESS")
	until_true 10 test -e witness.up
}

witness_ok() {
	touch witness.go
	wait "$WITNESS"
	stop accept
	# The only bidirectional stream there is.
	"$TESTBIN/catrecords" --stream 4 <accept.out | grep -qx beforeafter
}

counted() { # NAME [LABELS] OP VALUE
	[ $# -eq 4 ] || set -- "$1" "" "$2" "$3"
	until_true 5 metric_is accept.prom "$@"
}

record_count() {
	[ "$("$TESTBIN/catrecords" <accept.out | grep -c "$1")" -eq "$2" ]
}

@test "two control streams" {
	hostile settings settings expect-close=0x103
	counted h3_errors_total -eq 1
	witness_ok
}

@test "SETTINGS twice" {
	hostile 'uni=00 0400 0400' expect-close=0x105
	counted h3_errors_total -eq 1
	witness_ok
}

@test "no SETTINGS first, a control stream that ends, a setting twice" {
	hostile 'uni=00 070100' expect-close=0x10a
	hostile 'uni=00 0400+' expect-close=0x104
	hostile 'uni=00 0404 3301 3301' expect-close=0x109
	hostile 'uni=00 0402 0200' expect-close=0x109
	counted h3_errors_total -eq 4
	witness_ok
}

@test "HTTP/2 frames, DATA before HEADERS, 0x41 inside, half a frame" {
	hostile settings 'bidi=0800' expect-close=0x105
	hostile settings 'bidi=0001 00' expect-close=0x105
	hostile settings 'bidi=2100 4041 00' expect-close=0x106
	hostile settings 'bidi=0105 00+' expect-close=0x106
	counted h3_errors_total -eq 4
	witness_ok
}

@test "field sections that are no QPACK, too large, or not a request" {
	hostile settings 'request=020080' expect-close=0x200
	counted h3_errors_total -eq 1
	# A frame that is over the limit as soon as its length is there.
	hostile settings 'bidi=01 8000 ffff' answer=1 status=431 alive
	# :method GET alone is malformed: the stream's error, not the
	# connection's.
	hostile settings 'request=0000 d1' expect-reset=1:0x10e alive
	witness_ok
}

@test "GREASE streams, settings, frames and capsules are ignored" {
	hostile 'uni=00 040d 21 05 c00000001faabbcc 01 0100' \
		'send=0:21 03 aabbcc' 'uni=21 aabbcc+' \
		'uni=c000000012345678 00' connect=/wt status=200 \
		'send=3:21 02 aabb' 'send=3:00 05 17 03 aabbcc' \
		'uni=4054 00 68656c6c6f+' acked alive
	counted unknown_ignored_total -ge 6
	counted h3_errors_total -eq 0
	[ "$("$TESTBIN/catrecords" <accept.out | grep -c 'STREAM_DATA FU 5$')" \
		-eq 1 ]
	witness_ok
}

@test "a stream of a session that never comes, and of one that is over" {
	hostile settings connect=/wt 'uni=4054 08 78' 'bidi=4041 0c 78' \
		'datagram=02 78' expect-stop=2:0x3994bd84 \
		expect-stop=3:0x3994bd84 alive
	hostile settings connect=/wt 'send=1:00 07 6843 04 00000000+' \
		expect-fin=1 'uni=4054 00 78' expect-stop=2:0x170d7b68 alive
	counted wt_buffered_rejected_total -ge 3
	counted h3_errors_total -eq 0
	witness_ok
}

@test "a stream of a session that cannot be" {
	hostile settings 'uni=4054 03 78' expect-close=0x108
	counted h3_errors_total -eq 1
	witness_ok
}

@test "capsules that are too long or cut short cost the session" {
	hostile settings connect=/wt 'send=1:00 05 6843 4405 00' \
		expect-reset=1 alive
	hostile settings connect=/wt 'send=1:00 05 6843 04 0000+' \
		expect-reset=1 alive
	until_true 5 record_count SESSION_CLOSE 2
	counted h3_errors_total -eq 0
	witness_ok
}

@test "10,000 streams, one after another and as many as there may be" {
	hostile settings connect=/wt flood=10000:40540078 alive
	counted streams_total -ge 10001
	[ "$("$TESTBIN/catrecords" <accept.out | grep -c 'STREAM_DATA FU 1$')" \
		-eq 10000 ]
	[ "$(hostile settings connect=/wt open=10000:40540078 acked)" -le 1024 ]
	counted streams_max_concurrent -le 2050
	witness_ok
}

@test "a session that says nothing, and half a request" {
	stop accept
	wait "$WITNESS" || true
	accept_start --idle-timeout 500ms
	hostile settings connect=/wt status=200 expect-end
	hostile settings 'bidi=01 20 00' expect-end
	hostile expect-end
	counted sessions_active -eq 0
	counted connections_active -eq 0
	stop accept
	[ "$("$TESTBIN/catrecords" <accept.out | grep -c SESSION_)" -eq 2 ]
}

@test "noise" {
	for i in $(seq 100); do
		head -c $((i * 14)) /dev/urandom
	done >noise
	exec 8<>"/dev/udp/127.0.0.1/$PORT"
	for i in $(seq 100); do
		dd bs=$((i * 14)) count=1 <&3 >&8 2>/dev/null
	done 3<noise
	# Long headers of a version nobody has: answered, if large enough.
	{ printf '\xc0\x1a\x2a\x3a\x4a\x08abcdefgh\x08abcdefgh'
		head -c 1180 /dev/zero; } | dd bs=1300 >&8 2>/dev/null
	exec 8>&-
	counted quic_packets_in_total -ge 100
	counted quic_packets_invalid_total -ge 1
	counted version_negotiations_sent_total -ge 1
	counted connections_total -le 10
	witness_ok
}
