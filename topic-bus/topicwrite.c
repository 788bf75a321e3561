/* Batches on their way: arrived, written, stored. */
#include "topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "be.h"
#include "log.h"
#include "stage.h"

#define WRITE_BATCHES 256 /* in one call */

static void
batches_add(struct batches *l, struct batch *b)
{
	b->next = NULL;
	*l->tail = b;
	l->tail = &b->next;
}

static struct batch *
batches_take(struct batches *l)
{
	struct batch *b = l->head;

	if (b == NULL)
		return NULL;
	l->head = b->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return b;
}

void
batch_free(struct topics *ts, struct batch *b)
{
	ts->held -= b->slice->len;
	slice_unref(b->slice);
	client_unref(b->client);
	free(b);
}

void
topic_take(struct topics *ts, struct topic *t, struct batch *b)
{
	ts->held += b->slice->len;
	batches_add(&t->arrived, b);
	if (t->in_dirty)
		return;
	t->in_dirty = 1;
	t->dirty_next = ts->dirty;
	ts->dirty = t;
}

static void
topic_set_ready(struct topics *ts, struct topic *t)
{
	if (t->in_ready)
		return;
	t->in_ready = 1;
	t->ready_next = ts->ready;
	ts->ready = t;
}

/* What only the bus knows goes into the entries. */
static void
batch_stamp(struct batch *b, uint64_t first, uint64_t publish)
{
	uint8_t *p = b->slice->data, *end = p + b->slice->len;
	size_t n;

	for (; p < end; p += n) {
		n = 4 + (size_t)be32_get(p);
		entry_stamp(p, n, first++, publish);
	}
}

static void
topic_fail(struct topics *ts, struct topic *t, struct batches *l,
    const char *text)
{
	struct batch *b;

	while ((b = batches_take(l)) != NULL) {
		client_refuse(b->client, t, b->epoch);
		ts->answer(ts->ctx, t, b, BMSG_E_STORAGE, text);
	}
}

/* A full disk, most likely: the next write tries again. */
static void
topic_failed(struct topics *ts, struct topic *t, const char *text)
{
	if (!t->failing)
		log_warnx("%s: cannot be written: %s", t->log.path, text);
	t->failing = 1;
	topic_fail(ts, t, &t->arrived, text);
}

/* A segment with room for one more batch; 0, or -1 with errno. */
static int
topic_segment(struct topics *ts, struct topic *t, size_t bytes, uint64_t now)
{
	struct segment *s = t->log.active;

	if (s != NULL && (s->size + bytes <= ts->segment_bytes ||
	    s->size == SEGMENT_HEADER_LEN))
		return 0;
	if (s != NULL)
		sync_segment(ts->sync, s, stage_monotonic());
	if (t->log.problem[0] != '\0') {
		errno = EIO;
		return -1;
	}
	if (topiclog_begin(&t->log, now) == -1)
		return -1;
	t->log.active->owner = t;
	t->stored = 1;
	ts->ledgers++;
	return 0;
}

/* Writes as much of what has arrived as fits into one call and segment. */
static int
topic_append(struct topics *ts, struct topic *t, uint64_t now)
{
	struct iovec iov[WRITE_BATCHES];
	struct batch *b = t->arrived.head;
	struct segment *s;
	uint64_t count = 0;
	size_t bytes = 0;
	int n = 0;

	if (topic_segment(ts, t, b->slice->len, now) == -1)
		return -1;
	s = t->log.active;
	for (; b != NULL && n < WRITE_BATCHES && (n == 0 ||
	    s->size + bytes + b->slice->len <= ts->segment_bytes);
	    b = b->next) {
		b->seg = s;
		b->offset = s->size + bytes;
		b->first = s->next + count;
		batch_stamp(b, b->first, now);
		iov[n++] = (struct iovec){ b->slice->data, b->slice->len };
		bytes += b->slice->len;
		count += b->count;
	}
	if (segment_append(s, iov, n, bytes, count, now) == -1)
		return -1;
	ts->appends++;
	t->log.last_publish = now;
	while (n-- > 0)
		batches_add(&t->written, batches_take(&t->arrived));
	sync_mark(ts->sync, s);
	return 0;
}

static void
topic_write(struct topics *ts, struct topic *t)
{
	uint64_t now = stage_realtime();

	if (now < t->log.last_publish)
		now = t->log.last_publish;
	while (t->arrived.head != NULL) {
		if (t->log.problem[0] != '\0') {
			topic_fail(ts, t, &t->arrived, t->log.problem);
		} else if (topic_append(ts, t, now) == -1) {
			topic_failed(ts, t, strerror(errno));
		} else if (t->failing) {
			t->failing = 0;
			log_info("%s: written again", t->log.path);
		}
	}
	topic_set_ready(ts, t);
}

void
topics_write(struct topics *ts)
{
	struct topic *t;

	while ((t = ts->dirty) != NULL) {
		ts->dirty = t->dirty_next;
		t->in_dirty = 0;
		topic_write(ts, t);
	}
}

void
topics_synced(struct topics *ts, struct segment *s, int err)
{
	struct topic *t = s->owner;

	if (err == 0) {
		topic_set_ready(ts, t);
		return;
	}
	/* Nobody knows now what the disk holds; the next start finds out. */
	segment_damaged(s, s->synced, strerror(err));
	topiclog_damaged(&t->log, s);
	if (ts->sync->policy == SYNC_ALWAYS)
		topic_fail(ts, t, &t->written, t->log.problem);
}

struct topic *
topics_ready(struct topics *ts)
{
	struct topic *t = ts->ready;

	if (t != NULL) {
		ts->ready = t->ready_next;
		t->in_ready = 0;
	}
	return t;
}

struct batch *
topic_stored(struct topics *ts, struct topic *t)
{
	struct batch *b = t->written.head;
	uint64_t end;

	if (b == NULL)
		return NULL;
	end = b->offset + b->slice->len;
	if (ts->sync->policy == SYNC_ALWAYS && b->seg->synced < end)
		return NULL;
	batches_take(&t->written);
	segment_publish(b->seg, end, b->first + b->count);
	return b;
}
