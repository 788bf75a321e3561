#!/usr/bin/env bats
# A short run of the whole house with every program under valgrind: no
# invalid access, nothing lost, no use of uninitialised memory.

setup() {
	load ../pipeline/common
	load ../pipeline/house
	common_setup
	under_valgrind
}
teardown() { common_teardown; }

# BIN becomes a folder of wrappers that run the real programs.
under_valgrind() {
	local p real=$BIN
	mkdir vbin
	for p in "$real"/*; do
		cat >"vbin/${p##*/}" <<-SH
			#!/bin/sh
			exec valgrind -q --error-exitcode=99 --leak-check=full \\
				--errors-for-leak-kinds=definite \\
				--log-file="$T/${p##*/}.%p.vg" "$p" "\$@"
		SH
		chmod +x "vbin/${p##*/}"
	done
	BIN=$T/vbin
}

clean() {
	local f
	for f in ./*.vg; do
		[ ! -s "$f" ] || { cat "$f"; return 1; }
	done
}

@test "every program, one short run, under valgrind" {
	house_up
	client --track live_chat:chat:chat:100@max \
		--track live_audio:audio:pcm:512@max \
		--track live_video:video:jpeg:5000@max --count 20
	client --track live_chat:chat:chat:100@max --datagrams --count 20 ||
		true # a datagram may be lost
	"$BIN/bus-produce" --bus "ipc://$T/bus.sock" --topic more-topic \
		--size 1000 --count 10
	payloads video-topic 20 | wc -c
	payloads more-topic 10 | wc -c
	pipe_down
	for s in "${SINKS[@]/#/sink-}" topic-bus; do stop "$s" || clean; done
	clean
	[ "$(find . -name '*.vg' | wc -l)" -ge 11 ]
}
