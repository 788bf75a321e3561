/* bus-produce: publishes lines, a file, or made-up messages. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "bus.h"
#include "hist.h"
#include "log.h"
#include "metrics.h"
#include "opt.h"
#include "props.h"
#include "stage.h"

#define NS_PER_S UINT64_C(1000000000)
#define OUT_MAX (1024 * 1024) /* ids waiting for stdout */
#define TICK_MIN_NS UINT64_C(50000)

struct produce {
	struct bus *bus;
	int topic;
	struct entry e;	     /* of every message, but for seq and payload */
	struct props props;
	struct buf in, out;
	uint8_t *payload;    /* --file, --size */
	size_t payload_len;
	int eof;	     /* nothing more comes from stdin */
	int hungry;	     /* there is no whole line in in */
	int stopped;	     /* by a signal: a line cut short is no line */
	uint64_t sent, acked, failed;
	/* ns, CLOCK_MONOTONIC */
	uint64_t start, first_ns, last_ack;
	uint64_t progress; /* the last time nothing was overdue */
	struct hist latency; /* ns from bus_send to receipt */
};

static const char *endpoint, *topic, *key, *producer, *file, *metrics_file;
static struct opt_list properties;
static int64_t count = -1, size = -1, timeout_ms = 30000, ready_fd = -1;
static int64_t rate, pending = BUS_PENDING_MESSAGES;
static int print_ids, summary;

static const struct opt opts[] = {
	{ "topic", OPT_STRING, &topic, "TOPIC", "publish to", 0, 0, NULL },
	{ "bus", OPT_STRING, &endpoint, "ENDPOINT", "topic-bus's --listen",
	    0, 0, NULL },
	{ "key", OPT_STRING, &key, "KEY", "of every message", 0, 0, NULL },
	{ "property", OPT_LIST, &properties, "KEY=VALUE",
	    "of every message; may be repeated", 0, 0, NULL },
	{ "producer", OPT_STRING, &producer, "NAME",
	    "producer name, a random one unless given", 0, 0, NULL },
	{ "file", OPT_STRING, &file, "FILE",
	    "payload: a file as a whole, not lines of stdin", 0, 0, NULL },
	{ "size", OPT_SIZE, &size, "BYTES",
	    "payload: made up, not lines of stdin", 0, ENTRY_PAYLOAD_MAX,
	    NULL },
	{ "count", OPT_INT, &count, "N",
	    "messages; -1: all lines, or one; 0: until stopped", 0,
	    INT64_MAX / 2, NULL },
	{ "rate", OPT_INT, &rate, "N", "messages a second; 0: no limit", 0,
	    10000000, NULL },
	{ "pending", OPT_INT, &pending, "N", "messages without a receipt", 1,
	    10000000, NULL },
	{ "timeout", OPT_MS, &timeout_ms, "TIME",
	    "give up after so long without a receipt", 1, 86400000, NULL },
	{ "print-ids", OPT_FLAG, &print_ids, NULL,
	    "print LEDGER:ENTRY of each message", 0, 0, NULL },
	{ "summary", OPT_FLAG, &summary, NULL,
	    "at the end: rate and time to the receipt, on stderr", 0, 0,
	    NULL },
	{ "metrics", OPT_STRING, &metrics_file, "FILE",
	    "write metrics there every second", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when topic-bus answers", 0, 1 << 20, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static void
produce_receipt(void *ctx, uint64_t cookie, const struct bus_receipt *r)
{
	struct produce *p = ctx;
	char id[64];
	int n;

	p->last_ack = p->progress = stage_monotonic();
	if (r->code != BMSG_OK) {
		if (p->failed++ == 0)
			log_warnx("%s: %s: %s", topic, bmsg_code_name(r->code),
			    r->text);
		return;
	}
	p->acked++;
	hist_add(&p->latency, p->last_ack - cookie);
	if (!print_ids)
		return;
	n = snprintf(id, sizeof(id), "%" PRIu64 ":%" PRIu64 "\n", r->ledger,
	    r->entry);
	buf_append(&p->out, id, (size_t)n);
}

static void
produce_send(struct produce *p, const void *payload, size_t n)
{
	p->e.payload = payload;
	p->e.payload_len = (uint32_t)n;
	p->e.seq = p->sent;
	p->e.event = stage_realtime();
	if (n > ENTRY_PAYLOAD_MAX) {
		log_warnx("a line of %zu bytes is over the limit", n);
		p->failed++;
	} else if (bus_send(p->bus, p->topic, &p->e, stage_monotonic()) ==
	    -1) {
		fatalx(EX_SOFTWARE, "bus_send");
	}
	if (p->sent++ == 0)
		p->first_ns = stage_monotonic();
}

/* The next line into a message; 0 when there is none, or none yet. */
static int
produce_line(struct produce *p)
{
	size_t len = buf_len(&p->in);
	uint8_t *line = buf_data(&p->in);
	uint8_t *end = len > 0 ? memchr(line, '\n', len) : NULL;

	if (end == NULL && p->stopped)
		buf_consume(&p->in, len);
	if (end == NULL && (len == 0 || p->stopped ||
	    (!p->eof && len <= ENTRY_PAYLOAD_MAX))) {
		p->hungry = 1;
		return 0;
	}
	if (end == NULL)
		end = line + len;
	produce_send(p, line, (size_t)(end - line));
	buf_consume(&p->in, (size_t)(end - line) + (end < line + len));
	return 1;
}

/* How many messages the rate allows by now. */
static uint64_t
produce_due(const struct produce *p, uint64_t now)
{
	double s = (double)(now - p->start) / (double)NS_PER_S;

	return rate == 0 ? UINT64_MAX : (uint64_t)(s * (double)rate) + 1;
}

static int
produce_more(const struct produce *p)
{
	return count <= 0 || p->sent < (uint64_t)count;
}

/* Publishes what there is, as far as rate and receipts let it. */
static void
produce_run(struct produce *p, uint64_t now)
{
	uint64_t due = produce_due(p, now);

	while (produce_more(p) && p->sent < due && !bus_full(p->bus) &&
	    buf_len(&p->out) < OUT_MAX) {
		if (p->payload != NULL)
			produce_send(p, p->payload, p->payload_len);
		else if (!produce_line(p))
			break;
	}
	if (!produce_more(p) ||
	    (p->payload == NULL && p->eof && buf_len(&p->in) == 0))
		p->eof = 2;
}

static void
produce_read(struct produce *p)
{
	p->hungry = 0;
	switch (stage_read(STDIN_FILENO, &p->in, STAGE_CHUNK)) {
	case STAGE_IO_EOF:
		p->eof = 1;
		break;
	case STAGE_IO_ERROR:
		fatal(EX_IOERR, "stdin");
	default:
		break;
	}
}

static void
produce_write(struct produce *p)
{
	switch (stage_write(STDOUT_FILENO, &p->out)) {
	case STAGE_IO_EOF:
		fatalx(EX_IOERR, "stdout: the reader is gone");
	case STAGE_IO_ERROR:
		fatal(EX_IOERR, "stdout");
	default:
		break;
	}
}

static void
produce_property(struct produce *p, const char *pair)
{
	const char *eq = strchr(pair, '=');
	char name[256];

	if (eq == NULL || eq == pair || eq - pair >= (ptrdiff_t)sizeof(name))
		opt_usage("--property %s: not KEY=VALUE", pair);
	memcpy(name, pair, (size_t)(eq - pair));
	name[eq - pair] = '\0';
	if (props_add_str(&p->props, name, eq + 1) == -1)
		opt_usage("--property: too many, or too long");
}

static void
produce_payload(struct produce *p)
{
	struct stat st;
	int fd = -1;

	if (file != NULL) {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd == -1 || fstat(fd, &st) == -1)
			fatal(EX_NOINPUT, "%s", file);
		if (st.st_size > ENTRY_PAYLOAD_MAX)
			fatalx(EX_DATAERR, "%s: over %d bytes", file,
			    ENTRY_PAYLOAD_MAX);
		size = st.st_size;
	}
	if (size < 0)
		return;
	p->payload = malloc((size_t)size + 1);
	if (p->payload == NULL)
		fatal(EX_OSERR, "malloc");
	p->payload_len = (size_t)size;
	for (int64_t i = 0; i < size; i++)
		p->payload[i] = (uint8_t)('a' + i % 26);
	if (file != NULL) {
		if (read(fd, p->payload, p->payload_len) != size)
			fatal(EX_IOERR, "%s", file);
		close(fd);
	}
	if (count == -1)
		count = 1;
}

static void
produce_open(struct produce *p, void *zmq)
{
	static char name[32] = "bus-produce-";
	struct bus_config config = { .endpoint = endpoint,
		.pending_messages = (size_t)pending,
		.receipt = produce_receipt, .ctx = p };

	if (topic == NULL)
		opt_usage("--topic is needed");
	if (file != NULL && size >= 0)
		opt_usage("--file and --size exclude each other");
	if (producer == NULL) {
		stage_instance(name + strlen(name), 9);
		producer = name;
	}
	for (int i = 0; i < properties.n; i++)
		produce_property(p, properties.v[i]);
	p->e = (struct entry){ .producer = producer,
		.producer_len = (uint32_t)strlen(producer),
		.key = key != NULL ? key : "",
		.key_len = key != NULL ? (uint32_t)strlen(key) : 0,
		.props = props_data(&p->props),
		.props_len = props_len(&p->props) };
	if (entry_too_long(&p->e) != NULL)
		opt_usage("%s", entry_too_long(&p->e));
	produce_payload(p);
	p->bus = bus_open(zmq, &config);
	if (p->bus == NULL)
		exit(EX_USAGE);
	p->topic = bus_topic(p->bus, topic);
	if (p->topic == -1)
		opt_usage("--topic %s: not a name of a topic", topic);
}

/* A timer that ticks as messages are due; -1 without --rate. */
static int
produce_timer(void)
{
	uint64_t ns = rate > 0 ? NS_PER_S / (uint64_t)rate : 0;
	struct itimerspec its;
	int fd;

	if (rate == 0)
		return -1;
	if (ns < TICK_MIN_NS)
		ns = TICK_MIN_NS;
	its.it_interval.tv_sec = its.it_value.tv_sec =
	    (time_t)(ns / NS_PER_S);
	its.it_interval.tv_nsec = its.it_value.tv_nsec =
	    (long)(ns % NS_PER_S);
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd == -1 || timerfd_settime(fd, 0, &its, NULL) == -1)
		fatal(EX_OSERR, "timerfd");
	return fd;
}

static int
produce_wants_input(const struct produce *p)
{
	return p->payload == NULL && !p->eof && p->hungry;
}

/* Until everything has its receipt, or none has come for too long. */
static void
produce_loop(struct produce *p, struct metrics *m, int signals)
{
	enum { BUS, SIGNAL, IN, OUT, TIMER, ITEMS };
	zmq_pollitem_t items[ITEMS] = {
		[SIGNAL] = { .fd = signals, .events = ZMQ_POLLIN },
		[IN] = { .events = ZMQ_POLLIN },
		[OUT] = { .events = ZMQ_POLLOUT },
		[TIMER] = { .fd = produce_timer(), .events = ZMQ_POLLIN } };
	int n = rate > 0 ? ITEMS : TIMER;
	uint64_t now = stage_monotonic(), wait, ticks;

	p->start = p->progress = now;
	p->hungry = 1;
	while (p->eof < 2 || !bus_idle(p->bus) || buf_len(&p->out) > 0) {
		items[BUS] = bus_pollitem(p->bus);
		/* A pipe that hung up is not asked, or poll would not wait. */
		items[IN].fd = produce_wants_input(p) ? STDIN_FILENO : -1;
		items[OUT].fd = buf_len(&p->out) > 0 ? STDOUT_FILENO : -1;
		wait = bus_timeout(p->bus, now);
		if (metrics_tick(m, now) < wait)
			wait = m->next - now;
		if (zmq_poll(items, n, stage_poll_ms(wait)) == -1 &&
		    errno != EINTR)
			fatalx(EX_OSERR, "zmq_poll: %s", zmq_strerror(errno));
		now = stage_monotonic();
		if (items[SIGNAL].revents &&
		    stage_signal_read(signals) == STAGE_STOP) {
			p->stopped = 1;
			p->eof = p->payload != NULL ? 2 : 1;
		}
		bus_process(p->bus, now);
		if (bus_instance(p->bus)[0] != '\0' && ready_fd >= 0) {
			stage_ready(ready_fd);
			ready_fd = -1;
		}
		if (items[IN].revents)
			produce_read(p);
		if (n == ITEMS && items[TIMER].revents &&
		    read(items[TIMER].fd, &ticks, sizeof(ticks)) == -1)
			log_debug("timer: nothing was due");
		if (p->eof < 2)
			produce_run(p, now);
		bus_flush(p->bus, now);
		produce_write(p);
		if (bus_idle(p->bus))
			p->progress = now;
		else if (now > p->progress &&
		    now - p->progress > (uint64_t)timeout_ms * 1000000)
			break;
	}
	if (rate > 0)
		close(items[TIMER].fd);
}

static void
produce_summary(const struct produce *p)
{
	double s = (double)(p->last_ack - p->first_ns) / (double)NS_PER_S;

	if (p->acked == 0 || s <= 0)
		s = 1;
	log_info("%" PRIu64 " messages sent, %" PRIu64 " stored, %" PRIu64
		 " failed, %.0f msg/s, receipts p50 %.3f ms p99 %.3f ms",
	    p->sent, p->acked, p->failed, (double)p->acked / s,
	    (double)hist_quantile(&p->latency, 0.5) / 1e6,
	    (double)hist_quantile(&p->latency, 0.99) / 1e6);
}

int
main(int argc, char **argv)
{
	static struct produce p;
	struct metrics m = { .path = NULL };
	void *zmq;
	int rc = EX_OK;

	log_init("bus-produce");
	endpoint = bus_default_endpoint();
	if (opt_parse(argc, argv, opts, "bus-produce --topic TOPIC [options]")
	    != argc)
		opt_usage("no operands are taken");
	zmq = zmq_ctx_new();
	if (zmq == NULL)
		fatalx(EX_OSERR, "zmq_ctx_new: %s", zmq_strerror(errno));
	produce_open(&p, zmq);
	if (p.payload == NULL)
		stage_open_in("-");
	const struct bus_stats *st = bus_stats(p.bus);
	const struct metric rows[] = {
		{ "bus_sent_total", NULL, METRIC_COUNTER, &st->sent,
		    "messages taken for publishing" },
		{ "bus_stored_total", NULL, METRIC_COUNTER, &st->stored,
		    "messages with a receipt" },
		{ "bus_failed_total", NULL, METRIC_COUNTER, &st->failed,
		    "messages refused" },
		{ "bus_resent_total", NULL, METRIC_COUNTER, &st->resent,
		    "messages sent again after a break" },
		{ "bus_pending_messages", NULL, METRIC_GAUGE,
		    &st->pending_messages, "messages without a receipt" },
		{ NULL, NULL, METRIC_GAUGE, NULL, NULL }
	};
	m = (struct metrics){ .path = metrics_file, .rows = rows };
	produce_loop(&p, &m, stage_signals());
	if (summary)
		produce_summary(&p);
	if (p.acked < p.sent) {
		log_warnx("%" PRIu64 " of %" PRIu64 " messages were not"
			  " acknowledged",
		    p.sent - p.acked, p.sent);
		rc = EX_UNAVAILABLE;
	}
	metrics_write(&m, stage_monotonic());
	bus_close(p.bus);
	zmq_ctx_term(zmq);
	props_free(&p.props);
	buf_free(&p.in);
	buf_free(&p.out);
	free(p.payload);
	return rc;
}
