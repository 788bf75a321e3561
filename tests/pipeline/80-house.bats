#!/usr/bin/env bats
# The whole house: what clients send is what topics hold.

setup() {
	load common
	load house
	common_setup
}
teardown() { common_teardown; }

# 10,000 packets in three files: 4,000 chat messages, 3,000 runs of samples,
# 3,000 pictures (a JPEG's markers around random bytes).
CHAT=4000 AUDIO=3000 VIDEO=3000

make_sources() {
	perl -e 'srand 7;
		for (1 .. shift) {
			my $t = join "", map { chr 97 + rand 26 } 1 .. rand 80;
			print "{\"message_id\":$_,\"timestamp\":$_,",
				"\"user\":\"u\",\"message\":\"$t\",",
				"\"type\":\"text\"}\n" }' $CHAT >chat.jsonl
	perl -e 'srand 8; print pack "v*", map { rand 65536 }
		1 .. shift' $((AUDIO * 32)) >audio.raw
	perl -e 'srand 9;
		for (1 .. shift) {
			print pack "H*", "ffd8" . "ffc0000b080010002001011100" .
				"ffda0008010100003f00";
			print pack "C*", map { rand 255 } 1 .. rand 200;
			print pack "H*", "ffd9" }' $VIDEO >video.mjpeg
}

send_sources() {
	client --track live_chat:chat:chat.jsonl \
		--track live_audio:audio:audio.raw --chunk 64 \
		--track live_video:video:video.mjpeg "$@" >client.out
}

# What the topics hold is what the files hold.
topics_same() {
	payloads chat-topic $CHAT | cmp - chat.want
	payloads audio-topic $AUDIO | cmp - audio.raw
	payloads video-topic $VIDEO | cmp - video.mjpeg
	[ ! -e bus/public/default/chat-rejected-topic ]
	[ ! -e bus/public/default/audio-rejected-topic ]
	[ ! -e bus/public/default/video-rejected-topic ]
}

# fresh: the same house with an empty log.
fresh() {
	local s
	for s in "${SINKS[@]}"; do stop "sink-$s"; done
	stop topic-bus
	rm -rf bus
	bus_up
	for s in "${SINKS[@]}"; do sink_up "$s"; done
}

@test "10,000 packets whole, joined and on bidirectional streams" {
	make_sources
	tr -d '\n' <chat.jsonl >chat.want
	house_up
	for how in "" --join --bidi; do
		# shellcheck disable=SC2086
		send_sources $how
		topics_same
		fresh
	done
	pipe_down
}

@test "10,000 packets split at every size from 1 to 40 bytes" {
	make_sources
	tr -d '\n' <chat.jsonl >chat.want
	house_up
	for split in ${SPLITS:-$(seq 1 40)}; do
		send_sources --split "$split"
		topics_same
		fresh
	done
	pipe_down
}

@test "10,000 packets interleaved over 50 streams" {
	make_sources
	house_up
	send_sources --streams 17 # of each of three tracks
	# A track's packets are in order within a stream only.
	"$BIN/bus-consume" --bus "ipc://$T/bus.sock" --from earliest --json \
		--count $CHAT --timeout 20 --topic chat-topic |
		perl -MMIME::Base64 -ne '/"payload": ?"([^"]*)"/ and
			print decode_base64($1), "\n"' | sort >chat.got
	sort chat.jsonl | cmp - chat.got
	[ "$(payloads audio-topic $AUDIO | wc -c)" -eq "$(wc -c <audio.raw)" ]
	[ "$(payloads video-topic $VIDEO | wc -c)" -eq "$(wc -c <video.mjpeg)" ]
	pipe_down
}

@test "a log outlives topic-bus" {
	make_sources
	tr -d '\n' <chat.jsonl >chat.want
	house_up
	send_sources
	payloads video-topic $VIDEO | cmp - video.mjpeg
	pipe_down
	stop topic-bus
	bus_up
	topics_same
}
