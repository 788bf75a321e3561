#!/usr/bin/env bats
# The sinks towards route: delivery, windows, faults, kills. sinkdrive is both
# route and topic-bus here.

setup() { load common; common_setup; }
teardown() { common_teardown; }

S=ipc://sink.sock B=ipc://bus.sock

# sink KIND [OPTIONS]: starts sink-KIND with metrics in m.
sink() {
	local kind=$1
	shift
	start "sink-$kind" "$BIN/sink-$kind" --listen $S --bus $B \
		--metrics "$T/m" "$@"
}

# drive [OPTIONS]: a whole run, its report in the file report.
drive() {
	timeout 60 "$TESTBIN/sinkdrive" --sink $S --bus $B "$@" >report
	cat report
}

# reported NAME: a number from the report.
reported() { awk -v n="$1" '{ for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' report; }

@test "every packet is published and acknowledged" {
	for k in "video jpeg" "video vp8" "audio pcm" "chat chat"; do
		# shellcheck disable=SC2086
		set -- $k
		sink "$1"
		drive --packets 20000 --payload "$2" --type "$1" --streams 5
		[ "$(reported good)" -eq 20000 ]
		[ "$(reported rejected)" -eq 0 ]
		[ "$(reported duplicates)" -eq 0 ]
		[ "$(reported disorder)" -eq 0 ]
		[ "$(reported malformed)" -eq 0 ]
		stop "sink-$1"
		[ "$(metric m packets_total)" -eq 20000 ]
		[ "$(metric m receipts_total)" -eq 20000 ]
		[ "$(metric m packets_published_total)" -eq 20000 ]
		[ "$(metric m records_total)" -eq 20002 ]
		[ ! -s "sink-$1.err" ]
	done
}

@test "bad packets go to the rejected topic and are acknowledged too" {
	for k in "video jpeg truncated" "video vp8 short-header" \
		"audio pcm short-header" "chat chat bad-json"; do
		# shellcheck disable=SC2086
		set -- $k
		sink "$1"
		drive --packets 1000 --payload "$2" --bad-every 10
		[ "$(reported good)" -eq 900 ]
		[ "$(reported rejected)" -eq 100 ]
		stop "sink-$1"
		[ "$(metric m packets_rejected_total "reason=\"$3\"")" -eq 100 ]
		[ "$(metric m packets_rejected_total)" -eq 100 ]
	done
}

@test "packets from datagrams" {
	sink audio
	drive --packets 500 --payload pcm --datagrams
	[ "$(reported acked)" -eq 502 ]
	[ "$(metric m packets_malformed_total)" -eq 0 ]
}

@test "lost messages are sent again, in order" {
	sink video
	drive --packets 20000 --fault gap
	[ "$(reported good)" -eq 20000 ]
	[ "$(reported disorder)" -eq 0 ]
	[ "$(reported duplicates)" -eq 0 ]
	[ "$(reported restarts)" -eq 1 ]
	stop sink-video
	[ "$(metric m gaps_total)" -eq 1 ]
}

@test "repeated and late messages change nothing" {
	for fault in twice stale early; do
		sink video
		drive --packets 5000 --fault $fault
		[ "$(reported good)" -eq 5000 ]
		[ "$(reported disorder)" -eq 0 ]
		[ "$(reported duplicates)" -eq 0 ]
		stop sink-video
		case $fault in
		twice) [ "$(metric m duplicates_total)" -gt 0 ] ;;
		stale) [ "$(metric m messages_stale_total)" -eq 1 ] ;;
		early) [ "$(metric m messages_early_total)" -eq 1 ] ;;
		esac
	done
}

@test "garbage is counted, logged once, and costs nothing" {
	sink video
	drive --packets 5000 --fault garbage
	[ "$(reported good)" -eq 5000 ]
	stop sink-video
	[ "$(metric m messages_malformed_total)" -eq 40 ]
	[ "$(metric m messages_unknown_total)" -eq 5 ]
	[ "$(grep -c malformed sink-video.err)" -eq 1 ]
}

@test "a route cannot send more than is granted" {
	sink video --window-packets 50 --window-bytes 20000
	drive --packets 2000 --batch 64 --fault over
	[ "$(reported good)" -eq 2000 ]
	[ "$(reported disorder)" -eq 0 ]
	stop sink-video
	[ "$(metric m messages_over_grant_total)" -gt 0 ]
}

@test "a window of one record, and records larger than the window" {
	sink video --window-packets 1 --window-bytes 4096
	drive --packets 300 --size 20000
	[ "$(reported good)" -eq 300 ]
	stop sink-video
	[ "$(metric m messages_over_grant_total)" -eq 0 ]
	[ "$(metric m gaps_total)" -eq 0 ]
}

@test "packets of 10 MiB, and what is too large for the bus" {
	sink video
	drive --packets 6 --size 10485760
	[ "$(reported good)" -eq 6 ]
	drive --packets 3 --size 10485761
	[ "$(reported good)" -eq 0 ]
	[ "$(reported acked)" -eq 5 ]
	stop sink-video
	[ "$(metric m packets_too_large_total)" -eq 3 ]
}

# The driver goes on in the background, paced, while the sink changes.
drive_slowly() {
	start drive "$TESTBIN/sinkdrive" --sink $S --bus $B --packets 30000 \
		--rate 15000 --timeout 60 >report
}

@test "the sink is killed: the next one gets what was not acknowledged" {
	sink video
	drive_slowly
	until_true 20 metric_is m packets_total '' -gt 1000
	stop sink-video KILL || true
	rm m
	sink video
	wait "$(pid drive)"
	[ "$(reported acked)" -eq 30002 ]
	[ "$(reported restarts)" -ge 1 ]
	# A gap would be a lost message.
	[ "$(reported disorder)" -eq 0 ]
	[ "$(reported malformed)" -eq 0 ]
}

@test "SIGTERM: what was taken is acknowledged, nothing is published twice" {
	sink video
	drive_slowly
	until_true 20 metric_is m packets_total '' -gt 1000
	stop sink-video
	rm m
	sink video
	wait "$(pid drive)"
	[ "$(reported acked)" -eq 30002 ]
	[ "$(reported disorder)" -eq 0 ]
	[ "$(reported duplicates)" -eq 0 ]
}

@test "no topic-bus: a window is taken, no more, and SIGTERM ends it" {
	sink video --window-packets 500 --drain 0.2
	start drive "$TESTBIN/sinkdrive" --sink $S --packets 5000 --timeout 60 \
		>report
	until_true 20 metric_is m packets_total '' -eq 500
	# Hellos are answered meanwhile, and change nothing.
	until_true 20 metric_is m grants_total '' -ge 3
	[ "$(metric m packets_total)" -eq 500 ]
	[ "$(metric m bus_pending_messages)" -eq 500 ]
	[ "$(metric m bus_connected)" -eq 0 ]
	stop sink-video
	grep -q '^sink-video: 500 packets are without a receipt' sink-video.err
}

@test "several routes at once, and no more than --max-routes" {
	local i
	sink video --max-routes 3
	drive_slowly
	for i in 1 2; do
		start "drive$i" "$TESTBIN/sinkdrive" --sink $S --packets 5000 \
			--timeout 60 >"report$i"
	done
	until_true 20 metric_is m routes_active '' -eq 3
	run timeout 20 "$TESTBIN/sinkdrive" --sink $S --packets 1 --timeout 1.5
	[ "$status" -eq 75 ]
	wait "$(pid drive)" "$(pid drive1)" "$(pid drive2)"
	grep -q 'acked 5002' report1
	grep -q 'acked 5002' report2
	stop sink-video
	[ "$(metric m routes_refused_total)" -gt 0 ]
	[ "$(grep -c refused sink-video.err)" -eq 1 ]
}

@test "wrong options and endpoints" {
	run "$BIN/sink-video"
	[ "$status" -eq 64 ]
	run "$BIN/sink-audio" --listen $S --topic a/b
	[ "$status" -eq 64 ]
	run "$BIN/sink-chat" --listen $S --rejected-topic ..
	[ "$status" -eq 64 ]
	run "$BIN/sink-video" --listen $S --bus nonsense
	[ "$status" -eq 64 ]
	run "$BIN/sink-video" --listen ipc:///nonexistent/dir/s
	[ "$status" -eq 69 ]
	sink video
	run timeout 5 "$BIN/sink-audio" --listen $S --bus $B
	[ "$status" -eq 69 ]
	[[ $output == *"Address already in use"* ]]
	touch file
	run "$BIN/sink-video" --listen $S --record file/dir
	[ "$status" -eq 73 ]
}
