#!/usr/bin/env bats
# route: sinks that come late, die, stand still, lie or say nothing.

setup() { load common; load route; common_setup; }
teardown() { exec 8>&-; common_teardown; }

@test "a sink that comes later gets all of it" {
	config_service all '"*"'
	"$TESTBIN/mkrecords" --packets 1000 --tracks 10 --demuxed >in.rec
	route_start --drain 20s <in.rec
	until_true 5 grep -q 'end of input' route.err
	sink all
	route_wait
	[ "$(packets_of all.out | sort -u | wc -l)" -eq 1000 ]
	in_order all.out
	[ "$(metric m records_resent_total)" -eq 0 ]
}

@test "kill -9 of the sink over and over loses nothing" {
	local i
	config_service all '"*"' 'queue: {packets: 500}'
	"$TESTBIN/mkrecords" --packets 20000 --payload 100 --tracks 20 \
		--streams 20 --demuxed >in.rec
	route_start --drain 60s <in.rec
	for i in 1 2 3 4 5; do
		start all$i "$TESTBIN/testsink" --bind "ipc://$T/all.ipc" \
			--print "$T/all$i.out" --slow 5ms --grant-packets 100
		until_true 10 lines_are all$i.out -ge 300
		kill -9 "$PID"
		wait "$PID" || true
	done
	sink all --grant-packets 1000
	route_wait 60
	# The last line of one that was killed may be cut.
	packets_of ./*.out | sort -u >got.u
	[ "$(wc -l <got.u)" -eq 20000 ]
	for i in 1 2 3 4 5; do in_order all$i.out; done
	in_order all.out
	[ "$(metric m records_resent_total)" -gt 0 ]
	[ "$(metric m sink_instances_total)" -eq 6 ]
	[ "$(metric m packets_dropped_total)" -eq 0 ]
}

@test "what a sink acknowledged is not sent to the next one" {
	config_service all '"*"'
	"$TESTBIN/mkrecords" --packets 100 --type video --no-close --demuxed \
		>in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 20s <in.fifo 8>&-
	sink all --ack-max 40 8>&-
	cat in.rec >&8
	until_true 5 lines_are all.out -eq 101
	kill -9 "$PID"
	wait "$PID" || true
	mv all.out first.out
	sink all 8>&-
	exec 8>&-
	route_wait
	# 101 records, 40 of them done: 61 again, the first of them the 40th.
	[ "$(lines all.out)" -eq 61 ]
	head -n 1 all.out | grep -q '^40 39 PACKET'
	[ "$(metric m records_resent_total)" -eq 61 ]
}

@test "a sink that is stopped for 5 s loses and doubles nothing" {
	config_service all '"*"'
	"$TESTBIN/mkrecords" --packets 5000 --payload 200 --tracks 5 \
		--no-close --demuxed >in.rec
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 30s <in.fifo 8>&-
	sink all --grant-packets 20 --slow 10ms 8>&-
	cat in.rec >&8 &
	until_true 5 metric_is m sink_up '' -eq 1
	until_true 5 lines_are all.out -ge 500
	kill -STOP "$(pid all)"
	until_true 10 metric_is m sink_up '' -eq 0
	kill -CONT "$(pid all)"
	until_true 20 metric_is m sink_up '' -eq 1
	exec 8>&-
	route_wait 40
	[ "$(packets_of all.out | wc -l)" -eq 5000 ]
	[ "$(packets_of all.out | sort -u | wc -l)" -eq 5000 ]
	in_order all.out
	grep -q 'silent' route.err
}

@test "a sink that never grants gets nothing; the end does not wait for it" {
	config_service all '"*"'
	config_service mute none
	sed -i 's/\["\*"\]/["vid*"]/; s/\[none\]/["chat"]/' r.yaml
	sink all
	sink mute --no-grant
	"$TESTBIN/mkrecords" --packets 100 --tracks 5 --demuxed >in.rec
	route_start --drain 500ms <in.rec
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 20 ]
	[ "$(lines mute.out)" -eq 0 ]
	[ "$(metric m packets_dropped_total 'service="mute",endpoint="ipc://'"$T"'/mute.ipc",reason="drain"')" \
		-eq 22 ]
	grep -q 'mute.ipc: 22 records not delivered' route.err
}

@test "nonsense from a sink is counted, said once, and harms nobody" {
	local lie
	for lie in garbage beyond route frames; do
		rm -f r.yaml m all.out
		config_service all '"*"'
		"$TESTBIN/mkrecords" --packets 500 --tracks 5 --demuxed >in.rec
		sink all --lie $lie
		route_start <in.rec
		route_wait
		[ "$(packets_of all.out | wc -l)" -eq 500 ]
		[ "$(metric m messages_malformed_total)" -ge 1 ]
		[ "$(grep -c 'malformed message dropped' route.err)" -eq 1 ]
		stop all
	done
}

@test "a command route does not know is only counted" {
	config_service all '"*"'
	sink all --lie unknown
	route_start < <("$TESTBIN/mkrecords" --packets 5 --demuxed)
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 5 ]
	[ "$(metric m messages_unknown_total)" -ge 1 ]
	[ "$(metric m messages_malformed_total)" -eq 0 ]
}

@test "credit is never exceeded" {
	config_service all '"*"'
	"$TESTBIN/mkrecords" --packets 5000 --payload 100 --tracks 5 --demuxed \
		>in.rec
	sink all --grant-packets 7 --grant-bytes 1KiB
	route_start --drain 60s <in.rec
	route_wait 60
	[ "$(packets_of all.out | wc -l)" -eq 5000 ]
	stop all
	grep -q 'duplicates 0 gaps 0 stale 0 malformed 0 over 0' all.err
}

@test "a tcp sink that is restarted on its port is found again" {
	local port
	port=$(free_port)
	printf 'services:\n  all:\n    types: ["*"]\n    endpoints: ["tcp://127.0.0.1:%d"]\n' \
		"$port" >r.yaml
	"$TESTBIN/mkrecords" --packets 5000 --tracks 5 --demuxed >in.rec
	route_start --drain 30s <in.rec
	start one "$TESTBIN/testsink" --bind "tcp://127.0.0.1:$port" \
		--print one.out --slow 10ms --grant-packets 50
	until_true 10 lines_are one.out -ge 200
	kill -9 "$PID"
	wait "$PID" || true
	start two "$TESTBIN/testsink" --bind "tcp://127.0.0.1:$port" \
		--print two.out
	route_wait 30
	[ "$(packets_of one.out two.out | sort -u | wc -l)" -eq 5000 ]
}
