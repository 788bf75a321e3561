/*
 * Bringing segments to the disk, as --sync says. fdatasync runs in the
 * kernel's own threads (Linux native AIO), so that the loop goes on; where
 * there is no such thing it is called in the loop.
 */
#ifndef TOPIC_BUS_SYNC_H
#define TOPIC_BUS_SYNC_H

#include <linux/aio_abi.h>
#include <stdint.h>

#include "segment.h"

#define SYNC_SLOTS 64 /* segments being synced at a time */

enum sync_policy { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_NONE };

struct sync {
	enum sync_policy policy;
	uint64_t interval;     /* ns */
	uint64_t next;	       /* ns: when the interval is over */
	struct files *files;
	aio_context_t aio;     /* 0: none */
	int fd;		       /* eventfd, readable when one has finished */
	struct segment *dirty; /* to be synced, not under way */
	struct segment **dirty_tail;
	struct segment *slots[SYNC_SLOTS]; /* under way */
	uint64_t started[SYNC_SLOTS];	   /* ns, CLOCK_MONOTONIC */
	/* Called for each segment that was synced (bytes before s->synced are
	 * on the disk), or failed to be (err is an errno). */
	void (*done)(void *ctx, struct segment *s, int err);
	void *ctx;
	uint64_t syncs;	     /* counters */
	uint64_t failures;
	double last_ms;	     /* the last one took so long */
};

/* Exits EX_OSERR when there is no eventfd. */
void sync_init(struct sync *y, enum sync_policy policy, uint64_t interval,
    struct files *files);
void sync_free(struct sync *y);

/* s was appended to. Nothing is kept with SYNC_NONE. */
void sync_mark(struct sync *y, struct segment *s);

/* Starts what is due; now: CLOCK_MONOTONIC. */
void sync_run(struct sync *y, uint64_t now);
/* ns until sync_run wants to be called. */
uint64_t sync_timeout(const struct sync *y, uint64_t now);

/* fd is readable. */
void sync_reap(struct sync *y, uint64_t now);

/* Brings s, which will not be written any more, to the disk before it
 * returns: only a topic's newest file may be torn by a power cut. */
void sync_segment(struct sync *y, struct segment *s, uint64_t now);

/* Brings everything to the disk before it returns. */
void sync_all(struct sync *y, uint64_t now);

#endif
