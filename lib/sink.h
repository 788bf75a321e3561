/*
 * What all sinks have in common: a ROUTER towards
 * routes, a producer towards topic-bus, options, metrics, recordings, one
 * loop. A program brings a struct sink_kind and calls sink_main.
 */
#ifndef SLUICE_SINK_H
#define SLUICE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "metrics.h"
#include "opt.h"
#include "props.h"
#include "recording.h"
#include "track.h"

struct sink_route;

/* One track packet. Valid during the call it is given to. */
struct sink_packet {
	struct track_header track;
	const uint8_t *payload;
	size_t len; /* bytes */
	uint64_t session, stream; /* as in its record */
	uint64_t time;	 /* ns since the epoch: off the socket */
	uint64_t number; /* within (session, stream) */
	uint64_t now;	 /* ns, CLOCK_MONOTONIC */
	const struct sink_route *route;
};

/* The value of a header route is configured with for the service, or NULL. */
const char *sink_packet_header(const struct sink_packet *p, const char *name);

#define SINK_REASONS_MAX 48

struct sink_kind {
	const char *name;	    /* "video" */
	const char *topic;	    /* defaults of the options */
	const char *rejected_topic;
	const struct opt *opts;	    /* its own, ended by a NULL name */
	const struct metric *metrics; /* the same; or NULL */
	/*
	 * Looks at a packet, adds what it finds to props. NULL when it is
	 * good, else the reason: one of those reason() gives.
	 */
	const char *(*inspect)(void *ctx, const struct sink_packet *p,
	    struct props *props);
	/* Right after inspect found it good: writes it to its recording. */
	void (*record)(void *ctx, struct recorder *rr,
	    const struct sink_packet *p);
	/* Done with the packet: frees what inspect kept. May be NULL. */
	void (*release)(void *ctx);
	/* All reasons, for the metrics; NULL behind the last. */
	const char *(*reason)(size_t i);
	void *ctx; /* handed to the functions */
};

/* The whole program. Returns its exit status. */
int sink_main(int argc, char **argv, const struct sink_kind *kind);

#endif
