/*
 * The connection to wt-accept's control socket (INTERFACES.md section 3).
 * It carries requests to stop a stream; it comes and goes with wt-accept.
 * What cannot be sent is bounded and counted, never waited for.
 */
#ifndef ROUTE_CONTROL_H
#define ROUTE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define CONTROL_OUT_MAX (64 * 1024) /* bytes of requests that wait */
#define CONTROL_RETRY_MS 500

struct control {
	const char *endpoint; /* "unix:PATH", or NULL: there is none */
	int fd;		      /* -1: not connected */
	struct buf in, out;
	uint64_t retry_at; /* ns, CLOCK_MONOTONIC */
	int complained;	   /* being without a connection was logged */
	uint64_t requests, dropped; /* counters: passed on, or not */
	uint64_t refused;	    /* REFUSED from wt-accept; counter */
	uint64_t malformed, connects; /* counters */
};

void control_init(struct control *c, const char *endpoint);
void control_free(struct control *c);

/* A whole record for wt-accept. */
void control_put(struct control *c, const uint8_t *rec, size_t len);

/* Connects when it is time to; returns the ns until it wants to be called
 * again. */
uint64_t control_tick(struct control *c, uint64_t now);

/* The descriptor is readable, writable or broken: reads, writes. */
void control_io(struct control *c, uint64_t now);

/* epoll events to wait for on c->fd. */
uint32_t control_events(const struct control *c);

#endif
