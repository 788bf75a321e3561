/* topic-bus: a durable, replayable, acknowledged log of topics. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <zmq.h>

#include "bus.h"
#include "log.h"
#include "opt.h"
#include "server.h"
#include "stage.h"
#include "stats.h"

#define LINGER_MS 1000 /* for answers at the end */

static const char *listen_endpoint, *feed_endpoint, *dir;
static const char *metrics_file;
static int policy = SYNC_INTERVAL;
static int64_t interval_ms = 100;
static int64_t segment_bytes = 128 << 20;
static int64_t max_topics = 10000;
static int64_t max_message = ENTRY_PAYLOAD_MAX;
static int64_t max_clients = 1024;
static int64_t max_files = 512;
static int64_t window = 1 << 20;
static int64_t feed_hwm = 1000;
static int64_t feed_buffer = 256 << 20;
static int64_t ready_fd = -1;

static const struct opt opts[] = {
	{ "listen", OPT_STRING, &listen_endpoint, "ENDPOINT",
	    "where producers and readers connect", 0, 0,
	    NULL },
	{ "feed", OPT_STRING, &feed_endpoint, "ENDPOINT",
	    "where subscribers of the live feed connect", 0, 0,
	    NULL },
	{ "dir", OPT_STRING, &dir, "DIR", "where the log is kept", 0, 0,
	    NULL },
	{ "sync", OPT_CHOICE, &policy, NULL, "when data are on the disk",
	    .choices = "always|interval|none" },
	{ "sync-interval", OPT_MS, &interval_ms, "TIME",
	    "between two syncs, with --sync interval", .min = 1,
	    .max = 3600000 },
	{ "segment-bytes", OPT_SIZE, &segment_bytes, "BYTES",
	    "a file this large is followed by a new one", .min = 4096,
	    .max = INT64_C(1) << 40 },
	{ "max-topics", OPT_INT, &max_topics, "N", "topics", .min = 1,
	    .max = 1000000 },
	{ "max-message", OPT_SIZE, &max_message, "BYTES",
	    "payload of one message", .min = 1, .max = ENTRY_PAYLOAD_MAX },
	{ "max-clients", OPT_INT, &max_clients, "N", "connections", .min = 1,
	    .max = 1000000 },
	{ "max-files", OPT_INT, &max_files, "N", "open log files",
	    .min = 16, .max = 1000000 },
	{ "window", OPT_SIZE, &window, "BYTES",
	    "under way to the readers of one connection", .min = 1,
	    .max = 1 << 30 },
	{ "feed-hwm", OPT_INT, &feed_hwm, "N",
	    "messages waiting for one subscriber", .min = 1,
	    .max = 1000000 },
	{ "feed-buffer", OPT_SIZE, &feed_buffer, "BYTES",
	    "large payloads waiting for all subscribers", .min = 1,
	    .max = INT64_C(1) << 40 },
	{ "metrics", OPT_STRING, &metrics_file, "FILE",
	    "write metrics there every second", 0, 0,
	    NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when ready", .min = 0, .max = 1 << 20 },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

/* Half of the descriptors are for connections. */
static uint64_t
main_file_budget(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal(EX_OSERR, "getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("setrlimit");
	return (uint64_t)max_files < rl.rlim_max / 2 ? (uint64_t)max_files :
						      rl.rlim_max / 2;
}

static void
main_relieve(void *ctx)
{
	sync_all(ctx, stage_monotonic());
}

static void
main_init(struct server *s)
{
	stage_instance(s->instance, sizeof(s->instance));
	s->max_message = (uint64_t)max_message;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd == -1)
		fatal(EX_OSERR, "eventfd");
	files_init(&s->topics.dir.files, main_file_budget());
	s->topics.dir.files.relieve = main_relieve;
	s->topics.dir.files.ctx = &s->sync;
	s->topics.dir.durable = policy != SYNC_NONE;
	s->topics.segment_bytes = (uint64_t)segment_bytes;
	topics_init(&s->topics, dir, (uint64_t)max_topics, &s->sync);
	s->topics.answer = server_answer;
	s->topics.made = server_topic_made;
	s->topics.ctx = s;
	sync_init(&s->sync, (enum sync_policy)policy,
	    (uint64_t)interval_ms * UINT64_C(1000000), &s->topics.dir.files);
	s->sync.done = server_synced;
	s->sync.ctx = s;
	clients_init(&s->clients, (uint64_t)max_clients, (size_t)window,
	    s->wake_fd, s->instance);
	readers_init(&s->readers, &s->topics);
	s->readers.send = server_messages;
	s->readers.error = server_reader_error;
	s->readers.ctx = s;
}

static void
main_bind(struct server *s, void *zmq)
{
	/* Whoever may use the sockets may read every topic. */
	umask(077);
	if (server_open(s, zmq, listen_endpoint) == -1)
		fatalx(EX_UNAVAILABLE, "--listen %s: %s", listen_endpoint,
		    zmq_strerror(errno));
	if (feed_open(&s->feed, zmq, feed_endpoint, (int)feed_hwm,
		(size_t)feed_buffer, &s->topics, s->wake_fd) == -1)
		fatalx(EX_UNAVAILABLE, "--feed %s: %s", feed_endpoint,
		    zmq_strerror(errno));
}

static int
main_timeout(struct server *s, struct metrics *m, int more)
{
	uint64_t wait = metrics_tick(m, s->now);
	uint64_t sync = sync_timeout(&s->sync, s->now);
	uint64_t probe = s->next_probe > s->now ? s->next_probe - s->now : 0;

	if (more)
		return 0;
	if (sync < wait)
		wait = sync;
	if (probe < wait)
		wait = probe;
	return stage_poll_ms(wait);
}

/* Serves until it is told to stop. */
static void
main_loop(struct server *s, struct metrics *m, int signals)
{
	enum { ROUTER, FEED, SIGNAL, SYNC, WAKE, ITEMS };
	zmq_pollitem_t items[ITEMS] = { [ROUTER] = { .socket = s->socket },
		[FEED] = { .socket = s->feed.socket, .events = ZMQ_POLLIN },
		[SIGNAL] = { .fd = signals, .events = ZMQ_POLLIN },
		[SYNC] = { .fd = s->sync.fd, .events = ZMQ_POLLIN },
		[WAKE] = { .fd = s->wake_fd, .events = ZMQ_POLLIN } };
	uint64_t count;
	int more = 0;

	s->now = stage_monotonic();
	for (;;) {
		items[ROUTER].events = server_full(s) ? 0 : ZMQ_POLLIN;
		if (zmq_poll(items, ITEMS, main_timeout(s, m, more)) == -1 &&
		    errno != EINTR)
			fatalx(EX_OSERR, "zmq_poll: %s", zmq_strerror(errno));
		s->now = stage_monotonic();
		if (items[SIGNAL].revents &&
		    stage_signal_read(signals) == STAGE_STOP)
			return;
		if (items[FEED].revents)
			feed_process(&s->feed);
		if (items[SYNC].revents)
			sync_reap(&s->sync, s->now);
		if (items[WAKE].revents &&
		    read(s->wake_fd, &count, sizeof(count)) == sizeof(count))
			readers_unblock(&s->readers);
		more = items[ROUTER].revents && server_receive(s);
		more |= server_run(s);
		server_probe(s);
	}
}

static void
main_close(struct server *s, void *zmq)
{
	int linger = LINGER_MS;

	zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_close(s->socket);
	feed_close(&s->feed, LINGER_MS);
	zmq_ctx_term(zmq);
	for (struct client *c = clients_silent(&s->clients); c != NULL;
	    c = clients_silent(&s->clients)) {
		readers_close_all(&s->readers, c);
		clients_remove(&s->clients, c);
	}
	clients_free(&s->clients);
	sync_free(&s->sync);
	topics_free(&s->topics);
	buf_free(&s->head);
	close(s->wake_fd);
}

int
main(int argc, char **argv)
{
	static struct server s;
	struct metrics m;
	void *zmq;
	int signals;

	log_init("topic-bus");
	listen_endpoint = bus_default_endpoint();
	feed_endpoint = bus_default_feed();
	dir = bus_default_dir();
	if (opt_parse(argc, argv, opts, "topic-bus [options]") != argc)
		opt_usage("no operands are taken");
	signals = stage_signals();
	/* A file that may not grow is an error of write, like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	zmq = zmq_ctx_new();
	if (zmq == NULL)
		fatalx(EX_OSERR, "zmq_ctx_new: %s", zmq_strerror(errno));
	main_init(&s);
	main_bind(&s, zmq);
	stats_metrics(&m, &s, metrics_file);
	stage_ready(ready_fd);
	main_loop(&s, &m, signals);
	server_drain(&s);
	metrics_write(&m, stage_monotonic());
	main_close(&s, zmq);
	return EX_OK;
}
