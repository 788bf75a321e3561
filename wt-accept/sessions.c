#include "sessions.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define NS_PER_S UINT64_C(1000000000)

static void *
alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		fatal(EX_OSERR, "calloc");
	return p;
}

void
sessions_init(struct sessions *t, uint64_t realtime)
{
	memset(t, 0, sizeof(*t));
	t->next_id = realtime / NS_PER_S << 32;
}

void
sessions_free(struct sessions *t)
{
	struct table_node *n;
	size_t at;

	conns_gone(t);
	for (at = 0; (n = table_take(&t->sessions, &at)) != NULL;) {
		struct session *s = (struct session *)n;

		if (--s->conn->sessions == 0)
			free(s->conn);
		buf_free(&s->open);
		free(s);
	}
	table_free(&t->streams);
	table_free(&t->sessions);
	table_free(&t->conns);
}

static struct conn *
conn_of(struct sessions *t, struct wt_conn *wt)
{
	struct conn *c;

	c = (struct conn *)table_find(&t->conns, (uintptr_t)wt, 0);
	if (c != NULL)
		return c;
	c = alloc(sizeof(*c));
	c->node.k1 = (uintptr_t)wt;
	c->wt = wt;
	table_add(&t->conns, &c->node);
	return c;
}

void
conn_gone(struct sessions *t, struct wt_conn *wt)
{
	struct conn *c;

	c = (struct conn *)table_find(&t->conns, (uintptr_t)wt, 0);
	if (c == NULL)
		return;
	table_remove(&t->conns, &c->node);
	c->wt = NULL;
}

void
conns_gone(struct sessions *t)
{
	struct table_node *n;
	size_t at;

	for (at = 0; (n = table_take(&t->streams, &at)) != NULL;)
		free(n);
	t->last_stream = NULL;
	for (at = 0; (n = table_take(&t->conns, &at)) != NULL;)
		((struct conn *)n)->wt = NULL;
}

struct session *
session_new(struct sessions *t, struct wt_session *wt)
{
	struct session *s = alloc(sizeof(*s));

	s->node.k1 = t->next_id++;
	s->wt = wt;
	s->conn = conn_of(t, wt_session_conn(wt));
	s->conn->sessions++;
	table_add(&t->sessions, &s->node);
	wt_session_set_data(wt, s);
	return s;
}

struct session *
session_find(struct sessions *t, uint64_t id)
{
	struct session *s = t->last_session;

	if (s != NULL && s->node.k1 == id)
		return s;
	s = (struct session *)table_find(&t->sessions, id, 0);
	t->last_session = s;
	return s;
}

void
session_free(struct sessions *t, struct session *s)
{
	struct conn *c = s->conn;

	table_remove(&t->sessions, &s->node);
	if (t->last_session == s)
		t->last_session = NULL;
	buf_free(&s->open);
	free(s);
	if (--c->sessions > 0)
		return;
	if (c->wt != NULL)
		table_remove(&t->conns, &c->node);
	free(c);
}

struct stream *
stream_new(struct sessions *t, struct session *s, struct wt_stream *wt)
{
	struct stream *st = alloc(sizeof(*st));

	st->node.k1 = s->node.k1;
	st->node.k2 = (uint64_t)wt_stream_id(wt);
	st->wt = wt;
	st->session = s;
	st->flags = (wt_stream_is_uni(wt) ? REC_UNI : 0) |
	    (wt_stream_is_local(wt) ? REC_SERVER : 0);
	table_add(&t->streams, &st->node);
	wt_stream_set_data(wt, st);
	if (t->streams.count > t->streams_max)
		t->streams_max = t->streams.count;
	return st;
}

struct stream *
stream_find(struct sessions *t, uint64_t session, uint64_t stream)
{
	struct stream *st = t->last_stream;

	if (st != NULL && st->node.k1 == session && st->node.k2 == stream)
		return st;
	st = (struct stream *)table_find(&t->streams, session, stream);
	t->last_stream = st;
	return st;
}

void
stream_free(struct sessions *t, struct stream *st)
{
	table_remove(&t->streams, &st->node);
	if (t->last_stream == st)
		t->last_stream = NULL;
	free(st);
}

void
sessions_taken(struct sessions *t, const struct rec *r, size_t size,
    size_t payload, int last)
{
	struct session *s = session_find(t, r->session);
	struct stream *st;

	if (s == NULL)
		return;
	s->conn->queued -= size;
	if (r->type == REC_STREAM_DATA && payload > 0) {
		st = stream_find(t, r->session, r->stream);
		if (st != NULL)
			wt_stream_consumed(st->wt, payload);
		else if (s->conn->wt != NULL)
			wt_conn_consumed(s->conn->wt, payload);
	}
	if (r->type == REC_SESSION_CLOSE && last)
		session_free(t, s);
}
