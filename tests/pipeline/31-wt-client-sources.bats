#!/usr/bin/env bats
# wt-client's sources: files are cut where their formats say, generators make
# what consumers can check, paces are kept.
bats_require_minimum_version 1.5.0

setup() {
	load common
	load client
	common_setup
	accept_start
}

teardown() { common_teardown; }

@test "lines of stdin, as they are typed" {
	mkfifo typed
	"$BIN/wt-client" "$URL" --cert-hash cert.sha256 --track c:chat:- \
		<typed >sum &
	PIDS+=($!)
	exec 7>typed
	echo one >&7
	arrived() { grep -aqs "$1" accept.out; }
	until_true 10 arrived one
	printf '\ntwo\r\nthr' >&7
	until_true 10 arrived two
	printf 'ee' >&7
	exec 7>&-
	wait "${PIDS[-1]}"
	tracks got
	[ "$(payloads got/c ,)" = one,two,three, ]
}

@test "stdin for two sessions is refused" {
	run -64 client --track c:chat:- --clients 2
	run -64 client --track c:chat:- --track d:chat:-
}

@test "mjpeg, ivf and wav by ffmpeg" {
	command -v ffmpeg >/dev/null || skip "no ffmpeg"
	src=testsrc=size=160x120:rate=10
	ffmpeg -v error -f lavfi -i $src -frames:v 12 -f mjpeg a.mjpeg
	ffmpeg -v error -f lavfi -i $src -frames:v 12 -c:v libvpx -f ivf a.ivf
	ffmpeg -v error -f lavfi -i sine=frequency=440:sample_rate=44100 \
		-t 1 -ac 1 a.wav
	ffmpeg -v error -f lavfi -i sine=frequency=440:sample_rate=44100 \
		-t 1 -ac 1 -f wav - | cat >piped.wav
	client --track j:video:a.mjpeg --track i:video:a.ivf \
		--track w:audio:a.wav --track p:audio:piped.wav --json >sum.json
	[ "$(json sum.json tracks 0 packets)" -eq 12 ]
	[ "$(json sum.json tracks 1 packets)" -eq 12 ]
	[ "$(json sum.json tracks 2 packets)" -eq 11 ] # 44100 / 4096
	tracks got
	payloads got/j | cmp - a.mjpeg
	python3 - <<-'PY'
	def packets(name):
	    data, at = open(name, "rb").read(), 0
	    while at < len(data):
	        n = int.from_bytes(data[at + 16:at + 20], "big")
	        yield data[at + 32:at + 32 + n]
	        at += 32 + n

	frames = list(packets("got/i"))
	assert all(f[:5] == b"WCV1\x01" for f in frames)
	assert [f[5] for f in frames][0] == 1
	assert all(f[8:12] == bytes([0, 160, 0, 120]) for f in frames)
	times = [int.from_bytes(f[12:20], "big") for f in frames]
	assert times == [i * 100000 for i in range(12)], times
	ivf = open("a.ivf", "rb").read()
	assert all(f[24:] in ivf for f in frames)

	pieces = list(packets("got/w"))
	assert all(p[:12] == b"PCM1\0\0\xac\x44\0\1\0\20" for p in pieces)
	samples = b"".join(p[20:] for p in pieces)
	assert len(samples) == 88200
	assert open("a.wav", "rb").read().endswith(samples)
	assert samples == b"".join(p[20:] for p in packets("got/p"))
	PY
}

@test "files that are not what they are called are refused before connecting" {
	echo nonsense >bad.mjpeg
	cp bad.mjpeg bad.ivf
	cp bad.mjpeg bad.wav
	: >empty.txt
	for f in bad.mjpeg bad.ivf bad.wav empty.txt; do
		run -65 client --track "v:video:$f"
		[[ $output == "wt-client: $f: "* ]]
	done
	run -66 client --track v:video:none
	[ "$(metric accept.prom connections_total)" -eq 0 ]
}

@test "generators: numbered, stamped, every byte checkable" {
	client --track s:x:synthetic:5000@max --track j:video:jpeg:9000@max \
		--track p:audio:pcm:960@max --track c:chat:chat:300@max \
		--count 200
	tracks got
	python3 - <<-'PY'
	import json, time

	def packets(name):
	    data, at = open(name, "rb").read(), 0
	    while at < len(data):
	        n = int.from_bytes(data[at + 16:at + 20], "big")
	        yield data[at + 32:at + 32 + n]
	        at += 32 + n

	def recent(ns):
	    return 0 <= time.time_ns() - ns < 120e9

	for i, p in enumerate(packets("got/s")):
	    assert int.from_bytes(p[:8], "big") == i
	    assert recent(int.from_bytes(p[8:16], "big"))
	    assert p[16:] == bytes((i + k) % 251 for k in range(16, 5000))
	assert i == 199
	for i, p in enumerate(packets("got/j")):
	    assert len(p) == 9000 and int.from_bytes(p[6:14], "big") == i
	assert i == 199
	for i, p in enumerate(packets("got/c")):
	    o = json.loads(p)
	    assert o["message_id"] == i and len(p) == 300
	    seq, ns = o["message"].split()[:2]
	    assert int(seq) == i and recent(int(ns))
	assert i == 199
	assert len(list(packets("got/p"))) == 200
	PY
	payloads got/j >j.mjpeg
	! command -v ffmpeg >/dev/null ||
		ffmpeg -v error -xerror -f mjpeg -i j.mjpeg -f null -
}

@test "a pace is kept, --seconds ends it, --loop starts a file again" {
	printf 'a\nb\nc\n' >abc.txt
	client --track s:x:synthetic:100@200 --track f:x:abc.txt --loop \
		--rate 50 --seconds 1 --json >sum.json
	n=$(json sum.json tracks 0 packets)
	[ "$n" -ge 190 ] && [ "$n" -le 201 ]
	n=$(json sum.json tracks 1 packets)
	[ "$n" -ge 45 ] && [ "$n" -le 51 ]
}

@test "usage errors" {
	for args in "" "--track a:b" "--track a::-" "--track a:b:synthetic:1" \
		"--track aaaaaaaaaaaaaaaaa:b:-" "--track a:bbbbbbbbbbbbb:-" \
		"--idle --fps x" "--idle --cert-hash a --ca b" \
		"--idle --datagrams --bidi" "--idle --local example.org" \
		"--idle --header nocolon" "--idle extra" "--echo --receive -"; do
		# shellcheck disable=SC2086
		run -64 "$BIN/wt-client" "$URL" $args </dev/null
	done
	run -64 "$BIN/wt-client" --idle
	run -64 "$BIN/wt-client" http://127.0.0.1/ --idle
}
