#include "hist.h"

#define SUB_BITS 5 /* log2(HIST_SUB) */

/* Values below HIST_SUB have a bucket each; above, the bits behind the
 * highest one choose among HIST_SUB. */
static unsigned
hist_index(uint64_t v)
{
	unsigned shift;

	if (v < HIST_SUB)
		return (unsigned)v;
	shift = 63 - (unsigned)__builtin_clzll(v) - SUB_BITS;
	return (shift + 1) * HIST_SUB + (unsigned)(v >> shift) - HIST_SUB;
}

/* The largest value of a bucket. */
static uint64_t
hist_edge(unsigned i)
{
	unsigned shift;

	if (i < HIST_SUB)
		return i;
	shift = i / HIST_SUB - 1;
	return ((((uint64_t)i % HIST_SUB) + HIST_SUB + 1) << shift) - 1;
}

void
hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->bucket[hist_index(value)]++;
	if (value > h->max)
		h->max = value;
}

uint64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->count + 0.5), seen = 0;
	uint64_t edge;

	if (h->count == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < sizeof(h->bucket) / sizeof(h->bucket[0]);
	    i++) {
		seen += h->bucket[i];
		if (seen < rank)
			continue;
		edge = hist_edge(i);
		return edge < h->max ? edge : h->max;
	}
	return h->max;
}
