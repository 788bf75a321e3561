#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "sock.h"
#include "stage.h"
#include "track.h"

/* A connection that cannot be accepted stays ready: it is left alone for this
 * long. */
#define CONTROL_RETRY_NS UINT64_C(100000000)

struct control_conn {
	int fd;
	struct buf in, out;
	uint64_t skip; /* bytes of a record that is no request */
	int eof;       /* no more requests will come */
	int full;      /* held up by this stream: */
	uint64_t session, stream;
};

int
control_add(struct control *c, int fd)
{
	struct control_conn *cc;

	if (c->nconns == CONTROL_MAX) {
		close(fd);
		return -1;
	}
	cc = calloc(1, sizeof(*cc));
	if (cc == NULL)
		fatal(EX_OSERR, "calloc");
	cc->fd = fd;
	c->conns[c->nconns++] = cc;
	return 0;
}

static void
conn_free(struct control_conn *cc)
{
	close(cc->fd);
	buf_free(&cc->in);
	buf_free(&cc->out);
	free(cc);
}

static void
refuse(struct control *c, struct control_conn *cc, const struct rec *r,
    const char *reason)
{
	uint8_t payload[9 + 64];
	struct rec answer = *r;
	size_t n = strlen(reason);

	payload[0] = r->type;
	be64_put(payload + 1,
	    r->type == REC_STREAM_OPEN ? be64_get(r->payload) : 0);
	if (n > sizeof(payload) - 9)
		n = sizeof(payload) - 9;
	memcpy(payload + 9, reason, n);
	answer.type = REC_REFUSED;
	answer.flags = 0;
	answer.payload = payload;
	answer.len = (uint32_t)(9 + n);
	rec_append(&cc->out, &answer);
	c->refused++;
}

/* Each answers with NULL, or why it is refused. */
static const char *
open_stream(struct control *c, struct control_conn *cc, const struct rec *r,
    struct session *s)
{
	struct wt_stream *wst = wt_stream_open(s->wt, r->flags & REC_UNI);
	struct rec answer = *r;
	struct stream *st;

	if (wst == NULL)
		return "no stream credit";
	st = stream_new(c->sessions, s, wst);
	answer.type = REC_STREAM_OPENED;
	answer.flags = st->flags;
	answer.stream = st->node.k2;
	rec_append(&cc->out, &answer);
	return NULL;
}

static const char *
send_datagram(const struct rec *r, struct session *s)
{
	if (wt_session_datagram(s->wt, r->payload, r->len) == 0)
		return NULL;
	return r->len > wt_session_datagram_max(s->wt) ?
	    "datagram too large" :
	    "datagram queue is full";
}

static const char *
write_stream(struct control *c, struct control_conn *cc, const struct rec *r,
    struct stream *st)
{
	if (wt_stream_write(st->wt, r->payload, r->len, r->flags & REC_FIN) ==
	    -1)
		return "stream has ended";
	if (wt_stream_unacked(st->wt) > c->max_send_buffer) {
		cc->full = 1;
		cc->session = r->session;
		cc->stream = r->stream;
	}
	return NULL;
}

static const char *
session_request(struct control *c, struct control_conn *cc,
    const struct rec *r)
{
	struct session *s = session_find(c->sessions, r->session);

	if (s == NULL || s->wt == NULL || !s->opened)
		return "unknown session";
	switch (r->type) {
	case REC_SESSION_CLOSE:
		wt_session_close(s->wt, be32_get(r->payload),
		    (const char *)r->payload + 4, r->len - 4);
		return NULL;
	case REC_SESSION_DRAIN:
		wt_session_drain(s->wt);
		return NULL;
	case REC_DATAGRAM:
		return send_datagram(r, s);
	default:
		return open_stream(c, cc, r, s);
	}
}

static const char *
stream_request(struct control *c, struct control_conn *cc, const struct rec *r)
{
	struct stream *st;
	int ours;

	if (session_find(c->sessions, r->session) == NULL)
		return "unknown session";
	st = stream_find(c->sessions, r->session, r->stream);
	if (st == NULL)
		return "unknown stream";
	ours = (st->flags & REC_SERVER) != 0;
	if ((r->type == REC_STREAM_DATA || r->type == REC_STREAM_RESET) &&
	    (st->flags & REC_UNI) && !ours)
		return "only the client writes to this stream";
	if ((r->type == REC_STOP_SENDING || r->type == REC_PAUSE ||
		r->type == REC_RESUME) &&
	    (st->flags & REC_UNI) && ours)
		return "only the server writes to this stream";
	switch (r->type) {
	case REC_STREAM_RESET:
		wt_stream_reset(st->wt, be32_get(r->payload));
		return NULL;
	case REC_STOP_SENDING:
		st->stopped = 1;
		st->stop_code = be32_get(r->payload);
		wt_stream_stop(st->wt, st->stop_code);
		return NULL;
	case REC_PAUSE:
		wt_stream_pause(st->wt);
		return NULL;
	case REC_RESUME:
		wt_stream_resume(st->wt);
		return NULL;
	default:
		return write_stream(c, cc, r, st);
	}
}

enum kind { FOR_SESSION, FOR_STREAM, NO_REQUEST };

static enum kind
request_kind(uint8_t type)
{
	switch (type) {
	case REC_SESSION_CLOSE:
	case REC_SESSION_DRAIN:
	case REC_DATAGRAM:
	case REC_STREAM_OPEN:
		return FOR_SESSION;
	case REC_STREAM_DATA:
	case REC_STREAM_RESET:
	case REC_STOP_SENDING:
	case REC_PAUSE:
	case REC_RESUME:
		return FOR_STREAM;
	default:
		return NO_REQUEST;
	}
}

/* What rec_get does not look at. NULL: as it should be. */
static const char *
request_check(const struct rec *r, enum kind kind)
{
	if ((r->stream == REC_NO_STREAM) != (kind == FOR_SESSION))
		return "stream does not fit its type";
	if (r->type == REC_SESSION_CLOSE &&
	    !utf8_valid(r->payload + 4, r->len - 4))
		return "reason is not UTF-8";
	return NULL;
}

/* One record at the front of cc->in. 1: done; 0: more bytes are needed; -1:
 * malformed, *why says how. */
static int
serve_one(struct control *c, struct control_conn *cc, const char **why)
{
	const char *refused;
	enum kind kind;
	struct rec r;
	int64_t n;

	n = rec_get(buf_data(&cc->in), buf_len(&cc->in), &r, why);
	if (n == -1)
		return -1;
	if (buf_len(&cc->in) < REC_HEADER_LEN)
		return 0;
	kind = request_kind(r.type);
	if (kind == NO_REQUEST) {
		/* May be long; it is not gathered. */
		cc->skip = REC_HEADER_LEN + (uint64_t)r.len;
		refuse(c, cc, &r, "not a request");
		return 1;
	}
	if (n == 0)
		return 0;
	*why = request_check(&r, kind);
	if (*why != NULL)
		return -1;
	c->records++;
	refused = kind == FOR_SESSION ? session_request(c, cc, &r) :
					stream_request(c, cc, &r);
	if (refused != NULL)
		refuse(c, cc, &r, refused);
	buf_consume(&cc->in, (size_t)n);
	return 1;
}

/* 1 while the stream that cc wrote to last is too far behind. */
static int
still_full(struct control *c, struct control_conn *cc)
{
	struct stream *st;

	if (!cc->full)
		return 0;
	st = stream_find(c->sessions, cc->session, cc->stream);
	cc->full = st != NULL &&
	    wt_stream_unacked(st->wt) > c->max_send_buffer;
	return cc->full;
}

/* 0; 1 when it stopped because too many answers wait; -1 when the connection
 * has to be closed. */
static int
serve(struct control *c, struct control_conn *cc)
{
	const char *why = "it ended inside a record";
	int rc = 1;

	while (rc == 1) {
		size_t n = buf_len(&cc->in);

		if (cc->skip > 0) {
			if (n > cc->skip)
				n = cc->skip;
			buf_consume(&cc->in, n);
			cc->skip -= n;
			if (cc->skip > 0)
				break;
		}
		if (buf_len(&cc->out) > CONTROL_OUT_MAX)
			return 1;
		if (still_full(c, cc))
			return 0;
		rc = serve_one(c, cc, &why);
	}
	if (rc != -1 && (!cc->eof ||
			    (buf_len(&cc->in) == 0 && cc->skip == 0)))
		return 0;
	c->errors++;
	if (log_limit(&c->lines, stage_monotonic()))
		log_warnx("control connection closed: %s", why);
	return -1;
}

/* One turn of one connection. -1: it is over. */
static int
conn_run(struct control *c, struct control_conn *cc, int revents)
{
	enum stage_io io;
	int rc;

	if (revents & (POLLIN | POLLHUP | POLLERR)) {
		io = stage_read(cc->fd, &cc->in, STAGE_CHUNK);
		if (io == STAGE_IO_ERROR)
			return -1;
		if (io == STAGE_IO_EOF)
			cc->eof = 1;
	}
	do {
		rc = serve(c, cc);
		if (rc == -1)
			return -1;
		io = stage_write(cc->fd, &cc->out);
		if (io == STAGE_IO_EOF || io == STAGE_IO_ERROR)
			return -1;
	} while (rc == 1 && io == STAGE_IO_OK);
	return cc->eof && !cc->full && buf_len(&cc->out) == 0 ? -1 : 0;
}

static short
conn_events(const struct control_conn *cc)
{
	short events = 0;

	if (!cc->eof && !cc->full && buf_len(&cc->out) <= CONTROL_OUT_MAX)
		events |= POLLIN;
	if (buf_len(&cc->out) > 0)
		events |= POLLOUT;
	return events;
}

void
control_pollfds(struct control *c, struct pollfd *fds)
{
	if (c->accept_at != 0 && stage_monotonic() >= c->accept_at)
		c->accept_at = 0;
	fds[0] = (struct pollfd){
		.fd = c->nconns < CONTROL_MAX && c->accept_at == 0 ?
		    c->listen_fd : -1,
		.events = POLLIN };
	for (size_t i = 0; i < CONTROL_MAX; i++) {
		fds[1 + i] = (struct pollfd){ .fd = -1 };
		if (i >= c->nconns)
			continue;
		fds[1 + i].events = conn_events(c->conns[i]);
		/* One that hung up while held up would wake us for nothing. */
		if (fds[1 + i].events != 0)
			fds[1 + i].fd = c->conns[i]->fd;
	}
}

int
control_timeout_ms(const struct control *c)
{
	uint64_t now = stage_monotonic();

	if (c->accept_at == 0)
		return -1;
	return stage_poll_ms(c->accept_at > now ? c->accept_at - now : 0);
}

static void
control_accept(struct control *c)
{
	int fd = sock_accept(c->listen_fd);

	if (fd != -1) {
		control_add(c, fd);
		return;
	}
	if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return;
	c->accept_at = stage_monotonic() + CONTROL_RETRY_NS;
	if (log_limit(&c->lines, stage_monotonic()))
		log_warn("control socket: accept");
}

void
control_run(struct control *c, const struct pollfd *fds)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nconns; i++) {
		if (conn_run(c, c->conns[i], fds[1 + i].revents) == -1)
			conn_free(c->conns[i]);
		else
			c->conns[kept++] = c->conns[i];
	}
	c->nconns = kept;
	if (fds[0].revents & POLLIN)
		control_accept(c);
}

void
control_close(struct control *c)
{
	for (size_t i = 0; i < c->nconns; i++) {
		stage_write(c->conns[i]->fd, &c->conns[i]->out);
		conn_free(c->conns[i]);
	}
	c->nconns = 0;
	if (c->listen_fd != -1)
		close(c->listen_fd);
	c->listen_fd = -1;
}
