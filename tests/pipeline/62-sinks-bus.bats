#!/usr/bin/env bats
# The sinks between the real route and the real topic-bus: what consumers see,
# and that nothing acknowledged is lost when a neighbour dies.

setup() {
	load common
	common_setup
	export SLUICE_RUN=$T
	cat >route.yaml <<-'Y'
	services:
	  audio:
	    types: [audio]
	    endpoints: ["ipc://sink.sock"]
	    policy: block
	    headers: {sample-rate: "32000", region: eu}
	Y
}
teardown() { common_teardown; }

S=ipc://sink.sock

bus() { start topic-bus "$BIN/topic-bus" --dir data --metrics "$T/bus.m"; }

sink() {
	local kind=$1
	shift
	start "sink-$kind" "$BIN/sink-$kind" --listen $S --metrics "$T/m" "$@"
}

drive() { timeout 60 "$TESTBIN/sinkdrive" --sink $S "$@"; }

# topic TOPIC COUNT: that many messages as JSON lines.
topic() {
	timeout 20 "$BIN/bus-consume" --topic "$1" --from earliest \
		--count "$2" --timeout 10 --json
}

# nothing_lost TOPIC PACKETS: every packet of every producer is there.
nothing_lost() {
	timeout 60 "$BIN/bus-consume" --topic "$1" --from earliest \
		--timeout 2 --summary --check-seq >summary || true
	cat summary
	grep -q ' lost 0,' summary
	messages=$(sed -n 's/.*: \([0-9]*\) messages,.*/\1/p' summary)
	repeated=$(sed -n 's/.* repeated \([0-9]*\).*/\1/p' summary)
	[ $((messages - repeated)) -eq "$2" ]
}

@test "properties of video" {
	command -v ffmpeg >/dev/null || skip "ffmpeg is not installed"
	"$ROOT/tests/pipeline/sink-payloads.py"
	bus
	sink video
	drive --packets 3 --payload p-jpeg-0 --payload p-vp8-0 \
		--payload p-vp8-1 --type screen --header region=eu
	head -c 100 p-jpeg-0 >cut.jpg
	drive --packets 1 --payload cut.jpg
	topic video-topic 3 >good
	topic video-rejected-topic 1 >bad
	python3 - <<-'PY'
	import base64, json
	m = [json.loads(l) for l in open("good")]
	p = [x["properties"] for x in m]
	base = {"track_id": "live", "track_type": "screen", "stream": 2,
	        "session": "1122334455667788", "header.region": "eu",
	        "width": 160, "height": 120}
	assert p[0] == base | {"format": "jpeg", "components": 3,
	                       "precision": 8}, p[0]
	for i in 1, 2:
	    assert p[i] == base | {"format": "webcodecs", "codec": "vp8",
	        "key_frame": i == 1, "timestamp_us": 4900000 + i * 100000,
	        "duration_us": 100000}, p[i]
	for x, f in zip(m, ("p-jpeg-0", "p-vp8-0", "p-vp8-1")):
	    assert base64.b64decode(x["payload"]) == open(f, "rb").read()
	    assert x["key"] == "live" and x["event_time_ns"] > 0
	b = json.loads(open("bad").read())
	assert b["properties"]["reason"] == "truncated"
	assert base64.b64decode(b["payload"]) == open("cut.jpg", "rb").read()
	PY
}

@test "properties of audio" {
	python3 - <<-'PY'
	import struct
	s = struct.pack("<4h", 0, 16384, -32768, 32767)
	open("raw", "wb").write(s)
	open("head", "wb").write(struct.pack(">4sIHHQ", b"PCM1", 44100, 1, 16,
	                                     77) + s)
	open("quiet", "wb").write(bytes(960))
	PY
	bus
	sink audio --rate 16000
	drive --packets 3 --payload raw --payload head --payload quiet \
		--type audio --datagrams
	drive --packets 1 --payload raw --header sample-rate=32000
	topic audio-topic 4 >good
	python3 - <<-'PY'
	import json
	p = [json.loads(l)["properties"] for l in open("good")]
	assert [x["rate"] for x in p] == [16000, 44100, 16000, 32000]
	assert [x["samples"] for x in p] == [4, 4, 480, 4]
	assert [x["peak"] for x in p] == [32768, 32768, 0, 32768]
	assert [x["clipped"] for x in p] == [2, 2, 0, 2]
	assert [x["silence"] for x in p] == [False, False, True, False]
	assert abs(p[0]["rms_dbfs"] + 2.50) < 0.01 and p[2]["rms_dbfs"] == -120
	assert p[1]["timestamp_us"] == 77 and "timestamp_us" not in p[0]
	assert "stream" not in p[0] and p[3]["stream"] == 2
	PY
}

@test "properties of chat" {
	printf '{"message_id":"a-1","timestamp":7,"user":"Zo\xc3\xab","message":"hi","type":"text","x":[1]}' >c
	printf '{"message_id":1,"timestamp":7,"user":"u","message":"m"}' >d
	bus
	sink chat
	drive --packets 2 --payload c --payload d --type chat
	topic chat-topic 1 >good
	topic chat-rejected-topic 1 >bad
	python3 - <<-'PY'
	import base64, json
	m = json.loads(open("good").read())
	p = m["properties"]
	assert (p["message_id"], p["user"], p["type"], p["timestamp"],
	        p["length"]) == ("a-1", "Zoë", "text", 7.0, 2), p
	assert base64.b64decode(m["payload"]) == open("c", "rb").read()
	p = json.loads(open("bad").read())["properties"]
	assert p["reason"] == "missing-type"
	PY
}

@test "from route to the topic, with route's headers" {
	bus
	sink audio
	"$TESTBIN/mkrecords" --demuxed --packets 50000 --payload 960 \
		--tracks 20 --streams 10 --sessions 3 --type audio |
		timeout 60 "$BIN/route" --config route.yaml 2>route.err
	nothing_lost audio-topic 50000
	[ "$repeated" -eq 0 ]
	topic audio-topic 1 >one
	grep -q '"rate":32000' one
	grep -q '"header.region":"eu"' one
}

@test "topic-bus comes late, after a sink was killed with a full window" {
	sink audio --window-packets 200
	"$TESTBIN/mkrecords" --demuxed --packets 5000 --payload 960 \
		--tracks 4 --streams 4 --type audio >in.rec
	start route "$BIN/route" --config route.yaml <in.rec
	# route keeps back a last few credits rather than cut a batch for them.
	until_true 20 metric_is m bus_pending_messages '' -ge 150
	stop sink-audio KILL || true
	rm m
	sink audio
	bus
	wait "$(pid route)"
	nothing_lost audio-topic 5000
	[ "$repeated" -eq 0 ]
}

@test "topic-bus is killed and starts again: nothing acknowledged is lost" {
	bus
	sink video
	start drive "$TESTBIN/sinkdrive" --sink $S --packets 40000 \
		--rate 15000 --size 400 --streams 4 --timeout 60 >report
	until_true 20 metric_is m receipts_total '' -gt 1000
	stop topic-bus KILL || true
	# On with a window that fills, then empties again.
	until_true 20 metric_is m bus_pending_messages '' -gt 100
	bus
	wait "$(pid drive)"
	grep -q 'acked 40002' report
	nothing_lost video-topic 40000
	stop sink-video
	[ "$(metric m receipts_total)" -eq 40000 ]
}

@test "topic-bus is stopped for a while: the sink waits and goes on" {
	bus
	sink video --window-packets 300
	start drive "$TESTBIN/sinkdrive" --sink $S --packets 30000 \
		--rate 15000 --size 400 --timeout 60 >report
	until_true 20 metric_is m receipts_total '' -gt 1000
	kill -STOP "$(pid topic-bus)"
	until_true 20 metric_is m bus_pending_messages '' -eq 300
	# It still answers route meanwhile.
	before=$(metric m grants_total)
	until_true 20 metric_is m grants_total '' -gt "$((before + 1))"
	[ "$(metric m bus_pending_messages)" -eq 300 ]
	kill -CONT "$(pid topic-bus)"
	wait "$(pid drive)"
	nothing_lost video-topic 30000
}

@test "a sink is killed under load: everything is there, repeats are told" {
	bus
	sink video
	start drive "$TESTBIN/sinkdrive" --sink $S --packets 40000 \
		--rate 15000 --size 400 --streams 4 --timeout 60 >report
	until_true 20 metric_is m receipts_total '' -gt 1000
	stop sink-video KILL || true
	rm m
	sink video
	until_true 20 metric_is m receipts_total '' -gt 1000
	stop sink-video KILL || true
	sink video
	wait "$(pid drive)"
	grep -q 'acked 40002' report
	nothing_lost video-topic 40000
}
