# For the tests of route: a configuration, sinks, input.

# shellcheck shell=bash

# config NAME TYPES [EXTRA]...: r.yaml with one service of one endpoint each,
# ipc://T/NAME.ipc. EXTRA is one line of YAML flow, e.g. 'policy: block'.
config_service() {
	[ -f r.yaml ] || echo "services:" >r.yaml
	printf '  %s:\n    types: [%s]\n    endpoints: ["ipc://%s/%s.ipc"]\n' \
		"$1" "$2" "$T" "$1" >>r.yaml
	[ $# -lt 3 ] || printf '    %s\n' "${@:3}" >>r.yaml
}

# sink NAME [OPTIONS]: a testsink on NAME.ipc; lines to NAME.out, records to
# NAME.rec.
sink() {
	local name=$1
	shift
	start "$name" "$TESTBIN/testsink" --bind "ipc://$T/$name.ipc" \
		--print "$T/$name.out" "$@"
}

# route_start [OPTIONS] <RECORDS: route with r.yaml, metrics in m.
route_start() {
	start route "$BIN/route" --config r.yaml --metrics m "$@"
}

# The exit status of route, when it ends by itself.
route_wait() {
	local p
	p=$(pid route)
	until_true "${1:-20}" gone_or_zombie "$p" || return 99
	wait "$p"
}

gone_or_zombie() {
	local state
	state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 0
	[ "${state%% *}" = Z ]
}

# "STREAM NUMBER CRC" of the PACKETs in files of testsink's lines.
packets_of() { awk '$3 == "PACKET" && NF == 9 { print $4, $5, $2, $9 }' "$@"; }

# 0 if in the lines of one sink each stream's packets are in order.
in_order() {
	awk '$3 == "PACKET" { k = $4 " " $5
		if (k in last && $2 <= last[k]) { print "order:", $0; exit 1 }
		last[k] = $2 }' "$1"
}

# lines FILE: how many, 0 when there is no file.
lines() { [ -f "$1" ] && wc -l <"$1" || echo 0; }

lines_are() { test "$(lines "$1")" "$2" "$3"; }
