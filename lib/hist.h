/*
 * Distribution of durations: buckets of at most 1/32 (3 %) relative width, so
 * that percentiles of any number of values take a fixed 16 KiB. Pure.
 */
#ifndef SLUICE_HIST_H
#define SLUICE_HIST_H

#include <stdint.h>

#define HIST_SUB 32 /* buckets for each power of two */

struct hist { /* all zero is empty */
	uint64_t count;
	uint64_t max;
	uint64_t bucket[64 * HIST_SUB];
};

void hist_add(struct hist *h, uint64_t value);

/* The value that a fraction q (0 to 1) of all stays within; 0 when empty. The
 * upper edge of its bucket, never over the maximum. */
uint64_t hist_quantile(const struct hist *h, double q);

#endif
