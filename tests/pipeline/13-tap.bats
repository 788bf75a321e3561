#!/usr/bin/env bats
# tap: the pipe is untouched and not delayed, whoever looks.

setup() { load common; common_setup; }
teardown() { common_teardown; }

# tap between the fifos in and out. The test holds their other ends as 16 and
# 17; options are added.
start_tap() {
	mkfifo in out
	exec 14<>in 15<>out
	start tap "$BIN/tap" --listen "unix:$T/tap.sock" --metrics "$T/m" \
		"$@" <in >out 14>&- 15>&-
	exec 16>in 17<out 14>&- 15>&-
}

# look NAME [NC-OPTIONS]: a viewer, once it is connected; lines go to NAME.
look() {
	local n
	n=$(metric m viewers_total)
	nc -U "$T/tap.sock" </dev/null >"$1" 16>&- 17<&- &
	echo $! >"$1.pid"
	PIDS+=("$!")
	until_true 10 metric_is m viewers_total "" -gt "$n"
}

# field FILE FIELD [TYPE]: that field of each line (of that type).
field() {
	python3 - "$@" <<-'PY'
	import json, sys
	for line in open(sys.argv[1]):
	    d = json.loads(line)
	    if len(sys.argv) < 4 or d.get("type") == sys.argv[3]:
	        print(d.get(sys.argv[2]))
	PY
}

more_lines_than() { [ "$(wc -l <"$1")" -gt "$2" ]; }

@test "what goes in comes out, at every cut, without and with viewers" {
	"$TESTBIN/mkrecords" --packets 20000 --mixed --tracks 9 --streams 3 \
		--cut 777 >in.rec
	"$BIN/tap" <in.rec | cmp - in.rec
	start_tap --preview 100
	cat <&17 >out.rec 16>&- &
	cat=$!
	look view
	cat in.rec >&16
	exec 16>&- 17<&-
	wait "$(pid tap)" "$cat"
	cmp in.rec out.rec
	[ "$(metric m bytes_total)" -eq "$(stat -c %s in.rec)" ]
	[ "$(metric m records_total)" -eq \
		"$("$TESTBIN/catrecords" <in.rec | wc -l)" ]
	[ "$(field view type | sort | uniq | tr '\n' ' ')" != "" ]
	[ ! -e tap.sock ]
}

@test "a line for each record, with what is in it" {
	start_tap --preview 20
	cat <&17 >/dev/null 16>&- &
	look view
	"$TESTBIN/mkrecords" --packets 100 --tracks 5 --now \
		--bad reset --bad bad-id | "$BIN/demux" 2>/dev/null >&16
	exec 16>&- 17<&-
	wait "$(pid tap)"
	wait "$(cat view.pid)"
	[ "$(field view track_id PACKET | wc -l)" -eq 100 ]
	[ "$(field view track_id PACKET | sort -u | wc -l)" -eq 5 ]
	[ "$(field view payload_len PACKET | sort -u)" = 1000 ]
	[ "$(field view code STREAM_RESET)" = 9 ]
	[ "$(field view code_name STOP_SENDING)" = BAD_TRACK_ID ]
	field view open SESSION_OPEN | grep -q "'authority': 'localhost'"
	for age in $(field view age_us PACKET); do
		[ "$age" -ge 0 ]
		[ "$age" -lt 10000000 ]
	done
}

@test "text payloads have a preview, others and terminal controls do not" {
	start_tap --preview 12
	cat <&17 >/dev/null 16>&- &
	look view
	python3 - >&16 <<-'PY'
	import struct, sys
	def rec(t, p, st):
	    return struct.pack(">IBBHQQQ", len(p), t, 0, 0, 1, st, 0) + p
	def packet(p):
	    return rec(7, b"c".ljust(16, b"\0") + struct.pack(">I", len(p)) +
	        b"chat".ljust(12, b"\0") + p, 4)
	sys.stdout.buffer.write(rec(1, b"\x80", 2**64 - 1) +
	    packet(b'{"message": "a long one"}') + packet(b"\x1b[2Jclear") +
	    packet(b"\xff\xd8jpeg") + packet("grüße".encode()))
	PY
	exec 16>&- 17<&-
	wait "$(pid tap)"
	wait "$(cat view.pid)"
	field view preview PACKET >previews
	printf '%s\n' '{"message": ' None None grüße | diff previews -
	run grep -P '[^\x20-\x7e]' view
	[ "$status" -eq 1 ]
}

@test "a viewer that comes in the middle sees whole records" {
	start_tap
	cat <&17 >/dev/null 16>&- &
	"$TESTBIN/mkrecords" --packets 400000000 --mixed >&16 17<&- &
	writer=$!
	PIDS+=("$writer")
	exec 16>&- 17<&-
	for i in 1 2 3; do
		look "view$i"
		until_true 10 more_lines_than "view$i" 100
	done
	kill -KILL "$writer"
	wait "$(pid tap)" || true
	for i in 1 2 3; do
		# The last line may be half when tap gave up waiting.
		head -n 100 "view$i" >v
		[ "$(field v type | sort -u)" = STREAM_DATA ] ||
			field v lost | grep -qE '^[0-9]'
	done
}

@test "a viewer that does not read loses lines, is told, delays nothing" {
	start_tap
	cat <&17 >/dev/null 16>&- &
	look slow
	kill -STOP "$(cat slow.pid)"
	look fast
	"$TESTBIN/mkrecords" --packets 200000 --payload 100 >&16
	# All of it has passed although nobody let the slow one on.
	until_true 20 metric_is m records_total "" -eq 200003
	kill -CONT "$(cat slow.pid)"
	until_true 10 grep -q lost slow
	exec 16>&- 17<&-
	wait "$(pid tap)"
	wait "$(cat slow.pid)" "$(cat fast.pid)" || true
	lost=$(field slow lost | awk '{ n += $1 } END { print n + 0 }')
	lines=$(grep -c '"type"' slow)
	[ "$lost" -gt 0 ]
	[ $((lost + lines)) -eq 200003 ]
	[ "$(metric m lines_lost_total)" -ge "$lost" ]
}

@test "too many viewers are turned away, and there is room again" {
	start_tap
	for i in $(seq 16); do look "view$i"; done
	nc -U tap.sock </dev/null >refused 16>&- 17<&-
	grep -q 'too many viewers' refused
	kill "$(cat view3.pid)"
	until_true 10 metric_is m viewers_active "" -eq 15
	look again
	[ "$(metric m viewers_active)" -eq 16 ]
	[ "$(metric m viewers_refused_total)" -eq 1 ]
}

@test "over TCP" {
	port=$(free_port)
	mkfifo in
	exec 14<>in
	start tap "$BIN/tap" --listen "tcp:127.0.0.1:$port" --metrics m \
		<in >/dev/null 14>&-
	exec 16>in 14>&-
	nc 127.0.0.1 "$port" </dev/null >view 16>&- &
	until_true 10 metric_is m viewers_active "" -eq 1
	"$TESTBIN/mkrecords" --packets 10 >&16
	exec 16>&-
	wait "$(pid tap)"
	wait $!
	[ "$(field view type STREAM_DATA | wc -l)" -eq 11 ]
}

@test "garbage passes untouched; the exit status tells" {
	"$TESTBIN/mkrecords" --packets 100 --bad garbage >in.rec
	start_tap
	cat <&17 >out.rec 16>&- &
	cat=$!
	look view
	cat in.rec >&16
	exec 16>&- 17<&-
	st=0
	wait "$(pid tap)" || st=$?
	wait "$cat"
	[ "$st" -eq 76 ]
	cmp in.rec out.rec
	tail -n 1 view | grep -q '"error"'
	grep -q 'malformed record' tap.err
}

@test "the reader is killed: one line, EX_IOERR" {
	start_tap
	cat <&17 >/dev/null 16>&- &
	reader=$!
	exec 17<&-
	"$TESTBIN/mkrecords" --packets 10 >&16
	kill -KILL "$reader"
	st=0
	wait "$(pid tap)" || st=$?
	[ "$st" -eq 74 ]
	[ "$(cat tap.err)" = "tap: output: the reader is gone" ]
}

@test "the reader is stopped: nothing more is read, nothing is lost" {
	"$TESTBIN/mkrecords" --packets 10000 >in.rec
	start_tap
	cat <&17 >out.rec 16>&- &
	reader=$!
	PIDS+=("$reader")
	exec 17<&-
	kill -STOP "$reader"
	cat in.rec >&16 &
	exec 16>&-
	until_true 10 metric_is m bytes_total "" -gt 1000000
	until_true 1 false || true
	[ "$(metric m bytes_total)" -lt 3000000 ]
	kill -CONT "$reader"
	wait "$(pid tap)" "$reader"
	cmp in.rec out.rec
}

@test "SIGTERM: what was read is written, exit 0" {
	start_tap
	"$TESTBIN/mkrecords" --packets 100 --no-close >&16
	until_true 10 metric_is m records_total "" -eq 102
	kill -TERM "$(pid tap)"
	timeout 10 cat <&17 | "$TESTBIN/catrecords" >list
	wait "$(pid tap)"
	[ "$(wc -l <list)" -eq 102 ]
}

@test "a second tap on the same socket is refused" {
	start_tap
	st=0
	"$BIN/tap" --listen "unix:$T/tap.sock" </dev/null 2>err || st=$?
	[ "$st" -eq 69 ]
	[ -S tap.sock ]
}
