#!/usr/bin/env bats
# route: what a full queue does, by policy; fan-out over several endpoints.

setup() { load common; load route; common_setup; }
teardown() { exec 8>&-; common_teardown; }

@test "block: reading stops, nothing is lost" {
	config_service all '"*"' 'queue: {packets: 100}' 'policy: block'
	"$TESTBIN/mkrecords" --packets 20000 --payload 1000 --tracks 10 \
		--demuxed >in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 30s <in.fifo 8>&-
	# Larger than all pipes: the writer has to wait.
	cat in.rec >&8 &
	until_true 5 metric_is m reading_blocked_total '' -eq 1
	[ "$(metric m queue_packets)" -eq 100 ]
	[ "$(metric m records_in_total)" -lt 200 ]
	sink all 8>&-
	until_true 20 metric_is m packets_total '' -eq 20000
	exec 8>&-
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 20000 ]
	in_order all.out
	[ "$(metric m packets_dropped_total)" -eq 0 ]
}

@test "block costs no processor time while it waits" {
	config_service all '"*"' 'queue: {packets: 10}'
	"$TESTBIN/mkrecords" --packets 100 --demuxed >in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start <in.fifo 8>&-
	cat in.rec >&8
	until_true 5 metric_is m reading_blocked_total '' -eq 1
	local before after
	before=$(awk '{ print $14 + $15 }' "/proc/$(pid route)/stat")
	exec 8>&- # the end of input must not wake it either
	read -r -t 2 <> <(:) || true
	after=$(awk '{ print $14 + $15 }' "/proc/$(pid route)/stat")
	[ $((after - before)) -lt 20 ]
	stop route KILL || true
}

@test "drop-newest: the first ones arrive, the rest is counted" {
	config_service all '"*"' 'queue: {packets: 50}' 'policy: drop-newest'
	"$TESTBIN/mkrecords" --packets 1000 --type video --demuxed >in.rec
	route_start --drain 20s <in.rec
	until_true 5 grep -q 'end of input' route.err
	sink all
	route_wait
	packets_of all.out | awk '{ print $3 }' >numbers
	seq 0 48 | diff - numbers # SESSION_OPEN takes a place
	[ "$(metric m packets_dropped_total 'reason="newest"')" -eq 951 ]
}

@test "drop-oldest: the last ones arrive, the rest is counted" {
	config_service all '"*"' 'queue: {packets: 50}' 'policy: drop-oldest'
	"$TESTBIN/mkrecords" --packets 1000 --type video --demuxed >in.rec
	route_start --drain 20s <in.rec
	until_true 5 grep -q 'end of input' route.err
	sink all
	route_wait
	packets_of all.out | awk '{ print $3 }' >numbers
	tail -n 49 numbers >last
	seq 951 999 | diff - last
	[ "$(metric m packets_dropped_total 'reason="oldest"')" -ge 950 ]
	# The session was still told of, first and last.
	head -n 1 all.out | grep -q SESSION_OPEN
	tail -n 1 all.out | grep -q SESSION_CLOSE
	in_order all.out
}

@test "a full queue of one service that drops does not hold up another" {
	config_service video video 'queue: {packets: 10}' 'policy: drop-oldest'
	config_service chat chat
	sink chat
	"$TESTBIN/mkrecords" --packets 10000 --tracks 5 --demuxed >in.rec
	route_start --drain 200ms <in.rec
	route_wait
	[ "$(packets_of chat.out | wc -l)" -eq 2000 ]
	in_order chat.out
}

@test "bytes bound a queue too" {
	config_service all '"*"' 'queue: {bytes: 100KiB}' 'policy: drop-oldest'
	"$TESTBIN/mkrecords" --packets 1000 --payload 10000 --no-close --demuxed \
		>in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 0 <in.fifo 8>&-
	cat in.rec >&8
	until_true 5 metric_is m packets_total '' -eq 1000
	[ "$(metric m queue_bytes)" -le 102400 ]
	[ "$(metric m queue_bytes)" -gt 80000 ]
}

@test "three endpoints: each track stays on one, in order, all are used" {
	local i
	printf 'services:\n  all:\n    types: ["*"]\n    endpoints: [%s, %s, %s]\n' \
		"'ipc://$T/s1.ipc'" "'ipc://$T/s2.ipc'" "'ipc://$T/s3.ipc'" >r.yaml
	for i in 1 2 3; do sink s$i; done
	"$TESTBIN/mkrecords" --packets 20000 --payload 200 --tracks 100 \
		--streams 100 --sessions 10 --demuxed >in.rec
	route_start <in.rec
	route_wait
	for i in 1 2 3; do
		in_order s$i.out
		[ "$(packets_of s$i.out | wc -l)" -gt 3000 ]
		# Every session it knows of ended for it, too.
		[ "$(grep -c SESSION_OPEN s$i.out)" -eq \
			"$(grep -c SESSION_CLOSE s$i.out)" ]
		awk '$3 == "PACKET" { print $4, $6 }' s$i.out | sort -u >t$i
	done
	[ "$(packets_of s1.out s2.out s3.out | sort -u | wc -l)" -eq 20000 ]
	# No track on two of them.
	[ "$(cat t1 t2 t3 | wc -l)" -eq 100 ]
	[ "$(sort -u t1 t2 t3 | wc -l)" -eq 100 ]
}

@test "300 services at once" {
	local i
	{
		echo services:
		for ((i = 0; i < 300; i++)); do
			printf "  s%d: {types: [type%d], endpoints: ['ipc://%s/s.ipc']}\n" \
				"$i" "$i" "$T"
		done
		printf "  default: {endpoints: ['ipc://%s/s.ipc']}\n" "$T"
	} >r.yaml
	sink s --hello
	"$TESTBIN/mkrecords" --packets 1000 --tracks 5 --demuxed >in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start <in.fifo 8>&-
	cat in.rec >&8
	until_true 10 hellos_are 301
	exec 8>&-
	route_wait
	[ "$(packets_of s.out | wc -l)" -eq 1000 ]
}

hellos_are() { [ "$(grep '^hello' s.out | sort -u | wc -l)" -eq "$1" ]; }
