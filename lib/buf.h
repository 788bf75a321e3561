/*
 * A byte queue in one piece of memory: reserve and commit at the end, peek
 * and consume at the front. It grows as asked and gives memory back when it
 * runs empty. Bounds are the caller's: look at buf_len() first.
 */
#ifndef SLUICE_BUF_H
#define SLUICE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *mem;
	size_t size;  /* bytes at mem */
	size_t start; /* first byte held */
	size_t end;   /* one past the last */
};

/* All zero is an empty buffer. buf_free leaves it so. */
void buf_free(struct buf *b);

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline uint8_t *
buf_data(const struct buf *b)
{
	return b->mem + b->start;
}

/*
 * Room for n more bytes behind the end; valid until the next call for b.
 * Out of memory ends the program (EX_OSERR): bounds are kept elsewhere.
 */
uint8_t *buf_reserve(struct buf *b, size_t n);

/* n bytes written into the room are part of the content now. */
static inline void
buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}

void buf_append(struct buf *b, const void *data, size_t n);

/* Drops n bytes from the front. */
void buf_consume(struct buf *b, size_t n);

#endif
