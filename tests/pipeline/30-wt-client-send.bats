#!/usr/bin/env bats
# wt-client sends the same packets whole, cut, joined, spread over streams and
# in datagrams, and they arrive byte for byte.
bats_require_minimum_version 1.5.0

setup() {
	load common
	load client
	common_setup
	accept_start
	# Lines of 1 to 400 bytes, all different.
	awk 'BEGIN { for (i = 1; i <= 1000; i++) {
		s = i " "; while (length(s) < i * 37 % 400) s = s "abcdefg"
		print substr(s, 1, 400) } }' >lines.txt
}

teardown() { common_teardown; }

# send OPTION...: the lines as track c; what arrived must be these.
send() {
	client --track c:chat:lines.txt --json "$@" >sum.json
	[ "$(json sum.json tracks 0 packets)" -eq 1000 ]
	[ "$(json sum.json tracks 0 unacked_bytes)" -eq 0 ]
	tracks got
	[ "$(metric got.prom packets_total)" -eq 1000 ]
	[ "$(metric got.prom packet_errors_total)" -eq 0 ]
}

# left N: at least half of the pieces of N bytes left in packets of their own
# (what was lost may leave again in one; wt-accept joins records again).
left() {
	local bytes
	bytes=$(($(wc -c <lines.txt) + 31 * $(wc -l <lines.txt)))
	[ "$(metric accept.prom quic_packets_in_total)" -gt \
		$((bytes / $1 / 2)) ]
}

same_order() { payloads got/c $'\n' | diff lines.txt -; }
same_set() { payloads got/c $'\n' | sort | diff <(sort lines.txt) -; }

@test "whole" {
	send
	same_order
	[ "$(json sum.json tracks 0 bytes)" -eq \
		$(($(wc -c <lines.txt) + 31 * 1000)) ]
}

@test "cut into single bytes" {
	head -n 100 lines.txt >few && mv few lines.txt
	client --track c:chat:lines.txt --split 1
	tracks got
	same_order
	left 1
}

@test "cut into 7 bytes: each piece leaves alone" {
	send --split 7
	same_order
	left 7
}

@test "joined, and cut across packets" {
	send --join --split 1000
	same_order
	# How many depends on what wt-accept finds in its socket at once.
	[ "$(metric got.prom packets_fragmented)" -gt 0 ]
}

@test "joined" {
	send --join
	same_order
}

@test "over 50 streams, each in order" {
	send --streams 50
	same_set
	[ "$(metric got.prom streams_max_concurrent)" -ge 50 ]
	# Stream k has the lines k, k + 50, ...; the ids are 50 in a row.
	"$TESTBIN/catrecords" <accept.out |
		awk '/STREAM_DATA/ { n[$2] } END { for (i in n) c++
			exit c != 50 }'
	first=$("$TESTBIN/catrecords" <accept.out |
		awk '/STREAM_DATA/ { print $2 }' | sort -n | head -n 1)
	"$TESTBIN/catrecords" --stream $((first + 4 * 7)) <accept.out >seven
	payloads seven $'\n' | diff <(awk 'NR % 50 == 8' lines.txt) -
}

@test "over 50 streams in pieces of 40 bytes" {
	send --streams 50 --split 40
	same_set
	[ "$(metric got.prom packets_fragmented)" -gt 500 ]
}

@test "on bidirectional streams" {
	send --bidi --streams 3
	same_set
	"$TESTBIN/catrecords" <accept.out >records
	[ "$(grep -c 'STREAM_DATA.*U' records)" -eq 0 ]
	[ "$(grep -c 'STREAM_DATA F' records)" -eq 3 ]
}

@test "in datagrams" {
	send --datagrams --rate 2000
	same_order
	[ "$(metric got.prom packets_datagram)" -eq 1000 ]
}

@test "a datagram that fits nowhere is told of and lost" {
	run -75 client --track c:chat:synthetic:5000@max --count 3 --datagrams
	[[ $output == *"fits no datagram"* ]]
}

@test "packets of 10 MiB" {
	client --track f:file:synthetic:10485728@max --count 3
	tracks got
	[ "$(metric got.prom packets_total)" -eq 3 ]
	[ "$(metric got.prom packets_large)" -eq 3 ]
}

@test "raw bytes and bulk have no headers" {
	head -c 300000 /dev/urandom >bytes
	client --raw bytes --bulk 100000 --json >sum.json
	stop accept
	"$TESTBIN/catrecords" <accept.out >records
	awk '/STREAM_DATA/ { print $2 }' records | sort -nu | while read -r id
	do
		"$TESTBIN/catrecords" --stream "$id" <accept.out >"stream.$id"
	done
	cmp bytes "$(find . -name 'stream.*' -size -400k -size +200k)"
	python3 -c 'import sys
sys.stdout.buffer.write(bytes(i % 251 for i in range(100000)))' |
		cmp - "$(find . -name 'stream.*' -size -150k)"
}

