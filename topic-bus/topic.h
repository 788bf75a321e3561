/*
 * Topics: the table of them, the directories they live in, and for each its
 * log and the batches on their way into it.
 */
#ifndef TOPIC_BUS_TOPIC_H
#define TOPIC_BUS_TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "clients.h"
#include "slice.h"
#include "sync.h"
#include "tname.h"
#include "topiclog.h"

struct reader;

/* A batch from its arrival to its receipt. */
struct batch {
	struct batch *next;
	struct slice *slice;   /* the entries */
	struct client *client; /* a reference */
	uint64_t number, epoch;
	uint64_t count;
	struct segment *seg; /* once written: where, */
	uint64_t offset;     /* and the id of the first entry */
	uint64_t first;
};

struct batches {
	struct batch *head, **tail;
};

struct topic {
	struct topic *hash_next;
	char *name; /* in full; stays where it is */
	size_t name_len;
	struct topiclog log;
	int stored;		/* it has a directory */
	int failing;		/* the last write failed, and was logged */
	struct batches arrived; /* this turn */
	struct batches written; /* waiting to be brought to the disk */
	int in_dirty, in_ready; /* in these lists of the table */
	struct topic *dirty_next, *ready_next;
	struct reader *readers; /* list by topic_next */
	uint64_t feed;		/* subscriptions of the feed that match */
};

struct topics {
	struct segment_dir dir;
	struct sync *sync;
	uint64_t segment_bytes;
	uint64_t max;
	struct topic **buckets;
	size_t size;
	uint64_t count;
	uint64_t held;	     /* bytes of batches without an answer */
	struct topic *dirty; /* have arrived batches */
	struct topic *ready; /* may have batches to be answered */
	/* Called for each batch: stored (BMSG_OK), or not. It frees the
	 * batch with batch_free. */
	void (*answer)(void *ctx, struct topic *t, struct batch *b,
	    enum bmsg_code code, const char *text);
	/* Called for each topic made; may be NULL. */
	void (*made)(void *ctx, struct topic *t);
	void *ctx;
	uint64_t ledgers, torn, appends; /* counters */
};

/*
 * Opens the directory (made if need be), locks it, finds the topics. Exits
 * EX_CANTCREAT, EX_TEMPFAIL (another one runs there), EX_CONFIG (more topics
 * than max).
 */
void topics_init(struct topics *ts, const char *path, uint64_t max,
    struct sync *sync);
void topics_free(struct topics *ts);

/* The topic, its log open. NULL when there is none and it must not or cannot
 * be made. */
struct topic *topics_get(struct topics *ts, const struct tname *name,
    int make);
/* A topic that nobody uses and that has no directory goes. */
void topics_release(struct topics *ts, struct topic *t);
/* All of them in no order: pass NULL first, NULL is the end. */
struct topic *topics_next(const struct topics *ts, const struct topic *t);
/* Counts topics whose log is damaged or out of order. */
uint64_t topics_broken(const struct topics *ts);

/* A batch has arrived; it is written by topics_write. */
void topic_take(struct topics *ts, struct topic *t, struct batch *b);

/* Writes all that has arrived, each topic with as few calls as possible. */
void topics_write(struct topics *ts);

/* Answers the batches of s that are stored as the policy promises; err: they
 * cannot be brought to the disk. For sync.done. */
void topics_synced(struct topics *ts, struct segment *s, int err);

/* The next topic that may have answers to give, NULL when there is none; then
 * its next batch that is stored, visible from now on, or NULL. */
struct topic *topics_ready(struct topics *ts);
struct batch *topic_stored(struct topics *ts, struct topic *t);

void batch_free(struct topics *ts, struct batch *b);

#endif
