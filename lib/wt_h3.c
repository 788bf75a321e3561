#include <stdlib.h>
#include <sysexits.h>

#include "log.h"
#include "wt_int.h"

int
h3_fail(struct wt_conn *c, uint64_t code, const char *why)
{
	if (c->h3_error == 0) {
		c->h3_error = code;
		c->h3_why = why;
		c->wt->stats.h3_errors++;
	}
	return -1;
}

void
h3_skip(struct wt_stream *st, size_t n)
{
	if (n == 0)
		return;
	ngtcp2_conn_extend_max_offset(st->c->qc, n);
	ngtcp2_conn_extend_max_stream_offset(st->c->qc, st->id, n);
}

/* Our control stream, in the first flight that can carry it. */
int
h3_conn_start(struct wt_conn *c)
{
	const struct wt_config *cfg = &c->wt->cfg;
	uint8_t buf[16 + H3_SETTINGS_FRAME_LEN];
	struct h3_settings settings;
	size_t n;
	int64_t id;

	if (ngtcp2_conn_open_uni_stream(c->qc, &id, NULL) != 0)
		return h3_fail(c, H3_STREAM_CREATION_ERROR,
		    "the peer allows no control stream");
	c->control = wt_stream_new(c, id, KIND_OURS, 1);
	h3_settings_ours(&settings,
	    c->wt->server ? cfg->max_sessions_per_connection : 1,
	    cfg->max_field_section);
	n = h3_prefix_put(buf, H3_STREAM_CONTROL, 0);
	n += h3_settings_put(buf + n, &settings);
	wt_stream_send(c->control, buf, n, 0);
	return 0;
}

/* -------------------------------------------------- the control streams */

static int
h3_settings(struct wt_conn *c, const uint8_t *p, size_t n)
{
	struct h3_settings s;
	uint64_t error = h3_settings_get(p, n, &s);
	int wt;

	if (error != 0)
		return h3_fail(c, error, "SETTINGS");
	c->wt->stats.unknown_ignored += s.unknown;
	c->got_settings = 1;
	/* Ours are there always, so the peer's decide. */
	c->peer_max_data = s.wt_initial_max_data;
	c->peer_max_streams[0] = s.wt_initial_max_streams_bidi;
	c->peer_max_streams[1] = s.wt_initial_max_streams_uni;
	c->limits = s.wt_initial_max_data != 0 ||
	    s.wt_initial_max_streams_bidi != 0 ||
	    s.wt_initial_max_streams_uni != 0;
	wt = s.wt_enabled || s.wt_max_sessions || s.wt_draft02 ||
	    s.wt_draft07_max_sessions;
	c->peer_wt = wt && s.h3_datagram && (c->wt->server ||
	    s.connect_protocol);
	if (!c->wt->server && !c->peer_wt)
		return h3_fail(c, H3_SETTINGS_ERROR,
		    "the server does not offer WebTransport");
	return wt_request_retry(c);
}

static void
h3_goaway(struct wt_conn *c)
{
	struct wt_session *s;

	/* A client's is about pushes, of which there are none. */
	if (c->wt->server || c->goaway_got)
		return;
	c->goaway_got = 1;
	TAILQ_FOREACH(s, &c->sessions, link)
		if (s->state == SESSION_OPEN)
			c->wt->ev->session_drain(c->wt->cfg.ctx, s);
}

static int
h3_control_data(struct wt_stream *st, const uint8_t *p, size_t n)
{
	struct h3_frames *f = st->u.frames;
	struct wt_conn *c = st->c;
	enum h3_event ev;

	while ((ev = h3_frames_next(f, &p, &n)) != H3_EV_MORE)
		switch (ev) {
		case H3_EV_SETTINGS:
			if (h3_settings(c, f->payload, f->len) == -1)
				return -1;
			break;
		case H3_EV_GOAWAY:
			h3_goaway(c);
			break;
		case H3_EV_ERROR:
			return h3_fail(c, f->error, "control stream");
		default:
			c->wt->stats.unknown_ignored++;
			break;
		}
	return 0;
}

void
h3_conn_drain(struct wt_conn *c)
{
	uint8_t buf[24];
	size_t n;
	uint64_t id;
	struct wt_session *s;

	if (c->state != CONN_OPEN || c->goaway_sent)
		return;
	c->goaway_sent = 1;
	/* The first request that will not be served (RFC 9114 5.2). */
	id = (uint64_t)(c->request_max + 4) & ~UINT64_C(3);
	if (c->control != NULL) {
		n = h3_frame_put(buf, H3_FRAME_GOAWAY, varint_len(id));
		n += varint_put(buf + n, id);
		wt_stream_send(c->control, buf, n, 0);
	}
	TAILQ_FOREACH(s, &c->sessions, link)
		wt_session_drain(s);
	if (c->nsessions == 0)
		c->linger_at = c->wt->now;
	quic_conn_dirty(c);
}

/* --------------------------------------------- which stream is for what */

int
h3_stream_open(struct wt_conn *c, int64_t id)
{
	struct wt_stream *st = wt_stream_new(c, id, KIND_NEW, 0);

	st->u.prefix.uni = st->uni;
	if (!st->uni && id > c->request_max)
		c->request_max = id;
	return 0;
}

static int
h3_become_critical(struct wt_stream *st, enum wt_kind kind, uint8_t *got)
{
	if (*got)
		return h3_fail(st->c, H3_STREAM_CREATION_ERROR,
		    "a critical stream twice");
	*got = 1;
	wt_stream_become(st, kind);
	return 0;
}

/* A WebTransport stream: to its session, or into the waiting room. */
static int
h3_become_wt(struct wt_stream *st, int64_t id)
{
	struct wt_conn *c = st->c;
	struct wt_session *s = wt_session_find(c, id);

	if (s != NULL && s->state == SESSION_OPEN) {
		wt_stream_join(st, s);
		return 0;
	}
	if (wt_session_is_gone(c, id) ||
	    (s != NULL && s->state == SESSION_ENDED)) {
		wt_stream_become(st, KIND_IGNORED);
		wt_stream_abort(st, H3_WT_SESSION_GONE);
		return 0;
	}
	if (c->nwaiting >= c->wt->cfg.max_buffered_streams) {
		c->wt->stats.buffered_rejected++;
		wt_stream_become(st, KIND_IGNORED);
		wt_stream_abort(st, H3_WT_BUFFERED_STREAM_REJECTED);
		return 0;
	}
	wt_stream_become(st, KIND_WAITING);
	st->u.wait.session = (uint64_t)id;
	c->nwaiting++;
	if (c->wait_until == TIMERQ_NEVER)
		c->wait_until = c->wt->now + WT_WAIT_NS;
	return 0;
}

static int
h3_become_request(struct wt_stream *st, const struct h3_prefix *x)
{
	struct wt_conn *c = st->c;

	if (!c->wt->server)
		return h3_fail(c, H3_STREAM_CREATION_ERROR,
		    "a request from the server");
	wt_stream_become(st, KIND_REQUEST);
	return wt_request_data(st, x->raw, x->rawlen, 0);
}

/* The first bytes tell. */
static int
h3_stream_start(struct wt_stream *st, const uint8_t **p, size_t *n, int fin)
{
	struct wt_conn *c = st->c;
	size_t before = *n;
	enum h3_prefix_kind kind = h3_prefix_take(&st->u.prefix, p, n);
	struct h3_prefix x = st->u.prefix;

	h3_skip(st, before - *n);
	switch (kind) {
	case H3_PREFIX_MORE:
		if (fin && !st->uni)
			wt_stream_abort(st, H3_REQUEST_INCOMPLETE);
		if (fin)
			wt_stream_become(st, KIND_IGNORED);
		return 0;
	case H3_PREFIX_CONTROL:
		return h3_become_critical(st, KIND_CONTROL, &c->got_control);
	case H3_PREFIX_QPACK_ENCODER:
		return h3_become_critical(st, KIND_QPACK, &c->got_encoder);
	case H3_PREFIX_QPACK_DECODER:
		return h3_become_critical(st, KIND_QPACK, &c->got_decoder);
	case H3_PREFIX_PUSH:
		return h3_fail(c, c->wt->server ? H3_STREAM_CREATION_ERROR :
		    H3_ID_ERROR, "a push stream");
	case H3_PREFIX_WT_BAD_ID:
		return h3_fail(c, H3_ID_ERROR, "a session id that cannot be");
	case H3_PREFIX_WT:
		return h3_become_wt(st, (int64_t)x.session);
	case H3_PREFIX_REQUEST:
		return h3_become_request(st, &x);
	case H3_PREFIX_UNKNOWN:
		break;
	}
	c->wt->stats.unknown_ignored++;
	wt_stream_become(st, KIND_IGNORED);
	wt_stream_abort(st, H3_STREAM_CREATION_ERROR);
	return 0;
}

/* Half a request is held in memory, so it takes of the windows until it is
 * whole. */
static int
h3_request_data(struct wt_stream *st, const uint8_t *p, size_t n, int fin)
{
	st->held += n;
	if (wt_request_data(st, p, n, fin) == -1)
		return -1;
	if (st->kind != KIND_REQUEST || st->s != NULL) {
		h3_skip(st, st->held);
		st->held = 0;
	}
	return 0;
}

int
h3_stream_data(struct wt_stream *st, const uint8_t *p, size_t n, int fin)
{
	if (st->kind == KIND_NEW &&
	    h3_stream_start(st, &p, &n, fin) == -1)
		return -1;
	switch ((enum wt_kind)st->kind) {
	case KIND_WT:
		wt_stream_deliver(st, p, n, fin);
		return 0;
	case KIND_WAITING:
		/* Bounded by the windows, which stay as they are. */
		if (st->u.wait.buf == NULL)
			st->u.wait.buf = calloc(1, sizeof(struct buf));
		if (st->u.wait.buf == NULL)
			fatal(EX_OSERR, "calloc");
		buf_append(st->u.wait.buf, p, n);
		st->u.wait.fin |= fin != 0;
		return 0;
	case KIND_REQUEST:
		return h3_request_data(st, p, n, fin);
	case KIND_CONTROL:
	case KIND_QPACK:
		h3_skip(st, n);
		if (st->kind == KIND_CONTROL && h3_control_data(st, p, n) == -1)
			return -1;
		return fin ? h3_fail(st->c, H3_CLOSED_CRITICAL_STREAM,
		    "a critical stream ended") : 0;
	default:
		h3_skip(st, n);
		return 0;
	}
}

/*
 * ngtcp2 before 1.23 never closes a unidirectional stream whose RESET_STREAM
 * came before any of its data. Its credit is given back here, and since each
 * takes memory until the connection ends, not without a limit.
 */
static void
h3_reset_unheard(struct wt_stream *st)
{
	struct wt_conn *c = st->c;

	if (!st->uni || st->local || st->u.prefix.in.have > 0 ||
	    st->u.prefix.got_type || c->nunheard >= WT_UNHEARD_MAX)
		return;
	c->nunheard++;
	st->over = 1;
	ngtcp2_conn_extend_max_streams_uni(c->qc, 1);
}

int
h3_stream_reset(struct wt_stream *st, uint64_t code)
{
	struct wt *wt = st->c->wt;
	uint32_t app = 0;

	switch ((enum wt_kind)st->kind) {
	case KIND_CONTROL:
	case KIND_QPACK:
		return h3_fail(st->c, H3_CLOSED_CRITICAL_STREAM,
		    "a critical stream was reset");
	case KIND_REQUEST:
		if (st->s != NULL)
			wt_session_end(st->s, 0, "", 0);
		else
			wt_stream_abort(st, H3_REQUEST_CANCELLED);
		return 0;
	case KIND_WT:
		if (st->rx_done || st->s->state != SESSION_OPEN)
			return 0;
		if (h3_to_app_code(code, &app) == -1)
			app = 0;
		st->rx_done = 1;
		wt->ev->stream_reset(wt->cfg.ctx, st, app);
		return 0;
	case KIND_NEW:
		h3_reset_unheard(st);
		/* fall through */
	default:
		wt_stream_become(st, KIND_IGNORED);
		st->rx_done = 1;
		wt_stream_abort(st, H3_REQUEST_CANCELLED);
		return 0;
	}
}

int
h3_stream_stop(struct wt_stream *st, uint64_t code)
{
	struct wt *wt = st->c->wt;
	uint32_t app = 0;

	/* ngtcp2 answers with RESET_STREAM by itself. */
	st->tx_done = 1;
	wt_stream_dequeue(st);
	if (st->kind == KIND_OURS)
		return h3_fail(st->c, H3_CLOSED_CRITICAL_STREAM,
		    "a critical stream was stopped");
	if (st->kind != KIND_WT || st->s->state != SESSION_OPEN)
		return 0;
	if (h3_to_app_code(code, &app) == -1)
		app = 0;
	wt->ev->stream_stop(wt->cfg.ctx, st, app);
	return 0;
}

int
h3_stream_close(struct wt_stream *st)
{
	struct wt *wt = st->c->wt;
	struct wt_session *s = st->s;

	if (st->kind == KIND_WAITING) {
		/* All of it came; the session may still come. */
		st->over = st->tx_done = st->rx_done = 1;
		return 0;
	}
	if (st->kind == KIND_REQUEST && s != NULL) {
		wt_session_end(s, 0, "", 0);
	} else if (st->kind == KIND_WT) {
		wt->stats.streams_active--;
		wt->ev->stream_closed(wt->cfg.ctx, st);
	}
	wt_stream_free(st);
	return 0;
}

int
h3_datagram(struct wt_conn *c, const uint8_t *p, size_t n)
{
	return wt_datagram_in(c, p, n);
}

/* -------------------------------------------------------------- the end */

static void
h3_sessions_report(struct wt_conn *c)
{
	struct wt_session *s, *next;

	c->ended = 0;
	for (s = TAILQ_FIRST(&c->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->state == SESSION_ENDED)
			wt_session_report_ended(s);
	}
}

void
h3_conn_settle(struct wt_conn *c)
{
	struct wt *wt = c->wt;
	struct wt_session *s;

	if (c->state != CONN_OPEN)
		return;
	if (c->tls_done && c->tls.session != NULL) {
		/* Half of a connection's memory, of no use any more. */
		tls_conn_close(&c->tls);
		ngtcp2_conn_set_tls_native_handle(c->qc, NULL);
	}
	c->tls_done = 0;
	if (c->close_asked)
		TAILQ_FOREACH(s, &c->sessions, link)
			wt_session_end(s, 0, "", 0);
	if (c->ended)
		h3_sessions_report(c);
	if (wt->server && c->established && c->nopen == 0 &&
	    c->linger_at == TIMERQ_NEVER)
		c->linger_at = wt->now + (wt->draining ? 0 : WT_LINGER_NS);
}

/* wt_conn_close(): once the last words, of CLOSE capsules, are sent. */
void
h3_conn_close_asked(struct wt_conn *c)
{
	uint64_t patience = quic_conn_patience(c);

	if (TAILQ_EMPTY(&c->sendq))
		quic_conn_close(c, H3_NO_ERROR, "closed");
	else if (c->linger_at > c->wt->now + patience)
		c->linger_at = c->wt->now + patience;
}

void
h3_conn_gone(struct wt_conn *c)
{
	struct wt *wt = c->wt;
	struct wt_session *s;
	struct wt_stream *st;
	struct wt_datagram *d;

	TAILQ_FOREACH(s, &c->sessions, link)
		wt_session_end(s, 0, "", 0);
	while ((s = TAILQ_FIRST(&c->sessions)) != NULL)
		wt_session_report_ended(s);
	while ((st = TAILQ_FIRST(&c->streams)) != NULL)
		wt_stream_free(st);
	while ((d = STAILQ_FIRST(&c->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->held, next);
		free(d);
	}
	while ((d = STAILQ_FIRST(&c->sending)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->sending, next);
		free(d);
	}
	c->control = NULL;
	if (c->known)
		wt->ev->conn_closed(wt->cfg.ctx, c,
		    c->why != NULL ? c->why : "");
}
