/*
 * testsink: the sink's side of the delivery protocol for tests and benches.
 * It prints what it takes, one line a record, or only counts; it can be slow,
 * stop granting, acknowledge nothing, or send nonsense.
 *
 * A line: DELIVERY NUMBER TYPE SESSION STREAM TRACK_ID TRACK_TYPE LEN CRC,
 * "-" where a record has none. A record that was taken before is not printed
 * again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <zmq.h>

#include "dmsg.h"
#include "log.h"
#include "opt.h"
#include "stage.h"
#include "track.h"
#include "zframes.h"

#define NS_PER_MS UINT64_C(1000000)
#define ROUTES_MAX 2048
#define TURN 256

enum lie { LIE_NONE, LIE_GARBAGE, LIE_BEYOND, LIE_ROUTE, LIE_UNKNOWN,
	LIE_FRAMES };

struct peer {
	char route[DMSG_INSTANCE_MAX + 1];
	char sink[17];
	uint8_t id[256];
	size_t id_len;
	int begun;
	uint64_t taken, acked;
	uint64_t told;
	int tell;
	uint64_t told_at; /* ns */
};

static const char *bind_to, *print_to, *records_to;
static int null, lie;
static int64_t grant_packets = 4096, grant_bytes = 16 << 20, slow_ms,
	       ack_max = INT64_MAX / 2, want, ready_fd = -1;
static int no_grant, hello_flag;

static const struct opt opts[] = {
	{ "bind", OPT_STRING, &bind_to, "ENDPOINT", "ipc:// or tcp://", 0, 0,
	    NULL },
	{ "print", OPT_STRING, &print_to, "FILE",
	    "a line for each record (default stdout)", 0, 0, NULL },
	{ "records", OPT_STRING, &records_to, "FILE",
	    "append the records as they are", 0, 0, NULL },
	{ "null", OPT_FLAG, &null, NULL, "count only", 0, 0, NULL },
	{ "hello", OPT_FLAG, &hello_flag, NULL, "print hellos too", 0, 0,
	    NULL },
	{ "grant-packets", OPT_INT, &grant_packets, "N", "credit", 0,
	    INT64_MAX / 2, NULL },
	{ "grant-bytes", OPT_SIZE, &grant_bytes, "BYTES", "credit", 0,
	    INT64_MAX / 2, NULL },
	{ "no-grant", OPT_FLAG, &no_grant, NULL, "never answer", 0, 0, NULL },
	{ "ack-max", OPT_INT, &ack_max, "N",
	    "acknowledge no more than the first N deliveries", 0,
	    INT64_MAX / 2, NULL },
	{ "slow", OPT_MS, &slow_ms, "TIME", "between two messages", 0, 60000,
	    NULL },
	{ "lie", OPT_CHOICE, &lie, NULL, "also say something wrong", 0, 0,
	    "none|garbage|beyond|route|unknown|frames" },
	{ "packets", OPT_INT, &want, "N", "exit after N PACKETs", 0,
	    INT64_MAX / 2, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when ready", 0, INT32_MAX, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

static void *router;
static FILE *out, *records;
static struct peer peers[ROUTES_MAX];
static int npeers;
static uint64_t packets, bytes, duplicates, gaps, stale, malformed, over;
static uint64_t first_ns, last_ns, latency_sum, now;

static struct peer *
peer_find(const char *route)
{
	for (int i = 0; i < npeers; i++)
		if (strcmp(peers[i].route, route) == 0)
			return &peers[i];
	return NULL;
}

static void
peer_restart(struct peer *p)
{
	stage_instance(p->sink, sizeof(p->sink));
	p->begun = 0;
	p->tell = 1;
}

static void
take_hello(const struct dmsg_hello *h, zmq_msg_t *id)
{
	struct peer *p = peer_find(h->route);

	if (p == NULL) {
		if (npeers == ROUTES_MAX)
			fatalx(EX_SOFTWARE, "too many routes");
		p = &peers[npeers++];
		strcpy(p->route, h->route);
		peer_restart(p);
	}
	p->id_len = zmq_msg_size(id);
	memcpy(p->id, zmq_msg_data(id), p->id_len);
	p->tell = 1;
	if (!hello_flag)
		return;
	fprintf(out, "hello %s", h->service);
	for (uint32_t i = 0; i < h->nheaders; i++)
		fprintf(out, " %.*s=%.*s", (int)h->headers[i].name.n,
		    h->headers[i].name.p, (int)h->headers[i].value.n,
		    h->headers[i].value.p);
	fprintf(out, "\n");
	fflush(out);
}

/* FNV-1a: enough to see that bytes are the same. */
static uint32_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static void
print_record(uint64_t delivery, uint64_t number, const struct rec *r)
{
	struct track_header t;
	char num[24] = "-", stream[24] = "-";

	if (number != DMSG_NO_NUMBER)
		snprintf(num, sizeof(num), "%" PRIu64, number);
	if (r->stream != REC_NO_STREAM)
		snprintf(stream, sizeof(stream), "%" PRIu64, r->stream);
	fprintf(out, "%" PRIu64 " %s %s %" PRIx64 " %s ", delivery, num,
	    rec_type_name(r->type), r->session, stream);
	if (r->type == REC_PACKET &&
	    track_header_get(r->payload, TRACK_PACKET_MAX, &t) == TRACK_OK)
		fprintf(out, "%s %s %u %08x\n", t.id[0] != '\0' ? t.id : "-",
		    t.type, t.payload_len, checksum(r->payload +
		    TRACK_HEADER_LEN, r->len - TRACK_HEADER_LEN));
	else
		fprintf(out, "- - %u %08x\n", r->len,
		    checksum(r->payload, r->len));
}

static void
take_records(struct peer *p, const struct dmsg_packets *m,
    struct dmsg_iter *it, size_t size)
{
	uint64_t number, delivery = m->first;
	struct rec r;
	size_t len;

	if (m->first + m->count - p->acked > (uint64_t)grant_packets ||
	    (size > (size_t)grant_bytes && m->count > 1))
		over++;
	while ((len = dmsg_iter_next(it, &number, &r)) > 0) {
		if (delivery++ < p->taken) {
			duplicates++;
			continue;
		}
		p->taken = delivery;
		if (r.type == REC_PACKET) {
			packets++;
			bytes += r.len - TRACK_HEADER_LEN;
			if (!null)
				latency_sum += stage_realtime() - r.time;
		}
		if (records != NULL)
			fwrite(r.payload - REC_HEADER_LEN, 1, len, records);
		if (!null)
			print_record(delivery - 1, number, &r);
	}
	if (p->taken > p->acked)
		p->acked = p->taken < (uint64_t)ack_max ? p->taken :
							  (uint64_t)ack_max;
	if (first_ns == 0)
		first_ns = now;
	last_ns = now;
	if (!null)
		fflush(out);
	if (records != NULL)
		fflush(records);
}

static void
take_packets(const struct dmsg_packets *m, zmq_msg_t *f, int n)
{
	struct peer *p = peer_find(m->route);
	struct dmsg_iter it;

	if (n != 4 || dmsg_iter_init(&it, m, zmq_msg_data(&f[2]),
	    zmq_msg_size(&f[2]), zmq_msg_data(&f[3]), zmq_msg_size(&f[3]),
	    NULL) == -1) {
		malformed++;
		return;
	}
	if (p == NULL || strcmp(p->sink, m->sink) != 0) {
		stale++;
		return;
	}
	if (!p->begun && m->first > p->taken)
		p->taken = p->acked = m->first;
	p->begun = 1;
	if (m->first > p->taken) {
		gaps++;
		peer_restart(p);
		return;
	}
	take_records(p, m, &it, zmq_msg_size(&f[3]));
}

/* 1 if there was one. */
static int
receive(void)
{
	zmq_msg_t f[4];
	struct dmsg m;
	int n = zframes_recv(router, f, 4);

	if (n == -1)
		return 0;
	if (n < 2 || dmsg_get(zmq_msg_data(&f[1]), zmq_msg_size(&f[1]), &m,
	    NULL) == -1)
		malformed++;
	else if (m.cmd == DMSG_HELLO)
		take_hello(&m.hello, &f[0]);
	else if (m.cmd == DMSG_PACKETS)
		take_packets(&m.packets, f, n);
	zframes_close(f, n < 4 ? n : 4);
	return 1;
}

static void
send_to(struct peer *p, const void *data, size_t n, int flags)
{
	zframes_send(router, p->id, p->id_len, ZMQ_SNDMORE);
	zframes_send(router, data, n, flags);
}

static void
tell_lie(struct peer *p)
{
	struct dmsg_grant g = { .acked = UINT64_C(1) << 40, .packets = 1,
		.bytes = 1 };
	struct buf b = { 0 };

	strcpy(g.sink, p->sink);
	strcpy(g.route, lie == LIE_ROUTE ? "somebodyelse" : p->route);
	switch (lie) {
	case LIE_GARBAGE:
		send_to(p, "\xff\x00garbage", 9, 0);
		break;
	case LIE_BEYOND:
	case LIE_ROUTE:
		dmsg_put_grant(&b, &g);
		send_to(p, buf_data(&b), buf_len(&b), 0);
		break;
	case LIE_UNKNOWN:
		send_to(p, "\x81\xa3" "cmd\xa4" "what", 10, 0);
		break;
	case LIE_FRAMES:
		send_to(p, "\x80", 1, ZMQ_SNDMORE);
		zframes_send(router, "x", 1, 0);
		break;
	default:
		break;
	}
	buf_free(&b);
}

static void
tell_grants(void)
{
	struct dmsg_grant g = { .packets = (uint64_t)grant_packets,
		.bytes = (uint64_t)grant_bytes };
	struct buf b = { 0 };

	if (no_grant)
		return;
	for (int i = 0; i < npeers; i++) {
		struct peer *p = &peers[i];

		if (!p->tell && p->acked == p->told)
			continue;
		if (p->tell)
			tell_lie(p);
		p->tell = 0;
		p->told = p->acked;
		strcpy(g.sink, p->sink);
		strcpy(g.route, p->route);
		g.acked = p->acked;
		buf_consume(&b, buf_len(&b));
		dmsg_put_grant(&b, &g);
		send_to(p, buf_data(&b), buf_len(&b), 0);
	}
	buf_free(&b);
}

static void
summary(void)
{
	double s = (double)(last_ns - first_ns) / 1e9;

	fprintf(stderr, "testsink: packets %" PRIu64 " bytes %" PRIu64
	    " seconds %.6f duplicates %" PRIu64 " gaps %" PRIu64 " stale %"
	    PRIu64 " malformed %" PRIu64 " over %" PRIu64 " latency_us %.1f\n",
	    packets, bytes, s, duplicates, gaps, stale, malformed, over,
	    packets > 0 ? (double)latency_sum / 1e3 / (double)packets : 0.0);
}

int
main(int argc, char **argv)
{
	zmq_pollitem_t items[2] = { { .events = ZMQ_POLLIN },
		{ .events = ZMQ_POLLIN } };
	uint64_t free_at = 0;
	void *zmq;
	int linger = 0, hwm = 0, wait;

	log_init("testsink");
	if (opt_parse(argc, argv, opts, "testsink --bind ENDPOINT [options]") <
	    argc || bind_to == NULL)
		opt_usage("--bind is needed, operands are not");
	out = print_to == NULL ? stdout : fopen(print_to, "we");
	if (out == NULL)
		fatal(EX_CANTCREAT, "%s", print_to);
	if (records_to != NULL && (records = fopen(records_to, "ae")) == NULL)
		fatal(EX_CANTCREAT, "%s", records_to);
	items[1].fd = stage_signals();
	zmq = zmq_ctx_new();
	router = zmq_socket(zmq, ZMQ_ROUTER);
	zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(router, ZMQ_SNDHWM, &hwm, sizeof(hwm));
	if (zmq_bind(router, bind_to) == -1)
		fatalx(EX_UNAVAILABLE, "%s: %s", bind_to,
		    zmq_strerror(errno));
	items[0].socket = router;
	stage_ready(ready_fd);
	for (;;) {
		now = stage_monotonic();
		wait = now < free_at ? stage_poll_ms(free_at - now) : -1;
		items[0].events = now < free_at ? 0 : ZMQ_POLLIN;
		if (zmq_poll(items, 2, wait) == -1 && errno != EINTR)
			fatal(EX_OSERR, "zmq_poll");
		now = stage_monotonic();
		if (items[1].revents != 0 &&
		    stage_signal_read(items[1].fd) == STAGE_STOP)
			break;
		if (now < free_at)
			continue;
		for (int i = 0; i < TURN && receive() && slow_ms == 0; i++)
			;
		if (slow_ms > 0)
			free_at = now + (uint64_t)slow_ms * NS_PER_MS;
		tell_grants();
		if (want > 0 && packets >= (uint64_t)want)
			break;
	}
	summary();
	fclose(out);
	if (records != NULL)
		fclose(records);
	linger = 1000; /* the last grant shall arrive */
	zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_close(router);
	zmq_ctx_term(zmq);
	return EX_OK;
}
