/*
 * One endpoint of a service: a DEALER socket, the queue in front of it, and
 * the delivery protocol (INTERFACES.md section 4).
 */
#ifndef ROUTE_ENDPOINT_H
#define ROUTE_ENDPOINT_H

#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "log.h"
#include "queue.h"

#define ENDPOINT_INSTANCE_LEN 16
#define ENDPOINT_TICK_MS 100 /* how often endpoint_tick wants to be called */

enum endpoint_drop {
	DROP_OLDEST,
	DROP_NEWEST,
	DROP_DRAIN, /* was still there when route ended */
	ENDPOINT_DROPS
};

struct endpoint_stats { /* counters unless said otherwise */
	uint64_t packets_routed, bytes_routed; /* queued; bytes of records */
	uint64_t dropped[ENDPOINT_DROPS];
	uint64_t packets_acked; /* records the sink was done with */
	uint64_t batches;
	uint64_t malformed, unknown_commands;
	uint64_t sinks;	    /* instances that answered */
	uint64_t blocked;   /* times reading stopped for it */
	/* Gauges, for the metrics. */
	uint64_t up, unacked, queue_packets, queue_bytes;
};

struct endpoint {
	const struct config_service *service;
	const char *name; /* "ipc://PATH" */
	uint32_t index;
	void *socket; /* ZeroMQ's */
	int fd;	      /* readable when endpoint_run has something to do */
	char route[ENDPOINT_INSTANCE_LEN + 1]; /* our instance towards it */
	char sink[DMSG_INSTANCE_MAX + 1]; /* its own; "" before the first */
	struct queue queue;
	struct buf hello; /* the message */
	struct buf map;	  /* scratch */
	int connected;	  /* ZeroMQ has a connection */
	int up;		  /* and the sink has answered of late */
	int suspect;	  /* what flies may be lost: see the next grant */
	uint64_t now;	  /* ns, CLOCK_MONOTONIC: of this turn */
	uint64_t heard;	  /* ns: the last grant */
	uint64_t hello_at; /* ns: the next hello */
	uint64_t stall_at; /* ns: nothing acked until then: send again */
	uint64_t stall_ns; /* doubles while that does not help */
	struct log_limit limit;	     /* of lines about coming and going */
	struct endpoint *dirty_next; /* list of the loop */
	int dirty;
	struct endpoint_stats stats;
};

/* Connects, without waiting. -1 with a line logged. */
int endpoint_open(struct endpoint *ep, void *zmq, uint32_t index,
    const struct config_service *service, const char *name, uint64_t now);
void endpoint_close(struct endpoint *ep);

/* Takes grants and sends what they allow. 1: there is more to do. */
int endpoint_run(struct endpoint *ep, uint64_t now);

/* Hellos and silences. 1: endpoint_run is to follow. */
int endpoint_tick(struct endpoint *ep, uint64_t now);

/* Makes room for a record of len bytes as the policy says. 1: queue it,
 * 0: it is dropped (counted), -1: there is none and reading must wait. It may
 * send: endpoint_run is to follow. */
int endpoint_admit(struct endpoint *ep, size_t len);

/* Counts what is left as dropped by the drain. */
void endpoint_abandon(struct endpoint *ep);

#endif
