/* What the files of wt-accept share: one struct, made in main.c. */
#ifndef WT_ACCEPT_SERVER_H
#define WT_ACCEPT_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "output.h"
#include "request.h"
#include "sessions.h"
#include "wt.h"

struct server {
	struct wt *wt; /* NULL after server_close() */
	struct request_rules rules;
	struct sessions sessions;
	struct output out;
	/* Limits, in bytes with record headers. */
	size_t max_buffered;	   /* per connection, waiting for stdout */
	size_t max_buffered_total; /* of all; then the sockets are not read */
	int paused;		   /* they are not read now */
	/* Counters (docs/metrics.md). */
	struct wt_stats stats; /* of the endpoint, by server_stats() */
	uint64_t refused_path, refused_origin;
	uint64_t datagrams_dropped;
	uint64_t connections_shed;
	uint64_t pauses;
	uint64_t queued_max; /* bytes */
	struct log_limit lines;
};

/* What the endpoint tells, turned into records: wt_config's events; ctx is
 * the struct server. */
extern const struct wt_events server_events;

/* As the output's callback: opens the windows that these bytes held. */
void server_taken(void *ctx, const struct rec *r, size_t size, size_t payload,
    int last);

/* Stops and begins again reading the sockets, by what waits for stdout. */
void server_pause(struct server *srv);

/* Brings srv->stats up to date. */
void server_stats(struct server *srv);

/*
 * Closes every session, queueing its SESSION_CLOSE, and every connection;
 * srv->wt is NULL afterwards. What is queued can still be written.
 */
void server_close(struct server *srv);

#endif
