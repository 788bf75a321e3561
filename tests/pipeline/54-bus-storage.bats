#!/usr/bin/env bats
# Full disks, damaged files, many files.

setup() { load common; load bus; common_setup; bus_setup; }

teardown() {
	common_teardown
	umount "$T/small" 2>/dev/null || true
	rm -rf "$T"
}

flip() { # FILE OFFSET: one bit
	python3 -c '
import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
c = f.read(1)[0] ^ 4
f.seek(int(sys.argv[2]))
f.write(bytes([c]))' "$1" "$2"
}

@test "a torn tail is cut off and logged" {
	start_bus
	numbered 1 10 | "$BIN/bus-produce" --topic t
	stop bus KILL || true
	truncate -s -3 "$(ledger t)"
	start_bus
	diff <(numbered 1 9) <(contents t)
	grep -q 'torn write of .* bytes cut off' bus.err
	numbered 10 12 | "$BIN/bus-produce" --topic t
	diff <(numbered 1 12) <(contents t)
	until_true 5 metric_is bus.prom topics_torn_total "" -eq 1
}

@test "damage in the middle: readable up to it, not written, others are fine" {
	start_bus
	numbered 1 100 | "$BIN/bus-produce" --topic t
	numbered 1 100 | "$BIN/bus-produce" --topic other
	stop bus
	flip "$(ledger t)" 1500
	start_bus
	run "$BIN/bus-consume" --topic t --from earliest --timeout 5
	[ "$status" -eq 69 ]
	[[ $output == *"storage: public/default/t/0000000000000001.log:"*"bad crc"* ]]
	n=$(grep -c ' bytes: line' <<<"$output")
	[ "$n" -gt 5 ] && [ "$n" -lt 50 ]
	diff <(numbered 1 "$n") <(sed -n 's/^.* bytes: //p' <<<"$output")
	run "$BIN/bus-produce" --topic t --size 1
	[ "$status" -eq 69 ]
	[[ $output == *"storage: public/default/t/0000000000000001.log:"* ]]
	grep -q 'bad crc; the topic refuses to be written' bus.err
	numbered 101 200 | "$BIN/bus-produce" --topic other
	diff <(numbered 1 200) <(contents other)
	until_true 5 metric_is bus.prom topics_damaged "" -eq 1
}

@test "a flipped bit in an older ledger is found by who reads it" {
	start_bus
	numbered 1 100 | "$BIN/bus-produce" --topic t
	stop bus
	start_bus
	numbered 101 200 | "$BIN/bus-produce" --topic t
	flip "$(ledger t)" 2000
	run "$BIN/bus-consume" --topic t --from earliest --timeout 5
	[ "$status" -eq 69 ]
	# What is behind it is still there for those who ask.
	run "$BIN/bus-consume" --topic t --from 2:0 --count 100
	[ "$status" -eq 0 ]
}

@test "disk full: producers are told, readers go on, space heals it" {
	mkdir small
	mount -t tmpfs -o size=512k none small 2>/dev/null ||
		skip "cannot mount a tmpfs"
	BUS=(--dir "$T/small/bus" --segment-bytes 64KiB)
	start_bus "${BUS[@]}"
	numbered 1 100 | "$BIN/bus-produce" --topic t
	run "$BIN/bus-produce" --topic t --size 10000 --count 100
	[ "$status" -eq 69 ]
	[[ $output == *"storage: No space left on device"* ]]
	# Readers still get all that was stored.
	contents t | grep -c '^line' | grep -qx 100
	# A producer that does not give up holds everything until there is space.
	"$TESTBIN/busretry" "ipc://$SLUICE_RUN/bus.sock" t 100 10000 &
	p=$!
	PIDS+=($p)
	until_true 10 metric_is bus.prom errors_total 'code="storage"' -gt 3
	mount -o remount,size=8m small
	wait $p
	until_true 5 grep -q 'written again' bus.err
	numbered 101 200 | "$BIN/bus-produce" --topic t
	contents t | grep '^line' | diff <(numbered 1 200) -
	"$BIN/bus-consume" --topic t --from earliest --timeout 0.5 --summary \
		--check-seq >out || true
	stop bus
	start_bus "${BUS[@]}"
	contents t | grep '^line' | diff <(numbered 1 200) -
	stop bus
	umount small
}

@test "a file that may not grow: the same by RLIMIT_FSIZE" {
	(ulimit -f 100 && exec "$BIN/topic-bus" --ready-fd 9 --metrics bus.prom \
		9>ready 2>bus.err) &
	PID=$!
	PIDS+=("$PID")
	echo "$PID" >bus.pid
	until_true 10 test -s ready
	numbered 1 100 | "$BIN/bus-produce" --topic t
	size=$(stat -c %s "$(ledger t)")
	run "$BIN/bus-produce" --topic t --size 200000
	[ "$status" -eq 69 ]
	[[ $output == *"storage: File too large"* ]]
	[ "$(stat -c %s "$(ledger t)")" -eq "$size" ]
	numbered 101 200 | "$BIN/bus-produce" --topic t
	diff <(numbered 1 200) <(contents t)
	stop bus
}

@test "hundreds of topics with few descriptors" {
	start_bus --max-files 16 --sync always
	local i
	for i in $(seq 40); do
		numbered 1 5 | "$BIN/bus-produce" --topic "t$i" &
	done
	wait $(jobs -p | grep -vx "$(pid bus)")
	[ "$(find "/proc/$(pid bus)/fd" -lname '*.log' | wc -l)" -le 16 ]
	local topics=()
	for i in $(seq 40); do topics+=(--topic "t$i"); done
	[ "$("$BIN/bus-consume" "${topics[@]}" --from earliest --count 200 \
		--timeout 10 | wc -l)" -eq 200 ]
	[ "$(find "/proc/$(pid bus)/fd" -lname '*.log' | wc -l)" -le 16 ]
	until_true 5 metric_is bus.prom files_evicted_total "" -gt 0
}
