/*
 * Record boundaries in a stream of bytes that come in pieces of any size. It
 * looks at headers only, and gathers the front of a payload when somebody
 * wants it. Pure.
 */
#ifndef SLUICE_TAP_SCAN_H
#define SLUICE_TAP_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "rec.h"

#define SCAN_FRONT_MAX (64 * 1024) /* bytes of payload gathered at most */

struct scan {
	/* How many bytes of r's payload are wanted; r->payload is not set. */
	size_t (*want)(void *ctx, const struct rec *r);
	/* A record, when as much of it as was wanted has come: have bytes
	 * (never more than r->len) at r->payload. */
	void (*record)(void *ctx, const struct rec *r, size_t have);
	void *ctx;
	/* Private: */
	struct buf front; /* header and payload so far, of a record cut short */
	size_t need;	  /* bytes of it until it can be shown */
	uint64_t skip;	  /* payload bytes to pass over */
	const char *malformed;
};

/*
 * Takes n bytes. NULL, or why they are no records: boundaries are lost then,
 * and it does nothing any more but say so.
 */
const char *scan_feed(struct scan *s, const uint8_t *p, size_t n);

/* 1 when the bytes so far end between two records. */
int scan_at_boundary(const struct scan *s);

void scan_free(struct scan *s);

#endif
