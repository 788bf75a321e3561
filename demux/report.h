/* What demux tells its operator: the metrics file and lines about streams
 * given up. */
#ifndef SLUICE_DEMUX_REPORT_H
#define SLUICE_DEMUX_REPORT_H

#include <stdint.h>

#include "demux.h"
#include "log.h"
#include "metrics.h"

struct report {
	const struct demux_stats *stats;
	uint64_t now; /* CLOCK_MONOTONIC ns of this turn of the loop */
	uint64_t processing_ns; /* spent on records; main adds to it */
	uint64_t records, bytes_in, bytes_out;
	struct metrics metrics;
	struct log_limit limit;
	/* Derived, for the metrics file: */
	double fragmentation_rate, throughput_mbps, avg_processing_ms,
	    avg_wait_ms;
	uint64_t last_ns, last_bytes;
};

/* path: the metrics file, or NULL. Copies the parser's counters by address:
 * stats must stay. */
void report_init(struct report *rp, const struct demux_stats *stats,
    const char *path);

/* struct demux_config's error; ctx is a struct report. */
void report_error(void *ctx, const struct demux_error *e);

#endif
