#include "stats.h"

#include "log.h"

/* Derived values. */
static struct {
	uint64_t topics_damaged;
	uint64_t feed_bytes; /* under way */
} gauges;

static void
stats_refresh(void *ctx, uint64_t now)
{
	struct server *s = ctx;

	(void)now;
	gauges.topics_damaged = topics_broken(&s->topics);
	gauges.feed_bytes = atomic_load(&s->feed.window->bytes);
}

#define C(name, value, help) { name, NULL, METRIC_COUNTER, value, help }
#define G(name, value, help) { name, NULL, METRIC_GAUGE, value, help }
#define E(label, code) \
	{ "errors_total", "code=\"" label "\"", METRIC_COUNTER, \
	    &st->errors[code], "batches and reads refused" }

void
stats_metrics(struct metrics *m, struct server *s, const char *path)
{
	struct server_stats *st = &s->stats;
	const struct metric rows[] = {
		C("messages_in_total", &st->messages_in, "messages stored"),
		C("bytes_in_total", &st->bytes_in, "bytes of entries stored"),
		C("batches_in_total", &st->batches_in, "batches stored"),
		C("receipts_total", &st->receipts, "receipts sent"),
		E("topic-name", BMSG_E_TOPIC_NAME),
		E("entry", BMSG_E_ENTRY),
		E("too-large", BMSG_E_TOO_LARGE),
		E("storage", BMSG_E_STORAGE),
		E("no-topic", BMSG_E_NO_TOPIC),
		E("position", BMSG_E_POSITION),
		E("limit", BMSG_E_LIMIT),
		E("protocol", BMSG_E_PROTOCOL),
		C("messages_malformed_total", &st->malformed,
		    "messages of clients that were malformed"),
		C("commands_unknown_total", &st->unknown,
		    "messages of clients with an unknown command"),
		C("stale_total", &st->stale,
		    "sends and reads from before a broken connection"),
		C("messages_out_total", &s->readers.messages,
		    "messages sent to readers"),
		C("bytes_out_total", &s->readers.bytes,
		    "bytes of entries sent to readers"),
		C("history_bytes_out_total", &s->readers.history_bytes,
		    "bytes of them that were read from files"),
		G("readers", &s->readers.count, "open readers"),
		G("clients", &s->clients.count, "connections known"),
		C("clients_refused_total", &st->refused_clients,
		    "messages of connections over --max-clients"),
		C("client_resets_total", &st->resets,
		    "clients that took none of their answers"),
		C("feed_messages_total", &s->feed.messages,
		    "messages published on the live feed"),
		C("feed_bytes_total", &s->feed.bytes,
		    "bytes of payload published on the live feed"),
		C("feed_dropped_total", &s->feed.dropped,
		    "messages that one slow subscriber or more lost"),
		C("feed_overflow_total", &s->feed.overflow,
		    "messages not published: --feed-buffer is full"),
		G("feed_subscriptions", &s->feed.count,
		    "different subscriptions"),
		G("feed_buffer_bytes", &gauges.feed_bytes,
		    "bytes of large payloads waiting for subscribers"),
		G("topics", &s->topics.count, "topics"),
		G("topics_damaged", &gauges.topics_damaged,
		    "topics that refuse to be written"),
		C("topics_torn_total", &s->topics.torn,
		    "topics with a torn write cut off"),
		C("ledgers_total", &s->topics.ledgers, "ledgers begun"),
		C("appends_total", &s->topics.appends, "writes to segments"),
		G("unstored_bytes", &s->topics.held,
		    "bytes of batches not yet answered"),
		C("syncs_total", &s->sync.syncs, "calls of fdatasync"),
		C("sync_failures_total", &s->sync.failures,
		    "calls of fdatasync that failed"),
		{ "sync_ms", NULL, METRIC_DOUBLE, &s->sync.last_ms,
		    "ms the last fdatasync took" },
		G("files_open", &s->topics.dir.files.open, "open log files"),
		C("files_evicted_total", &s->topics.dir.files.evicted,
		    "log files closed to make room for others"),
		{ NULL, NULL, METRIC_GAUGE, NULL, NULL }
	};
	static struct metric copy[sizeof(rows) / sizeof(rows[0])];

	memcpy(copy, rows, sizeof(rows));
	*m = (struct metrics){ .path = path, .rows = copy,
		.refresh = stats_refresh, .ctx = s };
}
