/*
 * What becomes of each record: which endpoints it is queued for, what is
 * forgotten, what goes to the control socket. Everything here is built from
 * one configuration.
 */
#ifndef ROUTE_DISPATCH_H
#define ROUTE_DISPATCH_H

#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "control.h"
#include "endpoint.h"
#include "router.h"
#include "streams.h"

struct route_stats { /* counters */
	uint64_t records, bytes; /* read; bytes with headers */
	uint64_t packets;
	uint64_t unknown_types;	   /* packets dropped: of no service, */
	uint64_t streams_over;	   /* of streams over the limit */
	uint64_t ignored;	   /* records route has no use for */
	uint64_t requests_dropped; /* STOP_SENDING without a control socket */
};

struct route {
	const struct config *config;
	struct router router;
	struct streams streams;
	struct control control;
	struct endpoint *endpoints; /* config->nendpoints, by service */
	uint32_t *first;	    /* of each service, in endpoints */
	struct endpoint *dirty;	    /* have something to do */
	uint32_t ndirty;
	struct endpoint *blocked;   /* reading waits for this one, or NULL */
	uint64_t epoch;		    /* of decisions kept with streams */
	struct route_stats stats;
};

/* Connects to every endpoint of the configuration, which must outlive it.
 * -1 with a line logged. */
int route_open(struct route *r, const struct config *c, void *zmq,
    uint64_t max_sessions, uint64_t max_streams, const char *control,
    uint64_t now);
void route_close(struct route *r);

enum dispatch {
	DISPATCH_MORE,	   /* needs more input */
	DISPATCH_BLOCKED,  /* r->blocked has no room: the record stays */
	DISPATCH_MALFORMED /* *why: a sibling is broken */
};

/* Takes whole records from the front of b. */
enum dispatch dispatch_input(struct route *r, struct buf *b,
    const char **why);

/* 1 if reading may go on: nothing is blocked any more. */
int dispatch_unblocked(struct route *r);

/* The endpoint has something to do in route_flush. */
void route_mark(struct route *r, struct endpoint *ep);

/* Lets all marked endpoints send and receive. 1: some want another turn. */
int route_flush(struct route *r, uint64_t now);

/* 1 when every record was delivered. */
int route_empty(const struct route *r);

#endif
