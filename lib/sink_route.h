/*
 * A sink's side of the delivery protocol (INTERFACES.md section 4): which
 * routes there are, what each has delivered, what of it is done, what it may
 * send. No socket and no clock here: messages in, grants out.
 */
#ifndef SLUICE_SINK_ROUTE_H
#define SLUICE_SINK_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "dmsg.h"
#include "props.h"

#define SINK_ROUTES_MAX 64
#define SINK_WINDOW_MAX 65536	 /* packets */
#define SINK_ID_MAX 255		 /* bytes of a ROUTER identity */
#define SINK_SILENCE_MS 30000	 /* a route silent for so long is forgotten */
#define SINK_GRANT_MS 1		 /* between two grants at least, */
#define SINK_GRANT_LAZY_MS 10	 /* and while much is under way */
#define SINK_INSTANCE_LEN 16

struct sink_delivery {
	uint32_t size; /* bytes in frame 2 */
	int done;
	uint64_t at; /* ns, CLOCK_MONOTONIC: when it was taken */
};

struct sink_route {
	int in_use;
	uint32_t gen; /* of this slot: tells late receipts apart */
	char route[DMSG_INSTANCE_MAX + 1];
	char service[DMSG_SERVICE_MAX + 1];
	char sink[SINK_INSTANCE_LEN + 1]; /* our instance towards it */
	uint8_t id[SINK_ID_MAX];	  /* where grants go */
	size_t id_len;
	int begun;	/* something was taken under this instance of ours */
	uint64_t taken; /* the next delivery number */
	uint64_t acked; /* deliveries below are done */
	uint64_t bytes; /* between the two */
	struct sink_delivery *ring; /* window_packets of them */
	uint64_t heard;		    /* ns */
	int tell;		    /* a grant is wanted now */
	uint64_t told;		    /* ns: the last grant, */
	uint64_t told_acked;	    /* and what it said */
	uint64_t done_bytes;	    /* done since then */
	/* Configured headers, as the properties "header.NAME". */
	struct props headers;
	uint32_t nheaders;
	char *header_text; /* name NUL value NUL ... */
};

struct sink_route_stats { /* counters, but for the gauge; for metrics */
	uint64_t active; /* gauge */
	uint64_t refused; /* hellos beyond the limit or of another version */
	uint64_t forgotten;
	uint64_t duplicates; /* deliveries taken before */
	uint64_t stale;	     /* messages for an earlier instance of ours */
	uint64_t unknown;    /* messages of a route that has not said hello */
	uint64_t gaps;	     /* messages behind a gap, dropped */
	uint64_t over;	     /* messages over the grant, cut short */
	uint64_t late;	     /* receipts for what is not awaited any more */
	uint64_t grants;
};

struct sink_routes {
	uint32_t max;		 /* routes at once */
	uint32_t window_packets; /* of each */
	uint64_t window_bytes;
	int shut; /* grant nothing: see sink_routes_shut */
	struct sink_route *routes; /* max of them */
	struct sink_route_stats stats;
	double wait_ms; /* sum over deliveries, from taken to done, */
	uint64_t waits; /* and their number */
};

void sink_routes_init(struct sink_routes *rs, uint32_t max,
    uint32_t window_packets, uint64_t window_bytes);
void sink_routes_free(struct sink_routes *rs);

/* A hello from id. The route, made if it is new; NULL: refused. */
struct sink_route *sink_route_hello(struct sink_routes *rs,
    const struct dmsg_hello *h, const uint8_t *id, size_t id_len,
    uint64_t now);

/*
 * Is a packets message to be taken? The route with *skip set to the number
 * of records at its front that were taken before, or NULL: counted, nothing
 * of it is to be taken.
 */
struct sink_route *sink_route_packets(struct sink_routes *rs,
    const struct dmsg_packets *p, uint64_t *skip, uint64_t now);

/*
 * Takes the next record, size bytes with its header. 0 with the cookie to
 * give to sink_route_done, or -1: it is over the grant, leave the message.
 */
int sink_route_take(struct sink_routes *rs, struct sink_route *r,
    uint32_t size, uint64_t now, uint64_t *cookie);

/* The record taken with this cookie is done. */
void sink_route_done(struct sink_routes *rs, uint64_t cookie, uint64_t now);

/* What r took does not reach its end: it shall be sent again. */
void sink_route_restart(struct sink_route *r);

/* 1 with *g filled in when r is to be told something now. */
int sink_route_grant(struct sink_routes *rs, struct sink_route *r,
    struct dmsg_grant *g, uint64_t now);

/* on: grant nothing more until it is off again; both are told at once. */
void sink_routes_shut(struct sink_routes *rs, int on);

/* Forgets silent routes. Returns the ns until a grant is due, at most until
 * the next look at silent ones. */
uint64_t sink_routes_tick(struct sink_routes *rs, uint64_t now);

/* The value of a configured header; NULL when there is none. Valid until the
 * next hello. */
const char *sink_route_header(const struct sink_route *r, const char *name);

#endif
