# What a run shows and ends with: figures of every track from the metrics
# files, and the table of a headless run.
#
# shellcheck shell=bash
#
# The caller sets RUN, TRACKS and LOG, a descriptor that reads RUN/log.

declare -A SEEN_PACKETS=() SEEN_BYTES=() # at the time of the last table
SHOWN=0 # lines of the last table

# scaled NUMBER UNIT: 1234567 B is "1.23 MB".
scaled() {
	awk -v n="$1" -v unit="$2" 'BEGIN {
		split(" ,k,M,G,T", prefix, ",")
		for (i = 1; n >= 999.5 && i < 5; i++)
			n /= 1000
		sub(/ /, "", prefix[i])
		digits = (i == 1 || n >= 99.5) ? 0 : 1
		printf "%.*f %s%s", digits, n, prefix[i], unit
	}'
}

# metric PROGRAM NAME...: the sum of each over its rows, in one line.
metrics() {
	local file=$RUN/metrics/$1.prom
	shift
	[ -f "$file" ] || file=/dev/null
	awk -v names="$*" '
		BEGIN { n = split(names, name, " ") }
		{ key = $1; sub(/^sluice_/, "", key); sub(/\{.*/, "", key)
		  sum[key] += $NF }
		END { for (i = 1; i <= n; i++)
			printf "%d%s", sum[name[i]], i < n ? " " : "\n" }' "$file"
}

figures_line() { # TRACK
	local packets bytes stored rejected rate=0 per=0
	read -r packets bytes stored rejected < <(metrics "sink-$1" \
		packets_total packet_bytes_total receipts_total \
		packets_rejected_total)
	if [ "$packets" -ge "${SEEN_PACKETS[$1]:-0}" ]; then
		per=$((packets - ${SEEN_PACKETS[$1]:-0}))
		rate=$(((bytes - ${SEEN_BYTES[$1]:-0}) * 8))
	fi
	SEEN_PACKETS[$1]=$packets SEEN_BYTES[$1]=$bytes
	printf '  %-8s %9d/s %12s %10d %10s %9d %9d\n' "$1" $per \
		"$(scaled $rate bit/s)" "$packets" "$(scaled "$bytes" B)" \
		"$stored" "$rejected"
}

figures_table() {
	local track sessions streams
	read -r sessions streams < <(metrics wt-accept \
		sessions_active streams_active)
	printf '  %-8s %11s %12s %10s %10s %9s %9s\n' track packets rate \
		total bytes stored rejected
	for track in "${TRACKS[@]}"; do
		figures_line "$track"
	done
	printf '  %d sessions, %d streams\n' "$sessions" "$streams"
}

# What the log has grown by and, on a terminal, the table below it.
figures_show() {
	local line table=
	[ ! -t 1 ] || table=$(figures_table)
	[ "$SHOWN" -eq 0 ] || printf '\033[%dA\033[J' "$SHOWN"
	while read -r line <&"$LOG"; do
		printf '%s\n' "$line"
	done
	SHOWN=0
	if [ -n "$table" ]; then
		printf '%s\n' "$table"
		SHOWN=$(wc -l <<<"$table")
	fi
}
