#!/usr/bin/env bats
# Both directions: what a client sends on streams of both kinds and in
# datagrams comes back as it was, through the records on wt-accept's stdout
# and its control socket.
#
# Every test is a subshell of its own, on purpose:
# shellcheck disable=SC2030,SC2031

setup() {
	load common
	load client
	common_setup
	make_cert
	mkfifo records
	exec 14<>records
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --control "unix:$T/control" \
		--max-streams 4000 --metrics accept.prom >records 14>&-
	start echo "$TESTBIN/echo" --control "unix:$T/control" \
		--metrics echo.prom <records 14>&-
	exec 14>&-
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	URL=https://127.0.0.1:$PORT/wt
}

teardown() { common_teardown; }

# What the client says came back and did not.
echoed() {
	client --echo --json "$@" >summary 2>client.err || {
		cat summary client.err
		return 1
	}
}

over() {
	stop accept
	wait "$(pid echo)"
}

@test "unidirectional streams" {
	echoed --track live_video:video:synthetic:20000@max --count 200 \
		--streams 10
	over
	[ "$(metric echo.prom echo_streams_opened_total)" -eq 10 ]
	[ "$(metric echo.prom echo_bytes_total)" -eq $((200 * 20032)) ]
}

@test "bidirectional streams" {
	echoed --bidi --track live_chat:chat:chat:100@max --count 500 \
		--streams 20
	over
	[ "$(metric echo.prom echo_streams_opened_total)" -eq 0 ]
}

@test "datagrams" {
	echoed --datagrams --track live_audio:audio:synthetic:600@500 \
		--count 300
	over
	[ "$(metric echo.prom echo_datagrams_total)" -eq 300 ]
}

@test "many clients, both kinds of streams" {
	echoed --clients 20 --track a:video:synthetic:3000@max \
		--track b:audio:synthetic:700@max --count 50
	echoed --clients 20 --bidi --track a:video:synthetic:3000@max \
		--track b:audio:synthetic:700@max --count 50
	over
	[ "$(metric echo.prom echo_streams_opened_total)" -eq 40 ]
	[ "$(metric echo.prom echo_given_up_total)" -eq 0 ]
}

@test "more bytes than any window" {
	echoed --bidi --bulk 30000000
	echoed --bulk 30000000
	over
	[ "$(metric echo.prom echo_bytes_total)" -eq 60000000 ]
}

@test "a thousand streams at a time" {
	echoed --track a:video:synthetic:500@max --count 2000 --streams 1000
	echoed --bidi --track a:video:synthetic:500@max --count 2000 \
		--streams 1000
	over
	[ "$(metric echo.prom echo_streams_opened_total)" -eq 1000 ]
}

@test "more streams than the client grants: they wait their turn" {
	echoed --track a:video:synthetic:500@max --count 3000 --streams 3000
	over
	[ "$(metric echo.prom echo_streams_opened_total)" -eq 3000 ]
	[ "$(metric echo.prom echo_refused_total)" -gt 0 ]
}
