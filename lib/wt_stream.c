#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "wt_int.h"

/* ----------------------------------------------- every kind of stream */

struct writable_key {
	const struct wt_conn *c;
	int64_t id;
};

struct wt_stream *
wt_stream_writable(struct wt_conn *c, int64_t id)
{
	struct writable_key key = { c, id };

	return cidmap_get(&c->wt->writable, (const uint8_t *)&key,
	    sizeof(key));
}

struct wt_stream *
wt_stream_new(struct wt_conn *c, int64_t id, enum wt_kind kind, int local)
{
	struct wt_stream *st = calloc(1, sizeof(*st));
	struct writable_key key = { c, id };

	if (st == NULL)
		fatal(EX_OSERR, "calloc");
	st->c = c;
	st->id = id;
	st->kind = (uint8_t)kind;
	st->uni = !ngtcp2_is_bidi_stream(id);
	st->local = local != 0;
	if (st->uni && local)
		st->rx_done = 1;
	if (st->uni && !local)
		st->tx_done = 1;
	else
		cidmap_put(&c->wt->writable, (const uint8_t *)&key,
		    sizeof(key), st);
	TAILQ_INSERT_TAIL(&c->streams, st, link);
	ngtcp2_conn_set_stream_user_data(c->qc, id, st);
	return st;
}

/* Leaves its kind behind, with what that kind keeps. */
void
wt_stream_become(struct wt_stream *st, enum wt_kind kind)
{
	struct wt_conn *c = st->c;

	if ((st->kind == KIND_CONTROL || st->kind == KIND_REQUEST) &&
	    st->u.frames != NULL) {
		h3_frames_free(st->u.frames);
		free(st->u.frames);
	}
	if (st->kind == KIND_REQUEST && st->held > 0) {
		h3_skip(st, st->held);
		st->held = 0;
	}
	if (st->kind == KIND_WAITING) {
		c->nwaiting--;
		if (st->u.wait.buf != NULL) {
			ngtcp2_conn_extend_max_offset(c->qc,
			    buf_len(st->u.wait.buf));
			buf_free(st->u.wait.buf);
			free(st->u.wait.buf);
		}
	}
	memset(&st->u, 0, sizeof(st->u));
	st->kind = (uint8_t)kind;
	if (kind != KIND_CONTROL && kind != KIND_REQUEST)
		return;
	st->u.frames = malloc(sizeof(*st->u.frames));
	if (st->u.frames == NULL)
		fatal(EX_OSERR, "malloc");
	h3_frames_init(st->u.frames,
	    kind == KIND_CONTROL ? H3_ON_CONTROL : H3_ON_REQUEST,
	    c->wt->server, c->wt->cfg.max_field_section);
}

void
wt_stream_free(struct wt_stream *st)
{
	struct wt_conn *c = st->c;
	struct writable_key key = { c, st->id };

	cidmap_del(&c->wt->writable, (const uint8_t *)&key, sizeof(key), st);
	TAILQ_REMOVE(st->kind == KIND_WT ? &st->s->streams : &c->streams, st,
	    link);
	wt_stream_become(st, KIND_IGNORED);
	wt_stream_dequeue(st);
	if (c->control == st)
		c->control = NULL;
	chunks_free(&st->tx);
	free(st);
}

static void
wt_stream_queue(struct wt_stream *st)
{
	struct wt_conn *c = st->c;

	if (st->queued || st->blocked || st->tx_done)
		return;
	st->queued = 1;
	/* The connection's own words go before anybody's data. */
	if (st->kind == KIND_WT)
		TAILQ_INSERT_TAIL(&c->sendq, st, sendq_link);
	else
		TAILQ_INSERT_HEAD(&c->sendq, st, sendq_link);
	quic_conn_dirty(c);
}

void
wt_stream_dequeue(struct wt_stream *st)
{
	if (!st->queued)
		return;
	st->queued = 0;
	TAILQ_REMOVE(&st->c->sendq, st, sendq_link);
}

void
wt_stream_send(struct wt_stream *st, const void *data, size_t n, int fin)
{
	if (st->tx_done || st->fin)
		return;
	chunks_append(&st->tx, data, n);
	st->fin = fin != 0;
	if (n > 0 || fin)
		wt_stream_queue(st);
}

void
wt_stream_unblock(struct wt_stream *st)
{
	if (!st->blocked)
		return;
	st->blocked = 0;
	if (st->tx.unsent > 0 || (st->fin && !st->fin_sent))
		wt_stream_queue(st);
}

void
wt_stream_acked(struct wt_stream *st, size_t n)
{
	struct wt *wt = st->c->wt;

	chunks_acked(&st->tx, n);
	if (st->kind == KIND_WT && st->s->state == SESSION_OPEN && n > 0 &&
	    wt->ev->stream_acked != NULL)
		wt->ev->stream_acked(wt->cfg.ctx, st);
}

uint64_t
wt_stream_allowance(const struct wt_stream *st)
{
	if (st->kind != KIND_WT || !st->c->limits)
		return UINT64_MAX;
	return st->s->max_data - st->s->sent + st->head;
}

void
wt_stream_sent(struct wt_stream *st, size_t n)
{
	size_t head = n < st->head ? n : st->head;

	if (st->kind != KIND_WT)
		return;
	/* What is in front is not the session's data. */
	st->head -= (uint8_t)head;
	st->s->sent += n - head;
	st->c->wt->stats.stream_bytes_out += n - head;
}

/* Both directions, as far as they are there. */
void
wt_stream_abort(struct wt_stream *st, uint64_t h3_code)
{
	if (!st->tx_done) {
		st->tx_done = 1;
		wt_stream_dequeue(st);
		ngtcp2_conn_shutdown_stream_write(st->c->qc, 0, st->id,
		    h3_code);
	}
	if (!st->rx_done) {
		st->rx_done = 1;
		ngtcp2_conn_shutdown_stream_read(st->c->qc, 0, st->id,
		    h3_code);
	}
	quic_conn_dirty(st->c);
}

/* ------------------------------------------------ streams of a session */

void
wt_stream_join(struct wt_stream *st, struct wt_session *s)
{
	struct wt *wt = st->c->wt;

	TAILQ_REMOVE(&st->c->streams, st, link);
	wt_stream_become(st, KIND_WT);
	st->s = s;
	TAILQ_INSERT_TAIL(&s->streams, st, link);
	wt->stats.streams_total++;
	wt->stats.streams_active++;
	if (!st->local)
		wt->ev->stream_open(wt->cfg.ctx, st);
}

/* Its session has ended. */
void
wt_stream_detach(struct wt_stream *st)
{
	struct wt *wt = st->c->wt;

	wt->stats.streams_active--;
	wt->ev->stream_closed(wt->cfg.ctx, st);
	if (st->c->state == CONN_OPEN)
		wt_stream_abort(st, H3_WT_SESSION_GONE);
	TAILQ_REMOVE(&st->s->streams, st, link);
	wt_stream_become(st, KIND_IGNORED);
	st->s = NULL;
	st->data = NULL;
	TAILQ_INSERT_TAIL(&st->c->streams, st, link);
}

void
wt_stream_deliver(struct wt_stream *st, const uint8_t *p, size_t n, int fin)
{
	struct wt *wt = st->c->wt;

	if (n == 0 && !fin)
		return;
	if (st->rx_done || st->s->state != SESSION_OPEN) {
		h3_skip(st, n);
		return;
	}
	wt->stats.stream_bytes_in += n;
	if (fin)
		st->rx_done = 1;
	wt->ev->stream_data(wt->cfg.ctx, st, p, n, fin);
}

struct wt_stream *
wt_stream_open(struct wt_session *s, int uni)
{
	struct wt_conn *c = s->c;
	struct wt_stream *st;
	uint8_t buf[16];
	int64_t id;
	int rc;

	if (wt_session_streams_left(s, uni) == 0)
		return NULL;
	rc = uni ? ngtcp2_conn_open_uni_stream(c->qc, &id, NULL) :
		   ngtcp2_conn_open_bidi_stream(c->qc, &id, NULL);
	if (rc != 0)
		return NULL;
	s->opened[uni != 0]++;
	st = wt_stream_new(c, id, KIND_NEW, 1);
	wt_stream_join(st, s);
	st->head = (uint8_t)h3_prefix_put(buf,
	    uni ? (uint64_t)H3_STREAM_WT_UNI : (uint64_t)H3_FRAME_WT_BIDI,
	    (uint64_t)s->id);
	wt_stream_send(st, buf, st->head, 0);
	return st;
}

uint64_t
wt_session_streams_left(const struct wt_session *s, int uni)
{
	struct wt_conn *c = s->c;
	uint64_t left, mine;

	if (c->state != CONN_OPEN || s->state != SESSION_OPEN)
		return 0;
	left = uni ? ngtcp2_conn_get_streams_uni_left(c->qc) :
		     ngtcp2_conn_get_streams_bidi_left(c->qc);
	mine = s->max_streams[uni != 0] - s->opened[uni != 0];
	return c->limits && mine < left ? mine : left;
}

int64_t
wt_stream_id(const struct wt_stream *st)
{
	return st->id;
}

struct wt_session *
wt_stream_session(const struct wt_stream *st)
{
	return st->s;
}

int
wt_stream_is_uni(const struct wt_stream *st)
{
	return st->uni;
}

int
wt_stream_is_local(const struct wt_stream *st)
{
	return st->local;
}

void
wt_stream_set_data(struct wt_stream *st, void *data)
{
	st->data = data;
}

void *
wt_stream_data(const struct wt_stream *st)
{
	return st->data;
}

int
wt_stream_write(struct wt_stream *st, const void *data, size_t len, int fin)
{
	if (st->tx_done || st->fin || st->s->state != SESSION_OPEN)
		return -1;
	wt_stream_send(st, data, len, fin);
	return 0;
}

size_t
wt_stream_unacked(const struct wt_stream *st)
{
	return st->tx_done ? 0 : st->tx.unacked;
}

size_t
wt_stream_unsent(const struct wt_stream *st)
{
	return st->tx_done ? 0 : st->tx.unsent;
}

void
wt_stream_reset(struct wt_stream *st, uint32_t code)
{
	if (st->tx_done || st->s->state != SESSION_OPEN)
		return;
	st->tx_done = 1;
	wt_stream_dequeue(st);
	ngtcp2_conn_shutdown_stream_write(st->c->qc, 0, st->id,
	    h3_from_app_code(code));
	quic_conn_dirty(st->c);
}

void
wt_stream_stop(struct wt_stream *st, uint32_t code)
{
	if (st->rx_done || st->s->state != SESSION_OPEN)
		return;
	st->rx_done = 1;
	ngtcp2_conn_shutdown_stream_read(st->c->qc, 0, st->id,
	    h3_from_app_code(code));
	quic_conn_dirty(st->c);
}

void
wt_stream_consumed(struct wt_stream *st, size_t n)
{
	struct wt_conn *c = st->c;

	if (n == 0 || c->state != CONN_OPEN)
		return;
	ngtcp2_conn_extend_max_offset(c->qc, n);
	if (st->paused)
		st->held += n;
	else
		ngtcp2_conn_extend_max_stream_offset(c->qc, st->id, n);
	quic_conn_dirty(c);
}

void
wt_stream_pause(struct wt_stream *st)
{
	st->paused = 1;
}

void
wt_stream_resume(struct wt_stream *st)
{
	struct wt_conn *c = st->c;

	st->paused = 0;
	if (st->held == 0 || c->state != CONN_OPEN)
		return;
	ngtcp2_conn_extend_max_stream_offset(c->qc, st->id, st->held);
	st->held = 0;
	quic_conn_dirty(c);
}
