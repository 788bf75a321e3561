#!/usr/bin/env bats
# route with the sinks and the bus as they are: nothing is lost on the way to
# the log, whichever of them is killed.

setup() { load common; load route; common_setup; }
teardown() { exec 8>&-; common_teardown; }

bus_start() {
	start bus "$BIN/topic-bus" --listen "ipc://$T/bus.ipc" \
		--feed "ipc://$T/feed.ipc" --dir "$T/log"
}

# sink_real KIND
sink_real() {
	start "sink-$1" "$BIN/sink-$1" --listen "ipc://$T/$1.ipc" \
		--bus "ipc://$T/bus.ipc" --metrics "$T/$1.m"
}

# "TRACK PAYLOAD" of every message of all topics: no two packets are the same.
stored() {
	local k topic
	for k in video audio chat; do
		for topic in "$k-topic" "$k-rejected-topic"; do
			"$BIN/bus-consume" --bus "ipc://$T/bus.ipc" --json \
				--topic "$topic" --from earliest --timeout 1 \
				2>>consume.err || true
		done
	done | python3 -c '
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    print(m["key"], m["payload"])'
}

setup_services() {
	config_service video 'video, screen'
	config_service audio audio
	config_service chat chat
	"$TESTBIN/mkrecords" --packets 20000 --payload 400 --tracks 40 \
		--streams 40 --demuxed >in.rec
}

@test "each packet is stored once" {
	setup_services
	bus_start
	for k in video audio chat; do sink_real $k; done
	route_start --drain 30s <in.rec
	route_wait 40
	stored >all
	[ "$(wc -l <all)" -eq 16000 ]
	[ "$(sort -u all | wc -l)" -eq 16000 ]
	[ "$(metric m packets_dropped_total)" -eq 4000 ] # file: no service
}

@test "kill -9 of each sink and of the bus: all is stored" {
	local k
	setup_services
	mkfifo in.fifo
	exec 8<>in.fifo
	bus_start 8>&-
	for k in video audio chat; do sink_real $k 8>&-; done
	route_start --drain 60s <in.fifo 8>&-
	feed 1 5000
	for k in video audio chat; do
		stop "sink-$k" KILL || true
		sink_real $k 8>&-
	done
	feed 5001 10000
	stop bus KILL || true
	feed 10001 15000
	bus_start 8>&-
	feed 15001 99999
	exec 8>&-
	route_wait 70
	stored | sort -u >all
	[ "$(wc -l <all)" -eq 16000 ]
}

# feed FROM TO: these records of in.rec, by number.
feed() {
	python3 - "$1" "$2" <<-'PY' >&8
	import struct, sys
	d, at, n = open("in.rec", "rb").read(), 0, 0
	first, last = int(sys.argv[1]), int(sys.argv[2])
	while at < len(d):
	    size = 32 + struct.unpack_from(">I", d, at)[0]
	    n += 1
	    if first <= n <= last:
	        sys.stdout.buffer.write(d[at:at + size])
	    at += size
	PY
}
