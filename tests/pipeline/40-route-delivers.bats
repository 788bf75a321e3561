#!/usr/bin/env bats
# route: every packet reaches the service it belongs to, in order.

setup() { load common; load route; common_setup; }
teardown() { common_teardown; }

@test "10,000 mixed packets arrive byte for byte" {
	config_service video 'video, "scr*"'
	config_service audio audio
	config_service chat chat
	config_service default file
	"$TESTBIN/mkrecords" --packets 10000 --mixed --tracks 50 --demuxed >in.rec
	for s in video audio chat default; do
		sink $s --records "$T/all.$s.rec"
	done
	route_start <in.rec
	route_wait
	mkdir want got
	"$TESTBIN/catrecords" --quiet --tracks want <in.rec
	cat all.*.rec | "$TESTBIN/catrecords" --quiet --tracks got
	[ "$(find want -type f | wc -l)" -eq 50 ]
	diff -rq want got
	for s in video audio chat default; do
		in_order $s.out
		stop $s
	done
	[ "$(metric m packets_total)" -eq 10000 ]
	[ "$(metric m packets_routed_total)" -eq 10000 ]
	[ "$(metric m packets_dropped_total)" -eq 0 ]
	[ "$(metric m unacked_packets)" -eq 0 ]
	[ "$(metric m packets_routed_total 'service="video"')" -eq 4000 ]
	awk '$3 == "PACKET" { print $7 }' video.out | sort -u >types
	printf 'screen\nvideo\n' | diff - types
}

@test "split streams through demux give the same" {
	config_service all '"*"'
	"$TESTBIN/mkrecords" --packets 2000 --mixed --tracks 20 --streams 20 \
		--cut 17 >cut.rec
	"$TESTBIN/mkrecords" --packets 2000 --mixed --tracks 20 --streams 20 \
		--demuxed >whole.rec
	sink all --records "$T/all.rec"
	"$BIN/demux" <cut.rec 2>demux.err >demuxed.rec
	route_start <demuxed.rec
	route_wait
	mkdir want got
	"$TESTBIN/catrecords" --quiet --tracks want <whole.rec
	"$TESTBIN/catrecords" --quiet --tracks got <all.rec
	diff -rq want got
}

@test "a sink hears of a session before its packets, and of its end" {
	config_service video video
	config_service chat chat
	sink video
	sink chat
	"$TESTBIN/mkrecords" --packets 40 --type video --sessions 4 --streams 8 \
		--tracks 8 --demuxed >in.rec
	route_start <in.rec
	route_wait
	[ "$(grep -c SESSION_OPEN video.out)" -eq 4 ]
	[ "$(grep -c SESSION_CLOSE video.out)" -eq 4 ]
	awk '{ s = $4 } $3 == "SESSION_OPEN" { open[s] = 1 }
		$3 == "PACKET" && !open[s] { exit 1 }
		closed[s] { exit 1 } $3 == "SESSION_CLOSE" { closed[s] = 1 }' \
		video.out
	# Who gets no packet of a session need not know of it.
	[ "$(lines chat.out)" -eq 0 ]
}

@test "configured headers are told in the hello" {
	config_service video video 'headers: {X-Service: "cam era", X-B: ""}'
	sink video --hello
	route_start < <("$TESTBIN/mkrecords" --packets 1 --type video --demuxed)
	route_wait
	grep -qx 'hello video X-Service=cam era X-B=' video.out
}

@test "unknown types are counted and dropped, said once" {
	config_service video video
	sink video
	"$TESTBIN/mkrecords" --packets 100 --tracks 5 --demuxed >in.rec
	route_start <in.rec
	route_wait
	[ "$(metric m packets_dropped_total 'reason="unknown_type"')" -eq 80 ]
	[ "$(packets_of video.out | wc -l)" -eq 20 ]
	[ "$(grep -c 'belongs to no service' route.err)" -eq 1 ]
}

@test "packet numbers count within a stream, and within a session's datagrams" {
	config_service all '"*"'
	sink all
	{
		"$TESTBIN/mkrecords" --packets 30 --streams 3 --tracks 3 --demuxed
		"$TESTBIN/mkrecords" --packets 10 --datagrams --seed 2 --now |
			"$BIN/demux"
	} >in.rec
	route_start <in.rec
	route_wait
	in_order all.out
	packets_of all.out | awk '{ n[$1 " " $2]++; if ($3 > max) max = $3 }
		END { for (k in n) if (n[k] != 10) exit 1
			exit max != 9 || length(n) != 4 }'
}

@test "a packet of 10 MiB arrives though the credit is smaller" {
	config_service all '"*"'
	sink all --grant-bytes 64KiB --records "$T/all.rec"
	"$TESTBIN/mkrecords" --packets 4 --payload 10485728 --type file --demuxed \
		>in.rec
	route_start <in.rec
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 4 ]
	mkdir want got
	"$TESTBIN/catrecords" --quiet --tracks want <in.rec
	"$TESTBIN/catrecords" --quiet --tracks got <all.rec
	diff -rq want got
}

@test "a live packet is not kept waiting for others" {
	config_service all '"*"'
	sink all
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start <in.fifo 8>&-
	"$TESTBIN/mkrecords" --packets 1 --no-fin --no-close --demuxed >&8
	until_true 5 lines_are all.out -eq 2
	exec 8>&-
	route_wait
}
