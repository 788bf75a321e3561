#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "rec.h"
#include "sink_int.h"
#include "zframes.h"

/* A turn of the loop takes so much, then it is the bus's turn. */
#define TURN_MESSAGES 64
#define TURN_BYTES (512 * 1024)

/* Identity, map, packet numbers, records. */
#define PARTS_MAX 4
enum { PART_ID, PART_MAP, PART_NUMBERS, PART_RECORDS };

#define PRODUCER_MAX 40 /* 16 hexadecimal digits, '-', 20 decimal ones */

struct parts {
	zmq_msg_t part[PARTS_MAX];
	int n; /* parts of the message, of which PARTS_MAX are kept */
};

static const uint8_t *
part_data(struct parts *m, int i)
{
	return zmq_msg_data(&m->part[i]);
}

static size_t
part_size(struct parts *m, int i)
{
	return zmq_msg_size(&m->part[i]);
}

static void
message_malformed(struct sink *s, const char *why)
{
	if (s->stats.malformed++ == 0)
		log_warnx("message malformed: %s (more are only counted)",
		    why);
}

const char *
sink_packet_header(const struct sink_packet *p, const char *name)
{
	return sink_route_header(p->route, name);
}

static uint64_t *
reason_counter(struct sink *s, const char *reason)
{
	for (size_t i = 0; i < s->nreasons; i++)
		if (s->reasons[i] == reason ||
		    strcmp(s->reasons[i], reason) == 0)
			return &s->stats.reasons[i];
	fatalx(EX_SOFTWARE, "reason %s is not in the table", reason);
}

static void
hex16_put(char *s, uint64_t v)
{
	for (int i = 15; i >= 0; i--, v >>= 4)
		s[i] = "0123456789abcdef"[v & 15];
}

/* "SESSION-STREAM": whose packets are numbered in one row. */
static size_t
producer_put(char *s, const struct sink_packet *p)
{
	hex16_put(s, p->session);
	if (p->stream == REC_NO_STREAM)
		return 16 + (size_t)sprintf(s + 16, "-dgram");
	return 16 + (size_t)sprintf(s + 16, "-%llu",
	    (unsigned long long)p->stream);
}

static void
props_common(struct props *props, const struct sink_packet *p)
{
	char session[16];

	hex16_put(session, p->session);
	props_reset(props);
	props_add_str(props, "track_id", p->track.id);
	props_add_str(props, "track_type", p->track.type);
	props_add_strn(props, "session", session, sizeof(session));
	if (p->stream != REC_NO_STREAM)
		props_add_uint(props, "stream", p->stream);
	props_append(props, &p->route->headers);
}

/* 1 if the bus has it now and its receipt is to be awaited. */
static int
packet_publish(struct sink *s, const struct sink_packet *p, uint64_t cookie)
{
	char producer[PRODUCER_MAX];
	struct entry e = { .event = p->time, .seq = p->number };
	const char *reason;
	int sent;

	props_common(&s->props, p);
	reason = s->kind->inspect(s->kind->ctx, p, &s->props);
	if (reason != NULL)
		props_add_str(&s->props, "reason", reason);
	else if (s->recorder.dir != -1)
		s->kind->record(s->kind->ctx, &s->recorder, p);
	if (s->kind->release != NULL)
		s->kind->release(s->kind->ctx);

	e.producer = producer;
	e.producer_len = (uint32_t)producer_put(producer, p);
	e.key = p->track.id;
	e.key_len = (uint32_t)strlen(p->track.id);
	e.props = props_data(&s->props);
	e.props_len = props_len(&s->props);
	e.payload = p->payload;
	e.payload_len = (uint32_t)p->len;
	sent = bus_send(s->bus, reason == NULL ? s->topic : s->rejected, &e,
	    cookie) == 0;
	if (!sent) {
		if (s->stats.too_large++ == 0)
			log_warnx("track %s: a packet of %zu bytes is too "
			    "large for a message: dropped", p->track.id,
			    p->len);
	} else if (reason == NULL) {
		s->stats.good++;
	} else {
		s->stats.rejected++;
		++*reason_counter(s, reason);
	}
	return sent;
}

/* A record was taken: 1 if its receipt is to be awaited, 0 if it is done. */
static int
record_handle(struct sink *s, const struct sink_route *route,
    const struct rec *r, uint64_t number, uint64_t cookie)
{
	struct sink_packet p = { .session = r->session, .stream = r->stream,
		.time = r->time, .number = number, .now = s->now,
		.route = route };

	s->stats.records++;
	if (r->type == REC_SESSION_CLOSE)
		recorder_close_session(&s->recorder, r->session);
	if (r->type != REC_PACKET)
		return 0;
	if (track_header_get(r->payload, TRACK_PACKET_MAX, &p.track) !=
	    TRACK_OK || p.track.payload_len != r->len - TRACK_HEADER_LEN) {
		if (s->stats.bad_track++ == 0)
			log_warnx("route %s: a packet with a bad track header",
			    route->route);
		return 0;
	}
	p.payload = r->payload + TRACK_HEADER_LEN;
	p.len = p.track.payload_len;
	s->stats.packets++;
	s->stats.bytes += p.len;
	return packet_publish(s, &p, cookie);
}

static void
packets_handle(struct sink *s, const struct dmsg_packets *p, struct parts *m)
{
	struct sink_route *route;
	uint64_t skip, number, cookie;
	struct dmsg_iter it;
	const char *why;
	struct rec r;
	size_t size;

	if (m->n != PARTS_MAX) {
		message_malformed(s, "number of frames");
		return;
	}
	if (dmsg_iter_init(&it, p, part_data(m, PART_NUMBERS),
	    part_size(m, PART_NUMBERS), part_data(m, PART_RECORDS),
	    part_size(m, PART_RECORDS), &why) == -1) {
		message_malformed(s, why);
		return;
	}
	route = sink_route_packets(&s->routes, p, &skip, s->now);
	if (route == NULL)
		return;
	while ((size = dmsg_iter_next(&it, &number, &r)) > 0) {
		if (skip > 0) {
			skip--;
			continue;
		}
		/* The windows do not count properties: the bus may be full
		 * before they are. */
		if (bus_full(s->bus)) {
			s->stats.no_room++;
			sink_route_restart(route);
			return;
		}
		if (sink_route_take(&s->routes, route, (uint32_t)size, s->now,
		    &cookie) == -1)
			return;
		if (!record_handle(s, route, &r, number, cookie))
			sink_route_done(&s->routes, cookie, s->now);
	}
}

static void
message_handle(struct sink *s, struct parts *m)
{
	const char *why;
	struct dmsg d;

	s->stats.messages++;
	if (m->n < 2) {
		message_malformed(s, "no frame 0");
		return;
	}
	if (dmsg_get(part_data(m, PART_MAP), part_size(m, PART_MAP), &d,
	    &why) == -1) {
		message_malformed(s, why);
		return;
	}
	if (d.cmd == DMSG_HELLO)
		sink_route_hello(&s->routes, &d.hello, part_data(m, PART_ID),
		    part_size(m, PART_ID), s->now);
	else if (d.cmd == DMSG_PACKETS)
		packets_handle(s, &d.packets, m);
	else
		s->stats.unknown_commands++;
}

void
sink_receive(struct sink *s)
{
	size_t bytes = 0;
	struct parts m;

	for (int i = 0; i < TURN_MESSAGES && bytes < TURN_BYTES; i++) {
		m.n = zframes_recv(s->router, m.part, PARTS_MAX);
		if (m.n == -1)
			break;
		message_handle(s, &m);
		if (m.n > PARTS_MAX)
			m.n = PARTS_MAX;
		for (int k = 0; k < m.n; k++)
			bytes += part_size(&m, k);
		zframes_close(m.part, m.n);
	}
}

void
sink_send_grants(struct sink *s)
{
	struct buf b = { 0 };
	struct dmsg_grant g;

	for (uint32_t i = 0; i < s->routes.max; i++) {
		struct sink_route *r = &s->routes.routes[i];

		if (!sink_route_grant(&s->routes, r, &g, s->now))
			continue;
		buf_consume(&b, buf_len(&b));
		dmsg_put_grant(&b, &g);
		/* A grant that cannot be sent is no loss: the route is gone,
		 * or asks again with its next hello. */
		if (zframes_send(s->router, r->id, r->id_len,
		    ZMQ_SNDMORE) == -1 ||
		    zframes_send(s->router, buf_data(&b), buf_len(&b), 0) ==
		    -1)
			log_debug("grant to %s: %s", r->route,
			    zmq_strerror(errno));
	}
	buf_free(&b);
}

void
sink_receipt(void *ctx, uint64_t cookie, const struct bus_receipt *r)
{
	struct sink *s = ctx;

	if (r->code == BMSG_OK)
		s->stats.receipts++;
	else if (s->stats.failed++ == 0)
		log_warnx("topic-bus refused a message: %s: %s",
		    bmsg_code_name(r->code), r->text);
	sink_route_done(&s->routes, cookie, s->now);
}
