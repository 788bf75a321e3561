/*
 * A client of topic-bus: publishes, reads, or both, over one DEALER socket
 * inside the caller's zmq_poll loop.
 *
 *	bus = bus_open(zmq, &config);
 *	video = bus_topic(bus, "video-topic");
 *	for (;;) {
 *		items[0] = bus_pollitem(bus);
 *		items[1].events = bus_full(bus) ? 0 : ZMQ_POLLIN;
 *		zmq_poll(items, 2, stage_poll_ms(bus_timeout(bus, now)));
 *		now = stage_monotonic();
 *		bus_process(bus, now);	   receipts and messages: callbacks
 *		while (there is input && !bus_full(bus))
 *			bus_send(bus, video, &e, cookie);
 *		bus_flush(bus, now);	   one message per topic leaves
 *	}
 *
 * Nothing accepted by bus_send is ever dropped: it stays pending until its
 * receipt, or an error for good, is handed to the receipt callback. What has
 * no receipt when topic-bus was restarted or the connection was made anew is
 * sent again, in order; so a message may be stored twice, never lost.
 */
#ifndef SLUICE_BUS_H
#define SLUICE_BUS_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "bmsg.h"
#include "entry.h"

#define BUS_PENDING_MESSAGES 65536
#define BUS_PENDING_BYTES (64 * 1024 * 1024)
#define BUS_PERMITS 10000

struct bus;

/* What became of one message. */
struct bus_receipt {
	enum bmsg_code code;   /* BMSG_OK: stored */
	uint64_t ledger, entry; /* its id when stored */
	const char *text;      /* the reason when not */
};

/*
 * Called from bus_process only, once for every message bus_send took, in the
 * order they were sent within a topic. cookie: the one given to bus_send.
 * Callbacks may call bus_send, not bus_close.
 */
typedef void bus_receipt_fn(void *ctx, uint64_t cookie,
    const struct bus_receipt *r);

/*
 * One message for a reader, from bus_process. e and all it points at are
 * valid during the call. Its crc has been checked.
 */
typedef void bus_message_fn(void *ctx, int reader, uint64_t ledger,
    const struct entry *e);

/* A reader cannot go on: no such position, damaged log, ... It is closed. */
typedef void bus_reader_error_fn(void *ctx, int reader, enum bmsg_code code,
    const char *text);

struct bus_config {
	const char *endpoint; /* ZeroMQ endpoint of topic-bus's --listen */
	/* Limits of what is pending; 0: the defaults above. A single message
	 * is taken whatever its size when nothing else is pending. */
	size_t pending_messages;
	size_t pending_bytes;
	/* 1: a message refused for want of storage (disk full) stays pending
	 * and is sent again every second, with all that follows on its topic,
	 * so that order is kept. 0: it is reported to the callback. */
	int retry_storage;
	bus_receipt_fn *receipt;	   /* may be NULL */
	bus_message_fn *message;	   /* NULL: no readers */
	bus_reader_error_fn *reader_error; /* may be NULL */
	void *ctx;			   /* handed to the callbacks */
};

struct bus_stats { /* counters, but for the gauges; for metrics tables */
	uint64_t sent;		   /* messages handed to bus_send */
	uint64_t stored;	   /* receipts */
	uint64_t failed;	   /* errors reported to the callback */
	uint64_t resent;	   /* messages sent again */
	uint64_t storage_errors;   /* refusals for want of storage, retried */
	uint64_t received;	   /* messages handed to the callback */
	uint64_t received_bytes;   /* their payload */
	uint64_t crc_errors;	   /* messages not handed out: bad crc */
	uint64_t malformed;	   /* from topic-bus, dropped */
	uint64_t connections;	   /* instances or connections seen */
	uint64_t pending_messages; /* gauge */
	uint64_t pending_bytes;	   /* gauge: of their entries */
	uint64_t connected;	   /* gauge: 1 while pongs come */
};

/* endpoints of the run directory ($SLUICE_RUN, or "run"): ipc://.../bus.sock
 * and ipc://.../feed.sock. Static strings. */
const char *bus_default_endpoint(void);
const char *bus_default_feed(void);
/* Where topic-bus keeps its log: .../bus. */
const char *bus_default_dir(void);

/*
 * zmq: the caller's context. The strings of config are copied. NULL with
 * a line logged when the endpoint is no endpoint. A topic-bus that is not
 * there yet is no error: it is waited for.
 */
struct bus *bus_open(void *zmq, const struct bus_config *config);

/* Drops what is pending: look at bus_idle first. */
void bus_close(struct bus *b);

/* A number for a topic to publish to, the same for the same topic. -1 when
 * it names no topic. At most 1024. */
int bus_topic(struct bus *b, const char *name);

/*
 * Takes a copy of e, to leave with the next bus_flush. id, publish and crc of
 * e do not matter. 0, or -1 when it was not taken: bus_full, or
 * entry_too_long.
 */
int bus_send(struct bus *b, int topic, const struct entry *e,
    uint64_t cookie);

/* 1: no room; stop taking input until receipts make some. */
int bus_full(const struct bus *b);
/* Room left before bus_full, in messages and bytes of entries. */
void bus_room(const struct bus *b, size_t *messages, size_t *bytes);
/* 1: nothing is pending. */
int bus_idle(const struct bus *b);

/*
 * Opens a reader from a position, with so many permits (renewed as messages
 * are handed out). It survives restarts of topic-bus: it goes on behind the
 * last message handed out. A topic that does not exist yet is waited for.
 * Returns its number, or -1 (no topic, or 64 readers).
 */
int bus_read(struct bus *b, const char *topic,
    const struct bmsg_position *from, uint64_t permits);
void bus_read_close(struct bus *b, int reader);

/* 1 once every reader has been told its position. */
int bus_reading(const struct bus *b);

/* 1: receive nothing for now, for a caller that cannot take messages. What
 * waits is bounded by the permits and a few messages in the socket. */
void bus_pause(struct bus *b, int on);

/* What to poll for, computed from the state; ask before each poll. */
zmq_pollitem_t bus_pollitem(const struct bus *b);
/* ns until bus_process wants to be called though nothing came. */
uint64_t bus_timeout(const struct bus *b, uint64_t now);

/* Receives, a bounded amount, and keeps the connection alive. now:
 * CLOCK_MONOTONIC, ns. */
void bus_process(struct bus *b, uint64_t now);
/* Hands what bus_send took to the socket. Call at the end of a loop turn. */
void bus_flush(struct bus *b, uint64_t now);

/* The instance of topic-bus last heard of; "" before the first. */
const char *bus_instance(const struct bus *b);
const struct bus_stats *bus_stats(const struct bus *b);

#endif
