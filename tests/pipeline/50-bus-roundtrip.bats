#!/usr/bin/env bats
# What is published comes out again: content, order, positions, restarts.

setup() { load common; load bus; common_setup; bus_setup; }
teardown() { common_teardown; }

@test "lines published are read again, in order, with their ids" {
	start_bus
	numbered 1 1000 | "$BIN/bus-produce" --topic t --print-ids >ids
	[ "$(wc -l <ids)" -eq 1000 ]
	[ "$(head -n 1 ids)" = 1:0 ]
	[ "$(tail -n 1 ids)" = 1:999 ]
	diff <(numbered 1 1000) <(contents t)
}

@test "every message survives a restart, in a new ledger" {
	start_bus
	numbered 1 100 | "$BIN/bus-produce" --topic t
	stop bus
	start_bus
	numbered 101 200 | "$BIN/bus-produce" --topic t --print-ids >ids
	[ "$(head -n 1 ids)" = 2:0 ]
	diff <(numbered 1 200) <(contents t)
}

@test "readers begin at earliest, latest, an id, a time" {
	start_bus
	numbered 1 10 | "$BIN/bus-produce" --topic t
	between=$(date +%s%N)
	numbered 11 20 | "$BIN/bus-produce" --topic t
	run "$BIN/bus-consume" --topic t --from 1:15 --count 1
	[[ $output == *" 1:15 "*"line 16" ]]
	run "$BIN/bus-consume" --topic t --from "@$between" --count 1
	[[ $output == *"line 11" ]]
	iso=$(date -u -d "@${between:0:10}.${between:10}" +%FT%T.%NZ)
	run "$BIN/bus-consume" --topic t --from "$iso" --count 1
	[[ $output == *"line 11" ]]
	run "$BIN/bus-consume" --topic t --from 2000-01-01T00:00:00+02:00 --count 1
	[[ $output == *"line 1" ]]
	# Behind the last one there is nothing yet, and nothing is made up.
	run "$BIN/bus-consume" --topic t --from latest --timeout 0.3
	[ "$status" -eq 75 ]
	[ -z "$output" ]
	run "$BIN/bus-consume" --topic t --from 1:20 --timeout 0.3
	[ "$status" -eq 75 ]
	run "$BIN/bus-consume" --topic t --from 9:0 --timeout 5
	[ "$status" -eq 69 ]
	[[ $output == *"position: ledger 9 is yet to come"* ]]
}

@test "a log of many ledgers is one stream; positions find their ledger" {
	start_bus --segment-bytes 4096
	numbered 1 2000 | "$BIN/bus-produce" --topic t --pending 50 --print-ids >ids
	[ "$(find run/bus -name '*.log' | wc -l)" -gt 3 ]
	diff <(numbered 1 2000) <(contents t)
	# An entry in the middle, an end of a ledger, one behind it.
	for n in 3 700 1500; do
		id=$(sed -n "${n}p" ids)
		run "$BIN/bus-consume" --topic t --from "$id" --count 1
		[[ $output == *" $id "*"line $n" ]]
	done
	run "$BIN/bus-consume" --topic t --from 1:999999 --count 1
	[[ $output == *" 2:0 "* ]]
	stop bus
	start_bus
	id=$(sed -n 1999p ids)
	diff <(numbered 1999 2000) <("$BIN/bus-consume" --topic t --from "$id" \
		--count 2 | sed 's/^.* bytes: //')
}

@test "json has exactly the documented fields" {
	start_bus
	before=$(date +%s%N)
	printf 'h\xc3\xa9llo\0x' >payload
	"$BIN/bus-produce" --topic persistent://T/n/t --file payload --key "k\"1" \
		--property track_id=live --property empty=
	"$BIN/bus-consume" --topic persistent://T/n/t --from earliest --count 1 \
		--json >out.json
	python3 - "$before" <<-'PY'
	import base64, json, sys
	o = json.load(open("out.json"))
	assert list(o) == ["topic", "message_id", "key", "properties",
	    "publish_time_ns", "event_time_ns", "payload"], list(o)
	assert o["topic"] == "persistent://T/n/t"
	assert o["message_id"] == "1:0"
	assert o["key"] == 'k"1'
	assert o["properties"] == {"track_id": "live", "empty": ""}
	assert base64.b64decode(o["payload"]) == open("payload", "rb").read()
	assert int(sys.argv[1]) < o["event_time_ns"] <= o["publish_time_ns"]
	PY
}

@test "raw gives the bytes of the payloads back" {
	start_bus
	head -c 300000 /dev/urandom >a
	head -c 10485760 /dev/urandom >b
	: >c
	for f in a b c; do "$BIN/bus-produce" --topic t --file $f; done
	"$BIN/bus-consume" --topic t --from earliest --count 3 --raw >out
	cat a b c | cmp - out
}

@test "a payload over the limit is refused, by the client and by the bus" {
	start_bus --max-message 1000
	head -c 10485761 /dev/zero >big
	run "$BIN/bus-produce" --topic t --file big
	[ "$status" -eq 65 ]
	run "$BIN/bus-produce" --topic t --size 1001
	[ "$status" -eq 69 ]
	[[ $output == *"too-large: payload is over --max-message"* ]]
	"$BIN/bus-produce" --topic t --size 1000
	[ "$(metric bus.prom errors_total 'code="too-large"')" -le 1 ]
}

@test "several topics in one consumer, topics that come later" {
	start_bus
	numbered 1 10 | "$BIN/bus-produce" --topic a
	start consume "$BIN/bus-consume" --topic a --topic b --from earliest \
		--count 20 --timeout 10 >out
	numbered 11 20 | "$BIN/bus-produce" --topic b
	wait "$PID"
	diff <(numbered 1 20) <(sed 's/^.* bytes: //' out | sort -k2n)
}

@test "producers wait for a bus that comes later" {
	numbered 1 10 | "$BIN/bus-produce" --topic t --timeout 20 &
	p=$!
	run "$BIN/bus-produce" --topic t --size 1 --timeout 0.3
	[ "$status" -eq 69 ]
	[[ $output == *"1 of 1 messages were not acknowledged"* ]]
	start_bus
	wait "$p"
	diff <(numbered 1 10) <(contents t)
}

@test "latency and summary" {
	start_bus
	"$BIN/bus-produce" --topic t --size 9612 --count 3 --summary 2>sum
	grep -q '3 messages sent, 3 stored, 0 failed' sum
	"$BIN/bus-consume" --topic t --from earliest --count 3 --latency \
		--check-seq >out
	[ "$(grep -cE '^Received 9612 bytes - E2E latency: [0-9]+\.[0-9]{2} ms$' out)" -eq 3 ]
	grep -qE '^persistent://public/default/t: 3 messages, 28836 bytes, .* p50 .* p99 .*, lost 0, repeated 0' out
}

@test "gaps and repetitions of sequence ids are counted" {
	start_bus
	for _ in 1 2; do
		numbered 1 3 | "$BIN/bus-produce" --topic t --producer p
	done
	"$BIN/bus-consume" --topic t --from 1:1 --count 5 --summary \
		--check-seq >out
	grep -q '5 messages.* 1 producers, lost 0, repeated 3' out
}

@test "stdout closed, wrong options, stop signals: documented exit codes" {
	start_bus
	"$BIN/bus-produce" --topic t --size 65536 --count 200
	set +o pipefail
	"$BIN/bus-consume" --topic t --from earliest --raw 2>err | head -c 1000 >/dev/null
	[ "${PIPESTATUS[0]}" -eq 74 ]
	grep -q 'stdout: the reader is gone' err
	run "$BIN/bus-consume" --topic ../x
	[ "$status" -eq 64 ]
	run "$BIN/bus-consume" --topic t --from yesterday
	[ "$status" -eq 64 ]
	run "$BIN/bus-produce" --topic "a b"
	[ "$status" -eq 64 ]
	run "$BIN/bus-produce"
	[ "$status" -eq 64 ]
	start consume "$BIN/bus-consume" --topic t >out
	stop consume
}
