#!/usr/bin/env bats
# A third-party client: WebTransport on aioquic publishes tracks and is echoed
# on streams of both kinds and in datagrams.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0

# Installed once per build; the versions are pinned.
setup_file() {
	local root build req
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	build=${SLUICE_BUILD:-$root/build}
	req=$root/tests/aioquic/requirements.txt
	export VENV=$build/aioquic
	if ! cmp -s "$req" "$VENV/installed"; then
		rm -rf "$VENV"
		python3 -m venv "$VENV" >"$BATS_FILE_TMPDIR/log" 2>&1 &&
			timeout 240 "$VENV/bin/pip" install --quiet \
				--retries 1 --timeout 15 -r "$req" \
				>>"$BATS_FILE_TMPDIR/log" 2>&1 &&
			cp "$req" "$VENV/installed" || {
			export NO_AIOQUIC
			NO_AIOQUIC=$(tail -n 1 "$BATS_FILE_TMPDIR/log")
		}
	fi
}

setup() {
	[ -z "${NO_AIOQUIC:-}" ] ||
		skip "NOT TESTED: pip cannot install aioquic: $NO_AIOQUIC"
	load common
	load client
	common_setup
	make_cert
}

teardown() {
	[ -n "${NO_AIOQUIC:-}" ] || common_teardown
}

aioquic() {
	"$VENV/bin/python" "$ROOT/tests/aioquic/client.py" "$1" "$URL" \
		cert.pem "${@:2}"
}

@test "aioquic publishes three tracks" {
	accept_start
	for t in video audio chat; do
		awk -v t=$t 'BEGIN { for (i = 1; i <= 300; i++) {
			s = t i " "
			while (length(s) < i * 37 % 2000) s = s "abcdefg"
			print s } }' >$t.txt
	done
	aioquic publish live_video:video:video.txt live_audio:audio:audio.txt \
		live_chat:chat:chat.txt
	tracks got
	for t in video audio chat; do
		payloads got/live_$t $'\n' | cmp - $t.txt
	done
	[ "$(metric got.prom packets_total)" -eq 900 ]
	[ "$(metric got.prom packet_errors_total)" -eq 0 ]
	"$TESTBIN/catrecords" <accept.out >records
	grep -q 'SESSION_CLOSE - 4 0x0' records
	grep -aq https://aioquic.example accept.out
}

@test "aioquic is echoed on streams of both kinds and in datagrams" {
	mkfifo records
	exec 14<>records
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --control "unix:$T/control" >records 14>&-
	start echo "$TESTBIN/echo" --control "unix:$T/control" <records 14>&-
	exec 14>&-
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	URL=https://127.0.0.1:$PORT/wt
	aioquic echo
	stop accept
	wait "$(pid echo)"
}

@test "aioquic is refused where it may not go" {
	accept_start --origin https://other.example
	[ "$(aioquic refused)" = 403 ]
	URL=https://127.0.0.1:$PORT/nowhere
	[ "$(aioquic refused)" = 404 ]
}
