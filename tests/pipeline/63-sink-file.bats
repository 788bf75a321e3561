#!/usr/bin/env bats
# sink-file: pieces are published with their place, and recorded as the file.
# sinkdrive is both route and topic-bus here.

setup() { load common; common_setup; }
teardown() { common_teardown; }

S=ipc://sink.sock B=ipc://bus.sock
SESSION=1122334455667788

# piece OFFSET SIZE NAME DATA: one payload on stdout.
piece() {
	perl -e 'my ($o, $s, $n, $d) = @ARGV;
		print "FIL1", "T" x 16, pack("Q>Q>n", $o, $s, length $n), $n, $d' \
		"$@"
}

sink() {
	start sink-file "$BIN/sink-file" --listen $S --bus $B \
		--metrics "$T/m" --record rec
}

# drive FILE...: each as one packet, in this order.
drive() {
	local f args=()
	for f; do args+=(--payload "$f"); done
	timeout 60 "$TESTBIN/sinkdrive" --sink $S --bus $B --packets $# \
		--type file "${args[@]}" >report
	cat report
}

reported() { awk -v n="$1" '{ for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' report; }

RECORDING=rec/file-$SESSION-5454545454545454.bin

@test "a file in three pieces is published, counted and recorded whole" {
	piece 0 15 notes.txt hello >a
	piece 5 15 notes.txt ' file' >b
	piece 10 15 notes.txt ' sink' >c
	sink
	drive a b c
	[ "$(reported good)" -eq 3 ]
	[ "$(reported rejected)" -eq 0 ]
	stop sink-file
	[ "$(cat $RECORDING)" = "hello file sink" ]
	[ "$(metric m files_begun_total)" -eq 1 ]
	[ "$(metric m files_ended_total)" -eq 1 ]
	[ "$(metric m packet_bytes_total)" -eq $((3 * 38 + 3 * 9 + 15)) ]
}

@test "an empty file is one piece" {
	piece 0 0 empty '' >a
	sink
	drive a
	[ "$(reported good)" -eq 1 ]
	stop sink-file
	[ "$(metric m files_ended_total)" -eq 1 ]
}

@test "bad pieces are rejected, each for its reason, and the others pass" {
	piece 0 5 notes.txt hello >good
	printf plain >unknown-format
	head -c 37 good >short-header
	piece 0 5 ../../etc/passwd hello >bad-name
	piece 1 5 notes.txt hello >bad-range
	: >empty
	sink
	drive unknown-format short-header bad-name bad-range empty good
	[ "$(reported good)" -eq 1 ]
	[ "$(reported rejected)" -eq 5 ]
	stop sink-file
	for reason in unknown-format short-header bad-name bad-range empty; do
		[ "$(metric m packets_rejected_total "reason=\"$reason\"")" -eq 1 ]
	done
	[ "$(find rec -type f | wc -l)" -eq 1 ]
	[ "$(cat $RECORDING)" = hello ]
}

@test "a recording goes on after a kill, with each piece once" {
	piece 0 10 n 01234 >a
	piece 5 10 n 56789 >b
	sink
	drive a
	kill -KILL "$(pid sink-file)"
	sink
	drive a b
	stop sink-file
	[ "$(cat $RECORDING)" = 0123456789 ]
	[ "$(metric m recording_skipped_total)" -eq 1 ]
}
