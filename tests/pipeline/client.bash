# Shared by the tests of wt-client, and of others' clients: a wt-accept whose
# records go to accept.out, and what is to be found there.

# shellcheck shell=bash disable=SC2034,SC2154

# accept_start [OPTION...]: sets URL and PORT.
accept_start() {
	[ -e cert.pem ] || make_cert
	start accept "$BIN/wt-accept" --cert cert.pem --key key.pem \
		--listen 127.0.0.1:0 --metrics accept.prom "$@" >accept.out
	PORT=$(sed -n 's/.*listening on 127.0.0.1 port //p' accept.err)
	URL=https://127.0.0.1:$PORT/wt
}

client() { "$BIN/wt-client" "$URL" --cert-hash cert.sha256 "$@"; }

# tracks DIR: ends wt-accept; the packets of each track go to DIR/ID.
tracks() {
	mkdir "$1"
	stop accept
	"$BIN/demux" --metrics "$1.prom" <accept.out |
		"$TESTBIN/catrecords" --quiet --tracks "$1"
}

# payloads FILE: the payloads of the packets in it; with a second argument
# that is put behind each.
payloads() {
	python3 -c '
import sys
data, at = open(sys.argv[1], "rb").read(), 0
while at < len(data):
    n = int.from_bytes(data[at + 16:at + 20], "big")
    sys.stdout.buffer.write(data[at + 32:at + 32 + n])
    sys.stdout.buffer.write(sys.argv[2].encode())
    at += 32 + n
assert at == len(data)' "$1" "${2:-}"
}

# json FILE KEY...: a number out of a --json summary.
json() {
	python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    o = o[int(key) if key.isdigit() else key]
print(o)' "$@"
}
