#include "streams.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

static void *
alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n);
	return p;
}

void
streams_init(struct streams *s, uint64_t max_sessions, uint64_t max_streams,
    size_t nendpoints)
{
	memset(s, 0, sizeof(*s));
	s->max_sessions = max_sessions;
	s->max_streams = max_streams;
	s->nwords = (nendpoints + 63) / 64;
}

void
streams_free(struct streams *s)
{
	struct table_node *n;
	size_t at = 0;

	while ((n = table_take(&s->streams, &at)) != NULL)
		free(n);
	at = 0;
	while ((n = table_take(&s->sessions, &at)) != NULL) {
		free(((struct session *)n)->open);
		free(n);
	}
	table_free(&s->streams);
	table_free(&s->sessions);
	s->last = NULL;
}

struct session *
streams_session_find(const struct streams *s, uint64_t session)
{
	return (struct session *)table_find(&s->sessions, session, 0);
}

static void
session_keep_open(struct streams *s, struct session *se, const uint8_t *rec,
    size_t len)
{
	if (len > STREAMS_OPEN_MAX ||
	    s->open_bytes + len > STREAMS_OPENS_MAX) {
		s->opens_lost++;
		return;
	}
	se->open = alloc(len);
	memcpy(se->open, rec, len);
	se->open_len = len;
	s->open_bytes += len;
}

struct session *
streams_session_open(struct streams *s, uint64_t session, const uint8_t *rec,
    size_t len)
{
	struct session *se = streams_session_find(s, session);

	if (se == NULL) {
		if (s->sessions.count >= s->max_sessions) {
			s->refused++;
			return NULL;
		}
		se = alloc(sizeof(*se) + s->nwords * sizeof(se->told[0]));
		se->node.k1 = session;
		table_add(&s->sessions, &se->node);
	}
	if (rec != NULL && se->open == NULL)
		session_keep_open(s, se, rec, len);
	return se;
}

static void
stream_free(struct streams *s, struct stream *st)
{
	if (st->prev != NULL)
		st->prev->next = st->next;
	else
		st->session->streams = st->next;
	if (st->next != NULL)
		st->next->prev = st->prev;
	if (s->last == st)
		s->last = NULL;
	table_remove(&s->streams, &st->node);
	free(st);
}

void
streams_session_close(struct streams *s, struct session *se)
{
	while (se->streams != NULL)
		stream_free(s, se->streams);
	s->open_bytes -= se->open_len;
	table_remove(&s->sessions, &se->node);
	free(se->open);
	free(se);
}

static struct stream *
stream_new(struct streams *s, uint64_t session, uint64_t stream)
{
	struct session *se;
	struct stream *st;

	if (s->streams.count >= s->max_streams) {
		s->refused++;
		return NULL;
	}
	se = streams_session_open(s, session, NULL, 0);
	if (se == NULL)
		return NULL;
	st = alloc(sizeof(*st));
	st->node.k1 = session;
	st->node.k2 = stream;
	st->session = se;
	st->next = se->streams;
	if (st->next != NULL)
		st->next->prev = st;
	se->streams = st;
	table_add(&s->streams, &st->node);
	if (s->streams.count > s->streams_max)
		s->streams_max = s->streams.count;
	return st;
}

struct stream *
streams_get(struct streams *s, uint64_t session, uint64_t stream)
{
	struct stream *st = s->last;

	if (st != NULL && st->node.k2 == stream && st->node.k1 == session)
		return st;
	st = (struct stream *)table_find(&s->streams, session, stream);
	if (st == NULL)
		st = stream_new(s, session, stream);
	if (st != NULL)
		s->last = st;
	return st;
}

void
streams_end(struct streams *s, uint64_t session, uint64_t stream)
{
	struct table_node *n = table_find(&s->streams, session, stream);

	if (n != NULL)
		stream_free(s, (struct stream *)n);
}
