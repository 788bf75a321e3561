#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "sflist.h"
#include "wt_int.h"

/* ------------------------------------------------------------- sessions */

static struct wt_session *
wt_session_new(struct wt_conn *c, struct wt_stream *st)
{
	struct wt_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal(EX_OSERR, "calloc");
	s->c = c;
	s->st = st;
	s->id = st != NULL ? st->id : -1;
	if (st != NULL)
		st->s = s;
	TAILQ_INIT(&s->streams);
	TAILQ_INSERT_TAIL(&c->sessions, s, link);
	c->nsessions++;
	return s;
}

static void
wt_session_free(struct wt_session *s)
{
	struct wt_conn *c = s->c;

	if (s->st != NULL)
		s->st->s = NULL;
	TAILQ_REMOVE(&c->sessions, s, link);
	c->nsessions--;
	buf_free(&s->request);
	free(s->capsules);
	free(s->reason);
	free(s->protocol);
	free(s);
}

struct wt_session *
wt_session_find(struct wt_conn *c, int64_t id)
{
	struct wt_session *s;

	TAILQ_FOREACH(s, &c->sessions, link)
		if (s->id == id)
			return s;
	return NULL;
}

int
wt_session_is_gone(const struct wt_conn *c, int64_t id)
{
	for (size_t i = 0; i < WT_GONE_IDS; i++)
		if (c->gone[i] == id)
			return 1;
	return 0;
}

static void
wt_session_set_gone(struct wt_conn *c, int64_t id)
{
	if (id != -1)
		c->gone[c->ngone++ % WT_GONE_IDS] = id;
}

/* Lets go of the CONNECT stream, our side of it ended. */
static void
wt_session_leave_stream(struct wt_session *s)
{
	struct wt_stream *st = s->st;

	s->st = NULL;
	if (st == NULL)
		return;
	st->s = NULL;
	wt_stream_become(st, KIND_IGNORED);
	if (s->c->state == CONN_OPEN)
		wt_stream_send(st, NULL, 0, 1);
}

void
wt_session_end(struct wt_session *s, uint32_t code, const char *reason,
    size_t reasonlen)
{
	struct wt_conn *c = s->c;

	if (s->state == SESSION_ENDED)
		return;
	if (s->state == SESSION_OPEN) {
		c->wt->stats.sessions_active--;
		c->nopen--;
	}
	s->state = SESSION_ENDED;
	s->code = code;
	s->reason = malloc(reasonlen + 1);
	if (s->reason == NULL)
		fatal(EX_OSERR, "malloc");
	memcpy(s->reason, reason, reasonlen);
	s->reason[reasonlen] = '\0';
	s->reasonlen = (uint16_t)reasonlen;
	wt_session_set_gone(c, s->id);
	wt_session_leave_stream(s);
	c->ended = 1;
	quic_conn_dirty(c);
}

void
wt_session_report_ended(struct wt_session *s)
{
	struct wt *wt = s->c->wt;
	struct wt_stream *st;

	wt_waiting_reject(s->c, s->id, H3_WT_SESSION_GONE);
	while ((st = TAILQ_FIRST(&s->streams)) != NULL)
		wt_stream_detach(st);
	if (!s->silent)
		wt->ev->session_closed(wt->cfg.ctx, s, s->code, s->reason,
		    s->reasonlen);
	wt_session_free(s);
}

/* The peer lets the session have more (draft section "Flow Control"). */
static void
wt_session_limit(struct wt_session *s, uint64_t type, uint64_t limit)
{
	struct wt_stream *st;
	uint64_t *max = type == CAPSULE_WT_MAX_DATA ? &s->max_data :
	    &s->max_streams[type == CAPSULE_WT_MAX_STREAMS_UNI];

	if (limit <= *max)
		return;
	*max = limit;
	if (type == CAPSULE_WT_MAX_DATA)
		TAILQ_FOREACH(st, &s->streams, link)
			wt_stream_unblock(st);
}

static void
wt_session_opened(struct wt_session *s)
{
	struct wt *wt = s->c->wt;

	s->state = SESSION_OPEN;
	s->silent = 0;
	s->c->known = 1;
	s->c->nopen++;
	s->c->linger_at = TIMERQ_NEVER;
	wt_session_limit(s, CAPSULE_WT_MAX_DATA, s->c->peer_max_data);
	wt_session_limit(s, CAPSULE_WT_MAX_STREAMS_BIDI,
	    s->c->peer_max_streams[0]);
	wt_session_limit(s, CAPSULE_WT_MAX_STREAMS_UNI,
	    s->c->peer_max_streams[1]);
	wt->stats.sessions_total++;
	wt->stats.sessions_active++;
	h3_frames_connected(s->st->u.frames);
	wt->ev->session_open(wt->cfg.ctx, s);
	wt_waiting_admit(s);
}

/* ------------------------------------------------- requests, the server */

static void
wt_answer(struct wt_stream *st, int status, const char *const *fields,
    size_t nfields, int fin)
{
	struct buf b = { 0 };

	if (h3_response_put(&b, status, fields, nfields) == -1)
		fatalx(EX_OSERR, "no memory for a response");
	wt_stream_send(st, buf_data(&b), buf_len(&b), fin);
	buf_free(&b);
}

static void
wt_refuse(struct wt_stream *st, int status, int stop)
{
	struct wt_conn *c = st->c;

	c->wt->stats.sessions_refused++;
	wt_answer(st, status, NULL, 0, 1);
	wt_session_set_gone(c, st->id);
	wt_waiting_reject(c, st->id, H3_WT_SESSION_GONE);
	wt_stream_become(st, KIND_IGNORED);
	/* The rest of it is of no interest (RFC 9114 section 4.1.1). Chromium
	 * takes a stopped CONNECT for a protocol error. */
	if (stop && !st->rx_done) {
		st->rx_done = 1;
		ngtcp2_conn_shutdown_stream_read(c->qc, 0, st->id, H3_NO_ERROR);
	}
}

static void
wt_accept(struct wt_session *s, const char *protocol)
{
	char quoted[SF_STRING_MAX + 2];
	const char *fields[2] = { "wt-protocol", quoted };
	size_t nfields = 0;

	if (protocol != NULL &&
	    sf_string_put(quoted, sizeof(quoted), protocol) == 0)
		nfields = 2;
	wt_answer(s->st, 200, fields, nfields, 0);
	wt_session_opened(s);
}

/* Asks the program. */
static void
wt_decide(struct wt_stream *st, struct wt_session *s, const struct h3_fields *f)
{
	struct wt_conn *c = st->c;
	const ngtcp2_path *path = ngtcp2_conn_get_path(c->qc);
	const char *protocol = NULL, *v;
	char peer[64];
	struct wt_request req = { .authority = f->authority, .path = f->path,
		.fields = f->fields, .nfields = f->nfields };
	int status;

	v = h3_fields_find(f, "origin");
	req.origin = v != NULL ? v : "";
	v = h3_fields_find(f, "wt-available-protocols");
	req.protocols = v != NULL ? v : "";
	req.peer = udp_name(path->remote.addr, peer, sizeof(peer));
	if (s == NULL)
		s = wt_session_new(c, st);
	status = c->wt->ev->session_request(c->wt->cfg.ctx, s, &req, &protocol);
	if (status == 200 && s->state != SESSION_ENDED) {
		wt_accept(s, protocol);
		return;
	}
	wt_session_free(s);
	wt_refuse(st, status, 0);
}

static int
wt_is_read(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* A request's field section. s: the session that waited for this, or NULL. */
static int
wt_request(struct wt_stream *st, struct wt_session *s, const uint8_t *p,
    size_t n)
{
	struct wt_conn *c = st->c;
	const struct wt_config *cfg = &c->wt->cfg;
	struct h3_fields f;
	const char *why = NULL;
	enum h3_field_result rc;
	int status = 0, bad = 0;

	rc = h3_request_get(p, n, cfg->max_field_section, &f, &why);
	if (rc == H3_FIELD_TOO_LARGE)
		status = 431;
	else if (rc == H3_FIELD_MALFORMED)
		bad = H3_MESSAGE_ERROR;
	else if (rc == H3_FIELD_OK && f.kind == H3_REQUEST_OTHER)
		status = wt_is_read(f.method) ? 404 : 405;
	else if (rc == H3_FIELD_OK && f.kind == H3_REQUEST_CONNECT)
		status = 501; /* RFC 9220 section 3 */
	else if (rc == H3_FIELD_OK && (c->goaway_sent || c->close_asked))
		bad = H3_REQUEST_REJECTED;
	else if (rc == H3_FIELD_OK &&
	    c->nsessions >= cfg->max_sessions_per_connection + (s != NULL))
		status = 429;
	if (why != NULL)
		log_debug("request refused: %s", why);
	if (s != NULL && (status != 0 || bad != 0))
		wt_session_free(s);
	if (bad != 0) {
		c->wt->stats.sessions_refused++;
		wt_session_set_gone(c, st->id);
		wt_stream_become(st, KIND_IGNORED);
		wt_stream_abort(st, (uint64_t)bad);
	} else if (status != 0) {
		wt_refuse(st, status, f.kind == H3_REQUEST_OTHER);
	} else if (rc == H3_FIELD_OK) {
		wt_decide(st, s, &f);
	}
	h3_fields_free(&f);
	return rc == H3_FIELD_QPACK ?
	    h3_fail(c, H3_QPACK_DECOMPRESSION_FAILED, "QPACK") : 0;
}

/* Before SETTINGS it is unknown what the client can do (RFC 9114 and the
 * draft's "Establishing a WebTransport-Capable HTTP/3 Connection"). */
static int
wt_request_wait(struct wt_stream *st, const uint8_t *p, size_t n)
{
	struct wt_session *s;

	if (st->c->nsessions >=
	    st->c->wt->cfg.max_sessions_per_connection) {
		wt_refuse(st, 429, 0);
		return 0;
	}
	s = wt_session_new(st->c, st);
	s->silent = 1;
	buf_append(&s->request, p, n);
	return 0;
}

int
wt_request_retry(struct wt_conn *c)
{
	struct wt_session *s, *next;

	for (s = TAILQ_FIRST(&c->sessions); s != NULL; s = next) {
		struct buf b = s->request;

		next = TAILQ_NEXT(s, link);
		if (!c->wt->server) {
			wt_session_connect(s);
			continue;
		}
		if (s->state != SESSION_NEW)
			continue;
		s->request = (struct buf){ 0 };
		if (wt_request(s->st, s, buf_data(&b), buf_len(&b)) == -1) {
			buf_free(&b);
			return -1;
		}
		buf_free(&b);
	}
	return 0;
}

/* ------------------------------------------------- requests, the client */

struct wt_session *
wt_session_request(struct wt_conn *c, const char *authority, const char *path,
    const char *const *fields, size_t nfields)
{
	struct wt_session *s;

	if (c->state != CONN_OPEN || c->goaway_got)
		return NULL;
	s = wt_session_new(c, NULL);
	if (h3_request_put(&s->request, authority, path, fields, nfields) ==
	    -1) {
		wt_session_free(s);
		return NULL;
	}
	wt_session_connect(s);
	return s;
}

/* Sends the CONNECT as soon as it may be sent. */
void
wt_session_connect(struct wt_session *s)
{
	struct wt_conn *c = s->c;
	int64_t id;

	if (s->state != SESSION_NEW || c->wt->server || !c->got_settings ||
	    ngtcp2_conn_open_bidi_stream(c->qc, &id, NULL) != 0)
		return;
	s->id = id;
	s->st = wt_stream_new(c, id, KIND_IGNORED, 1);
	wt_stream_become(s->st, KIND_REQUEST);
	s->st->s = s;
	s->state = SESSION_ASKED;
	wt_stream_send(s->st, buf_data(&s->request), buf_len(&s->request), 0);
	buf_free(&s->request);
}

/* Keeps the subprotocol of a response. */
static void
wt_response_protocol(struct wt_session *s, const struct h3_fields *f)
{
	const char *v = h3_fields_find(f, "wt-protocol");
	char out[SF_STRING_MAX];

	if (v == NULL || sf_string_get(v, out, sizeof(out)) == -1)
		return;
	s->protocol = strdup(out);
	if (s->protocol == NULL)
		fatal(EX_OSERR, "strdup");
}

static int
wt_response(struct wt_stream *st, const uint8_t *p, size_t n)
{
	struct wt_session *s = st->s;
	struct wt *wt = st->c->wt;
	struct h3_fields f;
	enum h3_field_result rc;

	rc = h3_response_get(p, n, wt->cfg.max_field_section, &f, NULL);
	if (rc == H3_FIELD_QPACK) {
		h3_fields_free(&f);
		return h3_fail(st->c, H3_QPACK_DECOMPRESSION_FAILED, "QPACK");
	}
	if (rc != H3_FIELD_OK || (s != NULL && s->state == SESSION_OPEN)) {
		h3_fields_free(&f);
		if (s != NULL)
			wt_session_end(s, 0, "", 0);
		wt_stream_abort(st, H3_MESSAGE_ERROR);
		return 0;
	}
	if (s != NULL && f.status >= 200 && f.status < 300) {
		wt_response_protocol(s, &f);
		wt_session_opened(s);
	} else if (s != NULL && f.status >= 300) {
		wt->stats.sessions_refused++;
		wt->ev->session_refused(wt->cfg.ctx, s, f.status);
		wt_session_end(s, 0, "", 0);
	}
	h3_fields_free(&f);
	return 0;
}

/* ---------------------------------------------------- a request stream */

static void
wt_capsules(struct wt_stream *st, const uint8_t *p, size_t n)
{
	struct wt_session *s = st->s;
	struct wt *wt = st->c->wt;
	enum capsule_event ev;

	if (s->capsules == NULL)
		s->capsules = calloc(1, sizeof(*s->capsules));
	if (s->capsules == NULL)
		fatal(EX_OSERR, "calloc");
	while (s->state != SESSION_ENDED &&
	    (ev = capsule_next(s->capsules, &p, &n)) != CAPSULE_EV_MORE)
		switch (ev) {
		case CAPSULE_EV_CLOSE:
			wt_session_end(s, s->capsules->code,
			    s->capsules->reason, s->capsules->reasonlen);
			break;
		case CAPSULE_EV_DRAIN:
			if (s->state == SESSION_OPEN)
				wt->ev->session_drain(wt->cfg.ctx, s);
			break;
		case CAPSULE_EV_LIMIT:
			wt_session_limit(s, s->capsules->type,
			    s->capsules->limit);
			break;
		case CAPSULE_EV_ERROR:
			wt_session_end(s, 0, "", 0);
			wt_stream_abort(st, H3_MESSAGE_ERROR);
			break;
		default:
			wt->stats.unknown_ignored++;
			break;
		}
}

static int
wt_request_frame_error(struct wt_stream *st, uint64_t error)
{
	if (error != H3_EXCESSIVE_LOAD || !st->c->wt->server || st->s != NULL)
		return h3_fail(st->c, error, "request stream");
	wt_refuse(st, 431, 1);
	return 0;
}

static int
wt_request_end(struct wt_stream *st)
{
	uint64_t error = h3_frames_end(st->u.frames);
	struct wt_session *s = st->s;

	if (error != 0 && error != H3_REQUEST_INCOMPLETE)
		return h3_fail(st->c, error, "request stream ended");
	if (s == NULL || error != 0 ||
	    (s->capsules != NULL && capsule_end(s->capsules) == -1)) {
		if (s != NULL)
			wt_session_end(s, 0, "", 0);
		wt_stream_abort(st, error != 0 ? error :
		    (uint64_t)H3_MESSAGE_ERROR);
		return 0;
	}
	wt_session_end(s, 0, "", 0);
	return 0;
}

int
wt_request_data(struct wt_stream *st, const uint8_t *p, size_t n, int fin)
{
	struct wt_conn *c = st->c;
	enum h3_event ev;
	int rc = 0;

	/* What is called here may change what the stream is. */
	while (rc == 0 && st->kind == KIND_REQUEST &&
	    (ev = h3_frames_next(st->u.frames, &p, &n)) != H3_EV_MORE) {
		struct h3_frames *f = st->u.frames;

		switch (ev) {
		case H3_EV_HEADERS:
			if (!c->wt->server)
				rc = wt_response(st, f->payload, f->len);
			else if (st->s != NULL) /* trailers */
				rc = h3_fail(c, H3_FRAME_UNEXPECTED, "HEADERS");
			else if (!c->got_settings)
				rc = wt_request_wait(st, f->payload, f->len);
			else
				rc = wt_request(st, NULL, f->payload, f->len);
			break;
		case H3_EV_DATA:
			if (st->s != NULL)
				wt_capsules(st, f->payload, f->len);
			break;
		case H3_EV_ERROR:
			rc = wt_request_frame_error(st, f->error);
			break;
		default:
			c->wt->stats.unknown_ignored++;
			break;
		}
	}
	if (rc == 0 && fin && st->kind == KIND_REQUEST)
		rc = wt_request_end(st);
	return rc;
}

/* ------------------------------------------------------- the program's */

int64_t
wt_session_id(const struct wt_session *s)
{
	return s->id;
}

struct wt_conn *
wt_session_conn(const struct wt_session *s)
{
	return s->c;
}

void
wt_session_set_data(struct wt_session *s, void *data)
{
	s->data = data;
}

void *
wt_session_data(const struct wt_session *s)
{
	return s->data;
}

const char *
wt_session_protocol(const struct wt_session *s)
{
	return s->protocol != NULL ? s->protocol : "";
}

/* A capsule in its DATA frame. */
static void
wt_session_capsule(struct wt_session *s, const uint8_t *p, size_t n)
{
	uint8_t head[16];

	wt_stream_send(s->st, head, h3_frame_put(head, H3_FRAME_DATA, n), 0);
	wt_stream_send(s->st, p, n, 0);
}

void
wt_session_close(struct wt_session *s, uint32_t code, const char *reason,
    size_t reasonlen)
{
	uint8_t buf[CAPSULE_CLOSE_LEN_MAX];
	struct wt_stream *st = s->st;
	enum wt_session_state state = s->state;

	if (state == SESSION_ENDED)
		return;
	if (reasonlen > CAPSULE_REASON_MAX)
		reasonlen = CAPSULE_REASON_MAX;
	if (state == SESSION_OPEN)
		wt_session_capsule(s, buf,
		    capsule_close_put(buf, code, reason, reasonlen));
	wt_session_end(s, code, reason, reasonlen);
	if (state == SESSION_ASKED && st != NULL)
		wt_stream_abort(st, H3_REQUEST_CANCELLED);
}

void
wt_session_drain(struct wt_session *s)
{
	uint8_t buf[CAPSULE_DRAIN_LEN_MAX];

	/* Once says it all, and a peer that reads nothing gathers no more. */
	if (s->state != SESSION_OPEN || s->drain_sent)
		return;
	s->drain_sent = 1;
	wt_session_capsule(s, buf, capsule_drain_put(buf));
}
