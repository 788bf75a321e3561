#!/usr/bin/env bats
# Another third-party client: WebTransport on quic-go publishes tracks on
# streams of both kinds and in datagrams, and all of it comes back.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0

# Built once, from sources that go.sum pins.
setup_file() {
	local root build log=$BATS_FILE_TMPDIR/log
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	build=${SLUICE_BUILD:-$root/build}
	mkdir -p "$build/webtransport-go"
	export NO_GO GOCLIENT=$build/webtransport-go/client
	if ! command -v go >/dev/null; then
		NO_GO="there is no go"
	elif ! (cd "$root/tests/webtransport-go" &&
		GOTOOLCHAIN=local GOFLAGS=-mod=readonly timeout 240 \
			go build -buildvcs=false -o "$GOCLIENT" .) >"$log" 2>&1; then
		NO_GO=$(tail -n 1 "$log")
	fi
}

setup() {
	[ -z "${NO_GO:-}" ] ||
		skip "NOT TESTED: webtransport-go cannot be built: $NO_GO"
	load common
	load client
	common_setup
	make_cert
}

teardown() {
	[ -n "${NO_GO:-}" ] || common_teardown
}

@test "webtransport-go publishes three tracks and is echoed" {
	mkfifo records copy
	exec 14<>records 15<>copy
	tee accept.out <records >copy 14>&- 15>&- &
	tee=$!
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --control "unix:$T/control" \
		>records 14>&- 15>&-
	start echo "$TESTBIN/echo" --control "unix:$T/control" \
		<copy 14>&- 15>&-
	exec 14>&- 15>&-
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	for t in video audio chat; do
		awk -v t=$t 'BEGIN { for (i = 1; i <= 300; i++) {
			s = t i " "
			while (length(s) < i * 37 % 1000) s = s "abcdefg"
			print s } }' >$t.txt
	done
	"$GOCLIENT" "https://127.0.0.1:$PORT/wt" cert.pem \
		live_video:video:video.txt live_audio:audio:audio.txt \
		live_chat:chat:chat.txt
	stop accept
	wait "$(pid echo)" "$tee"
	mkdir got
	"$BIN/demux" --metrics got.prom <accept.out |
		"$TESTBIN/catrecords" --quiet --tracks got
	# All on a stream of each kind, the first 20 in datagrams.
	for t in video audio chat; do
		payloads got/live_$t $'\n' | sort |
			diff - <({ cat $t.txt $t.txt; head -n 20 $t.txt; } | sort)
	done
	[ "$(metric got.prom packets_total)" -eq 1860 ]
	[ "$(metric got.prom packet_errors_total)" -eq 0 ]
	"$TESTBIN/catrecords" <accept.out | grep -q 'SESSION_CLOSE.* 0x7$'
}
