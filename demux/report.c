#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "be.h"

#define ROWS_MAX 40

static struct metric rows[ROWS_MAX];

static void
report_refresh(void *ctx, uint64_t now)
{
	struct report *rp = ctx;
	const struct demux_stats *s = rp->stats;
	double n = s->packets > 0 ? (double)s->packets : 1;

	rp->fragmentation_rate = (double)s->packets_fragmented / n;
	rp->avg_processing_ms = (double)rp->processing_ns / n / 1e6;
	rp->avg_wait_ms = (double)s->wait_ns / n / 1e6;
	/* bits per µs are Mbit/s */
	if (rp->last_ns != 0 && now > rp->last_ns)
		rp->throughput_mbps = (double)(s->packet_bytes -
					  rp->last_bytes) *
		    8e3 / (double)(now - rp->last_ns);
	rp->last_ns = now;
	rp->last_bytes = s->packet_bytes;
}

void
report_init(struct report *rp, const struct demux_stats *s, const char *path)
{
	const struct metric table[] = {
		{ "packets_total", NULL, METRIC_COUNTER, &s->packets,
		    "Track packets forwarded." },
		{ "packets_complete", NULL, METRIC_COUNTER,
		    &s->packets_complete,
		    "Packets that arrived in one record." },
		{ "packets_fragmented", NULL, METRIC_COUNTER,
		    &s->packets_fragmented,
		    "Packets that arrived in more than one record." },
		{ "packets_large", NULL, METRIC_COUNTER, &s->packets_large,
		    "Packets over 5 MiB." },
		{ "packets_datagram", NULL, METRIC_COUNTER,
		    &s->packets_datagram, "Packets that came in a datagram." },
		{ "packet_bytes_total", NULL, METRIC_COUNTER,
		    &s->packet_bytes,
		    "Bytes of packets forwarded, with their headers." },
		{ "packets_reset", NULL, METRIC_COUNTER, &s->packets_reset,
		    "Unfinished packets dropped because the client reset the "
		    "stream or its session ended." },
		{ "packet_errors_total", "reason=\"too_long\"",
		    METRIC_COUNTER, &s->errors[DEMUX_ERROR(TRACK_TOO_LONG)],
		    "Streams given up or ended inside a packet, and datagrams "
		    "dropped." },
		{ "packet_errors_total", "reason=\"bad_track_id\"",
		    METRIC_COUNTER, &s->errors[DEMUX_ERROR(TRACK_BAD_ID)],
		    NULL },
		{ "packet_errors_total", "reason=\"bad_track_type\"",
		    METRIC_COUNTER, &s->errors[DEMUX_ERROR(TRACK_BAD_TYPE)],
		    NULL },
		{ "packet_errors_total", "reason=\"truncated\"",
		    METRIC_COUNTER, &s->errors[DEMUX_ERROR(TRACK_TRUNCATED)],
		    NULL },
		{ "packet_errors_total", "reason=\"bad_datagram\"",
		    METRIC_COUNTER,
		    &s->errors[DEMUX_ERROR(TRACK_BAD_DATAGRAM)], NULL },
		{ "packet_errors_total", "reason=\"buffer_limit\"",
		    METRIC_COUNTER,
		    &s->errors[DEMUX_ERROR(TRACK_BUFFER_LIMIT)], NULL },
		{ "fragmentation_rate", NULL, METRIC_DOUBLE,
		    &rp->fragmentation_rate,
		    "packets_fragmented / packets_total, 0 to 1." },
		{ "throughput_mbps", NULL, METRIC_DOUBLE,
		    &rp->throughput_mbps,
		    "Mbit/s of packets forwarded in the last second." },
		{ "avg_processing_time_ms", NULL, METRIC_DOUBLE,
		    &rp->avg_processing_ms,
		    "Milliseconds spent on a packet, on average." },
		{ "avg_buffer_wait_ms", NULL, METRIC_DOUBLE, &rp->avg_wait_ms,
		    "Milliseconds from a packet's first byte to its last, on "
		    "average." },
		{ "streams_active", NULL, METRIC_GAUGE, &s->streams_active,
		    "Streams open now." },
		{ "streams_max_concurrent", NULL, METRIC_GAUGE,
		    &s->streams_max, "Most streams open at a time." },
		{ "sessions_active", NULL, METRIC_GAUGE, &s->sessions_active,
		    "Sessions open now." },
		{ "buffer_size_bytes", NULL, METRIC_GAUGE, &s->buffer_bytes,
		    "Bytes of memory that unfinished packets take." },
		{ "max_buffer_size_bytes", NULL, METRIC_GAUGE,
		    &s->buffer_bytes_max, "Highest buffer_size_bytes." },
		{ "buffer_overflows", NULL, METRIC_COUNTER, &s->overflows,
		    "Streams given up because of --max-packet, --max-buffer "
		    "or --max-streams." },
		{ "swallowed_bytes_total", NULL, METRIC_COUNTER,
		    &s->bytes_swallowed,
		    "Bytes that came on streams given up." },
		{ "records_orphaned_total", NULL, METRIC_COUNTER,
		    &s->records_orphaned,
		    "Records dropped because their session is not open." },
		{ "records_in_total", NULL, METRIC_COUNTER, &rp->records,
		    "Records read." },
		{ "bytes_in_total", NULL, METRIC_COUNTER, &rp->bytes_in,
		    "Bytes read from the pipe." },
		{ "bytes_out_total", NULL, METRIC_COUNTER, &rp->bytes_out,
		    "Bytes written to the pipe." },
		{ NULL, NULL, METRIC_GAUGE, NULL, NULL },
	};

	_Static_assert(sizeof(table) <= sizeof(rows), "ROWS_MAX is too small");
	memcpy(rows, table, sizeof(table));
	rp->stats = s;
	rp->metrics = (struct metrics){ .path = path,
		.rows = rows,
		.refresh = report_refresh,
		.ctx = rp };
}

void
report_error(void *ctx, const struct demux_error *e)
{
	struct report *rp = ctx;
	char id[TRACK_ID_LEN + 1] = "";
	uint32_t payload_len = 0;

	/* Datagrams have no stream to be logged once for. */
	if (e->stream == REC_NO_STREAM || !log_limit(&rp->limit, rp->now))
		return;
	if (e->header_len == TRACK_HEADER_LEN) {
		memcpy(id, e->header, TRACK_ID_LEN);
		payload_len = be32_get(e->header + TRACK_ID_LEN);
	}
	log_warnx("session %" PRIu64 " stream %" PRIu64 ": %s: %zu bytes of "
		  "header, track \"%s\", %" PRIu32 " of %" PRIu32
		  " bytes of payload",
	    e->session, e->stream, track_error_name(e->code), e->header_len,
	    id, e->held, payload_len);
}
