/*
 * The loop: one epoll over stdin, signals, the control socket and every
 * endpoint.
 */
#ifndef ROUTE_LOOP_H
#define ROUTE_LOOP_H

#include <stdint.h>

#include "dispatch.h"
#include "metrics.h"

struct loop {
	struct route *route;
	struct metrics *metrics;
	int in;	     /* records come from here */
	int signals; /* signalfd */
	uint64_t drain_ns;
	/* The rest is private. */
	int epfd;
	int control; /* the control descriptor that epoll knows, or -1 */
	uint32_t control_events;
	int in_armed; /* epoll looks at in, */
	int in_plain; /* or cannot: a file is always readable */
	int in_ready;
	int in_full; /* the last read got all it asked for */
	uint64_t flushed_at, flushed_records; /* by the last route_flush */
	int stopped; /* no more reading: the end, or a signal */
	int ended;   /* it was the end */
	int hurry;   /* a second signal: no more waiting either */
	int held;    /* whole records in buf wait for a full queue */
	int again;   /* an endpoint wants another turn */
	uint64_t stopped_at; /* ns, CLOCK_MONOTONIC */
	uint64_t tick_at;    /* ns */
	uint64_t now;	     /* ns: this turn */
	struct buf buf;
	int status;
};

/* Runs until the end; returns the exit status. */
int loop_run(struct loop *l);

#endif
