/* route's metrics: a row for every service and endpoint. */
#ifndef ROUTE_REPORT_H
#define ROUTE_REPORT_H

#include "dispatch.h"
#include "metrics.h"

struct report {
	struct metrics metrics;
	struct metric *rows;
	char **labels; /* of each endpoint, then of each of its drops */
	uint32_t nlabels;
	const struct route *route;
	uint64_t last, last_bytes; /* of the last refresh: ns, bytes */
	double throughput_mbps;
	uint64_t sessions, streams, streams_max, connected; /* gauges */
	uint64_t queue_bytes, queue_bytes_max;		    /* gauges */
};

/* path NULL: nothing is written. The route must outlive the report. */
void report_init(struct report *rp, struct route *route, const char *path,
    uint64_t now);
void report_free(struct report *rp);

#endif
