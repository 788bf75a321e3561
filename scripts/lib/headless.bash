# scripts/run --headless: a browser sends, a consumer of each topic counts,
# and both must agree.
#
# shellcheck shell=bash
#
# The caller sets RUN, BIN, URL, HEADLESS, SCREENSHOT, has
# processes.bash and figures.bash, and supervise, which ends with the browser.

SENT_TRACKS=(video audio chat) # by the page on its own
ARRIVE_SECONDS=20 # for the last message to come through

consumers_up() {
	local t out
	for t in "${SENT_TRACKS[@]}"; do
		exec {out}>"$RUN/$t.summary"
		start "consume-$t" "$NULL" "$out" "$BIN/bus-consume" \
			--bus "ipc://$RUN/bus.sock" --topic "$t-topic" \
			--from latest --summary --check-seq || return 1
		exec {out}>&-
	done
}

browser_up() {
	local out
	exec {out}>"$RUN/sent"
	spawn browser "$NULL" "$out" node tests/browser/headless.mjs \
		"$URL" "$HEADLESS" ${SCREENSHOT:+"$(realpath -m "$SCREENSHOT")"}
	exec {out}>&-
}

# What the page says it sent of TRACK: packets and bytes.
sent() { awk -v t="$1" '$1 == t { print $2, $3 }' "$RUN/sent"; }

arrived() { # TRACK PACKETS
	[ "$(metrics "consume-$1" bus_received_total)" -ge "$2" ]
}

# One line of the table; fails when TRACK did not arrive whole.
headless_line() { # TRACK
	local packets bytes got got_bytes rate p50 p99 lost repeated
	read -r packets bytes < <(sent "$1")
	read -r got got_bytes rate p50 p99 lost repeated < <(sed -nE \
		's/^.*: ([0-9]+) messages, ([0-9]+) bytes, [0-9.]+ s, [0-9.]+ msg\/s, ([0-9.]+) Mbit\/s, latency p50 ([0-9.]+) ms p99 ([0-9.]+) ms .* lost ([0-9]+), repeated ([0-9]+),.*$/\1 \2 \3 \4 \5 \6 \7/p' \
		"$RUN/$1.summary")
	printf '%-12s %9s %9s %11s %9s Mbit/s %8s ms %8s ms %6s\n' "$1-topic" \
		"${packets:-none}" "${got:-none}" "${got_bytes:--}" "${rate:--}" \
		"${p50:--}" "${p99:--}" "${lost:--}"
	[ "${got:-0}" -gt 0 ] && [ "${packets:-x}" = "${got:-y}" ] &&
		[ "${bytes:-x}" = "${got_bytes:-y}" ] && [ "${lost:-1}" -eq 0 ] &&
		[ "${repeated:-1}" -eq 0 ]
}

headless() {
	local t packets status=0
	consumers_up || die "bus-consume does not start"
	browser_up
	supervise || die "the page did not do its part"
	for t in "${SENT_TRACKS[@]}"; do
		read -r packets _ < <(sent "$t")
		until_true $ARRIVE_SECONDS arrived "$t" "${packets:-0}" ||
			note "$t: not everything arrived"
		finish "consume-$t" 10
	done
	figures_show
	printf '\n%-12s %9s %9s %11s %16s %11s %11s %6s\n' topic sent messages \
		bytes rate p50 p99 lost
	for t in "${SENT_TRACKS[@]}"; do
		headless_line "$t" || status=1
	done
	echo
	[ "$status" -eq 0 ] || say "not all that was sent has arrived"
	return "$status"
}
