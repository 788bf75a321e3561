#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define LABELS_LEN 700

static const char *const drop_names[ENDPOINT_DROPS] = {
	[DROP_OLDEST] = "oldest",
	[DROP_NEWEST] = "newest",
	[DROP_DRAIN] = "drain",
};

/* A row every endpoint has: where its value is in struct endpoint. */
struct column {
	const char *name;
	enum metric_type type;
	size_t offset;
	const char *help;
};

#define COLUMN(name, type, field, help) \
	{ name, type, offsetof(struct endpoint, field), help }

static const struct column columns[] = {
	COLUMN("packets_routed_total", METRIC_COUNTER, stats.packets_routed,
	    "Packets queued for the endpoint."),
	COLUMN("bytes_routed_total", METRIC_COUNTER, stats.bytes_routed,
	    "Bytes of their records."),
	COLUMN("records_acked_total", METRIC_COUNTER, stats.packets_acked,
	    "Records the sink was done with."),
	COLUMN("records_resent_total", METRIC_COUNTER, queue.resent,
	    "Records sent again."),
	COLUMN("messages_sent_total", METRIC_COUNTER, stats.batches,
	    "Messages of records sent."),
	COLUMN("messages_malformed_total", METRIC_COUNTER, stats.malformed,
	    "Messages from the sink dropped as malformed."),
	COLUMN("messages_unknown_total", METRIC_COUNTER,
	    stats.unknown_commands,
	    "Messages from the sink with a command route does not know."),
	COLUMN("sink_instances_total", METRIC_COUNTER, stats.sinks,
	    "Sink instances that answered."),
	COLUMN("session_records_lost_total", METRIC_COUNTER, queue.kept_lost,
	    "Records about sessions dropped with their packets."),
	COLUMN("reading_blocked_total", METRIC_COUNTER, stats.blocked,
	    "Times reading stopped because the queue was full."),
	COLUMN("sink_up", METRIC_GAUGE, stats.up,
	    "1 while the sink answers."),
	COLUMN("queue_packets", METRIC_GAUGE, stats.queue_packets,
	    "Records that wait to be sent."),
	COLUMN("queue_bytes", METRIC_GAUGE, stats.queue_bytes,
	    "Bytes of records that wait to be sent."),
	COLUMN("unacked_packets", METRIC_GAUGE, stats.unacked,
	    "Records sent and not yet acknowledged."),
	COLUMN("unacked_bytes", METRIC_GAUGE, queue.unacked_bytes,
	    "Bytes of records sent and not yet acknowledged."),
	COLUMN("credit_packets", METRIC_GAUGE, queue.credit_packets,
	    "Records the sink allows to be unacknowledged."),
	COLUMN("credit_bytes", METRIC_GAUGE, queue.credit_bytes,
	    "Bytes the sink allows to be unacknowledged."),
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

#define FIXED_MAX 32

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n * size);
	return p;
}

static const char *
report_label(struct report *rp, const struct endpoint *ep, const char *reason)
{
	char *s = alloc(1, LABELS_LEN);
	int n;

	/* Names and endpoints were checked to need no escapes. */
	n = snprintf(s, LABELS_LEN, "service=\"%s\",endpoint=\"%s\"",
	    ep->service->name, ep->name);
	if (reason != NULL)
		snprintf(s + n, LABELS_LEN - (size_t)n, ",reason=\"%s\"",
		    reason);
	rp->labels[rp->nlabels++] = s;
	return s;
}

/* Rows that stand once. Returns how many. */
static size_t
report_fixed(struct report *rp, struct route *r, struct metric *rows)
{
	const struct metric fixed[] = {
		{ "records_in_total", NULL, METRIC_COUNTER, &r->stats.records,
		    "Records read." },
		{ "bytes_in_total", NULL, METRIC_COUNTER, &r->stats.bytes,
		    "Bytes of records read." },
		{ "packets_total", NULL, METRIC_COUNTER, &r->stats.packets,
		    "Track packets read." },
		{ "throughput_mbps", NULL, METRIC_DOUBLE,
		    &rp->throughput_mbps,
		    "Mbit/s of records read since the last writing." },
		{ "sessions_active", NULL, METRIC_GAUGE, &rp->sessions,
		    "Sessions open now." },
		{ "streams_active", NULL, METRIC_GAUGE, &rp->streams,
		    "Streams open now that have sent a packet." },
		{ "streams_max_concurrent", NULL, METRIC_GAUGE,
		    &rp->streams_max, "Highest streams_active." },
		{ "buffer_size_bytes", NULL, METRIC_GAUGE, &rp->queue_bytes,
		    "Bytes of records queued or unacknowledged, of all "
		    "endpoints." },
		{ "max_buffer_size_bytes", NULL, METRIC_GAUGE,
		    &rp->queue_bytes_max, "Highest buffer_size_bytes." },
		{ "records_ignored_total", NULL, METRIC_COUNTER,
		    &r->stats.ignored, "Records route has no use for." },
		{ "session_opens_lost_total", NULL, METRIC_COUNTER,
		    &r->streams.opens_lost,
		    "SESSION_OPEN records too large to be kept." },
		{ "stop_requests_total", NULL, METRIC_COUNTER,
		    &r->control.requests,
		    "STOP_SENDING requests passed to the control socket." },
		{ "stop_requests_dropped_total", "reason=\"control\"",
		    METRIC_COUNTER, &r->control.dropped,
		    "STOP_SENDING requests not passed on." },
		{ "stop_requests_dropped_total", "reason=\"no_control\"",
		    METRIC_COUNTER, &r->stats.requests_dropped,
		    "STOP_SENDING requests not passed on." },
		{ "control_connected", NULL, METRIC_GAUGE, &rp->connected,
		    "1 while connected to the control socket." },
		{ "control_connects_total", NULL, METRIC_COUNTER,
		    &r->control.connects,
		    "Connections made to the control socket." },
		{ "control_refused_total", NULL, METRIC_COUNTER,
		    &r->control.refused, "Requests wt-accept refused." },
		{ "control_malformed_total", NULL, METRIC_COUNTER,
		    &r->control.malformed,
		    "Control connections ended for a malformed record." },
		{ "packets_dropped_total", "reason=\"unknown_type\"",
		    METRIC_COUNTER, &r->stats.unknown_types,
		    "Packets dropped." },
		{ "packets_dropped_total", "reason=\"limit\"", METRIC_COUNTER,
		    &r->stats.streams_over, "Packets dropped." },
	};
	size_t n = sizeof(fixed) / sizeof(fixed[0]);

	memcpy(rows, fixed, sizeof(fixed));
	return n;
}

static void
report_rows(struct report *rp, struct route *r)
{
	uint32_t n = r->config->nendpoints;
	struct metric *row;
	const char **labels = alloc(n, sizeof(*labels));

	rp->labels = alloc((size_t)n * (1 + ENDPOINT_DROPS),
	    sizeof(*rp->labels));
	rp->rows = alloc(FIXED_MAX + (size_t)n * (COLUMNS + ENDPOINT_DROPS),
	    sizeof(*rp->rows));
	row = rp->rows + report_fixed(rp, r, rp->rows);
	/* The fixed rows end with packets_dropped_total: it goes on here. */
	for (uint32_t i = 0; i < n; i++)
		for (int d = 0; d < ENDPOINT_DROPS; d++)
			*row++ = (struct metric){ "packets_dropped_total",
				report_label(rp, &r->endpoints[i],
				    drop_names[d]), METRIC_COUNTER,
				&r->endpoints[i].stats.dropped[d],
				"Packets dropped." };
	for (uint32_t i = 0; i < n; i++)
		labels[i] = report_label(rp, &r->endpoints[i], NULL);
	for (size_t c = 0; c < COLUMNS; c++)
		for (uint32_t i = 0; i < n; i++)
			*row++ = (struct metric){ columns[c].name, labels[i],
				columns[c].type, (const char *)
				&r->endpoints[i] + columns[c].offset,
				columns[c].help };
	free(labels);
}

static void
report_refresh(void *ctx, uint64_t now)
{
	struct report *rp = ctx;
	const struct route *r = rp->route;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < r->config->nendpoints; i++) {
		struct endpoint *ep = &r->endpoints[i];
		const struct queue *q = &ep->queue;

		ep->stats.up = (uint64_t)ep->up;
		ep->stats.unacked = queue_unacked(q);
		ep->stats.queue_packets = q->queued_packets +
		    (q->kept != NULL ? q->kept->count : 0);
		ep->stats.queue_bytes = q->queued_bytes +
		    (q->kept != NULL ? q->kept->len : 0);
		bytes += ep->stats.queue_bytes + q->unacked_bytes;
	}
	rp->queue_bytes = bytes;
	if (bytes > rp->queue_bytes_max)
		rp->queue_bytes_max = bytes;
	rp->sessions = r->streams.sessions.count;
	rp->streams = r->streams.streams.count;
	rp->streams_max = r->streams.streams_max;
	rp->connected = r->control.fd != -1;
	if (now > rp->last)
		rp->throughput_mbps = (double)(r->stats.bytes -
		    rp->last_bytes) * 8e3 / (double)(now - rp->last);
	rp->last = now;
	rp->last_bytes = r->stats.bytes;
}

void
report_init(struct report *rp, struct route *route, const char *path,
    uint64_t now)
{
	memset(rp, 0, sizeof(*rp));
	rp->route = route;
	rp->last = now;
	report_rows(rp, route);
	rp->metrics = (struct metrics){ .path = path, .rows = rp->rows,
		.refresh = report_refresh, .ctx = rp };
}

void
report_free(struct report *rp)
{
	for (uint32_t i = 0; i < rp->nlabels; i++)
		free(rp->labels[i]);
	free(rp->labels);
	free(rp->rows);
}
