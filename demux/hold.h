/*
 * Memory for unfinished packets under one bound. A hold grows with the bytes
 * that arrive, never with what a header announces. Pure.
 */
#ifndef SLUICE_DEMUX_HOLD_H
#define SLUICE_DEMUX_HOLD_H

#include <stddef.h>
#include <stdint.h>

/* One unfinished packet's payload. All zero holds nothing. */
struct hold {
	uint8_t *mem;
	uint32_t len; /* bytes held */
	uint32_t cap; /* bytes at mem */
	struct hold *next, **at; /* private: its list in struct holds */
};

#define HOLD_CLASSES 33

struct holds {
	size_t max;	  /* bytes all holds may have at mem together */
	size_t bytes;	  /* what they have now */
	size_t bytes_max; /* the most they had */
	struct hold *lists[HOLD_CLASSES]; /* by the power of two of cap */
};

/*
 * Makes room for n more bytes of the `whole` that h will have in the end.
 * NULL: done. Otherwise the hold to be freed first, before the next try: the
 * largest one, to a power of two; h itself when it would be that.
 */
struct hold *hold_grow(struct holds *hs, struct hold *h, uint32_t n,
    uint32_t whole);

/* Gives the memory back; h holds nothing then. */
void hold_free(struct holds *hs, struct hold *h);

#endif
