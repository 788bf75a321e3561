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
		printf i == 1 || n >= 99.5 ? "%.0f %s%s" : "%.1f %s%s",
			n, prefix[i], unit
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

# The end of a headless run: what the page sent (RUN/sent) against what
# bus-consume had (RUN/summary). Fails unless all of video, audio and chat
# was sent and had, and nothing was rejected.
figures_verdict() {
	awk '
	function scaled(n, unit,   prefix, i) {
		split("B kB MB GB TB", prefix)
		for (i = 1; n >= 999.5 && i < 5; i++)
			n /= 1000
		return sprintf(i == 1 ? "%d %s" : "%.2f %s", n,
			unit == "B" ? prefix[i] : substr(prefix[i], 1, i > 1) unit)
	}
	function row(topic) {
		printf "%-22s %8d %9d %10s %13s %9.3f %9.3f %6d\n", topic,
			sent[topic], got[topic], scaled(bytes[topic], "B"),
			scaled(rate[topic] * 1e6, "bit/s"), p50[topic],
			p99[topic], sent[topic] - got[topic]
	}
	FNR == NR {
		topic = $1 "-topic"
		sent[topic] = $2
		sent_bytes[topic] = $3
		order[++n] = topic
		order[++n] = $1 "-rejected-topic"
		next
	}
	{
		topic = $1
		sub(/.*\//, "", topic)
		sub(/:$/, "", topic)
		for (i = 2; i < NF; i++) {
			if ($(i + 1) ~ /^messages/) got[topic] = $i
			if ($(i + 1) ~ /^bytes/) bytes[topic] = $i
			if ($(i + 1) ~ /^Mbit/) rate[topic] = $i
			if ($i == "p50") p50[topic] = $(i + 1)
			if ($i == "p99") p99[topic] = $(i + 1)
		}
	}
	END {
		printf "%-22s %8s %9s %10s %13s %9s %9s %6s\n", "topic", "sent",
			"messages", "bytes", "rate", "p50 ms", "p99 ms", "lost"
		for (i = 1; i <= n; i++) {
			topic = order[i]
			needed = topic ~ /^(video|audio|chat)-topic$/
			if (needed || sent[topic] || got[topic])
				row(topic)
			if (needed && !sent[topic] || sent[topic] != got[topic] ||
				sent_bytes[topic] != bytes[topic])
				bad = 1
		}
		print bad ? "not everything arrived" : "everything arrived"
		exit bad
	}' "$RUN/sent" "$RUN/summary"
}
