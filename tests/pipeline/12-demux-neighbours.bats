#!/usr/bin/env bats
# demux: its neighbours die, stop and start again.

setup() { load common; common_setup; }
teardown() { common_teardown; }

# demux between two fifos; the test holds the other ends as 14 and 15.
between_fifos() {
	mkfifo in out
	exec 14<>in 15<>out
	start demux "$BIN/demux" --metrics "$T/m" <in >out 14>&- 15>&-
	exec 16>in 17<out 14>&- 15>&-
}

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# Neither read nor written any more.
quiet() {
	local a b
	a=$(grep -E '^(rchar|wchar)' "/proc/$1/io")
	read -r -t 0.3 <> <(:) || true
	b=$(grep -E '^(rchar|wchar)' "/proc/$1/io")
	[ "$a" = "$b" ]
}

@test "the reader is killed: one line, EX_IOERR" {
	between_fifos
	cat <&17 >/dev/null 16>&- &
	reader=$!
	PIDS+=("$reader")
	exec 17<&-
	"$TESTBIN/mkrecords" --packets 1000 --no-close >&16
	kill -KILL "$reader"
	# It need not write to find out.
	until_true 10 gone "$(pid demux)"
	wait "$(pid demux)" || st=$?
	[ "$st" -eq 74 ]
	[ "$(wc -l <demux.err)" -eq 1 ]
	grep -q '^demux: output: the reader is gone' demux.err
}

@test "the writer is killed: what was whole comes out, then the end" {
	between_fifos
	"$TESTBIN/mkrecords" --packets 100000000 >&16 17<&- &
	writer=$!
	PIDS+=("$writer")
	exec 16>&-
	timeout 20 head -c 1000000 <&17 >first
	kill -KILL "$writer"
	timeout 20 cat <&17 >rest
	st=0
	wait "$(pid demux)" || st=$?
	# Killed inside a record or between two.
	[ "$st" -eq 76 ] || [ "$st" -eq 0 ]
	cat first rest | "$TESTBIN/catrecords" >list
	[ "$(grep -c PACKET list)" -gt 900 ]
}

@test "the reader is stopped: memory stays, nothing is lost" {
	mkdir want got
	"$TESTBIN/mkrecords" --packets 300000 --mixed --tracks 9 --streams 3 \
		--cut 5000 >in.rec
	"$TESTBIN/mkrecords" --packets 300000 --mixed --tracks 9 --demuxed |
		"$TESTBIN/catrecords" --quiet --tracks want
	between_fifos
	"$TESTBIN/catrecords" --quiet --tracks got <&17 16>&- &
	reader=$!
	PIDS+=("$reader")
	exec 17<&-
	kill -STOP "$reader"
	cat in.rec >&16 &
	writer=$!
	PIDS+=("$writer")
	exec 16>&-
	until_true 20 quiet "$(pid demux)"
	# Not all was taken: 1 MiB a pipe and what demux may hold.
	[ "$(awk '/^rchar/ { print $2 }' "/proc/$(pid demux)/io")" -lt 4000000 ]
	kb=$(rss_kib "$(pid demux)")
	echo "RSS $kb KiB"
	ldd "$BIN/demux" | grep -q libasan || [ "$kb" -lt 8000 ]
	kill -CONT "$reader"
	wait "$writer" "$reader"
	wait "$(pid demux)"
	diff -rq want got
	[ "$(metric m packets_total)" -eq 300000 ]
}

@test "SIGTERM: what was read is written, exit 0" {
	between_fifos
	"$TESTBIN/mkrecords" --packets 1000 --payload 100 --no-close >&16
	until_true 10 metric_is m packets_total "" -eq 1000
	kill -TERM "$(pid demux)"
	timeout 10 cat <&17 >raw
	wait "$(pid demux)"
	[ "$("$TESTBIN/catrecords" <raw | grep -c PACKET)" -eq 1000 ]
	[ ! -s demux.err ]
}

@test "SIGTERM with a reader that does not read: ends after 5 s, EX_IOERR" {
	between_fifos
	"$TESTBIN/mkrecords" --packets 100000 >&16 17<&- 2>/dev/null &
	writer=$!
	PIDS+=("$writer")
	exec 16>&-
	until_true 20 quiet "$(pid demux)"
	kill -TERM "$(pid demux)"
	st=0
	wait "$(pid demux)" || st=$?
	[ "$st" -eq 74 ]
	grep -q '^demux: output: nobody reads' demux.err
	wait "$writer" || true
}

@test "idle: no work is done" {
	between_fifos
	"$TESTBIN/mkrecords" --packets 10 --no-close >&16
	until_true 10 metric_is m packets_total "" -eq 10
	before=$(awk '{ print $14 + $15 }' "/proc/$(pid demux)/stat")
	until_true 2 false || true
	after=$(awk '{ print $14 + $15 }' "/proc/$(pid demux)/stat")
	[ $((after - before)) -le 2 ]
	kill -TERM "$(pid demux)"
	wait "$(pid demux)"
}

@test "a full output and no more input: no work is done" {
	between_fifos
	"$TESTBIN/mkrecords" --packets 2000 --no-close >&16
	exec 16>&-
	until_true 10 quiet "$(pid demux)"
	before=$(awk '{ print $14 + $15 }' "/proc/$(pid demux)/stat")
	until_true 1 false || true
	after=$(awk '{ print $14 + $15 }' "/proc/$(pid demux)/stat")
	[ $((after - before)) -le 2 ]
	timeout 10 cat <&17 >/dev/null
	wait "$(pid demux)"
}

@test "over unix sockets, as in containers" {
	"$TESTBIN/mkrecords" --packets 5000 --mixed --cut 100 >in.rec
	"$BIN/demux" <in.rec >want.rec
	"$BIN/demux" --in "unix:$T/second" >got.rec 2>second.err &
	second=$!
	PIDS+=("$second")
	"$BIN/demux" --in "unix:$T/first" --out "unix:$T/second" 2>first.err &
	first=$!
	PIDS+=("$first")
	"$BIN/demux" --out "unix:$T/first" <in.rec
	wait "$first" "$second"
	cmp want.rec got.rec
	[ ! -e first ]
	[ ! -e second ]
}
