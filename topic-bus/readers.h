/*
 * Readers: history from the files, then what is published, without a gap
 * between them. Each has permits; what is under way to a client is bounded by
 * its window, so one that is slow costs nobody else anything.
 */
#ifndef TOPIC_BUS_READERS_H
#define TOPIC_BUS_READERS_H

#include <stdint.h>

#include "bmsg.h"
#include "clients.h"
#include "topic.h"

struct reader {
	struct reader *topic_prev, *topic_next;
	struct reader *client_next;
	struct reader *ready_next;
	int in_ready;
	struct client *client;
	struct topic *topic;
	uint64_t number; /* the client's */
	uint64_t permits;
	struct position at;
	int failed; /* an error was sent; it goes at the end of the turn */
};

struct readers {
	struct topics *topics;
	struct reader *ready, **ready_tail; /* have something to be sent */
	struct client *blocked; /* their windows were full */
	struct reader *failed;	/* by ready_next */
	uint64_t count;
	/* Sends messages to a reader; the slice's bytes at p. 0, or -1 when
	 * its client is gone. */
	int (*send)(void *ctx, struct reader *r, uint64_t ledger,
	    uint64_t count, struct slice *s, const uint8_t *p, size_t n);
	/* Tells a reader that it cannot go on. */
	void (*error)(void *ctx, struct reader *r, enum bmsg_code code,
	    const char *text);
	void *ctx;
	uint64_t messages, bytes; /* counters: sent to readers */
	uint64_t history_bytes;	  /* counter: of them read from files */
};

void readers_init(struct readers *rs, struct topics *topics);

/* The reader of that number, or NULL. */
struct reader *readers_find(struct client *c, uint64_t number);

/*
 * Opens one in place of any of the same number. NULL with a code and a text
 * (TOPICLOG_TEXT_MAX bytes) when that cannot be.
 */
struct reader *readers_open(struct readers *rs, struct client *c,
    struct topic *t, uint64_t number, const struct bmsg_position *from,
    uint64_t permits, enum bmsg_code *code, char *text);
void readers_close(struct readers *rs, struct reader *r);
/* The same for all of a client, at the end of the turn: nothing is sent to
 * them any more. May be called from the callbacks. */
void readers_forget(struct readers *rs, struct client *c);
/* All of a client that is gone, at once. */
void readers_close_all(struct readers *rs, struct client *c);

/* More permits for r. */
void readers_flow(struct readers *rs, struct reader *r, uint64_t permits);

/* b has just become visible: readers that wait for it get it at once. */
void readers_live(struct readers *rs, struct topic *t, struct batch *b);

/* Clients whose windows have room again get on. */
void readers_unblock(struct readers *rs);

/* Sends history, about so many bytes, each reader in its turn. Returns 1 when
 * there is more to send at once. */
int readers_run(struct readers *rs, size_t budget);

#endif
