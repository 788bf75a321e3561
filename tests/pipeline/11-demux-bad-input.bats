#!/usr/bin/env bats
# demux: bad input costs its own stream, is counted, logged once, told of.

setup() { load common; common_setup; }
teardown() { common_teardown; }

# bad WHAT...: 100 good packets on 5 streams with something bad among them.
# Leaves the records in out, stderr in err, metrics in m, the status in $st.
bad() {
	local args=()
	for what in "$@"; do args+=(--bad "$what"); done
	"$TESTBIN/mkrecords" --packets 100 --payload 300 --tracks 5 \
		--streams 5 --cut 100 "${args[@]}" >in || return 1
	st=0
	"$BIN/demux" --metrics m <in >raw 2>err || st=$?
	"$TESTBIN/catrecords" <raw >out
}

# The good ones are all there, in order.
good_unharmed() {
	[ "$st" -eq 0 ]
	mkdir -p got want
	"$TESTBIN/catrecords" --quiet --tracks got <raw
	"$TESTBIN/mkrecords" --packets 100 --payload 300 --tracks 5 \
		--streams 5 --demuxed |
		"$TESTBIN/catrecords" --quiet --tracks want
	diff -r want got
	[ "$(metric m streams_active)" -eq 0 ]
	[ "$(metric m buffer_size_bytes)" -eq 0 ]
}

errors() { metric m packet_errors_total "reason=\"$1\""; }
all_errors() { metric m packet_errors_total; }

@test "payload_len over the limit: PACKET_TOO_LONG" {
	bad too-long
	good_unharmed
	[ "$(errors too_long)" -eq 1 ]
	[ "$(all_errors)" -eq 1 ]
	[ "$(metric m buffer_overflows)" -eq 1 ]
	[ "$(metric m swallowed_bytes_total)" -gt 0 ]
	[ "$(grep -c 'STOP_SENDING UR 4 0x10' out)" -eq 1 ]
	[ "$(grep -c PACKET_TOO_LONG err)" -eq 1 ]
	# The stream given up still ends for those downstream.
	id=$(awk '/STOP_SENDING/ { print $2 }' out)
	grep -q " $id STREAM_DATA FU 0" out
}

@test "track_id that is not UTF-8: BAD_TRACK_ID" {
	bad bad-id
	good_unharmed
	[ "$(errors bad_track_id)" -eq 1 ]
	[ "$(grep -c 'STOP_SENDING UR 4 0x11' out)" -eq 1 ]
	[ "$(grep -c BAD_TRACK_ID err)" -eq 1 ]
}

@test "empty track_type: BAD_TRACK_TYPE" {
	bad bad-type
	good_unharmed
	[ "$(errors bad_track_type)" -eq 1 ]
	[ "$(grep -c 'STOP_SENDING UR 4 0x12' out)" -eq 1 ]
	[ "$(grep -c BAD_TRACK_TYPE err)" -eq 1 ]
}

@test "stream ends inside a header, and inside a payload: TRUNCATED" {
	bad cut-header cut-payload
	good_unharmed
	[ "$(errors truncated)" -eq 2 ]
	[ "$(grep -c STOP_SENDING out)" -eq 0 ]
	[ "$(grep -c TRUNCATED err)" -eq 2 ]
	grep -q '31 bytes of header' err
	grep -q '99 of 100 bytes of payload' err
}

@test "a datagram that is no whole packet: counted, not logged" {
	bad datagram
	good_unharmed
	[ "$(errors bad_datagram)" -eq 1 ]
	[ "$(grep -c STOP_SENDING out)" -eq 0 ]
	[ ! -s err ]
}

@test "a reset inside a packet is no error" {
	bad reset
	good_unharmed
	[ "$(all_errors)" -eq 0 ]
	[ "$(metric m packets_reset)" -eq 1 ]
	[ "$(grep -c 'STREAM_RESET U 4 0x9' out)" -eq 1 ]
	[ ! -s err ]
}

@test "data of a session that is not open is dropped" {
	bad orphan
	good_unharmed
	[ "$(metric m records_orphaned_total)" -eq 1 ]
}

@test "all of it at once" {
	bad too-long bad-id bad-type cut-header cut-payload datagram reset \
		orphan too-long
	good_unharmed
	[ "$(all_errors)" -eq 7 ]
	[ "$(errors too_long)" -eq 2 ]
}

@test "thousands of bad streams: each counted, few lines" {
	args=()
	for _ in $(seq 60); do args+=(--bad bad-id); done
	for _ in $(seq 50); do
		"$TESTBIN/mkrecords" --packets 2 "${args[@]}"
	done | "$BIN/demux" --metrics m >raw 2>err
	[ "$(errors bad_track_id)" -eq 3000 ]
	[ "$(wc -l <err)" -lt 200 ]
	[ "$("$TESTBIN/catrecords" <raw | grep -c STOP_SENDING)" -eq 3000 ]
}

@test "garbage: EX_PROTOCOL, after what was good" {
	bad garbage
	[ "$st" -eq 76 ]
	grep -q '^demux: input: malformed record: ' err
	[ "$(grep -c PACKET out)" -ge 40 ]
}

@test "garbage from the first byte" {
	st=0
	head -c 100000 /dev/urandom | tr '\000' '\377' |
		"$BIN/demux" >raw 2>err || st=$?
	[ "$st" -eq 76 ]
	[ ! -s raw ]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "input ends inside a record: EX_PROTOCOL, after what was good" {
	bad half-record
	[ "$st" -eq 76 ]
	grep -q '^demux: input: it ended inside a record' err
	[ "$(grep -c PACKET out)" -ge 40 ]
	# At every place of a short run: 76, or 0 between two records.
	"$TESTBIN/mkrecords" --packets 2 --payload 10 >in
	size=$(stat -c %s in) ends=0
	for n in $(seq 0 "$size"); do
		st=0
		head -c "$n" in | "$BIN/demux" >/dev/null 2>err || st=$?
		[ "$st" -eq 0 ] || [ "$st" -eq 76 ]
		[ "$st" -eq 76 ] || ends=$((ends + 1))
	done
	[ "$ends" -eq 6 ]
}

@test "more unfinished packets than --max-buffer: the largest goes" {
	# 40 streams of one packet of 1 MB, 1000 bytes of each in turn: the
	# limit is reached when each has about 400 kB.
	"$TESTBIN/mkrecords" --packets 40 --payload 1000000 --tracks 40 \
		--streams 40 --cut 1000 |
		"$BIN/demux" --max-buffer 16777215 --metrics m 2>err >raw
	"$TESTBIN/catrecords" <raw >out
	n=$(errors buffer_limit)
	[ "$n" -gt 0 ]
	[ "$n" -lt 40 ]
	[ "$(metric m max_buffer_size_bytes)" -le 16777215 ]
	[ "$(metric m buffer_overflows)" -eq "$n" ]
	[ "$(grep -c 'STOP_SENDING UR 4 0x15' out)" -eq "$n" ]
	[ "$(grep -c PACKET out)" -eq $((40 - n)) ]
	[ "$(metric m buffer_size_bytes)" -eq 0 ]
}

@test "more streams than --max-streams: the new ones are refused" {
	"$TESTBIN/mkrecords" --packets 100 --payload 50 --tracks 10 \
		--streams 10 | "$BIN/demux" --max-streams 8 --metrics m \
		2>err >raw
	"$TESTBIN/catrecords" <raw >out
	[ "$(metric m streams_max_concurrent)" -eq 8 ]
	[ "$(grep -c PACKET out)" -eq 80 ]
	[ "$(errors buffer_limit)" -gt 0 ]
	grep -q 'STOP_SENDING UR 4 0x15' out
}

@test "usage errors" {
	for args in "--max-packet 32" "--max-packet 17MiB" "--max-buffer 1MiB" \
		"--max-streams 0" "--nope" "operand" "--metrics"; do
		st=0
		# shellcheck disable=SC2086
		"$BIN/demux" $args </dev/null >/dev/null 2>err || st=$?
		[ "$st" -eq 64 ]
		grep -q '^usage: demux' err
	done
}
