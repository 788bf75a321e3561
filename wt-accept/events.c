#include <string.h>

#include "be.h"
#include "server.h"

/* size bytes of c's were queued: is it too much? */
static void
queued(struct server *srv, struct conn *c, size_t size)
{
	c->queued += size;
	if (srv->out.len > srv->queued_max)
		srv->queued_max = srv->out.len;
	if (c->queued <= srv->max_buffered || c->shed || c->wt == NULL)
		return;
	/*
	 * Windows stop a sender long before; what comes here opens and closes
	 * streams or sessions faster than the reader takes them.
	 */
	c->shed = 1;
	srv->connections_shed++;
	if (log_limit(&srv->lines, stage_monotonic()))
		log_warnx("connection closed: %zu bytes of it wait for stdout",
		    c->queued);
	wt_conn_close(c->wt);
}

static struct rec
session_rec(const struct server *srv, const struct session *s, uint8_t type)
{
	return (struct rec){ .type = type,
		.session = s->node.k1,
		.stream = REC_NO_STREAM,
		.time = wt_clock(srv->wt) };
}

static struct rec
stream_rec(const struct server *srv, const struct stream *st, uint8_t type)
{
	return (struct rec){ .type = type,
		.flags = st->flags,
		.session = st->node.k1,
		.stream = st->node.k2,
		.time = wt_clock(srv->wt) };
}

static void
stream_code(struct server *srv, struct stream *st, uint8_t type, uint32_t code)
{
	struct rec r = stream_rec(srv, st, type);
	uint8_t payload[4];

	be32_put(payload, code);
	r.len = sizeof(payload);
	r.payload = payload;
	queued(srv, st->session->conn, output_add(&srv->out, &r));
}

static int
on_session_request(void *ctx, struct wt_session *ws,
    const struct wt_request *req, const char **protocol)
{
	struct server *srv = ctx;
	const char *chosen = "";
	struct session *s;
	int status;

	status = request_decide(&srv->rules, req, &chosen);
	if (status != 200) {
		srv->refused_path += status == 404;
		srv->refused_origin += status == 403;
		if (log_limit(&srv->lines, stage_monotonic()))
			log_info("%s: session refused with %d: path %s, "
				 "origin %s",
			    req->peer, status, req->path,
			    req->origin[0] != '\0' ? req->origin : "absent");
		return status;
	}
	if (chosen[0] != '\0')
		*protocol = chosen;
	s = session_new(&srv->sessions, ws);
	request_pack(&s->open, req, chosen);
	return status;
}

static void
on_session_open(void *ctx, struct wt_session *ws)
{
	struct session *s = wt_session_data(ws);
	struct server *srv = ctx;
	struct rec r = session_rec(srv, s, REC_SESSION_OPEN);

	r.len = (uint32_t)buf_len(&s->open);
	r.payload = buf_data(&s->open);
	s->opened = 1;
	queued(srv, s->conn, output_add(&srv->out, &r));
	buf_free(&s->open);
}

static void
session_end(struct server *srv, struct session *s, uint32_t code,
    const char *reason, size_t n)
{
	struct rec r = session_rec(srv, s, REC_SESSION_CLOSE);
	uint8_t payload[4 + REC_REASON_MAX];

	s->wt = NULL;
	if (!s->opened) {
		session_free(&srv->sessions, s);
		return;
	}
	if (n > REC_REASON_MAX)
		n = REC_REASON_MAX;
	be32_put(payload, code);
	memcpy(payload + 4, reason, n);
	r.len = (uint32_t)(4 + n);
	r.payload = payload;
	queued(srv, s->conn, output_add(&srv->out, &r));
}

static void
on_session_closed(void *ctx, struct wt_session *ws, uint32_t code,
    const char *reason, size_t n)
{
	struct session *s = wt_session_data(ws);

	if (s != NULL)
		session_end(ctx, s, code, reason, n);
}

static void
on_session_drain(void *ctx, struct wt_session *ws)
{
	struct session *s = wt_session_data(ws);
	struct server *srv = ctx;
	struct rec r;

	if (s == NULL || !s->opened)
		return;
	r = session_rec(srv, s, REC_SESSION_DRAIN);
	queued(srv, s->conn, output_add(&srv->out, &r));
}

static void
on_stream_open(void *ctx, struct wt_stream *wst)
{
	struct session *s = wt_session_data(wt_stream_session(wst));
	struct server *srv = ctx;

	if (s != NULL)
		stream_new(&srv->sessions, s, wst);
}

static void
on_stream_data(void *ctx, struct wt_stream *wst, const uint8_t *data,
    size_t len, int fin)
{
	struct stream *st = wt_stream_data(wst);
	struct server *srv = ctx;
	struct rec r;

	if (st == NULL)
		return;
	st->ended |= fin != 0;
	r = stream_rec(srv, st, REC_STREAM_DATA);
	queued(srv, st->session->conn,
	    output_add_stream(&srv->out, &r, data, len, fin));
}

static void
on_stream_reset(void *ctx, struct wt_stream *wst, uint32_t code)
{
	struct stream *st = wt_stream_data(wst);

	if (st == NULL)
		return;
	st->ended = 1;
	stream_code(ctx, st, REC_STREAM_RESET, code);
}

static void
on_stream_stop(void *ctx, struct wt_stream *wst, uint32_t code)
{
	struct stream *st = wt_stream_data(wst);

	if (st != NULL)
		stream_code(ctx, st, REC_STOP_SENDING, code);
}

static void
on_stream_acked(void *ctx, struct wt_stream *wst)
{
	/* The control socket looks by itself every turn. */
	(void)ctx, (void)wst;
}

static void
on_stream_closed(void *ctx, struct wt_stream *wst)
{
	struct stream *st = wt_stream_data(wst);
	struct server *srv = ctx;

	if (st == NULL)
		return;
	/* Nothing is told of a stopped stream any more, not even its reset:
	 * those who follow have to know that it is over. */
	if (st->stopped && !st->ended)
		stream_code(srv, st, REC_STREAM_RESET, st->stop_code);
	stream_free(&srv->sessions, st);
}

static void
on_datagram(void *ctx, struct wt_session *ws, const uint8_t *data, size_t len)
{
	struct session *s = wt_session_data(ws);
	struct server *srv = ctx;
	size_t size = REC_HEADER_LEN + len;
	struct rec r;

	if (s == NULL || !s->opened)
		return;
	/* Nobody waits for a datagram, so late ones go first. */
	if (len > REC_CHUNK_MAX || s->conn->queued + size > srv->max_buffered ||
	    srv->out.len + size > srv->max_buffered_total) {
		srv->datagrams_dropped++;
		return;
	}
	r = session_rec(srv, s, REC_DATAGRAM);
	r.len = (uint32_t)len;
	r.payload = data;
	queued(srv, s->conn, output_add(&srv->out, &r));
}

static void
on_conn_closed(void *ctx, struct wt_conn *c, const char *why)
{
	struct server *srv = ctx;

	log_debug("connection ended: %s", why);
	conn_gone(&srv->sessions, c);
}

const struct wt_events server_events = {
	.session_request = on_session_request,
	.session_open = on_session_open,
	.session_drain = on_session_drain,
	.session_closed = on_session_closed,
	.stream_open = on_stream_open,
	.stream_data = on_stream_data,
	.stream_reset = on_stream_reset,
	.stream_stop = on_stream_stop,
	.stream_acked = on_stream_acked,
	.stream_closed = on_stream_closed,
	.datagram = on_datagram,
	.conn_closed = on_conn_closed,
};

void
server_taken(void *ctx, const struct rec *r, size_t size, size_t payload,
    int last)
{
	struct server *srv = ctx;

	sessions_taken(&srv->sessions, r, size, payload, last);
}

void
server_pause(struct server *srv)
{
	size_t max = srv->max_buffered_total;

	if (!srv->paused && srv->out.len > max) {
		srv->paused = 1;
		srv->pauses++;
		wt_pause_reading(srv->wt, 1);
		if (log_limit(&srv->lines, stage_monotonic()))
			log_warnx("stdout is %zu bytes behind: not reading "
				  "the network",
			    srv->out.len);
	} else if (srv->paused && srv->out.len <= max / 4 * 3) {
		srv->paused = 0;
		wt_pause_reading(srv->wt, 0);
	}
}

void
server_stats(struct server *srv)
{
	if (srv->wt != NULL)
		srv->stats = *wt_stats(srv->wt);
}

/* Calls each for every session that is not closed; it may free it. */
static void
each_session(struct server *srv,
    void (*each)(struct server *srv, struct session *s))
{
	struct table *t = &srv->sessions.sessions;
	struct table_node *n, *next;

	for (size_t i = 0; i < t->size; i++) {
		for (n = t->buckets[i]; n != NULL; n = next) {
			struct session *s = (struct session *)n;

			next = n->next;
			if (s->wt != NULL)
				each(srv, s);
		}
	}
}

static void
close_session(struct server *srv, struct session *s)
{
	(void)srv;
	wt_session_close(s->wt, 0, "", 0);
}

/* One that the endpoint did not tell of: from now on it cannot. */
static void
forget_session(struct server *srv, struct session *s)
{
	wt_session_set_data(s->wt, NULL);
	session_end(srv, s, 0, "", 0);
}

void
server_close(struct server *srv)
{
	each_session(srv, close_session);
	wt_flush(srv->wt);
	each_session(srv, forget_session);
	server_stats(srv);
	wt_free(srv->wt);
	srv->wt = NULL;
	srv->stats.connections_active = 0;
	srv->stats.sessions_active = srv->stats.streams_active = 0;
	conns_gone(&srv->sessions);
}
