#!/usr/bin/env bats
# topic-bus is killed: every receipt given is kept.

setup() { load common; load bus; common_setup; bus_setup; }
teardown() { common_teardown; }

# One producer publishes numbered lines all the while; the bus is killed 20
# times at random moments. The n-th receipt is the n-th line's: the id it gave
# must hold that line afterwards, and what was stored twice (its receipt was
# lost with the bus) must not change the order of first occurrences.
crash_loop() { # OPTIONS of topic-bus
	local i pause
	start_bus "$@"
	mkfifo lines
	numbered 1 1000000 >lines 2>/dev/null &
	"$BIN/bus-produce" --topic t --print-ids --pending 500 --rate 20000 \
		--timeout 30 <lines >ids 2>produce.err &
	producer=$!
	PIDS+=($producer)
	start reader "$BIN/bus-consume" --topic t --from earliest >live.out
	for i in $(seq 20); do
		# Not a wait for anything: the moment of death is to be random.
		pause=$((RANDOM % 200 + 20))
		read -r -t "0.$(printf %03d $pause)" <> <(:) || true
		kill -KILL "$(pid bus)"
		wait "$(pid bus)" || true
		start_bus "$@"
	done
	until_true 10 grew ids
	kill -TERM $producer
	wait $producer
	"$BIN/bus-consume" --topic t --from earliest --timeout 1 >log.out
	[ "$(wc -l <ids)" -gt 100 ]
	awk '
	FILENAME == "ids" { want[$1] = FNR; receipts++; next }
	{
		n = $NF
		if ($2 in want && want[$2] != n) { bad = 1; print "id " $2 " holds " n; exit }
		if ($2 in want) { found++ }
		if (!(n in seen)) {
			if (n != last + 1) { bad = 1; print n " follows " last; exit }
			last = n
			seen[n] = 1
		}
	}
	END {
		if (bad || found != receipts) {
			print found " of " receipts " receipts found"
			exit 1
		}
	}' ids log.out
	# The reader that was there all the time has seen the same log.
	until_true 10 same_length
	stop reader
	cmp live.out log.out
}

grew() {
	local n
	n=$(wc -l <"$1")
	[ "$n" -gt "${GREW:-$n}" ] || { GREW=$n; return 1; }
}

same_length() { [ "$(wc -l <live.out)" -eq "$(wc -l <log.out)" ]; }

@test "killed 20 times, --sync interval" { crash_loop; }

@test "killed 20 times, --sync always, small ledgers" {
	crash_loop --sync always --segment-bytes 64KiB
}

@test "stopped: everything received is stored and answered first" {
	start_bus --sync always
	"$BIN/bus-produce" --topic t --size 1000 --count 0 --print-ids --rate 20000 \
		--timeout 1 >ids 2>produce.err &
	producer=$!
	PIDS+=($producer)
	until_true 10 test -s ids
	stop bus
	wait $producer || true
	start_bus
	n=$("$BIN/bus-consume" --topic t --from earliest --timeout 1 | wc -l)
	[ "$n" -ge "$(wc -l <ids)" ]
	! grep -q torn bus.err
}
