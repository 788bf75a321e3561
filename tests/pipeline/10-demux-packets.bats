#!/usr/bin/env bats
# demux: the same packets, however their streams were cut.

setup() { load common; common_setup; }
teardown() { common_teardown; }

MIXED="--packets 10000 --mixed --tracks 50"

# tracks DIR RECORDS-COMMAND...: the packets of each track, as demux sees them.
tracks() {
	mkdir "$1"
	"${@:2}" | "$BIN/demux" --metrics "$1.m" |
		"$TESTBIN/catrecords" --quiet --tracks "$1"
}

# What demux should make of them, from the generator itself.
expected() {
	mkdir want
	# shellcheck disable=SC2086
	"$TESTBIN/mkrecords" $MIXED --demuxed |
		"$TESTBIN/catrecords" --quiet --tracks want
	[ "$(find want -type f | wc -l)" -eq 50 ]
}

same() {
	diff -rq want "$1"
	[ "$(metric "$1.m" packets_total)" -eq 10000 ]
	[ "$(metric "$1.m" buffer_size_bytes)" -eq 0 ]
	[ "$(metric "$1.m" streams_active)" -eq 0 ]
}

@test "10,000 packets, each in a record of its own" {
	expected
	# shellcheck disable=SC2086
	tracks whole "$TESTBIN/mkrecords" $MIXED
	same whole
	[ "$(metric whole.m packets_complete)" -eq 10000 ]
	[ "$(metric whole.m fragmentation_rate)" = 0 ]
}

@test "10,000 packets joined in records of 64 KiB" {
	expected
	# shellcheck disable=SC2086
	tracks joined "$TESTBIN/mkrecords" $MIXED --cut 64KiB
	same joined
	[ "$(metric joined.m packets_complete)" -gt 9800 ]
	[ "$(metric joined.m packets_fragmented)" -gt 0 ]
}

@test "10,000 packets cut at every size from 1 to 40 bytes" {
	expected
	for cut in $(seq 1 40); do
		# shellcheck disable=SC2086
		tracks cut "$TESTBIN/mkrecords" $MIXED --cut "$cut"
		same cut
		rm -r cut
	done
}

@test "10,000 packets interleaved over 50 streams, whole and cut" {
	expected
	for cut in 0 1 2 3 7 13 31 32 33 40 1200 65536; do
		# shellcheck disable=SC2086
		tracks over50 "$TESTBIN/mkrecords" $MIXED --streams 50 \
			--cut "$cut"
		same over50
		[ "$(metric over50.m streams_max_concurrent)" -eq 50 ]
		rm -r over50
	done
}

@test "10,000 packets over 50 streams of 7 sessions" {
	expected
	# shellcheck disable=SC2086
	tracks sessions "$TESTBIN/mkrecords" $MIXED --streams 50 \
		--sessions 7 --cut 100
	same sessions
}

@test "packets of exactly --max-packet, and 10 MiB ones" {
	"$TESTBIN/mkrecords" --packets 100 --payload 968 --cut 333 |
		"$BIN/demux" --max-packet 1000 | "$TESTBIN/catrecords" >out
	[ "$(grep -c PACKET out)" -eq 100 ]
	"$TESTBIN/mkrecords" --packets 5 --payload 10485728 |
		"$BIN/demux" --metrics m | "$TESTBIN/catrecords" >out
	[ "$(grep -c 'PACKET U 10485760' out)" -eq 5 ]
	[ "$(metric m packets_large)" -eq 5 ]
	[ "$(metric m max_buffer_size_bytes)" -le 10485760 ]
}

@test "datagrams hold one packet each" {
	"$TESTBIN/mkrecords" --packets 100 --payload 1000 --datagrams |
		"$BIN/demux" --metrics m | "$TESTBIN/catrecords" >out
	[ "$(grep -c -- '- PACKET - 1032 track0 video' out)" -eq 100 ]
	[ "$(metric m packets_datagram)" -eq 100 ]
}

@test "10,000 streams at once" {
	"$TESTBIN/mkrecords" --packets 20000 --payload 100 --tracks 10000 \
		--streams 10000 --cut 90 |
		"$BIN/demux" --metrics m | "$TESTBIN/catrecords" >out
	[ "$(grep -c PACKET out)" -eq 20000 ]
	[ "$(metric m streams_max_concurrent)" -eq 10000 ]
	[ "$(metric m streams_active)" -eq 0 ]
}

@test "what demux does not know passes untouched" {
	"$TESTBIN/mkrecords" --packets 100 --demuxed >in
	"$BIN/demux" <in >out
	cmp in out
}

@test "a packet comes out at once, before any other goes in" {
	mkfifo in out
	exec 14<>in 15<>out
	start demux "$BIN/demux" <in >out 14>&- 15>&-
	"$TESTBIN/mkrecords" --packets 1 --payload 10 --no-fin --no-close >&14
	timeout 10 head -c 183 <&15 | "$TESTBIN/catrecords" >got
	exec 14>&- 15>&-
	grep -q PACKET got
}
