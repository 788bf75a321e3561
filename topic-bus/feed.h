/*
 * The live feed: an XPUB socket any SUB can read (INTERFACES.md section 6).
 * Nothing is encoded for topics nobody subscribes to.
 */
#ifndef TOPIC_BUS_FEED_H
#define TOPIC_BUS_FEED_H

#include <stdint.h>

#include "bmsg.h"
#include "buf.h"
#include "slice.h"
#include "topic.h"

#define FEED_PREFIXES_MAX 4096
#define FEED_PREFIX_MAX 1024 /* bytes; a longer one matches nothing */

struct feed_prefix {
	char *p;
	size_t n;
};

struct feed {
	void *socket;
	struct topics *topics;
	struct feed_prefix *prefixes;
	uint64_t count;
	int all; /* there are too many to look at: every topic may be wanted */
	int lossy; /* as the socket is set just now */
	struct window *window; /* large payloads under way */
	struct buf head;
	uint64_t messages, bytes; /* counters: published */
	uint64_t dropped;  /* counter: lost by one subscriber at least */
	uint64_t overflow; /* counter: not published, too much under way */
};

/* Binds. 0, or -1 with errno. hwm: messages waiting for one subscriber;
 * bytes: of all large payloads that wait. */
int feed_open(struct feed *f, void *zmq, const char *endpoint, int hwm,
    size_t bytes, struct topics *topics, int wake_fd);
void feed_close(struct feed *f, int linger_ms);

/* Takes subscriptions, a bounded number. */
void feed_process(struct feed *f);

/* A topic that is new: is it subscribed to? */
void feed_topic(struct feed *f, struct topic *t);

/* Publishes a batch that is stored. */
void feed_publish(struct feed *f, struct topic *t, struct batch *b);

#endif
