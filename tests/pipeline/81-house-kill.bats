#!/usr/bin/env bats
# kill -9 of each stage in turn during a run: the others end or recover.

setup() {
	load common
	load house
	common_setup
}
teardown() { common_teardown; }

# A client that sends COUNT numbered chat messages in about two seconds.
COUNT=2000
sender_up() {
	client --track live_chat:chat:chat:120@1000 --count $COUNT \
		--json >client.json 2>client.err &
	CLIENT=$!
	PIDS+=("$CLIENT")
	until_true 10 metric_is sink-chat.m receipts_total "" -gt 0
}

# Every message is on the topic; some may be there twice.
all_arrived() {
	"$BIN/bus-consume" --bus "ipc://$T/bus.sock" --from earliest --json \
		--timeout 2 --topic chat-topic >got.json || true
	[ "$(perl -ne '/"sequence_id": ?(\d+)/ and $s{$1}++;
		END { print scalar keys %s }' got.json)" -eq "$1" ] ||
	[ "$(perl -MMIME::Base64 -ne '/"payload": ?"([^"]*)"/ and
		$s{decode_base64($1)}++; END { print scalar keys %s }' \
		got.json)" -eq "$1" ]
}

kill9() {
	kill -KILL "$(pid "$1")"
	wait "$(pid "$1")" || true
}

@test "sink-chat killed: route sends again what was not acknowledged" {
	house_up
	sender_up
	kill9 sink-chat
	sink_up chat
	wait "$CLIENT"
	until_true 20 all_arrived $COUNT
	pipe_down
}

@test "topic-bus killed: the sinks publish again what has no receipt" {
	house_up
	sender_up
	kill9 topic-bus
	bus_up
	wait "$CLIENT"
	until_true 20 all_arrived $COUNT
	pipe_down
}

@test "wt-accept killed: demux and route deliver what they hold and end" {
	house_up
	sender_up
	kill -KILL "$(pid wt-accept)"
	wait "$PIPE"
	[ "$(cat wt-accept.status)" -eq 137 ]
	[ "$(cat demux.status)" -eq 0 ]
	[ "$(cat route.status)" -eq 0 ]
	# The client says that its messages were lost.
	fails wait "$CLIENT"
}

@test "demux killed: wt-accept ends with a word, route delivers and ends" {
	house_up
	sender_up
	kill -KILL "$(pid demux)"
	wait "$PIPE"
	[ "$(cat wt-accept.status)" -eq 74 ]
	grep -q "wt-accept: stdout" wt-accept.err
	[ "$(cat route.status)" -eq 0 ]
	fails wait "$CLIENT"
}

@test "route killed: demux and wt-accept end with a word" {
	house_up
	sender_up
	kill -KILL "$(pid route)"
	wait "$PIPE"
	[ "$(cat wt-accept.status)" -eq 74 ]
	[ "$(cat demux.status)" -eq 74 ]
	grep -q "demux: output" demux.err
	fails wait "$CLIENT"
}

@test "after all of that the same house starts again over the same log" {
	house_up
	sender_up
	kill9 topic-bus
	kill9 sink-chat
	kill -KILL "$(pid demux)"
	wait "$PIPE"
	fails wait "$CLIENT"
	bus_up
	sink_up chat
	pipe_up
	before=$(metric topic-bus.m messages_in_total)
	client --track again:chat:chat:120@max --count 100 >client.out
	"$BIN/bus-consume" --bus "ipc://$T/bus.sock" --from earliest --json \
		--timeout 2 --topic chat-topic >got.json || true
	[ "$(grep -c '"track_id": *"again"' got.json)" -eq 100 ]
	pipe_down
}

@test "a sink that is not there at start and comes later" {
	make_cert
	bus_up
	sink_up video
	sink_up audio
	pipe_up
	client --track live_chat:chat:chat:120@max \
		--track live_video:video:jpeg:2000@max >client.out --count 500
	until_true 10 metric_is sink-video.m receipts_total "" -eq 500
	sink_up chat
	until_true 10 metric_is sink-chat.m receipts_total "" -eq 500
	pipe_down
}
