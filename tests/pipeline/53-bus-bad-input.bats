#!/usr/bin/env bats
# What clients may say wrong costs nobody but them.

setup() { load common; load bus; common_setup; bus_setup; }
teardown() { common_teardown; }

@test "garbage from a ZeroMQ client is answered, counted, not stored" {
	start_bus --max-message 1MiB
	start reader "$BIN/bus-consume" --topic good --count 2000 --timeout 60 \
		--summary --check-seq >out
	"$BIN/bus-produce" --topic good --size 100 --count 2000 --rate 2000 &
	p=$!
	"$TESTBIN/busgarbage" "ipc://$SLUICE_RUN/bus.sock" >said
	wait $p
	wait "$(pid reader)"
	grep -q "2000 messages.*lost 0, repeated 0" out
	cat >expected <<-'E'
	empty frame: -
	text: -
	a map of four billion: -
	a command too long: -
	hundred frames: -
	unknown command: -
	ping with a body: -
	receipt to the bus: -
	flow without a reader: -
	close without a reader: -
	send without entries: protocol
	count too high: entry
	count too low: entry
	a byte behind: entry
	length of four billion: entry
	length too small: entry
	producer is not UTF-8: entry
	properties are no map: entry
	payload over --max-message: too-large
	second entry is bad: entry
	E
	head -n 20 said | diff expected -
	# All names of topics are refused, and two positions.
	[ "$(grep -cE "^(topic|reader of) '.*': topic-name$" said)" -eq 20 ]
	[ "$(grep -cE "^reader from '.*': position$" said)" -eq 4 ]
	grep -q "^reader from '99:0': no-topic$" said
	grep -q '^reader of another connection: -$' said
	grep -q '^65 readers: limit$' said
	tail -n 1 said | grep -q '^a good one: receipt$'
	until_true 5 metric_is bus.prom messages_malformed_total "" -eq 7
	metric_is bus.prom commands_unknown_total "" -eq 2
	metric_is bus.prom stale_total "" -eq 1
	metric_is bus.prom errors_total 'code="topic-name"' -eq 20
	# Nothing of it is in the log but the one that was good.
	[ "$(contents t | wc -l)" -eq 1 ]
	[ "$(find run/bus -mindepth 3 -type d | sort | tr '\n' ' ')" = \
		"run/bus/public/default/good run/bus/public/default/t " ]
}

@test "bytes that are not ZeroMQ at all" {
	start_bus
	for i in 1 2 3; do
		head -c 100000 /dev/urandom | timeout 5 python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read())
    s.recv(1000)
except OSError:
    pass' "$SLUICE_RUN/$([ $i = 3 ] && echo feed || echo bus).sock" || true
	done
	numbered 1 10 | "$BIN/bus-produce" --topic t
	diff <(numbered 1 10) <(contents t)
}

@test "limits of topics and of clients" {
	start_bus --max-topics 2
	for t in a b; do "$BIN/bus-produce" --topic $t --size 1; done
	run "$BIN/bus-produce" --topic c --size 1
	[ "$status" -eq 69 ]
	[[ $output == *"limit: too many topics"* ]]
	run "$BIN/bus-consume" --topic c --timeout 5
	[ "$status" -eq 69 ]
	"$BIN/bus-produce" --topic a --size 1
	stop bus
	# More on disk than allowed: it says so, and does not start.
	run "$BIN/topic-bus" --max-topics 1
	[ "$status" -eq 78 ]
	start_bus --max-clients 1
	start one "$BIN/bus-consume" --topic a >out
	run "$BIN/bus-produce" --topic a --size 1 --timeout 0.5
	[ "$status" -eq 69 ]
}

@test "one directory and one endpoint have one topic-bus" {
	start_bus
	run "$BIN/topic-bus" --listen "ipc://$T/2" --feed "ipc://$T/3"
	[ "$status" -eq 75 ]
	[[ $output == *"another topic-bus uses it"* ]]
	# Nor does one take the endpoint of another.
	run "$BIN/topic-bus" --dir other --feed "ipc://$T/3"
	[ "$status" -eq 69 ]
	[[ $output == *"Address already in use"* ]]
	run "$BIN/topic-bus" --dir other --listen "ipc://$T/2"
	[ "$status" -eq 69 ]
	"$BIN/bus-produce" --topic t --size 1
}
