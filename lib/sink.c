#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "sink_int.h"
#include "stage.h"
#include "zbind.h"

#define NS_PER_MS UINT64_C(1000000)
#define LINGER_MS 500 /* for the last grants */

/* What a message on the bus takes beyond the record it came in; more is
 * possible with many configured headers. */
#define OVERHEAD_BYTES 512

#define OPTS_MAX 64
#define ROWS_MAX 112

/* One program, one sink: the tables below point into it. */
static struct sink sink;

static const char *listen_endpoint, *bus_endpoint, *record_dir, *metrics_file;
static const char *topic, *rejected_topic;
static int64_t window_packets = 8192, window_bytes = 16 * 1024 * 1024;
static int64_t max_routes = 16, drain_ms = 5000, ready_fd = -1;
static int64_t record_bytes = INT64_C(64) << 30, record_files = 10000;

static const struct opt common_opts[] = {
	{ "listen", OPT_STRING, &listen_endpoint, "ENDPOINT",
	    "ZeroMQ endpoint for routes, e.g. ipc://PATH (required)", 0, 0,
	    NULL },
	{ "bus", OPT_STRING, &bus_endpoint, "ENDPOINT",
	    "ZeroMQ endpoint of topic-bus", 0, 0, NULL },
	{ "topic", OPT_STRING, &topic, "NAME", "topic of the good packets", 0,
	    0, NULL },
	{ "rejected-topic", OPT_STRING, &rejected_topic, "NAME",
	    "topic of the others", 0, 0, NULL },
	{ "window-packets", OPT_INT, &window_packets, "N",
	    "records a route may have under way", 1, SINK_WINDOW_MAX, NULL },
	{ "window-bytes", OPT_SIZE, &window_bytes, "BYTES",
	    "bytes a route may have under way", 4096, 1 << 30, NULL },
	{ "max-routes", OPT_INT, &max_routes, "N", "routes at once", 1,
	    SINK_ROUTES_MAX, NULL },
	{ "record", OPT_STRING, &record_dir, "DIR",
	    "write a file per session and track here", 0, 0, NULL },
	{ "record-bytes", OPT_SIZE, &record_bytes, "BYTES",
	    "write no more than this in all", 1, INT64_MAX, NULL },
	{ "record-files", OPT_INT, &record_files, "N",
	    "open no more files than this in all", 1, INT64_MAX, NULL },
	{ "drain", OPT_MS, &drain_ms, "SECONDS",
	    "wait so long for receipts after SIGTERM", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline here when ready", 0, 1 << 20, NULL },
	{ "metrics", OPT_STRING, &metrics_file, "FILE",
	    "write counters here every second", 0, 0, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

#define ROW(name, member, type, help) \
	{ name, NULL, type, &sink.member, help }
#define COUNT(name, member, help) ROW(name, member, METRIC_COUNTER, help)
#define GAUGE(name, member, help) ROW(name, member, METRIC_GAUGE, help)

static const struct metric common_rows[] = {
	COUNT("packets_total", stats.packets, "track packets taken"),
	COUNT("packet_bytes_total", stats.bytes, "their payload, bytes"),
	COUNT("records_total", stats.records,
	    "records taken, track packets and others"),
	COUNT("packets_published_total", stats.good,
	    "good packets given to topic-bus"),
	COUNT("packets_malformed_total", stats.bad_track,
	    "packets with a bad track header, dropped"),
	COUNT("packets_too_large_total", stats.too_large,
	    "packets too large for a message, dropped"),
	COUNT("receipts_total", stats.receipts,
	    "messages topic-bus has stored"),
	COUNT("publish_failed_total", stats.failed,
	    "messages topic-bus refused for good"),
	ROW("avg_processing_time_ms", stats.wait_ms, METRIC_DOUBLE,
	    "mean time from taking a record to its receipt, ms"),
	COUNT("messages_total", stats.messages, "messages from routes"),
	COUNT("messages_malformed_total", stats.malformed,
	    "malformed messages, dropped"),
	COUNT("messages_unknown_total", stats.unknown_commands,
	    "messages with an unknown command, dropped"),
	COUNT("messages_stale_total", routes.stats.stale,
	    "messages meant for an earlier instance, dropped"),
	COUNT("messages_early_total", routes.stats.unknown,
	    "messages of a route that had not said hello, dropped"),
	COUNT("messages_over_grant_total", routes.stats.over,
	    "messages beyond the grant, cut short"),
	COUNT("messages_no_room_total", stats.no_room,
	    "messages cut short because too much waited for topic-bus"),
	COUNT("gaps_total", routes.stats.gaps,
	    "messages behind a gap, dropped and sent again"),
	COUNT("duplicates_total", routes.stats.duplicates,
	    "records that were taken before, dropped"),
	GAUGE("routes_active", routes.stats.active, "routes"),
	COUNT("routes_refused_total", routes.stats.refused,
	    "hellos refused: too many routes or another version"),
	COUNT("routes_forgotten_total", routes.stats.forgotten,
	    "routes that were silent too long"),
	COUNT("grants_total", routes.stats.grants, "grants sent to routes"),
	COUNT("receipts_late_total", routes.stats.late,
	    "receipts nobody waits for any more"),
	GAUGE("recordings_open", recorder.stats.open, "recordings open"),
	COUNT("recordings_total", recorder.stats.files,
	    "recordings begun or continued"),
	COUNT("recording_bytes_total", recorder.stats.bytes,
	    "bytes of content written to recordings"),
	COUNT("recording_skipped_total", recorder.stats.skipped,
	    "packets left out of recordings"),
	COUNT("recording_errors_total", recorder.stats.errors,
	    "recordings given up"),
	{ NULL, NULL, METRIC_COUNTER, NULL, NULL }
};

/* The rows that live in the client library. */
static size_t
rows_bus(struct metric *rows, const struct bus_stats *b)
{
	const struct metric bus_rows[] = {
		{ "bus_connected", NULL, METRIC_GAUGE, &b->connected,
		    "1 while topic-bus answers" },
		{ "bus_pending_messages", NULL, METRIC_GAUGE,
		    &b->pending_messages, "messages without a receipt" },
		{ "bus_pending_bytes", NULL, METRIC_GAUGE,
		    &b->pending_bytes, "their bytes" },
		{ "bus_resent_total", NULL, METRIC_COUNTER, &b->resent,
		    "messages sent to topic-bus again" },
		{ "bus_storage_errors_total", NULL, METRIC_COUNTER,
		    &b->storage_errors,
		    "refusals for want of storage, tried again" },
	};

	memcpy(rows, bus_rows, sizeof(bus_rows));
	return sizeof(bus_rows) / sizeof(bus_rows[0]);
}

static const struct metric *
rows_make(struct sink *s)
{
	static struct metric rows[ROWS_MAX];
	static char labels[SINK_REASONS_MAX][64];
	size_t n;

	for (n = 0; common_rows[n].name != NULL; n++)
		rows[n] = common_rows[n];
	n += rows_bus(rows + n, bus_stats(s->bus));
	for (size_t i = 0; i < s->nreasons; i++) {
		snprintf(labels[i], sizeof(labels[i]), "reason=\"%s\"",
		    s->reasons[i]);
		rows[n++] = (struct metric){ "packets_rejected_total",
			labels[i], METRIC_COUNTER, &s->stats.reasons[i],
			"packets given to the rejected topic" };
	}
	for (const struct metric *m = s->kind->metrics;
	    m != NULL && m->name != NULL && n < ROWS_MAX - 1; m++)
		rows[n++] = *m;
	return rows;
}

static void
metrics_refresh(void *ctx, uint64_t now)
{
	struct sink *s = ctx;

	(void)now;
	s->stats.wait_ms = s->routes.waits == 0 ?
	    0 :
	    s->routes.wait_ms / (double)s->routes.waits;
	s->routes.wait_ms = 0;
	s->routes.waits = 0;
}

static void
options_parse(int argc, char **argv, const struct sink_kind *kind)
{
	static struct opt opts[OPTS_MAX];
	static char synopsis[64];
	struct tname t;
	size_t n = 0;

	bus_endpoint = bus_default_endpoint();
	topic = kind->topic;
	rejected_topic = kind->rejected_topic;
	for (const struct opt *o = common_opts; o->name != NULL; o++)
		opts[n++] = *o;
	for (const struct opt *o = kind->opts; o->name != NULL; o++)
		opts[n++] = *o;
	snprintf(synopsis, sizeof(synopsis),
	    "%s --listen ENDPOINT [options]", log_progname());
	if (opt_parse(argc, argv, opts, synopsis) != argc)
		opt_usage("%s: no operands", argv[argc - 1]);
	if (listen_endpoint == NULL)
		opt_usage("--listen is missing");
	if (tname_parse(topic, strlen(topic), &t) == -1)
		opt_usage("--topic %s: no topic name", topic);
	if (tname_parse(rejected_topic, strlen(rejected_topic), &t) == -1)
		opt_usage("--rejected-topic %s: no topic name",
		    rejected_topic);
}

static void
reasons_collect(struct sink *s)
{
	const char *reason;

	for (size_t i = 0; (reason = s->kind->reason(i)) != NULL; i++) {
		size_t k = 0;

		while (k < s->nreasons && strcmp(s->reasons[k], reason) != 0)
			k++;
		if (k == SINK_REASONS_MAX)
			fatalx(EX_SOFTWARE, "too many reasons");
		s->reasons[k] = reason;
		if (k == s->nreasons)
			s->nreasons++;
	}
}

static void
router_open(struct sink *s)
{
	int64_t maxmsg = DMSG_FRAME_MAX > window_bytes ? DMSG_FRAME_MAX :
							 window_bytes;
	int linger = LINGER_MS, on = 1;

	s->zmq = zmq_ctx_new();
	s->router = s->zmq != NULL ? zmq_socket(s->zmq, ZMQ_ROUTER) : NULL;
	if (s->router == NULL)
		fatalx(EX_OSERR, "ZeroMQ: %s", zmq_strerror(zmq_errno()));
	zmq_setsockopt(s->router, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(s->router, ZMQ_IPV6, &on, sizeof(on));
	zmq_setsockopt(s->router, ZMQ_MAXMSGSIZE, &maxmsg, sizeof(maxmsg));
	if (zbind(s->router, listen_endpoint) == -1)
		fatalx(EX_UNAVAILABLE, "--listen %s: %s", listen_endpoint,
		    zmq_strerror(zmq_errno()));
}

static void
producer_open(struct sink *s)
{
	struct bus_config config = {
		.endpoint = bus_endpoint,
		.pending_messages = (size_t)(max_routes * window_packets),
		.pending_bytes = (size_t)(max_routes * (window_bytes +
		    window_packets * OVERHEAD_BYTES)),
		.retry_storage = 1,
		.receipt = sink_receipt,
		.ctx = s,
	};

	s->bus = bus_open(s->zmq, &config);
	if (s->bus == NULL)
		fatalx(EX_USAGE, "--bus %s: no endpoint", bus_endpoint);
	s->topic = bus_topic(s->bus, topic);
	s->rejected = bus_topic(s->bus, rejected_topic);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Until SIGTERM, and then until everything taken has its receipt or --drain
 * is over. What is not taken by then is sent to another sink, or to the next
 * run of this one.
 */
static void
sink_loop(struct sink *s, int signals, struct metrics *metrics)
{
	uint64_t end = UINT64_MAX, wait;
	enum stage_signal sig;
	int closing = 0;

	while (!closing || (!bus_idle(s->bus) && s->now < end)) {
		zmq_pollitem_t items[] = {
			bus_pollitem(s->bus),
			{ .fd = signals, .events = ZMQ_POLLIN },
			{ .socket = s->router,
			    .events = closing ? 0 : ZMQ_POLLIN },
		};

		s->now = stage_monotonic();
		wait = least(sink_routes_tick(&s->routes, s->now),
		    bus_timeout(s->bus, s->now));
		wait = least(wait, recorder_tick(&s->recorder, s->now));
		wait = least(wait, metrics_tick(metrics, s->now));
		if (closing)
			wait = least(wait, end > s->now ? end - s->now : 0);
		if (zmq_poll(items, 3, stage_poll_ms(wait)) == -1 &&
		    zmq_errno() != EINTR)
			fatalx(EX_OSERR, "zmq_poll: %s",
			    zmq_strerror(zmq_errno()));
		s->now = stage_monotonic();
		while ((sig = stage_signal_read(signals)) != STAGE_NONE) {
			if (sig != STAGE_STOP)
				continue;
			/* Asked twice, it does not wait. */
			end = closing ? s->now :
			    s->now + (uint64_t)drain_ms * NS_PER_MS;
			closing = 1;
		}
		bus_process(s->bus, s->now);
		if (!closing)
			sink_receive(s);
		sink_routes_shut(&s->routes, closing || bus_full(s->bus));
		bus_flush(s->bus, s->now);
		sink_send_grants(s);
	}
}

static void
sink_close(struct sink *s)
{
	/* The last acknowledgements, whether they are due or not. */
	for (uint32_t i = 0; i < s->routes.max; i++)
		s->routes.routes[i].tell = 1;
	sink_send_grants(s);
	if (!bus_idle(s->bus))
		log_warnx("%llu packets are without a receipt: their routes "
		    "send them again", (unsigned long long)
		    bus_stats(s->bus)->pending_messages);
	recorder_close(&s->recorder);
	zmq_close(s->router);
	bus_close(s->bus);
	zmq_ctx_term(s->zmq);
	sink_routes_free(&s->routes);
	props_free(&s->props);
}

int
sink_main(int argc, char **argv, const struct sink_kind *kind)
{
	struct metrics metrics = { .refresh = metrics_refresh, .ctx = &sink };
	struct sink *s = &sink;
	int signals;

	options_parse(argc, argv, kind);
	s->kind = kind;
	reasons_collect(s);
	if (recorder_open(&s->recorder, kind->name, record_dir,
	    (uint64_t)record_bytes, (uint64_t)record_files) == -1)
		return EX_CANTCREAT;
	sink_routes_init(&s->routes, (uint32_t)max_routes,
	    (uint32_t)window_packets, (uint64_t)window_bytes);
	signals = stage_signals();
	router_open(s);
	producer_open(s);
	metrics.path = metrics_file;
	metrics.rows = rows_make(s);
	stage_ready(ready_fd);
	sink_loop(s, signals, &metrics);
	metrics_write(&metrics, stage_monotonic());
	sink_close(s);
	close(signals);
	return 0;
}
