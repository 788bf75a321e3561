/*
 * The protocol of INTERFACES.md section 5 on a ROUTER socket: takes what
 * clients send, answers, and passes the rest to the topics and the readers.
 */
#ifndef TOPIC_BUS_SERVER_H
#define TOPIC_BUS_SERVER_H

#include <stdint.h>

#include "bmsg.h"
#include "buf.h"
#include "clients.h"
#include "feed.h"
#include "readers.h"
#include "sync.h"
#include "topic.h"

#define SERVER_INSTANCE 16 /* characters */

struct server_stats { /* counters */
	uint64_t batches_in, messages_in, bytes_in; /* stored */
	uint64_t receipts;
	uint64_t errors[BMSG_E_OTHER]; /* by code */
	uint64_t malformed;
	uint64_t unknown; /* commands */
	uint64_t stale;	  /* sends and reads of an earlier connection */
	uint64_t resets;  /* clients that did not take their answers */
	uint64_t refused_clients;
};

struct server {
	void *socket;
	char instance[SERVER_INSTANCE + 1];
	struct topics topics;
	struct sync sync;
	struct clients clients;
	struct readers readers;
	struct feed feed;
	uint64_t max_message; /* bytes of payload */
	uint64_t now;	      /* CLOCK_MONOTONIC ns, of this turn */
	uint64_t next_probe;  /* ns */
	struct client *gone;  /* by gone_next: to be forgotten */
	int wake_fd;
	struct buf head; /* frame 0 being built */
	struct server_stats stats;
};

/* Binds the ROUTER; 0, or -1 with errno. topics, sync, clients, readers and
 * feed are initialized by the caller, and refer to s. */
int server_open(struct server *s, void *zmq, const char *endpoint);

/* 1: so much waits to be stored that nothing more should be received. */
int server_full(const struct server *s);

/* Receives a bounded amount. Returns 1 when there may be more. */
int server_receive(struct server *s);

/* Writes what was received, answers what is stored, feeds the readers.
 * Returns 1 when it wants to be called again at once. */
int server_run(struct server *s);

/* Looks for clients that are silent because they are gone. */
void server_probe(struct server *s);

/* Stores and answers everything received so far. */
void server_drain(struct server *s);

/* Callbacks of the parts. ctx is the struct server. */
void server_answer(void *ctx, struct topic *t, struct batch *b,
    enum bmsg_code code, const char *text);
int server_messages(void *ctx, struct reader *r, uint64_t ledger,
    uint64_t count, struct slice *sl, const uint8_t *p, size_t n);
void server_reader_error(void *ctx, struct reader *r, enum bmsg_code code,
    const char *text);
void server_topic_made(void *ctx, struct topic *t);
void server_synced(void *ctx, struct segment *s, int err);

/* For server.c and its commands in commands.c. */
int server_emit(struct server *s, struct client *c, zmq_msg_t *body);
void server_send(struct server *s, struct client *c, const struct bmsg *m);
void server_error(struct server *s, struct client *c, const struct bmsg *m,
    enum bmsg_code code, const char *text);
void server_command(struct server *s, struct client *c, const struct bmsg *m,
    zmq_msg_t *body);

#endif
