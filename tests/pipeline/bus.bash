# Shared by the tests of topic-bus. Load after common.

# shellcheck shell=bash

# Sockets and the log below the scratch directory.
bus_setup() {
	export SLUICE_RUN=$T/run
	mkdir run
}

# start_bus [OPTIONS]: waits until it is ready.
start_bus() {
	start bus "$BIN/topic-bus" --metrics bus.prom "$@" </dev/null
}

# What readers get of a topic, from its beginning to its end now: payloads, a
# line each (they were published as lines).
contents() { # TOPIC [OPTIONS]
	local topic=$1
	shift
	"$BIN/bus-consume" --topic "$topic" --from earliest --timeout 0.5 \
		"$@" 2>>consume.err | sed 's/^.* bytes: //'
}

# The file of a topic's ledger, 1 unless given.
ledger() { # TOPIC [LEDGER]
	printf '%s/bus/public/default/%s/%016x.log' "$SLUICE_RUN" "$1" "${2:-1}"
}

numbered() { seq -f 'line %.0f' "$@"; }

# Memory of a program built with sanitizers says nothing.
sanitized() { grep -qa __asan_init "$BIN/topic-bus"; }

# Resident memory in KiB.
rss() { awk '/VmRSS/ { print $2 }' "/proc/$1/status"; }
