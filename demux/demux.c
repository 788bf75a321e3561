#include "demux.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "hold.h"
#include "log.h"
#include "table.h"

struct session {
	struct table_node node; /* (session, 0) */
	struct stream *streams;
	int crowded; /* a stream of it found no place: those not in the table
		      * cannot be told from new ones and count as given up */
};

struct stream {
	struct table_node node; /* (session, stream) */
	struct stream *next, **at; /* in the session's list */
	struct session *session;
	uint8_t flags; /* UNI, SERVER */
	uint8_t dead;  /* given up: its bytes are swallowed */
	/* The unfinished packet: */
	uint8_t header_len; /* bytes that have come; 0: there is none */
	uint8_t header[TRACK_HEADER_LEN];
	uint32_t payload_len; /* when the header is whole */
	uint64_t time;	      /* of its first byte */
	struct hold hold;
};

struct demux {
	struct demux_config cfg;
	struct demux_stats stats;
	struct table sessions, streams;
	struct holds holds;
};

struct demux *
demux_new(const struct demux_config *cfg)
{
	struct demux *d = calloc(1, sizeof(*d));

	if (d == NULL)
		fatal(EX_OSERR, "memory");
	d->cfg = *cfg;
	d->holds.max = cfg->max_buffer;
	return d;
}

const struct demux_stats *
demux_stats(const struct demux *d)
{
	return &d->stats;
}

static struct session *
session_get(const struct demux *d, uint64_t id)
{
	return (struct session *)table_find(&d->sessions, id, 0);
}

static void
session_open(struct demux *d, uint64_t id)
{
	struct session *s;

	/* As many as streams: one that is not followed is orphaned. */
	if (session_get(d, id) != NULL ||
	    d->sessions.count >= d->cfg.max_streams)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		fatal(EX_OSERR, "memory");
	s->node.k1 = id;
	table_add(&d->sessions, &s->node);
	d->stats.sessions_active = d->sessions.count;
}

/* The stream of r, new if need be; NULL when there is no place for it. */
static struct stream *
stream_get(struct demux *d, struct session *s, const struct rec *r)
{
	struct stream *st = (struct stream *)table_find(&d->streams,
	    r->session, r->stream);

	if (st != NULL)
		return st;
	if (s->crowded || d->streams.count >= d->cfg.max_streams) {
		s->crowded = 1;
		return NULL;
	}
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		fatal(EX_OSERR, "memory");
	st->node.k1 = r->session;
	st->node.k2 = r->stream;
	st->flags = r->flags & (REC_UNI | REC_SERVER);
	st->session = s;
	st->at = &s->streams;
	st->next = s->streams;
	if (st->next != NULL)
		st->next->at = &st->next;
	s->streams = st;
	table_add(&d->streams, &st->node);
	d->stats.streams_active = d->streams.count;
	if (d->streams.count > d->stats.streams_max)
		d->stats.streams_max = d->streams.count;
	return st;
}

static void
stream_free(struct demux *d, struct stream *st)
{
	*st->at = st->next;
	if (st->next != NULL)
		st->next->at = st->at;
	table_remove(&d->streams, &st->node);
	d->stats.streams_active = d->streams.count;
	hold_free(&d->holds, &st->hold);
	free(st);
}

/* s is in the table no more. */
static void
session_free(struct demux *d, struct session *s)
{
	while (s->streams != NULL) {
		d->stats.packets_reset += s->streams->header_len > 0;
		stream_free(d, s->streams);
	}
	d->stats.sessions_active = d->sessions.count;
	free(s);
}

static void
session_close(struct demux *d, uint64_t id)
{
	struct session *s = session_get(d, id);

	if (s == NULL)
		return;
	table_remove(&d->sessions, &s->node);
	session_free(d, s);
}

void
demux_free(struct demux *d)
{
	struct table_node *n;
	size_t at = 0;

	if (d == NULL)
		return;
	while ((n = table_take(&d->sessions, &at)) != NULL)
		session_free(d, (struct session *)n);
	table_free(&d->sessions);
	table_free(&d->streams);
	free(d);
}

static void
count_error(struct demux *d, const struct demux_error *e)
{
	d->stats.errors[DEMUX_ERROR(e->code)]++;
	if (e->code == TRACK_TOO_LONG || e->code == TRACK_BUFFER_LIMIT)
		d->stats.overflows++;
	if (d->cfg.error != NULL)
		d->cfg.error(d->cfg.ctx, e);
}

/* Asks for the end of a stream the client writes to. */
static void
put_stop(struct buf *out, const struct rec *r, uint64_t session,
    uint64_t stream, uint8_t flags, enum track_error code)
{
	struct rec stop = { .type = REC_STOP_SENDING,
		.flags = flags | REC_REQUEST,
		.session = session,
		.stream = stream,
		.time = r->time };

	rec_append_u32(out, &stop, code);
}

static void
stream_forget_packet(struct demux *d, struct stream *st)
{
	hold_free(&d->holds, &st->hold);
	st->header_len = 0;
}

static void
stream_give_up(struct demux *d, struct stream *st, const struct rec *r,
    enum track_error code, const uint8_t *header, size_t header_len,
    struct buf *out)
{
	const struct demux_error e = { .code = code,
		.session = st->node.k1,
		.stream = st->node.k2,
		.header = header,
		.header_len = header_len,
		.held = st->hold.len };

	count_error(d, &e);
	put_stop(out, r, e.session, e.stream, st->flags, code);
	stream_forget_packet(d, st);
	st->dead = 1;
}

static struct stream *
stream_of_hold(struct hold *h)
{
	return (struct stream *)((char *)h - offsetof(struct stream, hold));
}

/* One PACKET from up to three pieces. time: of its first byte. */
static void
put_packet(struct demux *d, const struct rec *r, uint64_t time,
    const uint8_t *header, const uint8_t *a, size_t alen, const uint8_t *b,
    size_t blen, struct buf *out)
{
	size_t len = TRACK_HEADER_LEN + alen + blen;
	const struct rec packet = { .len = (uint32_t)len,
		.type = REC_PACKET,
		.flags = r->flags & (REC_UNI | REC_SERVER),
		.session = r->session,
		.stream = r->stream,
		.time = time };
	uint8_t *p = buf_reserve(out, REC_HEADER_LEN + len);

	rec_header_put(p, &packet);
	p += REC_HEADER_LEN;
	memcpy(p, header, TRACK_HEADER_LEN);
	p += TRACK_HEADER_LEN;
	if (alen > 0)
		memcpy(p, a, alen);
	if (blen > 0)
		memcpy(p + alen, b, blen);
	buf_commit(out, REC_HEADER_LEN + len);
	d->stats.packets++;
	d->stats.packet_bytes += len;
	d->stats.packets_large += len > TRACK_PACKET_LARGE;
}

/* Keeps n bytes of payload. 0, or -1 when the stream had to be given up. */
static int
stream_hold(struct demux *d, struct stream *st, const struct rec *r,
    const uint8_t *p, uint32_t n, struct buf *out)
{
	struct hold *victim;

	while ((victim = hold_grow(&d->holds, &st->hold, n,
		    st->payload_len)) != NULL) {
		struct stream *v = stream_of_hold(victim);

		stream_give_up(d, v, r, TRACK_BUFFER_LIMIT, v->header,
		    v->header_len, out);
		if (v == st)
			return -1;
	}
	if (n > 0)
		memcpy(st->hold.mem + st->hold.len, p, n);
	st->hold.len += n;
	return 0;
}

/*
 * The front of a record belongs to a packet begun in an earlier one, or
 * begins one that it does not finish. Returns the bytes taken; all of them
 * when the stream was given up.
 */
static size_t
stream_resume(struct demux *d, struct stream *st, const struct rec *r,
    const uint8_t *p, size_t n, struct buf *out)
{
	struct track_header h;
	enum track_error e;
	size_t used = 0, take;

	if (st->header_len < TRACK_HEADER_LEN) {
		used = TRACK_HEADER_LEN - st->header_len;
		if (used > n)
			used = n;
		memcpy(st->header + st->header_len, p, used);
		st->header_len += (uint8_t)used;
		if (st->header_len < TRACK_HEADER_LEN)
			return n;
		e = track_header_get(st->header, d->cfg.max_packet, &h);
		if (e != TRACK_OK) {
			stream_give_up(d, st, r, e, st->header,
			    TRACK_HEADER_LEN, out);
			return n;
		}
		st->payload_len = h.payload_len;
	}
	take = st->payload_len - st->hold.len;
	if (n - used < take) {
		stream_hold(d, st, r, p + used, (uint32_t)(n - used), out);
		return n;
	}
	put_packet(d, r, st->time, st->header, st->hold.mem, st->hold.len,
	    p + used, take, out);
	d->stats.packets_fragmented++;
	if (r->time > st->time)
		d->stats.wait_ns += r->time - st->time;
	stream_forget_packet(d, st);
	return used + take;
}

static void
stream_parse(struct demux *d, struct stream *st, const struct rec *r,
    struct buf *out)
{
	const uint8_t *p = r->payload;
	size_t n = r->len;

	if (st->header_len > 0) {
		size_t used = stream_resume(d, st, r, p, n, out);

		p += used;
		n -= used;
	}
	while (n >= TRACK_HEADER_LEN) {
		struct track_header h;
		enum track_error e = track_header_get(p, d->cfg.max_packet,
		    &h);

		if (e != TRACK_OK) {
			stream_give_up(d, st, r, e, p, TRACK_HEADER_LEN, out);
			return;
		}
		if (n - TRACK_HEADER_LEN < h.payload_len)
			break;
		put_packet(d, r, r->time, p, p + TRACK_HEADER_LEN,
		    h.payload_len, NULL, 0, out);
		d->stats.packets_complete++;
		p += TRACK_HEADER_LEN + h.payload_len;
		n -= TRACK_HEADER_LEN + h.payload_len;
	}
	if (n > 0) {
		st->time = r->time;
		stream_resume(d, st, r, p, n, out);
	}
}

/* The stream ended with r, which is told downstream without payload. */
static void
put_fin(struct buf *out, const struct rec *r)
{
	struct rec fin = *r;

	fin.len = 0;
	rec_append(out, &fin);
}

static void
stream_fin(struct demux *d, struct stream *st)
{
	const struct demux_error e = { .code = TRACK_TRUNCATED,
		.session = st->node.k1,
		.stream = st->node.k2,
		.header = st->header,
		.header_len = st->header_len,
		.held = st->hold.len };

	if (st->header_len > 0)
		count_error(d, &e);
	stream_free(d, st);
}

static void
on_stream_data(struct demux *d, const struct rec *r, struct buf *out)
{
	struct session *s = session_get(d, r->session);
	struct stream *st;

	if (s == NULL) {
		d->stats.records_orphaned++;
		return;
	}
	st = stream_get(d, s, r);
	if (st == NULL) {
		const struct demux_error e = { .code = TRACK_BUFFER_LIMIT,
			.session = r->session,
			.stream = r->stream };

		count_error(d, &e);
		put_stop(out, r, r->session, r->stream,
		    r->flags & (REC_UNI | REC_SERVER), TRACK_BUFFER_LIMIT);
	}
	if (st == NULL || st->dead)
		d->stats.bytes_swallowed += r->len;
	else
		stream_parse(d, st, r, out);
	if (r->flags & REC_FIN) {
		if (st != NULL)
			stream_fin(d, st);
		put_fin(out, r);
	}
}

static void
on_reset(struct demux *d, const struct rec *r)
{
	struct stream *st = (struct stream *)table_find(&d->streams,
	    r->session, r->stream);

	if (st == NULL)
		return;
	d->stats.packets_reset += st->header_len > 0;
	stream_free(d, st);
}

/* What is wrong with a datagram's lengths is one thing to its sender. */
static enum track_error
datagram_check(const struct demux *d, const struct rec *r)
{
	struct track_header h;
	enum track_error e;

	if (r->len < TRACK_HEADER_LEN)
		return TRACK_BAD_DATAGRAM;
	e = track_header_get(r->payload, d->cfg.max_packet, &h);
	if (e == TRACK_BAD_ID || e == TRACK_BAD_TYPE)
		return e;
	if (e != TRACK_OK || r->len - TRACK_HEADER_LEN != h.payload_len)
		return TRACK_BAD_DATAGRAM;
	return TRACK_OK;
}

static void
on_datagram(struct demux *d, const struct rec *r, struct buf *out)
{
	const struct demux_error e = { .code = datagram_check(d, r),
		.session = r->session,
		.stream = r->stream,
		.header = r->payload,
		.header_len = r->len < TRACK_HEADER_LEN ? r->len :
							  TRACK_HEADER_LEN };

	if (session_get(d, r->session) == NULL) {
		d->stats.records_orphaned++;
		return;
	}
	if (e.code != TRACK_OK) {
		count_error(d, &e);
		return;
	}
	put_packet(d, r, r->time, r->payload, r->payload + TRACK_HEADER_LEN,
	    r->len - TRACK_HEADER_LEN, NULL, 0, out);
	d->stats.packets_complete++;
	d->stats.packets_datagram++;
}

void
demux_record(struct demux *d, const struct rec *r, struct buf *out)
{
	switch (r->type) {
	case REC_STREAM_DATA:
		on_stream_data(d, r, out);
		break;
	case REC_DATAGRAM:
		on_datagram(d, r, out);
		break;
	case REC_SESSION_OPEN:
		session_open(d, r->session);
		rec_append(out, r);
		break;
	case REC_SESSION_CLOSE:
		session_close(d, r->session);
		rec_append(out, r);
		break;
	case REC_STREAM_RESET:
		on_reset(d, r);
		rec_append(out, r);
		break;
	default:
		rec_append(out, r);
		break;
	}
	d->stats.buffer_bytes = d->holds.bytes;
	d->stats.buffer_bytes_max = d->holds.bytes_max;
}
