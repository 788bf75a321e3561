/*
 * Those who look: each a connection with a bounded queue of lines. Whoever is
 * slow loses lines, is told how many, and delays nobody.
 */
#ifndef SLUICE_TAP_VIEWERS_H
#define SLUICE_TAP_VIEWERS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define VIEWERS_MAX 16

struct viewer {
	int fd;
	struct buf out;
	uint64_t lost; /* lines since it was last told */
	int silent;    /* it said all it had to say: nc at the end of stdin */
};

struct viewers {
	int listener;	  /* -1: nobody can come */
	size_t max_bytes; /* queued for each */
	struct viewer v[VIEWERS_MAX];
	/* Counters, but for the gauge: */
	uint64_t active /* gauge */, total, refused, lines, lost;
};

/* Fills in VIEWERS_MAX + 1 entries. */
void viewers_poll(const struct viewers *vs, struct pollfd *fds);
/* Does what poll() found in them: who came, who left, who has room. */
void viewers_serve(struct viewers *vs, const struct pollfd *fds);

/* 1 when at least one has room for a line of ordinary length. */
int viewers_have_room(const struct viewers *vs);
/* A line for all; those without room lose it. */
void viewers_put(struct viewers *vs, const void *line, size_t n);
/* n lines that were not even made. */
void viewers_lose(struct viewers *vs, uint64_t n);

/* 1 while something waits to be written to somebody. */
int viewers_pending(const struct viewers *vs);
void viewers_close(struct viewers *vs);

#endif
