#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "be.h"
#include "log.h"

#define SLICE_BYTES (256 * 1024) /* of history, in one message */

void
readers_init(struct readers *rs, struct topics *topics)
{
	*rs = (struct readers){ .topics = topics };
	rs->ready_tail = &rs->ready;
}

struct reader *
readers_find(struct client *c, uint64_t number)
{
	struct reader *r = c->readers;

	while (r != NULL && r->number != number)
		r = r->client_next;
	return r;
}

static void
readers_push(struct readers *rs, struct reader *r)
{
	r->in_ready = 1;
	r->ready_next = NULL;
	*rs->ready_tail = r;
	rs->ready_tail = &r->ready_next;
}

static struct reader *
readers_pop(struct readers *rs)
{
	struct reader *r = rs->ready;

	if (r == NULL)
		return NULL;
	rs->ready = r->ready_next;
	if (rs->ready == NULL)
		rs->ready_tail = &rs->ready;
	r->in_ready = 0;
	return r;
}

/* Takes r out of the queue, wherever it stands there. */
static void
readers_unqueue(struct readers *rs, struct reader *r)
{
	struct reader **at = r->failed ? &rs->failed : &rs->ready;

	if (!r->failed && !r->in_ready)
		return;
	while (*at != NULL && *at != r)
		at = &(*at)->ready_next;
	if (*at == NULL)
		return;
	*at = r->ready_next;
	if (!r->failed && rs->ready_tail == &r->ready_next)
		rs->ready_tail = at;
}

static void
readers_set_failed(struct readers *rs, struct reader *r)
{
	readers_unqueue(rs, r);
	r->in_ready = 0;
	r->failed = 1;
	r->ready_next = rs->failed;
	rs->failed = r;
}

/* 1 if something may be sent to it now; if only its window is in the way, it
 * is remembered. */
static int
readers_may_send(struct readers *rs, struct reader *r)
{
	struct client *c = r->client;

	if (r->permits == 0 || r->failed || c->gone)
		return 0;
	if (window_open(c->window))
		return 1;
	if (!c->blocked) {
		c->blocked = 1;
		c->blocked_next = rs->blocked;
		rs->blocked = c;
	}
	return 0;
}

static void
readers_fail(struct readers *rs, struct reader *r, const char *text)
{
	readers_set_failed(rs, r);
	rs->error(rs->ctx, r, BMSG_E_STORAGE, text);
}

/* Into the queue of those that read from the files, if there is anything. */
static void
readers_wake(struct readers *rs, struct reader *r)
{
	char text[TOPICLOG_TEXT_MAX];
	int rc;

	if (r->in_ready || !readers_may_send(rs, r))
		return;
	rc = topiclog_settle(&r->topic->log, &r->at, text);
	if (rc == -1)
		readers_fail(rs, r, text);
	else if (rc == 1)
		readers_push(rs, r);
}

struct reader *
readers_open(struct readers *rs, struct client *c, struct topic *t,
    uint64_t number, const struct bmsg_position *from, uint64_t permits,
    enum bmsg_code *code, char *text)
{
	struct reader *r = readers_find(c, number);

	if (r != NULL)
		readers_close(rs, r);
	if (c->nreaders == CLIENT_READERS_MAX) {
		*code = BMSG_E_LIMIT;
		snprintf(text, TOPICLOG_TEXT_MAX, "more than %d readers",
		    CLIENT_READERS_MAX);
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		fatal(EX_OSERR, "calloc");
	*code = topiclog_find(&t->log, from, &r->at, text);
	if (*code != BMSG_OK) {
		free(r);
		return NULL;
	}
	r->client = c;
	r->topic = t;
	r->number = number;
	r->permits = permits;
	r->topic_next = t->readers;
	if (t->readers != NULL)
		t->readers->topic_prev = r;
	t->readers = r;
	r->client_next = c->readers;
	c->readers = r;
	c->nreaders++;
	rs->count++;
	return r;
}

void
readers_close(struct readers *rs, struct reader *r)
{
	struct reader **at = &r->client->readers;

	readers_unqueue(rs, r);
	while (*at != r)
		at = &(*at)->client_next;
	*at = r->client_next;
	r->client->nreaders--;
	if (r->topic_prev != NULL)
		r->topic_prev->topic_next = r->topic_next;
	else
		r->topic->readers = r->topic_next;
	if (r->topic_next != NULL)
		r->topic_next->topic_prev = r->topic_prev;
	rs->count--;
	topics_release(rs->topics, r->topic);
	free(r);
}

void
readers_forget(struct readers *rs, struct client *c)
{
	for (struct reader *r = c->readers; r != NULL; r = r->client_next)
		if (!r->failed)
			readers_set_failed(rs, r);
}

void
readers_close_all(struct readers *rs, struct client *c)
{
	struct client **at = &rs->blocked;

	while (c->readers != NULL)
		readers_close(rs, c->readers);
	if (!c->blocked)
		return;
	while (*at != c)
		at = &(*at)->blocked_next;
	*at = c->blocked_next;
	c->blocked = 0;
}

void
readers_flow(struct readers *rs, struct reader *r, uint64_t permits)
{
	r->permits += permits;
	if (r->permits > BMSG_PERMITS_MAX)
		r->permits = BMSG_PERMITS_MAX;
	readers_wake(rs, r);
}

/* Bytes of the first count entries at p. */
static size_t
readers_bytes(const uint8_t *p, uint64_t count)
{
	size_t n = 0;

	for (; count > 0; count--)
		n += 4 + (size_t)be32_get(p + n);
	return n;
}

static void
readers_sent(struct readers *rs, struct reader *r, uint64_t count, size_t n)
{
	r->permits -= count;
	rs->messages += count;
	rs->bytes += n;
}

/* The batch straight from memory, to a reader that has all before it. */
static void
readers_give(struct readers *rs, struct reader *r, struct batch *b)
{
	uint64_t count = b->count < r->permits ? b->count : r->permits;
	size_t n = count == b->count ? b->slice->len :
				       readers_bytes(b->slice->data, count);

	r->at.offset += n;
	r->at.entry += count;
	if (rs->send(rs->ctx, r, b->seg->ledger, count, b->slice,
		b->slice->data, n) == 0)
		readers_sent(rs, r, count, n);
}

void
readers_live(struct readers *rs, struct topic *t, struct batch *b)
{
	char text[TOPICLOG_TEXT_MAX];
	struct reader *r, *next;

	for (r = t->readers; r != NULL; r = next) {
		next = r->topic_next;
		if (r->in_ready || !readers_may_send(rs, r))
			continue;
		if (topiclog_settle(&t->log, &r->at, text) == -1)
			readers_fail(rs, r, text);
		else if (r->at.seg == b->seg && r->at.offset == b->offset)
			readers_give(rs, r, b);
		else
			readers_wake(rs, r);
	}
}

void
readers_unblock(struct readers *rs)
{
	struct client *c, *list = rs->blocked;

	rs->blocked = NULL;
	while ((c = list) != NULL) {
		list = c->blocked_next;
		c->blocked = 0;
		for (struct reader *r = c->readers, *next; r != NULL;
		    r = next) {
			next = r->client_next;
			readers_wake(rs, r);
		}
	}
}

static uint8_t *
readers_room(void *ctx, size_t n)
{
	struct slice **s = ctx;

	*s = slice_new(n);
	return (*s)->data;
}

/* One slice of history for r. Returns its bytes. */
static size_t
readers_step(struct readers *rs, struct reader *r)
{
	char text[TOPICLOG_TEXT_MAX];
	struct slice *s = NULL;
	uint64_t count;
	int64_t n;

	n = topiclog_read(&r->topic->log, &r->at, SLICE_BYTES, r->permits,
	    readers_room, &s, &count, text);
	if (n == -1)
		readers_fail(rs, r, text);
	if (n > 0 && rs->send(rs->ctx, r, r->at.seg->ledger, count, s,
			 s->data, (size_t)n) == 0) {
		readers_sent(rs, r, count, (size_t)n);
		rs->history_bytes += (uint64_t)n;
	}
	if (s != NULL)
		slice_unref(s);
	return n > 0 ? (size_t)n : 0;
}

int
readers_run(struct readers *rs, size_t budget)
{
	size_t done = 0;
	struct reader *r;

	while (done < budget && (r = readers_pop(rs)) != NULL) {
		if (!readers_may_send(rs, r))
			continue;
		done += readers_step(rs, r);
		readers_wake(rs, r);
	}
	while ((r = rs->failed) != NULL)
		readers_close(rs, r);
	return rs->ready != NULL;
}
