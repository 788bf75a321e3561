# The whole house for pipeline tests: wt-accept | demux | route, the three
# sinks, topic-bus. Load after common.bash.
#
# shellcheck shell=bash

SINKS=(video audio chat)

house_config() {
	local s
	echo "services:"
	for s in "${SINKS[@]}"; do
		echo "  $s:"
		echo "    types: [$s]"
		echo "    endpoints: [\"ipc://$T/$s.sock\"]"
	done
}

bus_up() {
	start topic-bus "$BIN/topic-bus" --listen "ipc://$T/bus.sock" \
		--feed "ipc://$T/feed.sock" --dir "$T/bus" \
		--metrics "$T/topic-bus.m"
}

sink_up() { # video | audio | chat
	start "sink-$1" "$BIN/sink-$1" --listen "ipc://$T/$1.sock" \
		--bus "ipc://$T/bus.sock" --metrics "$T/sink-$1.m"
}

# One stage of the pipe: its pid, its stderr and its exit status in files.
stage() {
	local name=$1 status=0
	shift
	bash -c 'echo $$ >"$0.pid"; exec "$@"' "$T/$name" "$@" \
		2>"$T/$name.err" || status=$?
	echo $status >"$T/$name.status"
}

# The three stages of the pipe; PORT is where it listens.
pipe_up() {
	PORT=$(free_port)
	URL=https://127.0.0.1:$PORT/wt
	export PORT URL
	house_config >route.yaml
	rm -f accept.ready route.ready ./*.status
	mkfifo accept.ready route.ready
	{
		stage wt-accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
			--listen "127.0.0.1:$PORT" --control "unix:$T/control" \
			--metrics wt-accept.m --ready-fd 7 7>accept.ready |
			stage demux "$BIN/demux" --metrics demux.m |
			stage route "$BIN/route" --config route.yaml \
				--control "unix:$T/control" --metrics route.m \
				--ready-fd 7 7>route.ready
	} &
	PIPE=$!
	read -r -t 15 <accept.ready && read -r -t 15 <route.ready &&
		PIDS+=("$(pid wt-accept)" "$(pid demux)" "$(pid route)")
}

house_up() {
	local s
	make_cert
	bus_up
	for s in "${SINKS[@]}"; do
		sink_up "$s"
	done
	pipe_up
}

# Ends the pipe as a user would: SIGTERM to its first stage; all three end
# by themselves with 0.
pipe_down() {
	kill -TERM "$(pid wt-accept)"
	wait "$PIPE"
	cat wt-accept.status demux.status route.status
	[ "$(cat wt-accept.status demux.status route.status)" = "0
0
0" ]
}

client() {
	"$BIN/wt-client" "$URL" --cert-hash cert.sha256 "$@"
}

# payloads TOPIC COUNT: the payloads of so many messages, from the start.
payloads() {
	"$BIN/bus-consume" --bus "ipc://$T/bus.sock" --from earliest --raw \
		--count "$2" --timeout 20 --topic "$1"
}
