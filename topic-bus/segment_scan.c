/* Reading whole segments: recovery, the index, and seeking with it. */
#include "segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "log.h"

#define SCAN_BYTES (1024 * 1024) /* read at once; grows for a large entry */

/* A window on the file, moved forward. */
struct scan {
	struct segment *s;
	uint64_t file_size;
	uint64_t offset; /* in the file, of p[0] */
	uint8_t *p;
	size_t n;    /* bytes at p */
	size_t size; /* room at p */
	struct segment_walk w;
	/* Called for each good entry, at offset; 1 stops the scan before it. */
	int (*seen)(struct scan *c, const struct entry *e);
	uint64_t wanted; /* for seen */
	int found;	 /* seen returned 1 for the entry at offset */
};

static void
scan_begin(struct scan *c, struct segment *s, uint64_t offset, uint64_t next)
{
	*c = (struct scan){ .s = s, .offset = offset, .size = SCAN_BYTES };
	c->w.next = next;
	c->p = malloc(c->size);
	if (c->p == NULL)
		fatal(EX_OSERR, "malloc");
}

static void
scan_end(struct scan *c)
{
	free(c->p);
}

/* Reads on at c->offset, at least need bytes if the file has them. */
static int
scan_fill(struct scan *c, size_t need)
{
	int64_t n;

	if (need > c->size) {
		free(c->p);
		c->size = need;
		c->p = malloc(c->size);
		if (c->p == NULL)
			fatal(EX_OSERR, "malloc");
	}
	n = segment_read(c->s, c->offset, c->p, c->size);
	if (n == -1)
		return -1;
	c->n = (size_t)n;
	return 0;
}

/* The good entries in the window, one by one. c->offset moves behind them. */
static void
scan_window(struct scan *c)
{
	uint8_t *p = c->p;
	size_t n = c->n;
	struct entry e;

	c->w.max = 1;
	for (;;) {
		segment_walk(&c->w, p, n);
		if (c->w.count == 0)
			return;
		entry_get(p, n, &e, NULL);
		if (c->seen(c, &e)) {
			c->found = 1;
			c->w.next = e.id;
			return;
		}
		p += c->w.bytes;
		n -= c->w.bytes;
		c->offset += c->w.bytes;
	}
}

/*
 * All entries from c->offset on. 0: found, or clean to the end of the file;
 * 1: the last is cut short; -1: EBADMSG (c->w.bad) or a failed read.
 */
static int
scan_run(struct scan *c)
{
	size_t need = 0;

	for (;;) {
		if (scan_fill(c, need) == -1)
			return -1;
		if (c->n == 0)
			return 0;
		scan_window(c);
		if (c->found)
			return 0;
		if (c->w.bad != NULL) {
			errno = EBADMSG;
			return -1;
		}
		need = c->w.need;
		if (c->offset + (need > 0 ? need : ENTRY_HEADER_LEN) >
		    c->file_size)
			return c->offset < c->file_size;
	}
}

/* 1 if the file holds nothing but zeros from offset on. */
static int
scan_zeros(struct scan *c)
{
	uint64_t at = c->offset;
	int64_t n;

	while ((n = segment_read(c->s, at, c->p, c->size)) > 0) {
		for (int64_t i = 0; i < n; i++)
			if (c->p[i] != 0)
				return 0;
		at += (uint64_t)n;
	}
	return n == 0;
}

/*
 * An entry seems cut short. If a good one follows it in the file, then it was
 * not: its length is damaged, and cutting there would lose what follows.
 * (A payload that holds such an entry can make a torn write look like
 * damage. That errs on the side of keeping data.)
 */
static int
scan_followed(struct scan *c)
{
	uint64_t rest = c->file_size - c->offset, id;
	struct entry e;
	int64_t len;

	if (scan_fill(c, (size_t)rest) == -1)
		return 1;
	for (size_t i = 1; i + ENTRY_HEADER_LEN <= c->n; i++) {
		id = be64_get(c->p + i + 8);
		if (id < c->w.next || id - c->w.next > rest)
			continue;
		len = entry_get(c->p + i, c->n - i, &e, NULL);
		if (len > 0 && entry_crc_ok(c->p + i, (size_t)len))
			return 1;
	}
	return 0;
}

static int
scan_index(struct scan *c, const struct entry *e)
{
	segment_note(c->s, c->offset, e->id, e->publish);
	return 0;
}

/* Decides what the end of a scan means; bytes to cut off, or -1. */
static int64_t
scan_verdict(struct scan *c, int rc, int newest)
{
	const char *bad = c->w.bad;

	if (rc == 0)
		return 0;
	if (rc == -1 && errno != EBADMSG)
		return -1;
	if (rc == 1)
		bad = "ends inside an entry";
	if (rc == 1 && newest && scan_followed(c))
		bad = "bad length";
	else if (newest && (rc == 1 || scan_zeros(c)))
		return (int64_t)(c->file_size - c->offset);
	return segment_damaged(c->s, c->offset, bad);
}

int64_t
segment_scan(struct segment *s, int newest)
{
	struct scan c;
	int64_t cut;
	int rc;

	s->npoints = 0;
	scan_begin(&c, s, SEGMENT_HEADER_LEN, 0);
	c.file_size = s->size;
	c.seen = scan_index;
	rc = scan_run(&c);
	cut = scan_verdict(&c, rc, newest);
	if (cut == -1 && errno != EBADMSG) {
		scan_end(&c);
		return -1;
	}
	s->size = s->visible = s->synced = c.offset;
	s->next = s->visible_next = c.w.next;
	s->last_publish = c.w.publish;
	s->scanned = 1;
	if (cut > 0)
		s->tail = 1; /* append, if ever, cuts first */
	scan_end(&c);
	if (cut == -1)
		errno = EBADMSG;
	return cut;
}

static int
scan_entry_reached(struct scan *c, const struct entry *e)
{
	return e->id >= c->wanted;
}

static int
scan_time_reached(struct scan *c, const struct entry *e)
{
	return e->publish >= c->wanted;
}

/* From the last point of the index that is not behind what is wanted. */
static int
segment_seek(struct segment *s, int by_time, uint64_t wanted,
    uint64_t *offset, uint64_t *id)
{
	struct segment_point *at = NULL;
	size_t lo = 0, hi, mid;
	struct scan c;
	int rc;

	if (!s->scanned && segment_scan(s, 0) == -1 && errno != EBADMSG)
		return -1;
	for (hi = s->npoints; lo < hi;) {
		mid = lo + (hi - lo) / 2;
		/* Several entries may have one time: stay before the first. */
		if (by_time ? s->index[mid].publish < wanted :
			      s->index[mid].entry <= wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0)
		at = &s->index[lo - 1];
	scan_begin(&c, s, at != NULL ? at->offset : SEGMENT_HEADER_LEN,
	    at != NULL ? at->entry : 0);
	c.file_size = s->visible;
	c.wanted = wanted;
	c.seen = by_time ? scan_time_reached : scan_entry_reached;
	rc = scan_run(&c);
	*offset = c.offset;
	*id = c.w.next;
	scan_end(&c);
	if (rc != 0 && c.offset < s->visible) {
		if (rc == -1 && errno != EBADMSG)
			return -1;
		return segment_damaged(s, c.offset,
		    rc == 1 ? "ends inside an entry" : c.w.bad);
	}
	if (*offset > s->visible) {
		*offset = s->visible;
		*id = s->visible_next;
	}
	return 0;
}

int
segment_seek_entry(struct segment *s, uint64_t entry, uint64_t *offset,
    uint64_t *id)
{
	return segment_seek(s, 0, entry, offset, id);
}

int
segment_seek_time(struct segment *s, uint64_t publish, uint64_t *offset,
    uint64_t *id)
{
	return segment_seek(s, 1, publish, offset, id);
}
