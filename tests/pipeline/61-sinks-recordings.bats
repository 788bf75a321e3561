#!/usr/bin/env bats
# The sinks' recordings open in ordinary players, whatever happened.

setup() {
	load common
	common_setup
	command -v ffprobe >/dev/null ||
		skip "ffmpeg is not installed: RECORDINGS ARE NOT TESTED"
	"$ROOT/tests/pipeline/sink-payloads.py"
}
teardown() { common_teardown; }

S=ipc://sink.sock B=ipc://bus.sock
SESSION=1122334455667788

sink() {
	local kind=$1
	shift
	start "sink-$kind" "$BIN/sink-$kind" --listen $S --bus $B \
		--metrics "$T/m" --record rec "$@"
}

# drive KIND [OPTIONS]: its ten payloads in turn.
drive() {
	local kind=$1 i args=()
	shift
	for i in 0 1 2 3 4 5 6 7 8 9; do args+=(--payload "p-$kind-$i"); done
	timeout 60 "$TESTBIN/sinkdrive" --sink $S --bus $B --packets 10 \
		"${args[@]}" "$@" >/dev/null
}

# probe FILE ENTRIES: values of ffprobe; nothing on its stderr.
probe() {
	ffprobe -v error -count_frames -of csv=p=0 -show_entries "$2" "$1" \
		2>probe.err
	[ ! -s probe.err ] || { cat probe.err; return 1; }
}

@test "JPEG pictures become .mjpeg" {
	sink video
	drive jpeg
	stop sink-video
	[ "$(probe rec/video-$SESSION-live.mjpeg \
		stream=codec_name,width,height,nb_read_frames)" = mjpeg,160,120,10 ]
	cat p-jpeg-? | cmp - rec/video-$SESSION-live.mjpeg
}

@test "VP8 and VP9 chunks become .ivf" {
	sink video
	drive vp8
	drive vp9
	stop sink-video
	[ "$(probe rec/video-$SESSION-live.ivf \
		stream=codec_name,width,height,nb_read_frames)" = vp8,160,120,10 ]
	[ "$(probe rec/video-$SESSION-live.vp9.ivf \
		stream=codec_name,width,height,nb_read_frames)" = vp9,160,120,10 ]
	[ "$(probe rec/video-$SESSION-live.ivf \
		packet=pts_time | tr -d , | tr '\n' ' ')" = "$(for i in 0 1 2 3 4 \
		5 6 7 8 9; do printf '0.%d00000 ' $i; done)" ]
}

@test "a recording of chunks begins with a key frame" {
	sink video
	timeout 60 "$TESTBIN/sinkdrive" --sink $S --bus $B --packets 1 \
		--no-close --payload p-vp8-5 >/dev/null
	drive vp8
	stop sink-video
	[ "$(metric m recording_skipped_total)" -eq 1 ]
	[ "$(probe rec/video-$SESSION-live.ivf stream=nb_read_frames)" = 10 ]
}

@test "samples become .wav, with their rate" {
	sink audio --rate 22050
	drive pcm --track head
	drive raw --track raw
	drive raw --track set --header sample-rate=32000
	stop sink-audio
	[ "$(probe rec/audio-$SESSION-head.wav \
		stream=codec_name,sample_rate,channels,duration)" = \
		pcm_s16le,44100,1,0.100000 ]
	[ "$(probe rec/audio-$SESSION-raw.wav stream=sample_rate)" = 22050 ]
	[ "$(probe rec/audio-$SESSION-set.wav stream=sample_rate)" = 32000 ]
	ffmpeg -v error -i rec/audio-$SESSION-head.wav -f s16le - |
		cmp - <(cat p-raw-?)
}

@test "messages become lines" {
	printf '{"message_id":1,\n"timestamp":2,\r\n"user":"u","message":"a\\nb","type":"t"}' >c
	sink chat
	timeout 60 "$TESTBIN/sinkdrive" --sink $S --bus $B --packets 5 \
		--payload c >/dev/null
	stop sink-chat
	[ "$(wc -l <rec/chat-$SESSION-live.jsonl)" -eq 5 ]
	python3 -c 'import json, sys
for line in sys.stdin: assert json.loads(line)["message"] == "a\nb"' \
		<rec/chat-$SESSION-live.jsonl
}

@test "bad packets are not recorded" {
	sink video
	drive vp8 --bad-every 5
	stop sink-video
	[ "$(probe rec/video-$SESSION-live.ivf stream=nb_read_frames)" = 8 ]
}

@test "a track cannot choose where its file is" {
	sink video
	for track in ../../x /tmp/x . .. '' '%2F' $'a\nb'; do
		drive jpeg --track "$track"
	done
	stop sink-video
	[ -z "$(find . -name 'video-*' ! -path './rec/*')" ]
	[ ! -e ../x.mjpeg ]
	[ "$(find rec -type f | wc -l)" -eq 7 ]
	[ -f "rec/video-$SESSION-%2E%2E%2F%2E%2E%2Fx.mjpeg" ]
}

@test "killed while recording: the files play, and are continued" {
	for k in "video vp8 ivf" "audio pcm wav" "video jpeg mjpeg"; do
		# shellcheck disable=SC2086
		set -- $k
		rm -rf rec m
		sink "$1"
		drive "$2" --no-close
		until_true 10 metric_is m recording_bytes_total '' -gt 0
		stop "sink-$1" KILL || true
		[ "$(probe "rec/$1-$SESSION-live.$3" format=nb_streams)" = 1 ]
		# A write that was cut short.
		printf 'x' >>"rec/$1-$SESSION-live.$3"
		rm m
		sink "$1"
		drive "$2"
		stop "sink-$1"
		case $3 in
		ivf) [ "$(probe "rec/$1-$SESSION-live.$3" \
			stream=nb_read_frames)" = 20 ] ;;
		wav) [ "$(probe "rec/$1-$SESSION-live.$3" \
			stream=duration)" = 0.200000 ] ;;
		mjpeg) [ "$(ffprobe -v quiet -count_frames -of csv=p=0 \
			-show_entries stream=nb_read_frames \
			"rec/$1-$SESSION-live.$3")" = 20 ] ;;
		esac
	done
}

@test "a file is closed when its session ends" {
	sink video
	drive jpeg
	until_true 10 metric_is m recordings_total '' -eq 1
	[ "$(metric m recordings_open)" -eq 0 ]
	cat p-jpeg-? | cmp - rec/video-$SESSION-live.mjpeg
	drive jpeg --no-close --track other
	until_true 10 metric_is m recordings_open '' -eq 1
	# Whole within a second or so, though it is open.
	until_true 10 cmp -s <(cat p-jpeg-?) rec/video-$SESSION-other.mjpeg
}

@test "limits and a full disk stop the recording, not the sink" {
	sink video --record-bytes 10000
	drive jpeg --no-close
	until_true 10 metric_is m recording_bytes_total '' -gt 10000
	drive jpeg
	stop sink-video
	[ "$(metric m recording_skipped_total)" -eq 10 ]
	[ "$(metric m packets_published_total)" -eq 20 ]
	rm -rf rec
	(
		ulimit -f 16
		exec 9>ready
		exec "$BIN/sink-video" --listen $S --bus $B --metrics m2 \
			--record rec --ready-fd 9
	) 2>full.err &
	PIDS+=($!)
	pid=$!
	until_true 10 test -s ready
	drive jpeg
	drive jpeg
	kill "$pid"
	wait "$pid"
	[ "$(metric m2 recording_errors_total)" -ge 1 ]
	[ "$(metric m2 packets_published_total)" -eq 20 ]
	[ "$(grep -c 'recording video-' full.err)" -ge 1 ]
}
