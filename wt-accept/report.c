#include "report.h"

#include <string.h>

#define ROWS_MAX 64

static struct metric rows[ROWS_MAX];

void
report_refresh(void *ctx, uint64_t now)
{
	struct report *r = ctx;
	uint64_t bytes;

	server_stats(r->srv);
	r->queued = r->srv->out.len;
	r->paused = (uint64_t)r->srv->paused;
	bytes = r->srv->stats.stream_bytes_in;
	if (now > r->last_time)
		r->throughput_mbps = (double)(bytes - r->last_bytes) * 8e3 /
		    (double)(now - r->last_time);
	r->last_bytes = bytes;
	r->last_time = now;
}

const struct metric *
report_init(struct report *r, struct server *srv, struct control *ctl)
{
	const struct wt_stats *w = &srv->stats;
	const struct metric table[] = {
#define COUNTER(name, labels, value, help) \
	{ name, labels, METRIC_COUNTER, value, help }
#define GAUGE(name, value, help) { name, NULL, METRIC_GAUGE, value, help }
		COUNTER("connections_total", NULL, &w->connections_total,
		    "QUIC connections begun"),
		GAUGE("connections_active", &w->connections_active,
		    "QUIC connections now"),
		COUNTER("connections_refused_total", NULL,
		    &w->connections_refused,
		    "QUIC connections refused for a limit"),
		COUNTER("connections_shed_total", NULL, &srv->connections_shed,
		    "QUIC connections closed for --max-buffered"),
		COUNTER("handshakes_failed_total", NULL, &w->handshakes_failed,
		    "QUIC handshakes that did not come through"),
		COUNTER("sessions_total", NULL, &w->sessions_total,
		    "WebTransport sessions accepted"),
		GAUGE("sessions_active", &w->sessions_active,
		    "WebTransport sessions now"),
		COUNTER("sessions_refused_total", NULL, &w->sessions_refused,
		    "CONNECT requests not accepted, for any reason"),
		COUNTER("sessions_refused_path_total", NULL, &srv->refused_path,
		    "of these, for their path (404)"),
		COUNTER("sessions_refused_origin_total", NULL,
		    &srv->refused_origin, "of these, for their origin (403)"),
		COUNTER("streams_total", NULL, &w->streams_total,
		    "WebTransport streams opened, by either side"),
		GAUGE("streams_active", &w->streams_active,
		    "WebTransport streams now"),
		GAUGE("streams_max_concurrent", &srv->sessions.streams_max,
		    "most WebTransport streams at once"),
		COUNTER("stream_bytes_in_total", NULL, &w->stream_bytes_in,
		    "bytes received on streams"),
		COUNTER("stream_bytes_out_total", NULL, &w->stream_bytes_out,
		    "bytes written to streams"),
		{ "throughput_mbps", NULL, METRIC_DOUBLE, &r->throughput_mbps,
		    "Mbit/s received on streams since the last writing" },
		COUNTER("datagrams_in_total", NULL, &w->datagrams_in,
		    "datagrams received"),
		COUNTER("datagrams_out_total", NULL, &w->datagrams_out,
		    "datagrams sent"),
		COUNTER("datagrams_dropped_total", "reason=\"endpoint\"",
		    &w->datagrams_dropped,
		    "datagrams dropped, by the endpoint or as stdout was full"),
		COUNTER("datagrams_dropped_total", "reason=\"stdout\"",
		    &srv->datagrams_dropped, ""),
		COUNTER("quic_packets_in_total", NULL, &w->packets_in,
		    "QUIC packets received"),
		COUNTER("quic_packets_out_total", NULL, &w->packets_out,
		    "QUIC packets sent"),
		COUNTER("quic_packets_invalid_total", NULL, &w->packets_invalid,
		    "packets that are not QUIC or not for us"),
		COUNTER("udp_bytes_in_total", NULL, &w->bytes_in,
		    "bytes of UDP payload received"),
		COUNTER("udp_bytes_out_total", NULL, &w->bytes_out,
		    "bytes of UDP payload sent"),
		COUNTER("udp_recv_calls_total", NULL, &w->recv_calls,
		    "receiving system calls"),
		COUNTER("udp_send_calls_total", NULL, &w->send_calls,
		    "sending system calls"),
		COUNTER("retries_sent_total", NULL, &w->retries_sent,
		    "Retry packets sent"),
		COUNTER("version_negotiations_sent_total", NULL,
		    &w->version_negotiations_sent,
		    "Version Negotiation packets sent"),
		COUNTER("stateless_resets_sent_total", NULL,
		    &w->stateless_resets_sent, "stateless resets sent"),
		COUNTER("path_changes_total", NULL, &w->path_changes,
		    "validated migrations and rebindings"),
		COUNTER("h3_errors_total", NULL, &w->h3_errors,
		    "connections closed for an HTTP/3 violation"),
		COUNTER("wt_buffered_rejected_total", NULL,
		    &w->buffered_rejected,
		    "streams and datagrams without a session"),
		COUNTER("unknown_ignored_total", NULL, &w->unknown_ignored,
		    "frames, settings, capsules, stream types not known"),
		COUNTER("output_records_total", NULL, &srv->out.records,
		    "records taken from stdout"),
		COUNTER("output_bytes_total", NULL, &srv->out.bytes,
		    "bytes taken from stdout"),
		COUNTER("output_writes_total", NULL, &srv->out.writes,
		    "writing system calls on stdout"),
		GAUGE("buffer_size_bytes", &r->queued,
		    "bytes that wait for stdout"),
		GAUGE("max_buffer_size_bytes", &srv->queued_max,
		    "most bytes that waited for stdout at once"),
		COUNTER("reading_pauses_total", NULL, &srv->pauses,
		    "times the sockets were not read for --max-buffered-total"),
		GAUGE("reading_paused", &r->paused,
		    "1 while the sockets are not read"),
		GAUGE("control_connections", &ctl->nconns,
		    "connections of the control socket now"),
		COUNTER("control_records_total", NULL, &ctl->records,
		    "requests on the control socket"),
		COUNTER("control_refused_total", NULL, &ctl->refused,
		    "of these, answered with REFUSED"),
		COUNTER("control_errors_total", NULL, &ctl->errors,
		    "control connections closed for a malformed record"),
		{ NULL, NULL, METRIC_COUNTER, NULL, NULL },
#undef COUNTER
#undef GAUGE
	};

	_Static_assert(sizeof(table) <= sizeof(rows), "ROWS_MAX is too small");
	memcpy(rows, table, sizeof(table));
	r->srv = srv;
	r->ctl = ctl;
	r->last_time = stage_monotonic();
	return rows;
}
