/*
 * sinkdrive: drives a sink as a route would, with payloads made to order or
 * read from a file, and with faults no route has; optionally it is the sink's
 * topic-bus as well. Delivery 0 is a SESSION_OPEN, then come the packets, then
 * a SESSION_CLOSE; whatever is to be sent again is made again from its number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "dmsg.h"
#include "log.h"
#include "opt.h"
#include "rec.h"
#include "sinkdrive.h"
#include "stage.h"
#include "track.h"
#include "zframes.h"

#define NS_PER_MS UINT64_C(1000000)
#define SESSION UINT64_C(0x1122334455667788)
#define MESSAGE_BYTES (64 * 1024)

static const char *sink_endpoint, *bus_endpoint, *track = "live",
				  *track_type = "video", *fault = "none";
static struct opt_list headers, payloads;
static int64_t packets = 1000, streams = 1, batch = 64, timeout_ms = 30000,
	       sink_pid, bad_every, size = 1200, rate, ready_fd = -1;
static int datagrams, no_close, serve;

static const struct opt opts[] = {
	{ "sink", OPT_STRING, &sink_endpoint, "ENDPOINT", "the sink", 0, 0,
	    NULL },
	{ "bus", OPT_STRING, &bus_endpoint, "ENDPOINT",
	    "be its topic-bus here", 0, 0, NULL },
	{ "serve", OPT_FLAG, &serve, NULL,
	    "be nothing but topic-bus, until SIGTERM", 0, 0, NULL },
	{ "packets", OPT_INT, &packets, "N", "packets to send", 0, INT64_MAX,
	    NULL },
	{ "payload", OPT_LIST, &payloads, "KIND",
	    "jpeg, vp8, pcm, chat, or a file; several take turns", 0, 0,
	    NULL },
	{ "size", OPT_SIZE, &size, "BYTES", "of a payload that is made", 0,
	    TRACK_PACKET_MAX, NULL },
	{ "bad-every", OPT_INT, &bad_every, "N", "break every Nth payload", 0,
	    INT64_MAX, NULL },
	{ "rate", OPT_INT, &rate, "N", "packets a second; 0: as granted", 0,
	    INT64_MAX, NULL },
	{ "track", OPT_STRING, &track, "ID", "track id", 0, 0, NULL },
	{ "type", OPT_STRING, &track_type, "TYPE", "track type", 0, 0, NULL },
	{ "streams", OPT_INT, &streams, "N", "spread over so many", 1, 64,
	    NULL },
	{ "datagrams", OPT_FLAG, &datagrams, NULL, "as if from datagrams", 0,
	    0, NULL },
	{ "no-close", OPT_FLAG, &no_close, NULL, "the session stays open", 0,
	    0, NULL },
	{ "batch", OPT_INT, &batch, "N", "records in a message at most", 1,
	    DMSG_COUNT_MAX, NULL },
	{ "header", OPT_LIST, &headers, "NAME=VALUE", "configured header", 0,
	    0, NULL },
	{ "fault", OPT_STRING, &fault, "WHAT",
	    "gap, twice, stale, over, garbage, or early", 0, 0, NULL },
	{ "sink-pid", OPT_INT, &sink_pid, "PID", "tell its CPU time", 0,
	    INT64_MAX, NULL },
	{ "timeout", OPT_MS, &timeout_ms, "SECONDS", "give up", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline here after the first grant", 0, 1 << 20, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

struct drive {
	void *dealer;
	struct payloads payloads;
	char route[17];
	char sink[DMSG_INSTANCE_MAX + 1]; /* "" before the first grant */
	uint64_t total;	     /* deliveries to make */
	uint64_t next, acked;
	uint64_t bytes;	     /* between the two */
	uint64_t grant_packets, grant_bytes;
	uint64_t hello_at;   /* ns */
	uint64_t heard;	     /* ns: the last grant */
	uint64_t began;	     /* ns: the first one */
	uint64_t restarts;   /* times it sent from acked on again */
	int faulted;	     /* the fault was made once */
};

static size_t
record_size(const struct drive *d, uint64_t number)
{
	size_t n = 0;

	if (number > 0 && (no_close || number < d->total - 1)) {
		payloads_get(&d->payloads, number - 1, &n);
		n += TRACK_HEADER_LEN;
	} else if (number > 0) {
		n = 4;
	}
	return REC_HEADER_LEN + n;
}

/* Delivery number behind records, its packet number behind numbers. */
static void
record_put(const struct drive *d, uint64_t number, struct buf *numbers,
    struct buf *records)
{
	size_t n = record_size(d, number) - REC_HEADER_LEN;
	uint64_t i = number - 1;
	struct rec r = { .len = (uint32_t)n, .type = REC_PACKET,
		.session = SESSION, .stream = REC_NO_STREAM,
		.time = stage_realtime() };
	const uint8_t *payload;
	uint8_t *p;

	p = buf_reserve(records, REC_HEADER_LEN + n);
	memset(p + REC_HEADER_LEN, 0, n);
	be64_put(buf_reserve(numbers, 8), DMSG_NO_NUMBER);
	if (number == 0) {
		r.type = REC_SESSION_OPEN;
	} else if (number == d->total - 1 && !no_close) {
		r.type = REC_SESSION_CLOSE;
	} else {
		payload = payloads_get(&d->payloads, i, &n);
		if (track_header_put(p + REC_HEADER_LEN, track, track_type,
		    (uint32_t)n) == -1)
			opt_usage("--track or --type: does not fit");
		memcpy(p + REC_HEADER_LEN + TRACK_HEADER_LEN, payload, n);
		if (!datagrams)
			r.stream = i % (uint64_t)streams * 4 + 2;
		be64_put(buf_reserve(numbers, 8),
		    datagrams ? i : i / (uint64_t)streams);
	}
	rec_header_put(p, &r);
	buf_commit(records, REC_HEADER_LEN + r.len);
	buf_commit(numbers, 8);
}

static void
send_frames(struct drive *d, struct buf *f, int n)
{
	for (int i = 0; i < n; i++) {
		if (zmq_send(d->dealer, buf_data(&f[i]), buf_len(&f[i]),
		    i < n - 1 ? ZMQ_SNDMORE : 0) == -1)
			fatalx(EX_OSERR, "send: %s",
			    zmq_strerror(zmq_errno()));
		buf_free(&f[i]);
	}
}

static void
send_hello(struct drive *d)
{
	struct dmsg_hello h = { .version = DMSG_VERSION, .service = "drive" };
	struct buf b = { 0 };

	strcpy(h.route, d->route);
	for (int i = 0; i < headers.n && i < DMSG_HEADERS_MAX; i++) {
		const char *s = headers.v[i], *eq = strchr(s, '=');

		if (eq == NULL)
			opt_usage("--header %s: no NAME=VALUE", s);
		h.headers[i].name =
		    (struct mp_str){ s, (uint32_t)(eq - s) };
		h.headers[i].value =
		    (struct mp_str){ eq + 1, (uint32_t)strlen(eq + 1) };
		h.nheaders++;
	}
	dmsg_put_hello(&b, &h);
	send_frames(d, &b, 1);
}

/* count records from delivery first on, under the name of a sink. */
static void
send_packets(struct drive *d, const char *sink, uint64_t first,
    uint64_t count)
{
	struct dmsg_packets p = { .first = first, .count = count };
	struct buf f[3] = { 0 };

	snprintf(p.sink, sizeof(p.sink), "%s", sink);
	strcpy(p.route, d->route);
	dmsg_put_packets(&f[0], &p);
	for (uint64_t i = 0; i < count; i++)
		record_put(d, first + i, &f[1], &f[2]);
	send_frames(d, f, 3);
}

static void
send_garbage(struct drive *d)
{
	static const char *const maps[] = { "", "garbage", "\x81\xa3" "cmd",
		"\x81\xa3" "cmd\xa5" "hello", "\x81\xa3" "cmd\xa7" "packets",
		"\x81\xa3" "cmd\xa6" "future", "\xde\xff\xff", "\xc1" };
	struct buf f[5];

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		for (int n = 1; n <= 5; n++) {
			memset(f, 0, sizeof(f));
			buf_append(&f[0], maps[i], strlen(maps[i]));
			for (int k = 1; k < n; k++)
				buf_append(&f[k], "garbage!", 8);
			send_frames(d, f, n);
		}
	}
	/* A map that is right, with frames that are not. */
	for (int n = 1; n <= 5; n++) {
		struct dmsg_packets p = { .first = 0, .count = 1 };

		memset(f, 0, sizeof(f));
		strcpy(p.route, d->route);
		strcpy(p.sink, d->sink);
		dmsg_put_packets(&f[0], &p);
		for (int k = 1; k < n; k++)
			buf_append(&f[k], "garbage!", 8);
		send_frames(d, f, n);
	}
}

/* The fault asked for, once, in the middle of the run. Returns the records it
 * sent in the place of right ones. */
static uint64_t
make_fault(struct drive *d, uint64_t count)
{
	if (d->faulted || d->next < d->total / 2)
		return 0;
	d->faulted = 1;
	if (strcmp(fault, "gap") == 0)
		return count;
	if (strcmp(fault, "twice") == 0)
		send_packets(d, d->sink, d->next, count);
	else if (strcmp(fault, "stale") == 0)
		send_packets(d, "somebodyelse", d->next + 1, count);
	else if (strcmp(fault, "garbage") == 0)
		send_garbage(d);
	return 0;
}

/* One message, if the grant has room for it. */
static int
send_some(struct drive *d, uint64_t now)
{
	int over = strcmp(fault, "over") == 0;
	uint64_t count = 0, bytes = 0, due = d->total;
	size_t n;

	if (rate > 0)
		due = (now - d->began) * (uint64_t)rate / (1000 * NS_PER_MS);
	while (d->next + count < d->total && d->next + count < due &&
	    count < (uint64_t)batch && bytes < MESSAGE_BYTES) {
		n = record_size(d, d->next + count);
		if (!over && (d->next + count - d->acked >= d->grant_packets ||
		    (d->bytes + bytes > 0 &&
		    d->bytes + bytes + n > d->grant_bytes)))
			break;
		bytes += n;
		count++;
	}
	if (count == 0)
		return 0;
	if (make_fault(d, count) == 0)
		send_packets(d, d->sink, d->next, count);
	d->next += count;
	d->bytes += bytes;
	return 1;
}

static void
take_grant(struct drive *d, const struct dmsg_grant *g, uint64_t now)
{
	int renewed = strcmp(d->sink, g->sink) != 0 ||
	    now - d->heard > DMSG_SILENCE_MS * NS_PER_MS;

	if (d->began == 0) {
		d->began = now;
		stage_ready(ready_fd);
	}
	d->heard = now;
	d->grant_packets = g->packets;
	d->grant_bytes = g->bytes;
	for (; d->acked < g->acked && d->acked < d->next; d->acked++)
		d->bytes -= record_size(d, d->acked);
	if (!renewed)
		return;
	d->restarts += d->sink[0] != '\0';
	strcpy(d->sink, g->sink);
	d->next = d->acked;
	d->bytes = 0;
}

static void
receive_grants(struct drive *d, uint64_t now)
{
	zmq_msg_t f;
	struct dmsg m;

	while (zframes_recv(d->dealer, &f, 1) != -1) {
		if (dmsg_get(zmq_msg_data(&f), zmq_msg_size(&f), &m, NULL) ==
		    -1 || m.cmd != DMSG_GRANT)
			fatalx(EX_PROTOCOL, "a message that is no grant");
		take_grant(d, &m.grant, now);
		zframes_close(&f, 1);
	}
}

/* User and system time of a process, in seconds. */
static double
cpu_of(int64_t pid)
{
	unsigned long u = 0, s = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	f = pid > 0 ? fopen(path, "r") : NULL;
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
	    "%*u %lu %lu", &u, &s) != 2)
		u = s = 0;
	fclose(f);
	return (double)(u + s) / (double)sysconf(_SC_CLK_TCK);
}

static void
report_bus(const struct fakebus *bus)
{
	printf(" good %llu rejected %llu duplicates %llu disorder %llu "
	    "malformed %llu\n", (unsigned long long)bus->good,
	    (unsigned long long)bus->rejected,
	    (unsigned long long)bus->duplicates,
	    (unsigned long long)bus->disorder,
	    (unsigned long long)bus->malformed);
}

static void
report(const struct drive *d, const struct fakebus *bus, double cpu)
{
	double seconds = (double)(stage_monotonic() - d->began) / 1e9;

	printf("packets %lld seconds %.3f rate %.0f acked %llu restarts %llu "
	    "sink_cpu %.2f", (long long)packets, seconds,
	    (double)packets / seconds, (unsigned long long)d->acked,
	    (unsigned long long)d->restarts, cpu);
	if (bus != NULL)
		report_bus(bus);
	else
		printf("\n");
}

/* Until all is acknowledged; 0, or -1 after --timeout. */
static int
drive_loop(struct drive *d, struct fakebus *bus)
{
	uint64_t now = stage_monotonic();
	uint64_t end = now + (uint64_t)timeout_ms * NS_PER_MS;
	zmq_pollitem_t items[] = {
		{ .socket = d->dealer, .events = ZMQ_POLLIN },
		{ .socket = bus != NULL ? bus->socket : NULL,
		    .events = ZMQ_POLLIN },
	};

	while (d->acked < d->total && now < end) {
		if (now >= d->hello_at) {
			send_hello(d);
			d->hello_at = now + DMSG_HELLO_MS * NS_PER_MS;
		}
		zmq_poll(items, bus != NULL ? 2 : 1, rate > 0 ? 1 : 20);
		now = stage_monotonic();
		if (bus != NULL)
			fakebus_receive(bus);
		receive_grants(d, now);
		for (int i = 0; i < 16 && d->sink[0] != '\0'; i++)
			if (!send_some(d, now))
				break;
	}
	return d->acked < d->total ? -1 : 0;
}

static int
serve_bus(void *zmq)
{
	struct fakebus bus = { 0 };
	zmq_pollitem_t items[2] = { { .events = ZMQ_POLLIN },
		{ .events = ZMQ_POLLIN } };

	items[0].fd = stage_signals();
	fakebus_open(&bus, zmq, bus_endpoint);
	items[1].socket = bus.socket;
	stage_ready(ready_fd);
	while (stage_signal_read(items[0].fd) == STAGE_NONE) {
		zmq_poll(items, 2, -1);
		fakebus_receive(&bus);
	}
	report_bus(&bus);
	zmq_close(bus.socket);
	zmq_ctx_term(zmq);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	struct fakebus bus = { 0 };
	struct drive d = { 0 };
	int none = 0, linger = 0, status;
	double cpu;
	void *zmq;

	log_init("sinkdrive");
	if (opt_parse(argc, argv, opts, "sinkdrive --sink ENDPOINT") < argc ||
	    (serve ? bus_endpoint : sink_endpoint) == NULL)
		opt_usage("--sink is wanted, or --serve and --bus");
	zmq = zmq_ctx_new();
	if (serve)
		return serve_bus(zmq);
	d.dealer = zmq_socket(zmq, ZMQ_DEALER);
	zmq_setsockopt(d.dealer, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(d.dealer, ZMQ_SNDHWM, &none, sizeof(none));
	if (zmq_connect(d.dealer, sink_endpoint) == -1)
		fatalx(EX_USAGE, "--sink %s: %s", sink_endpoint,
		    zmq_strerror(zmq_errno()));
	if (bus_endpoint != NULL)
		fakebus_open(&bus, zmq, bus_endpoint);
	stage_instance(d.route, sizeof(d.route));
	d.payloads.size = (size_t)size;
	d.payloads.bad_every = (uint64_t)bad_every;
	for (int i = 0; i < payloads.n; i++)
		payloads_add(&d.payloads, payloads.v[i]);
	if (payloads.n == 0)
		payloads_add(&d.payloads, "jpeg");
	d.total = (uint64_t)packets + (no_close ? 1 : 2);
	if (strcmp(fault, "early") == 0)
		send_packets(&d, "early", 7, 1);
	cpu = cpu_of(sink_pid);
	status = drive_loop(&d, bus_endpoint != NULL ? &bus : NULL);
	report(&d, bus_endpoint != NULL ? &bus : NULL,
	    cpu_of(sink_pid) - cpu);
	if (status == -1)
		log_warnx("not all was acknowledged in time");
	payloads_free(&d.payloads);
	zmq_close(d.dealer);
	if (bus.socket != NULL)
		zmq_close(bus.socket);
	zmq_ctx_term(zmq);
	return status == -1 ? EX_TEMPFAIL : EX_OK;
}
