/*
 * Who is connected: one struct client for each routing id the ROUTER socket
 * has heard from, until a message to it can no longer be addressed.
 */
#ifndef TOPIC_BUS_CLIENTS_H
#define TOPIC_BUS_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "bmsg.h"
#include "slice.h"

#define CLIENT_READERS_MAX 64
#define CLIENT_ID_MAX 255 /* bytes, ZeroMQ's own limit */

struct reader;
struct topic;

/* A topic that refused a batch of this client for want of storage. */
struct refusal {
	struct topic *topic;
	uint64_t epoch;
};

struct client {
	struct client *hash_next;
	struct client *prev, *next; /* all of them, longest silent first */
	int refs;		    /* the table's, and one per batch */
	int gone;		    /* cannot be reached any more */
	int blocked;		    /* in the list of those without room */
	struct client *blocked_next;
	struct client *gone_next;
	uint64_t heard;		    /* ns, CLOCK_MONOTONIC */
	uint64_t resets;
	char conn[BMSG_CONN_MAX + 1]; /* its connection's name */
	struct window *window;
	struct reader *readers;	    /* list by client_next */
	int nreaders;
	struct refusal *refusals;
	size_t nrefusals;
	uint8_t id_len;
	uint8_t id[]; /* routing id */
};

struct clients {
	struct client **buckets;
	size_t size; /* buckets, a power of two */
	struct client all; /* head of the ring */
	uint64_t count;
	uint64_t max;
	size_t window; /* bytes under way to one client */
	int wake_fd;
	const char *instance;
};

void clients_init(struct clients *cs, uint64_t max, size_t window,
    int wake_fd, const char *instance);
/* All clients, which must have no readers any more. */
void clients_free(struct clients *cs);

/* The client of a routing id, a new one if needed; it was heard now. NULL:
 * there are too many. */
struct client *clients_get(struct clients *cs, const uint8_t *id, size_t n,
    uint64_t now);

/* Takes it out of the table; it lives on while it is referred to. */
void clients_remove(struct clients *cs, struct client *c);
void client_unref(struct client *c);

/* The client that has been silent for longest, or NULL. */
struct client *clients_silent(struct clients *cs);
/* It counts as heard now. */
void clients_heard(struct clients *cs, struct client *c, uint64_t now);

/* Gives the connection a new name: the client will begin anew. */
void clients_reset(struct clients *cs, struct client *c);

/* Refusals: 1 if a batch of this epoch has to be refused as those before. */
int client_refuses(struct client *c, const struct topic *t, uint64_t epoch);
void client_refuse(struct client *c, struct topic *t, uint64_t epoch);

#endif
