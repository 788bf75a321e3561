/*
 * Inside the client of topic-bus: what bus.c, bus_send.c and bus_read.c share.
 */
#ifndef SLUICE_BUS_INT_H
#define SLUICE_BUS_INT_H

#include <stdatomic.h>

#include "bus.h"

#define BUS_TOPICS_MAX 1024
#define BUS_READERS_MAX 64
#define BUS_BATCH_BYTES (256 * 1024)
#define BUS_BATCH_MESSAGES 4096
#define BUS_INFLIGHT 1024 /* batches sent, without an answer */

/* The entries of a batch; shared with ZeroMQ while it sends them. */
struct bus_bytes {
	atomic_int refs;
	size_t len, size;
	uint8_t data[];
};

struct bus_batch {
	struct bus_batch *next; /* of its topic, in the order of bus_send */
	struct bus_bytes *bytes;
	uint64_t *cookies; /* count of them */
	uint32_t count, room;
	uint64_t number; /* on the wire; 0: not sent */
	int sealed;	 /* was sent once: takes no more entries */
	int answered;	 /* result is set, but one before it waits */
	struct bus_receipt result;
	char text[128];	 /* of result */
	int topic;
};

/* Batches of a topic: head ... (sent) ... unsent ... tail (being filled). */
struct bus_out {
	char *name;
	struct bus_batch *head, *tail, *unsent;
	uint64_t epoch;
	uint64_t retry_at; /* ns; nothing leaves before */
};

struct bus_reader {
	int used;
	char *topic;
	struct bmsg_position from; /* the next message wanted */
	uint64_t permits;
	uint64_t consumed; /* handed out since the last flow */
	uint64_t number;   /* on the wire; 0: to be opened */
	uint64_t opened;   /* times; makes number unique */
	int reading;	   /* topic-bus has told the position */
};

struct bus {
	void *socket;
	struct bus_config config;
	struct bus_stats stats;
	char instance[BMSG_INSTANCE_MAX + 1];
	char conn[BMSG_CONN_MAX + 1]; /* "" before the first pong */
	uint64_t next_ping;  /* ns */
	uint64_t last_pong;  /* ns */
	int blocked;	     /* the socket took no more */
	int ping_blocked;    /* there is no connection for a ping */
	int paused;
	struct bus_out out[BUS_TOPICS_MAX];
	int nout;
	uint64_t next_number;
	struct bus_batch *inflight[BUS_INFLIGHT]; /* by number */
	struct bus_reader readers[BUS_READERS_MAX];
	struct buf scratch;  /* frame 0 being built */
};

/* Sends frame 0 for m, and frame 1 if body is given (it is taken over when
 * sent). 0, or -1 when the socket takes no more; then b->blocked is set. */
int bus_emit(struct bus *b, const struct bmsg *m, zmq_msg_t *body);

/* bus_send.c */
void bus_out_answer(struct bus *b, const struct bmsg *m, uint64_t now);
void bus_out_restart(struct bus *b);
void bus_out_flush(struct bus *b, uint64_t now);
uint64_t bus_out_timeout(const struct bus *b, uint64_t now);
void bus_out_free(struct bus *b);

/* bus_read.c */
void bus_in_messages(struct bus *b, const struct bmsg *m, const uint8_t *p,
    size_t n);
void bus_in_reading(struct bus *b, const struct bmsg *m);
void bus_in_error(struct bus *b, const struct bmsg *m);
void bus_in_restart(struct bus *b);
void bus_in_flush(struct bus *b);
void bus_in_free(struct bus *b);

#endif
