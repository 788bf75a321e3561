/*
 * Inside bus-consume: what its files share. consume_print.c writes messages,
 * consume_stats.c counts them, consume_feed.c reads the live feed.
 */
#ifndef TOPIC_BUS_CONSUME_H
#define TOPIC_BUS_CONSUME_H

#include <stdint.h>
#include <zmq.h>

#include "buf.h"
#include "entry.h"

enum consume_format {
	CONSUME_LINE,
	CONSUME_JSON,
	CONSUME_RAW,
	CONSUME_LATENCY,
	CONSUME_NOTHING
};

/* Appends one message to out. now: CLOCK_REALTIME ns when it was received. */
void consume_print(struct buf *out, enum consume_format format,
    const char *topic, uint64_t ledger, const struct entry *e, uint64_t now);

/* Counts of one topic. */
struct consume_stats;

struct consume_stats *consume_stats_new(const char *topic, int check_seq);
void consume_stats_free(struct consume_stats *s);

/* now, mono: CLOCK_REALTIME and CLOCK_MONOTONIC when it was received, ns. */
void consume_stats_add(struct consume_stats *s, const struct entry *e,
    uint64_t now, uint64_t mono);

/* Appends the summary of the topic, one line. */
void consume_stats_print(const struct consume_stats *s, struct buf *out);

/* ns the message is old: since its event, or its publication. */
uint64_t consume_age(const struct entry *e, uint64_t now);

/* The live feed instead of readers. Calls message for each; 0, or -1 when
 * nothing (more) has come. */
struct consume_feed {
	void *socket;
	uint64_t malformed; /* counter */
	void (*message)(void *ctx, const char *topic, uint64_t ledger,
	    const struct entry *e);
	void *ctx;
};

/* Exits EX_USAGE when endpoint is none. */
void consume_feed_open(struct consume_feed *f, void *zmq,
    const char *endpoint);
/* A topic in full. */
void consume_feed_subscribe(struct consume_feed *f, const char *topic);
int consume_feed_next(struct consume_feed *f);

#endif
