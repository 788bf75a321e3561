/* bus-consume: reads topics, from any position, or the live feed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bus.h"
#include "consume.h"
#include "log.h"
#include "metrics.h"
#include "opt.h"
#include "position.h"
#include "stage.h"

#define OUT_MAX (4 * 1024 * 1024) /* bytes waiting for stdout */
#define FEED_TURN 1024		  /* messages of the feed taken at once */

struct consume {
	struct bus *bus; /* or */
	struct consume_feed feed;
	struct tname topics[OPT_LIST_MAX];
	struct consume_stats *stats[OPT_LIST_MAX];
	int readers[OPT_LIST_MAX]; /* -1: closed */
	int ntopics, open;
	enum consume_format format;
	struct buf out;
	uint64_t messages, bytes, errors;
	uint64_t now, mono;  /* clocks of this turn, ns */
	uint64_t last;	     /* when the last message came; mono */
	int done;
	int rc;
};

static const char *endpoint, *feed, *metrics_file, *from = "latest";
static struct opt_list topics;
static int json, raw, latency, summary, check_seq;
static int64_t count, timeout_ms, permits = BUS_PERMITS, ready_fd = -1;

static const struct opt opts[] = {
	{ "topic", OPT_LIST, &topics, "TOPIC", "read it; may be repeated", 0,
	    0, NULL },
	{ "bus", OPT_STRING, &endpoint, "ENDPOINT", "topic-bus's --listen",
	    0, 0, NULL },
	{ "feed", OPT_STRING, &feed, "ENDPOINT",
	    "read the live feed there, not the log", 0, 0, NULL },
	{ "from", OPT_STRING, &from, "POSITION",
	    "earliest, latest, LEDGER:ENTRY, RFC 3339 time, @NS", 0, 0,
	    NULL },
	{ "count", OPT_INT, &count, "N", "stop after N messages; 0: never",
	    0, 0, NULL },
	{ "timeout", OPT_MS, &timeout_ms, "TIME",
	    "stop when no message came for so long; 0: never", 0, 86400000,
	    NULL },
	{ "json", OPT_FLAG, &json, NULL, "print an object a line", 0, 0,
	    NULL },
	{ "raw", OPT_FLAG, &raw, NULL, "print payloads, nothing else", 0, 0,
	    NULL },
	{ "latency", OPT_FLAG, &latency, NULL,
	    "print how old each message is, and a summary", 0, 0, NULL },
	{ "summary", OPT_FLAG, &summary, NULL,
	    "print a summary for each topic at the end", 0, 0, NULL },
	{ "check-seq", OPT_FLAG, &check_seq, NULL,
	    "count gaps and repetitions of sequence ids", 0, 0, NULL },
	{ "permits", OPT_INT, &permits, "N", "messages under way", 1,
	    BMSG_PERMITS_MAX, NULL },
	{ "metrics", OPT_STRING, &metrics_file, "FILE",
	    "write metrics there every second", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when reading", 0, 1 << 20, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static void
consume_take(struct consume *c, int topic, uint64_t ledger,
    const struct entry *e)
{
	if (c->done)
		return;
	/* A turn may take long: ages are measured one by one. */
	c->now = stage_realtime();
	c->last = c->mono;
	c->messages++;
	c->bytes += e->payload_len;
	consume_stats_add(c->stats[topic], e, c->now, c->mono);
	consume_print(&c->out, c->format, c->topics[topic].full, ledger, e,
	    c->now);
	if (count > 0 && c->messages >= (uint64_t)count)
		c->done = 1;
}

static void
consume_message(void *ctx, int reader, uint64_t ledger,
    const struct entry *e)
{
	struct consume *c = ctx;
	int i = 0;

	while (c->readers[i] != reader)
		i++;
	consume_take(c, i, ledger, e);
}

static void
consume_feed_message(void *ctx, const char *topic, uint64_t ledger,
    const struct entry *e)
{
	struct consume *c = ctx;

	for (int i = 0; i < c->ntopics; i++)
		if (strcmp(c->topics[i].full, topic) == 0)
			consume_take(c, i, ledger, e);
}

static void
consume_error(void *ctx, int reader, enum bmsg_code code, const char *text)
{
	struct consume *c = ctx;

	(void)code;
	(void)text; /* logged where it came in */
	for (int i = 0; i < c->ntopics; i++)
		if (c->readers[i] == reader)
			c->readers[i] = -1;
	c->errors++;
	c->rc = EX_UNAVAILABLE;
	if (--c->open == 0)
		c->done = 1;
}

static void
consume_write(struct consume *c)
{
	switch (stage_write(STDOUT_FILENO, &c->out)) {
	case STAGE_IO_EOF:
		fatalx(EX_IOERR, "stdout: the reader is gone");
	case STAGE_IO_ERROR:
		fatal(EX_IOERR, "stdout");
	default:
		break;
	}
}

static void
consume_topics(struct consume *c)
{
	if (topics.n == 0)
		opt_usage("--topic is needed");
	for (int i = 0; i < topics.n; i++) {
		struct tname *t = &c->topics[i];

		if (tname_parse(topics.v[i], strlen(topics.v[i]), t) == -1)
			opt_usage("--topic %s: not a name of a topic",
			    topics.v[i]);
		for (int k = 0; k < i; k++)
			if (strcmp(c->topics[k].full, t->full) == 0)
				opt_usage("--topic %s: given twice",
				    topics.v[i]);
		c->stats[i] = consume_stats_new(t->full, check_seq);
	}
	c->ntopics = c->open = topics.n;
}

static void
consume_open(struct consume *c, void *zmq)
{
	struct bus_config config = { .endpoint = endpoint,
		.message = consume_message, .reader_error = consume_error,
		.ctx = c };
	struct bmsg_position p;

	if (feed != NULL) {
		c->feed.message = consume_feed_message;
		c->feed.ctx = c;
		consume_feed_open(&c->feed, zmq, feed);
		for (int i = 0; i < c->ntopics; i++)
			consume_feed_subscribe(&c->feed, c->topics[i].full);
		return;
	}
	if (position_parse(from, &p) == -1)
		opt_usage("--from %s: not a position", from);
	c->bus = bus_open(zmq, &config);
	if (c->bus == NULL)
		exit(EX_USAGE);
	for (int i = 0; i < c->ntopics; i++)
		c->readers[i] = bus_read(c->bus, c->topics[i].full, &p,
		    (uint64_t)permits);
}

static void
consume_format(struct consume *c)
{
	if (json + raw + latency > 1)
		opt_usage("--json, --raw and --latency exclude each other");
	c->format = json ? CONSUME_JSON :
	    raw		 ? CONSUME_RAW :
	    latency	 ? CONSUME_LATENCY :
	    summary	 ? CONSUME_NOTHING :
			   CONSUME_LINE;
	summary |= latency;
}

/* Takes what has come; out of a feed a bounded number. */
static void
consume_receive(struct consume *c)
{
	int full = buf_len(&c->out) >= OUT_MAX;

	if (c->bus == NULL) {
		for (int i = 0; i < FEED_TURN && !full && !c->done; i++)
			if (consume_feed_next(&c->feed) == -1)
				break;
		return;
	}
	bus_pause(c->bus, full);
	bus_process(c->bus, c->mono);
	bus_flush(c->bus, c->mono);
}

static int
consume_ready(const struct consume *c)
{
	return c->bus == NULL || bus_reading(c->bus);
}

static int
consume_timeout(const struct consume *c, struct metrics *m)
{
	uint64_t limit = (uint64_t)timeout_ms * 1000000, wait, t;

	wait = metrics_tick(m, c->mono);
	if (c->bus != NULL && (t = bus_timeout(c->bus, c->mono)) < wait)
		wait = t;
	if (timeout_ms > 0) {
		t = c->mono - c->last < limit ? c->last + limit - c->mono : 0;
		if (t < wait)
			wait = t;
	}
	return stage_poll_ms(wait);
}

static void
consume_loop(struct consume *c, struct metrics *m, int signals)
{
	enum { IN, SIGNAL, OUT, ITEMS };
	zmq_pollitem_t items[ITEMS] = {
		[IN] = { .socket = c->feed.socket, .events = ZMQ_POLLIN },
		[SIGNAL] = { .fd = signals, .events = ZMQ_POLLIN },
		[OUT] = { .events = ZMQ_POLLOUT } };

	c->last = c->mono = stage_monotonic();
	while (!c->done) {
		if (c->bus != NULL)
			items[IN] = bus_pollitem(c->bus);
		else
			items[IN].events =
			    buf_len(&c->out) < OUT_MAX ? ZMQ_POLLIN : 0;
		items[OUT].fd = buf_len(&c->out) > 0 ? STDOUT_FILENO : -1;
		if (ready_fd >= 0 && consume_ready(c)) {
			stage_ready(ready_fd);
			ready_fd = -1;
		}
		if (zmq_poll(items, ITEMS, consume_timeout(c, m)) == -1 &&
		    errno != EINTR)
			fatalx(EX_OSERR, "zmq_poll: %s", zmq_strerror(errno));
		c->mono = stage_monotonic();
		if (items[SIGNAL].revents &&
		    stage_signal_read(signals) == STAGE_STOP)
			return;
		consume_receive(c);
		consume_write(c);
		if (timeout_ms > 0 && c->mono - c->last >=
			(uint64_t)timeout_ms * 1000000) {
			if (c->rc == EX_OK &&
			    (count > 0 || c->messages == 0))
				c->rc = EX_TEMPFAIL;
			return;
		}
	}
}

/* What is left goes out, then the summaries; waits for stdout's reader. */
static void
consume_finish(struct consume *c)
{
	struct buf text = { 0 };

	for (int i = 0; i < c->ntopics; i++) {
		if (summary || check_seq)
			consume_stats_print(c->stats[i], &text);
		consume_stats_free(c->stats[i]);
	}
	/* stdout carries data only, when there are data. */
	if (json || raw)
		(void)!write(STDERR_FILENO, buf_data(&text), buf_len(&text));
	else
		buf_append(&c->out, buf_data(&text), buf_len(&text));
	while (buf_len(&c->out) > 0) {
		zmq_pollitem_t item = { .fd = STDOUT_FILENO,
			.events = ZMQ_POLLOUT };

		zmq_poll(&item, 1, -1);
		consume_write(c);
	}
	buf_free(&text);
	buf_free(&c->out);
}

int
main(int argc, char **argv)
{
	static const struct bus_stats none;
	static struct consume c;
	const struct bus_stats *st = &none;
	void *zmq;

	log_init("bus-consume");
	endpoint = bus_default_endpoint();
	if (opt_parse(argc, argv, opts, "bus-consume --topic TOPIC [options]")
	    != argc)
		opt_usage("no operands are taken");
	consume_format(&c);
	consume_topics(&c);
	zmq = zmq_ctx_new();
	if (zmq == NULL)
		fatalx(EX_OSERR, "zmq_ctx_new: %s", zmq_strerror(errno));
	consume_open(&c, zmq);
	stage_open_out("-");
	if (c.bus != NULL)
		st = bus_stats(c.bus);
	const struct metric rows[] = {
		{ "bus_received_total", NULL, METRIC_COUNTER, &c.messages,
		    "messages received" },
		{ "bus_received_bytes_total", NULL, METRIC_COUNTER, &c.bytes,
		    "bytes of payload received" },
		{ "bus_crc_errors_total", NULL, METRIC_COUNTER,
		    &st->crc_errors, "messages dropped for a bad crc" },
		{ "bus_reader_errors_total", NULL, METRIC_COUNTER, &c.errors,
		    "topics that could not be read on" },
		{ "bus_malformed_total", NULL, METRIC_COUNTER,
		    c.bus != NULL ? &st->malformed : &c.feed.malformed,
		    "malformed messages received" },
		{ NULL, NULL, METRIC_GAUGE, NULL, NULL }
	};
	struct metrics m = { .path = metrics_file, .rows = rows };

	consume_loop(&c, &m, stage_signals());
	if (st->crc_errors > 0)
		c.rc = EX_DATAERR;
	consume_finish(&c);
	metrics_write(&m, stage_monotonic());
	bus_close(c.bus);
	if (c.feed.socket != NULL)
		zmq_close(c.feed.socket);
	zmq_ctx_term(zmq);
	return c.rc;
}
