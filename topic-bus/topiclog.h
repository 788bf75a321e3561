/*
 * The log of one topic: its segments in order, one of them being written.
 * It knows files and entries, nothing of who sends or reads.
 */
#ifndef TOPIC_BUS_TOPICLOG_H
#define TOPIC_BUS_TOPICLOG_H

#include <stddef.h>
#include <stdint.h>

#include "bmsg.h"
#include "segment.h"

#define TOPICLOG_TEXT_MAX 512 /* bytes of a problem's text */

struct topiclog {
	struct segment_dir *in;
	char *path; /* below in->root: TENANT/NAMESPACE/NAME */
	struct segment **segs; /* by ledger, ascending */
	size_t n, room;
	struct segment *active; /* the last one, once this run has written */
	uint64_t last_publish;	/* ns; publish times never go back */
	int opened;
	uint64_t torn; /* bytes of torn writes cut off when it was opened */
	char problem[TOPICLOG_TEXT_MAX]; /* why it refuses to be written; ""
					  * when it does not */
};

/* Where a reader stands. seg is NULL while the log has no segment. */
struct position {
	struct segment *seg;
	uint64_t offset; /* of the next entry */
	uint64_t entry;	 /* its id */
};

/* path is copied. */
void topiclog_init(struct topiclog *l, struct segment_dir *in,
    const char *path);
void topiclog_free(struct topiclog *l);

/*
 * Lists the segments and recovers the newest. What is wrong is logged and
 * kept in problem: what can be read still can.
 */
void topiclog_open(struct topiclog *l);

/* Begins a new ledger, the topic's directory with the first. -1 with errno. */
int topiclog_begin(struct topiclog *l, uint64_t now);

/* Puts the damage of s into problem, and logs it if that is news. */
void topiclog_damaged(struct topiclog *l, const struct segment *s);

/*
 * Finds a position. BMSG_OK, or BMSG_E_NO_TOPIC, BMSG_E_POSITION,
 * BMSG_E_STORAGE with text of TOPICLOG_TEXT_MAX bytes.
 */
enum bmsg_code topiclog_find(struct topiclog *l,
    const struct bmsg_position *from, struct position *p, char *text);

/*
 * Moves p on to the next segment where one ends. 1: there is something to
 * read at p, 0: not yet, -1: never, see text (TOPICLOG_TEXT_MAX bytes).
 */
int topiclog_settle(struct topiclog *l, struct position *p, char *text);

/* The id a reader at p is told: LEDGER:ENTRY. */
void topiclog_id(const struct position *p, uint64_t *ledger, uint64_t *entry);

/*
 * Reads whole, checked entries at p, at most max of them and about bytes of
 * them (one at least), and moves p behind them. buf is called once with the
 * room needed and gives the memory. Returns the bytes; 0: nothing there yet;
 * -1: damage or a failed read, see text.
 */
int64_t topiclog_read(struct topiclog *l, struct position *p, size_t bytes,
    uint64_t max, uint8_t *(*room)(void *ctx, size_t n), void *ctx,
    uint64_t *count, char *text);

#endif
