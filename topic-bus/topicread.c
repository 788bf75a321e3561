/* Positions in a topic's log, and reading from them. */
#include "topiclog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "be.h"
#include "log.h"

#define READ_MIN (32 * 1024)

/* The reason into text, for the reader and the log. */
static enum bmsg_code
topiclog_failed(struct topiclog *l, struct segment *s, char *text)
{
	if (errno == EBADMSG || s->damage != NULL) {
		segment_damage_text(s, text, TOPICLOG_TEXT_MAX);
		topiclog_damaged(l, s);
	} else {
		snprintf(text, TOPICLOG_TEXT_MAX, "%s/%016" PRIx64 ".log: %s",
		    l->path, s->ledger, strerror(errno));
		log_warnx("%s", text);
	}
	return BMSG_E_STORAGE;
}

/* Older segments are looked at when somebody comes to them. */
static int
topiclog_load(struct segment *s)
{
	if (s->loaded)
		return 0;
	return s->damage != NULL ? -1 : segment_load(s);
}

/* Index of the first segment whose ledger is at least this. */
static size_t
topiclog_index(const struct topiclog *l, uint64_t ledger)
{
	size_t lo = 0, hi = l->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (l->segs[mid]->ledger < ledger)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
topiclog_start(const struct topiclog *l, size_t i, struct position *p)
{
	*p = (struct position){ .seg = i < l->n ? l->segs[i] : NULL,
		.offset = SEGMENT_HEADER_LEN };
}

static void
topiclog_end(const struct topiclog *l, struct position *p)
{
	topiclog_start(l, l->n > 0 ? l->n - 1 : 0, p);
	if (p->seg != NULL) {
		p->offset = p->seg->visible;
		p->entry = p->seg->visible_next;
	}
}

static enum bmsg_code
topiclog_find_id(struct topiclog *l, const struct bmsg_position *from,
    struct position *p, char *text)
{
	uint64_t last = l->n > 0 ? l->segs[l->n - 1]->ledger : 0;
	size_t i = topiclog_index(l, from->ledger);

	if (from->ledger > last + 1) {
		snprintf(text, TOPICLOG_TEXT_MAX,
		    "ledger %" PRIu64 " is yet to come", from->ledger);
		return l->n == 0 ? BMSG_E_NO_TOPIC : BMSG_E_POSITION;
	}
	if (i == l->n) {
		topiclog_end(l, p);
		return BMSG_OK;
	}
	topiclog_start(l, i, p);
	if (p->seg->ledger > from->ledger)
		return BMSG_OK;
	if (topiclog_load(p->seg) == -1 ||
	    segment_seek_entry(p->seg, from->entry, &p->offset, &p->entry) ==
		-1)
		return topiclog_failed(l, p->seg, text);
	if (p->seg == l->active && from->entry > p->entry) {
		snprintf(text, TOPICLOG_TEXT_MAX,
		    "entry %" PRIu64 ":%" PRIu64 " is yet to come",
		    from->ledger, from->entry);
		return BMSG_E_POSITION;
	}
	return BMSG_OK;
}

static enum bmsg_code
topiclog_find_time(struct topiclog *l, uint64_t time, struct position *p,
    char *text)
{
	size_t lo = 0, hi = l->n, mid;

	/* The last segment that is no younger than that. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (topiclog_load(l->segs[mid]) == -1)
			return topiclog_failed(l, l->segs[mid], text);
		if (l->segs[mid]->created < time)
			lo = mid + 1;
		else
			hi = mid;
	}
	topiclog_start(l, lo > 0 ? lo - 1 : 0, p);
	if (p->seg != NULL &&
	    segment_seek_time(p->seg, time, &p->offset, &p->entry) == -1)
		return topiclog_failed(l, p->seg, text);
	return BMSG_OK;
}

enum bmsg_code
topiclog_find(struct topiclog *l, const struct bmsg_position *from,
    struct position *p, char *text)
{
	switch (from->from) {
	case BMSG_EARLIEST:
		topiclog_start(l, 0, p);
		break;
	case BMSG_LATEST:
		topiclog_end(l, p);
		break;
	case BMSG_ID:
		return topiclog_find_id(l, from, p, text);
	case BMSG_TIME:
		return topiclog_find_time(l, from->time, p, text);
	}
	return BMSG_OK;
}

int
topiclog_settle(struct topiclog *l, struct position *p, char *text)
{
	size_t i;

	if (p->seg == NULL)
		topiclog_start(l, 0, p);
	for (;;) {
		if (p->seg == NULL)
			return 0;
		if (topiclog_load(p->seg) == -1) {
			topiclog_failed(l, p->seg, text);
			return -1;
		}
		if (p->offset < p->seg->visible)
			return 1;
		if (p->seg->damage != NULL) {
			topiclog_failed(l, p->seg, text);
			return -1;
		}
		if (p->seg == l->segs[l->n - 1])
			return 0;
		/* Written on, but not all of it may be seen yet. */
		if (p->seg->visible < p->seg->size)
			return 0;
		i = topiclog_index(l, p->seg->ledger);
		topiclog_start(l, i + 1, p);
	}
}

void
topiclog_id(const struct position *p, uint64_t *ledger, uint64_t *entry)
{
	*ledger = p->seg != NULL ? p->seg->ledger : 1;
	*entry = p->entry;
}

/* Bytes of the entry at p, from its length field; 0 when that is unreadable,
 * and then the walk says what is wrong. */
static size_t
topiclog_entry_size(struct position *p)
{
	uint8_t len[4];

	if (segment_read(p->seg, p->offset, len, sizeof(len)) != sizeof(len))
		return 0;
	if (be32_get(len) > ENTRY_LENGTH_MAX)
		return 0;
	return sizeof(len) + be32_get(len);
}

int64_t
topiclog_read(struct topiclog *l, struct position *p, size_t bytes,
    uint64_t max, uint8_t *(*room)(void *ctx, size_t n), void *ctx,
    uint64_t *count, char *text)
{
	struct segment_walk w = { .next = p->entry, .max = max };
	uint64_t left;
	int64_t n;
	size_t one;
	uint8_t *to;
	int rc = topiclog_settle(l, p, text);

	*count = 0;
	if (rc <= 0)
		return rc;
	w.next = p->entry;
	left = p->seg->visible - p->offset;
	one = topiclog_entry_size(p);
	if (max < 16 && bytes > READ_MIN)
		bytes = READ_MIN;
	if (bytes < one)
		bytes = one;
	if (bytes > left)
		bytes = (size_t)left;
	to = room(ctx, bytes);
	n = segment_read(p->seg, p->offset, to, bytes);
	if (n == -1) {
		topiclog_failed(l, p->seg, text);
		return -1;
	}
	segment_walk(&w, to, (size_t)n);
	if (w.count == 0) {
		segment_damaged(p->seg, p->offset,
		    w.bad != NULL ? w.bad : "ends inside an entry");
		topiclog_failed(l, p->seg, text);
		return -1;
	}
	p->offset += w.bytes;
	p->entry = w.next;
	*count = w.count;
	return (int64_t)w.bytes;
}
