#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "wt_int.h"

/* A short header with our longest packet number, the AEAD's tag, a DATAGRAM
 * frame with its length. */
#define DATAGRAM_FRAME 3
#define DATAGRAM_PACKET (1 + 4 + 16)

static struct wt_datagram *
datagram_new(size_t n)
{
	struct wt_datagram *d = malloc(sizeof(*d) + n);

	if (d == NULL)
		fatal(EX_OSERR, "malloc");
	d->len = n;
	return d;
}

/* ------------------------------------------------------------- received */

/* Its session is not there yet: it may wait, if few do. */
static void
datagram_hold(struct wt_conn *c, const uint8_t *p, size_t n)
{
	struct wt_datagram *d;

	if (c->nwaiting >= c->wt->cfg.max_buffered_streams) {
		c->wt->stats.buffered_rejected++;
		return;
	}
	d = datagram_new(n);
	memcpy(d->bytes, p, n);
	STAILQ_INSERT_TAIL(&c->held, d, next);
	c->nwaiting++;
	if (c->wait_until == TIMERQ_NEVER)
		c->wait_until = c->wt->now + WT_WAIT_NS;
}

int
wt_datagram_in(struct wt_conn *c, const uint8_t *p, size_t n)
{
	struct wt *wt = c->wt;
	struct wt_session *s;
	uint64_t quarter;
	size_t len = varint_get(p, n, &quarter);
	int64_t id;

	/* RFC 9297 section 2.1 */
	if (len == 0 || quarter > VARINT_MAX / 4)
		return h3_fail(c, H3_DATAGRAM_ERROR, "datagram");
	id = (int64_t)(quarter * 4);
	s = wt_session_find(c, id);
	wt->stats.datagrams_in++;
	if (s != NULL && s->state == SESSION_OPEN)
		wt->ev->datagram(wt->cfg.ctx, s, p + len, n - len);
	else if (wt_session_is_gone(c, id))
		wt->stats.datagrams_dropped++;
	else
		datagram_hold(c, p, n);
	return 0;
}

/* Takes out the waiting datagrams of session id, or with -1 all: to s, or
 * away when it is NULL. */
static void
datagrams_release(struct wt_conn *c, int64_t id, struct wt_session *s)
{
	struct wt *wt = c->wt;
	struct wt_datagrams keep = STAILQ_HEAD_INITIALIZER(keep);
	struct wt_datagram *d;

	while ((d = STAILQ_FIRST(&c->held)) != NULL) {
		uint64_t quarter = 0;
		size_t len = varint_get(d->bytes, d->len, &quarter);

		STAILQ_REMOVE_HEAD(&c->held, next);
		if (id != -1 && (int64_t)(quarter * 4) != id) {
			STAILQ_INSERT_TAIL(&keep, d, next);
			continue;
		}
		c->nwaiting--;
		if (s != NULL && s->state == SESSION_OPEN)
			wt->ev->datagram(wt->cfg.ctx, s, d->bytes + len,
			    d->len - len);
		else
			wt->stats.buffered_rejected++;
		free(d);
	}
	STAILQ_CONCAT(&c->held, &keep);
}

/* ----------------------------------------------------- the waiting room */

void
wt_waiting_admit(struct wt_session *s)
{
	struct wt_conn *c = s->c;
	struct wt_stream *st, *next;

	if (c->nwaiting == 0)
		return;
	for (st = TAILQ_FIRST(&c->streams);
	     st != NULL && s->state == SESSION_OPEN; st = next) {
		struct buf *b;
		int fin;

		next = TAILQ_NEXT(st, link);
		if (st->kind != KIND_WAITING ||
		    st->u.wait.session != (uint64_t)s->id)
			continue;
		b = st->u.wait.buf;
		fin = st->u.wait.fin;
		st->u.wait.buf = NULL;
		if (st->over)
			st->rx_done = 0;
		wt_stream_join(st, s);
		if (b != NULL) {
			wt_stream_deliver(st, buf_data(b), buf_len(b), fin);
			buf_free(b);
			free(b);
		}
		if (st->over)
			h3_stream_close(st);
	}
	datagrams_release(c, s->id, s);
	if (c->nwaiting == 0)
		c->wait_until = TIMERQ_NEVER;
}

void
wt_waiting_reject(struct wt_conn *c, int64_t id, uint64_t code)
{
	struct wt_stream *st, *next;

	if (c->nwaiting == 0 || c->state != CONN_OPEN)
		return;
	for (st = TAILQ_FIRST(&c->streams); st != NULL; st = next) {
		next = TAILQ_NEXT(st, link);
		if (st->kind != KIND_WAITING ||
		    (id != -1 && st->u.wait.session != (uint64_t)id))
			continue;
		c->wt->stats.buffered_rejected++;
		wt_stream_become(st, KIND_IGNORED);
		wt_stream_abort(st, code);
		if (st->over)
			wt_stream_free(st);
	}
	datagrams_release(c, id, NULL);
	if (c->nwaiting == 0)
		c->wait_until = TIMERQ_NEVER;
}

/* ----------------------------------------------------------------- sent */

size_t
wt_datagram_limit(struct wt_conn *c)
{
	const ngtcp2_transport_params *peer;
	size_t packet, path;

	peer = ngtcp2_conn_get_remote_transport_params(c->qc);
	if (peer == NULL || peer->max_datagram_frame_size <= DATAGRAM_FRAME)
		return 0;
	path = ngtcp2_conn_get_path_max_tx_udp_payload_size(c->qc);
	packet = DATAGRAM_PACKET + DATAGRAM_FRAME +
	    ngtcp2_conn_get_dcid(c->qc)->datalen;
	if (path <= packet)
		return 0;
	path -= packet;
	if (peer->max_datagram_frame_size - DATAGRAM_FRAME < path)
		path = peer->max_datagram_frame_size - DATAGRAM_FRAME;
	return path;
}

size_t
wt_session_datagram_max(const struct wt_session *s)
{
	size_t limit, prefix;

	if (s->state != SESSION_OPEN || s->c->state != CONN_OPEN)
		return 0;
	limit = wt_datagram_limit(s->c);
	prefix = varint_len((uint64_t)s->id / 4);
	return limit > prefix ? limit - prefix : 0;
}

int
wt_session_datagram(struct wt_session *s, const void *data, size_t len)
{
	struct wt_conn *c = s->c;
	uint8_t prefix[VARINT_LEN_MAX];
	struct wt_datagram *d;
	size_t n;

	if (len > wt_session_datagram_max(s) ||
	    c->nsending >= c->wt->cfg.max_send_datagrams)
		return -1;
	if (s->state != SESSION_OPEN)
		return -1;
	n = varint_put(prefix, (uint64_t)s->id / 4);
	d = datagram_new(n + len);
	memcpy(d->bytes, prefix, n);
	if (len > 0)
		memcpy(d->bytes + n, data, len);
	STAILQ_INSERT_TAIL(&c->sending, d, next);
	c->nsending++;
	quic_conn_dirty(c);
	return 0;
}
