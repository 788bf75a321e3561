#!/usr/bin/env bats
# route: options and configuration, how it ends, the control socket.

bats_require_minimum_version 1.5.0

setup() { load common; load route; common_setup; }
teardown() { exec 8>&-; common_teardown; }

# An end that listens on c.sock as wt-accept would, taking each connection in
# turn; bytes of the n-th go to control.n.
control_listen() {
	cat >control.py <<-'PY'
	import os, signal, socket, sys
	path, ready = sys.argv[1], int(sys.argv[sys.argv.index("--ready-fd") + 1])
	s = socket.socket(socket.AF_UNIX)
	s.bind(path)
	s.listen(4)
	os.write(ready, b"\n")
	os.close(ready)
	n = 0
	while True:
	    c, _ = s.accept()
	    with open("control.%d" % n, "wb", 0) as f:
	        while True:
	            d = c.recv(65536)
	            if not d:
	                break
	            f.write(d)
	            if len(sys.argv) > 4:
	                c.sendall(bytes.fromhex(sys.argv[2]))
	    n += 1
	PY
	start control python3 control.py "$@"
}

@test "--check prints the configuration as understood" {
	config_service video 'video, "scr*"' 'policy: drop-oldest'
	run -0 "$BIN/route" --config r.yaml --check
	[[ $output == *"types: ['video', 'scr*']"* ]]
	[[ $output == *"policy: drop-oldest"* ]]
	# What it prints is a configuration again, and the same.
	"$BIN/route" --config r.yaml --check >a.yaml
	"$BIN/route" --config a.yaml --check >b.yaml
	diff a.yaml b.yaml
}

@test "the example is valid" {
	run -0 "$BIN/route" --config "$ROOT/route/route.yaml.example" --check
}

@test "errors have file, line and column, all of them, and exit 78" {
	config_service video video 'policy: maybe' 'queue: {packets: -1}'
	run -78 "$BIN/route" --config r.yaml --check
	[[ $output == *"r.yaml:5:13: services.video.policy: maybe: not one of"* ]]
	[[ $output == *"r.yaml:6:22: services.video.queue.packets: -1: not a number"* ]]
	run -78 "$BIN/route" --config nowhere.yaml
	[[ $output == *"nowhere.yaml: No such file or directory"* ]]
}

@test "a truncated file is refused with its place" {
	local n size refused=0
	config_service video video
	size=$(stat -c %s r.yaml)
	for ((n = 0; n < size; n += 7)); do
		head -c "$n" r.yaml >cut.yaml
		run "$BIN/route" --config cut.yaml --check
		[ "$status" -eq 78 ] || [ "$status" -eq 0 ]
		[ "$status" -eq 0 ] || [[ $output == *cut.yaml:* ]]
		[ "$status" -eq 0 ] || refused=$((refused + 1))
	done
	[ "$refused" -gt 5 ]
}

@test "usage errors exit 64" {
	run -64 "$BIN/route"
	run -64 "$BIN/route" --config a --config b
	run -64 "$BIN/route" --config a b
}

@test "SIGTERM: what is queued is delivered, exit 0" {
	config_service all '"*"'
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 20s <in.fifo 8>&-
	"$TESTBIN/mkrecords" --packets 500 --no-close --demuxed >&8
	until_true 5 metric_is m packets_total '' -eq 500
	kill -TERM "$(pid route)"
	sink all 8>&-
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 500 ]
}

@test "SIGTERM twice: it does not wait any longer" {
	config_service all '"*"'
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --drain 600s <in.fifo 8>&-
	"$TESTBIN/mkrecords" --packets 500 --no-close --demuxed >&8
	until_true 5 metric_is m packets_total '' -eq 500
	kill -TERM "$(pid route)"
	read -r -t 0.3 <> <(:) || true
	kill -0 "$(pid route)"
	kill -TERM "$(pid route)"
	route_wait 5
	[ "$(metric m packets_dropped_total 'reason="drain"')" -eq 501 ]
}

@test "kill -9 of what feeds it: drained, one line, exit 0" {
	config_service all '"*"'
	sink all
	mkfifo in.fifo
	"$TESTBIN/mkrecords" --packets 1000 --no-close --demuxed >in.rec
	{ cat in.rec; exec sleep 100; } >in.fifo &
	local feeder=$!
	PIDS+=("$feeder")
	route_start <in.fifo
	until_true 5 metric_is m packets_total '' -eq 1000
	kill -9 "$feeder"
	route_wait
	[ "$(packets_of all.out | wc -l)" -eq 1000 ]
	grep -q 'end of input' route.err
}

@test "malformed input: what came before is delivered, exit 76" {
	local bad status
	config_service all '"*"'
	sink all
	for bad in garbage half-record; do
		"$TESTBIN/mkrecords" --packets 100 --demuxed --bad $bad >in.rec
		route_start <in.rec
		status=0
		route_wait || status=$?
		[ "$status" -eq 76 ]
		grep -q 'malformed record\|inside a record' route.err
	done
	[ "$(packets_of all.out | wc -l)" -eq 100 ]
}

@test "records from demux's input are refused politely" {
	config_service all '"*"'
	route_start < <("$TESTBIN/mkrecords" --packets 10)
	route_wait
	grep -q 'STREAM_DATA record ignored: is demux missing' route.err
	[ "$(metric m records_ignored_total)" -eq 10 ]
}

@test "requests to stop a stream reach the control socket" {
	config_service all '"*"'
	sink all
	control_listen c.sock
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --control unix:c.sock <in.fifo 8>&-
	"$TESTBIN/mkrecords" --packets 100 --bad too-long --no-close |
		"$BIN/demux" 2>demux.err >&8
	until_true 5 metric_is m stop_requests_total '' -eq 1
	until_true 5 test -s control.0
	"$TESTBIN/catrecords" <control.0 | grep -q STOP_SENDING
	[ "$(stat -c %s control.0)" -eq 36 ]
	[ "$(metric m control_connected)" -eq 1 ]
	exec 8>&-
	route_wait
}

@test "the control socket may come late, and come back" {
	config_service all '"*"'
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --control unix:c.sock <in.fifo 8>&-
	until_true 5 grep -q 'control unix:c.sock: ' route.err
	control_listen c.sock 8>&-
	until_true 5 metric_is m control_connected '' -eq 1
	stop control KILL || true
	until_true 5 metric_is m control_connected '' -eq 0
	rm c.sock
	control_listen c.sock 8>&-
	until_true 5 metric_is m control_connects_total '' -eq 2
	[ "$(grep -c 'No such file\|refused' route.err)" -le 2 ]
	exec 8>&-
	route_wait
}

@test "nonsense on the control socket ends the connection, nothing else" {
	config_service all '"*"'
	sink all
	control_listen c.sock ff000000000000000000000000000000ffffffffffffffffffffffffffffffffff
	mkfifo in.fifo
	exec 8<>in.fifo
	route_start --control unix:c.sock <in.fifo 8>&-
	"$TESTBIN/mkrecords" --packets 100 --bad too-long --no-close |
		"$BIN/demux" 2>demux.err >&8
	until_true 5 metric_is m control_malformed_total '' -eq 1
	until_true 5 metric_is m control_connects_total '' -eq 2
	exec 8>&-
	route_wait
	[ "$(packets_of all.out | wc -l)" -gt 50 ]
}
