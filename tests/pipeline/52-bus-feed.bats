#!/usr/bin/env bats
# The live feed: any ZeroMQ SUB, in any language.

setup() { load common; load bus; common_setup; bus_setup; }
teardown() { common_teardown; }

subscribed() { metric_is bus.prom feed_subscriptions "" -eq "$1"; }

@test "a subscriber of a few lines of C" {
	start_bus
	"$TESTBIN/feedsub" "ipc://$SLUICE_RUN/feed.sock" \
		persistent://public/default/t 3 >out &
	p=$!
	PIDS+=($p)
	until_true 10 subscribed 1
	for i in 1 2 3; do "$BIN/bus-produce" --topic t --size $((i * 1000)); done
	# Begins like the topic, but is another.
	"$BIN/bus-produce" --topic t2 --size 5
	wait $p
	for i in 1 2 3; do
		echo "persistent://public/default/t: ${i}000 bytes"
	done | diff - out
}

@test "bus-consume --feed, nothing is encoded for topics nobody wants" {
	start_bus
	"$BIN/bus-consume" --feed "ipc://$SLUICE_RUN/feed.sock" --topic a \
		--topic b --count 10 --timeout 20 --json >out 2>feed.err &
	p=$!
	PIDS+=($p)
	until_true 10 subscribed 2
	numbered 1 50 | "$BIN/bus-produce" --topic other
	numbered 1 5 | "$BIN/bus-produce" --topic a --key k --property x=y
	numbered 1 5 | "$BIN/bus-produce" --topic b
	wait $p
	python3 - <<-'PY'
	import base64, json
	o = [json.loads(l) for l in open("out")]
	a = [x for x in o if x["topic"].endswith("/a")]
	assert len(o) == 10 and len(a) == 5
	assert [base64.b64decode(x["payload"]) for x in a] == \
	    [b"line %d" % i for i in range(1, 6)]
	assert [x["message_id"] for x in a] == ["1:%d" % i for i in range(5)]
	assert a[0]["key"] == "k" and a[0]["properties"] == {"x": "y"}
	PY
	until_true 5 metric_is bus.prom feed_messages_total "" -eq 10
	until_true 10 subscribed 0
	"$BIN/bus-produce" --topic a --size 5
	read -r -t 1.2 <> <(:) || true # a metrics interval
	metric_is bus.prom feed_messages_total "" -eq 10
}

@test "pyzmq subscribes to a namespace by its prefix" {
	python3 -m pip install --quiet --target py pyzmq msgpack >pip.log 2>&1 ||
		skip "pip does not reach pyzmq"
	start_bus
	cat >sub.py <<-'PY'
	import msgpack, sys, zmq
	s = zmq.Context().socket(zmq.SUB)
	s.connect(sys.argv[1])
	s.subscribe(b"persistent://acme/cams/")
	for i in range(4):
	    topic, head, payload = s.recv_multipart()
	    head = msgpack.unpackb(head)
	    assert sorted(head) == ["event", "id", "key", "producer", "props",
	        "publish", "seq"], head
	    assert topic.endswith(b"\0")
	    print(topic[:-1].decode(), head["id"], head["props"]["n"],
	        len(payload))
	PY
	PYTHONPATH=$T/py python3 sub.py "ipc://$SLUICE_RUN/feed.sock" >out 2>py.err &
	p=$!
	PIDS+=($p)
	until_true 20 subscribed 1
	for i in 1 2; do
		for t in persistent://acme/cams/a persistent://acme/cams/b \
			persistent://acme/mics/a; do
			"$BIN/bus-produce" --topic $t --size 7 --property n=$i
		done
	done
	wait $p
	cat >expected <<-E
	persistent://acme/cams/a 1:0 1 7
	persistent://acme/cams/b 1:0 1 7
	persistent://acme/cams/a 1:1 2 7
	persistent://acme/cams/b 1:1 2 7
	E
	diff expected out
}

# In steps smaller than a queue, so that only who stands still loses.
@test "a stopped subscriber loses its own feed only, and is counted" {
	start_bus --feed-hwm 1000
	local opts=(--feed "ipc://$SLUICE_RUN/feed.sock" --topic t) step
	"$BIN/bus-consume" "${opts[@]}" >slow.out 2>slow.err &
	slow=$!
	PIDS+=("$slow")
	until_true 10 subscribed 1
	"$BIN/bus-consume" "${opts[@]}" >fast.out 2>fast.err &
	fast=$!
	PIDS+=("$fast")
	# Both have the same subscription, XPUB tells only of the first: ask
	# until something arrives.
	until_true 20 fast_is_there
	kill -STOP $slow
	have=$(wc -l <fast.out)
	for step in $(seq 10); do
		"$BIN/bus-produce" --topic t --size 2000 --count 500
		until_true 20 fast_has $((have + step * 500))
	done
	until_true 5 metric_is bus.prom feed_dropped_total "" -gt 0
	kill -CONT $slow
	kill -TERM $slow $fast
	wait $slow
	wait $fast
	[ "$(wc -l <slow.out)" -lt "$(wc -l <fast.out)" ]
}

fast_is_there() {
	"$BIN/bus-produce" --topic t --size 1
	[ -s fast.out ]
}

# All that was published since, once each, in order.
fast_has() {
	[ "$(wc -l <fast.out)" -ge "$1" ] &&
		awk '{ print $2 }' fast.out | sort -t: -k1,1n -k2,2n -uc
}

@test "a subscriber that never reads costs bounded memory" {
	start_bus --feed-hwm 10 --feed-buffer 1MiB
	"$BIN/bus-consume" --feed "ipc://$SLUICE_RUN/feed.sock" --topic t \
		>slow.out 2>slow.err &
	slow=$!
	PIDS+=($slow)
	until_true 10 subscribed 1
	kill -STOP $slow
	"$BIN/bus-produce" --topic t --size 1MiB --count 100 --pending 4
	until_true 5 metric_is bus.prom feed_dropped_total "" -gt 0 ||
		metric_is bus.prom feed_overflow_total "" -gt 0
	[ "$(metric bus.prom feed_buffer_bytes)" -le $((2 << 20)) ]
}
