/*
 * The metrics file: Prometheus text, replaced atomically. A program keeps a
 * table of rows that point at its own counters; nothing here runs by itself,
 * metrics_tick() is called from the loop.
 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_DOUBLE /* gauge */ };

struct metric {
	const char *name; /* as in docs/metrics.md */
	const char *labels; /* "reason=\"too_long\"", or NULL. Rows of one
			     * name stand together */
	enum metric_type type;
	const void *value; /* uint64_t, or double for METRIC_DOUBLE */
	const char *help;  /* one line, with the unit */
};

struct metrics {
	const char *path; /* NULL: nothing is written */
	const struct metric *rows; /* ended by a NULL name */
	/* Called before each writing, to bring derived values up to date.
	 * now is the CLOCK_MONOTONIC ns given to metrics_tick. May be NULL. */
	void (*refresh)(void *ctx, uint64_t now);
	void *ctx;
	uint64_t next; /* ns; private */
	int failed;    /* private: the last writing failed and was logged */
};

#define METRICS_INTERVAL_MS 1000

/*
 * Writes the file if a second has passed since the last time. now:
 * CLOCK_MONOTONIC, ns. Returns the ns until it wants to be called again, or
 * UINT64_MAX when path is NULL.
 */
uint64_t metrics_tick(struct metrics *m, uint64_t now);

/* Writes it now; at the end of main. 0, or -1 with a line logged. */
int metrics_write(struct metrics *m, uint64_t now);

#endif
