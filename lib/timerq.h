/*
 * Deadlines in a binary heap: what waits costs nothing until it is due. An
 * item is part of the caller's struct; all zero is one that is not queued.
 */
#ifndef SLUICE_TIMERQ_H
#define SLUICE_TIMERQ_H

#include <stddef.h>
#include <stdint.h>

#define TIMERQ_NEVER UINT64_MAX

struct timer {
	uint64_t at;  /* ns */
	size_t place; /* in the heap, from 1; 0: not queued */
};

/* All zero is an empty queue. */
struct timerq {
	struct timer **heap;
	size_t count, size;
};

void timerq_free(struct timerq *q);
/* Queues t for at, or moves it there; TIMERQ_NEVER takes it out. */
void timerq_set(struct timerq *q, struct timer *t, uint64_t at);
/* The earliest deadline; TIMERQ_NEVER when there is none. */
uint64_t timerq_next(const struct timerq *q);
/* Takes out one whose deadline is at or before now, or NULL. */
struct timer *timerq_pop(struct timerq *q, uint64_t now);

#endif
