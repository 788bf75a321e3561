#!/usr/bin/env bats
# Readers: no gaps from history to live, nobody waits for a slow one.

setup() { load common; load bus; common_setup; bus_setup; }
teardown() { common_teardown; }

# Lines published before, while and after readers join: all get all.
@test "from history to live without a gap, several readers" {
	local n=20000 k
	start_bus --segment-bytes 256KiB
	numbered 1 5000 | "$BIN/bus-produce" --topic t
	numbered 5001 $n | "$BIN/bus-produce" --topic t --rate 8000 &
	p=$!
	for k in 1 2 3; do
		start reader$k "$BIN/bus-consume" --topic t --from earliest \
			--count $n --timeout 20 --permits $((k * 100)) >out$k
	done
	wait $p
	for k in 1 2 3; do
		wait "$(pid reader$k)"
		diff <(numbered 1 $n) <(sed 's/^.* bytes: //' out$k)
	done
}

@test "a stopped reader delays nobody, costs bounded memory, loses nothing" {
	local n=60000
	start_bus
	start slow "$BIN/bus-consume" --topic t --count $n --timeout 60 \
		--summary --check-seq >slow.out
	start fast "$BIN/bus-consume" --topic t --count $n --timeout 60 \
		--summary --check-seq >fast.out
	kill -STOP "$(pid slow)"
	"$BIN/bus-produce" --topic t --size 2000 --count $n --pending 2000
	wait "$(pid fast)"
	grep -q "$n messages.*lost 0, repeated 0" fast.out
	sanitized || [ "$(rss "$(pid bus)")" -lt 65536 ] # of 120 MB published
	kill -CONT "$(pid slow)"
	wait "$(pid slow)"
	grep -q "$n messages.*lost 0, repeated 0" slow.out
}

@test "readers go on where they were when the bus is restarted" {
	start_bus
	start reader "$BIN/bus-consume" --topic t --count 3000 --timeout 30 >out
	numbered 1 1000 | "$BIN/bus-produce" --topic t
	stop bus
	start_bus
	numbered 1001 2000 | "$BIN/bus-produce" --topic t
	stop bus KILL || true
	start_bus
	numbered 2001 3000 | "$BIN/bus-produce" --topic t
	wait "$(pid reader)"
	diff <(numbered 1 3000) <(sed 's/^.* bytes: //' out)
}

@test "what a reader left behind is forgotten when it is gone" {
	start_bus
	for i in 1 2 3; do
		start reader$i "$BIN/bus-consume" --topic t$i >out$i
	done
	until_true 5 metric_is bus.prom readers "" -eq 3
	for i in 1 2 3; do kill -KILL "$(pid reader$i)"; done
	until_true 20 metric_is bus.prom readers "" -eq 0
	until_true 20 metric_is bus.prom clients "" -eq 0
	# Topics nobody published to go with their readers.
	until_true 5 metric_is bus.prom topics "" -eq 0
	[ ! -e run/bus/public ]
}

@test "a consumer whose stdout is stuck holds up nothing but itself" {
	start_bus
	mkfifo stuck
	sleep 1000 <stuck &
	PIDS+=($!)
	start reader "$BIN/bus-consume" --topic t --raw >stuck
	"$BIN/bus-produce" --topic t --size 65536 --count 1000
	start other "$BIN/bus-consume" --topic t --from earliest --count 1000 \
		--timeout 20 --summary >out
	wait "$(pid other)"
	sanitized || [ "$(rss "$(pid reader)")" -lt 65536 ]
}
