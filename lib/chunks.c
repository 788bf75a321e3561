#include "chunks.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define CHUNK_MIN 496	/* a control stream's few bytes */
#define CHUNK_MAX 65504 /* with its header just under 64 KiB */
#define CHUNK_BUSY 4096 /* a queue this long gets large chunks */

struct chunk {
	struct chunk *next;
	uint32_t len; /* bytes used */
	uint32_t cap; /* bytes there are */
	uint8_t bytes[];
};

static struct chunk *
chunk_new(size_t cap)
{
	struct chunk *k = malloc(sizeof(*k) + cap);

	if (k == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", sizeof(*k) + cap);
	k->next = NULL;
	k->len = 0;
	k->cap = (uint32_t)cap;
	return k;
}

void
chunks_free(struct chunks *c)
{
	struct chunk *k, *next;

	for (k = c->head; k != NULL; k = next) {
		next = k->next;
		free(k);
	}
	*c = (struct chunks){ 0 };
}

/* Room in the last chunk, or a new one behind it. */
static struct chunk *
chunks_room(struct chunks *c, size_t want)
{
	struct chunk *k = c->tail;
	size_t cap = want;

	if (k != NULL && k->len < k->cap)
		return k;
	if (cap < CHUNK_MIN)
		cap = CHUNK_MIN;
	if (cap > CHUNK_MAX || c->unacked >= CHUNK_BUSY)
		cap = CHUNK_MAX;
	k = chunk_new(cap);
	if (c->tail == NULL)
		c->head = k;
	else
		c->tail->next = k;
	c->tail = k;
	return k;
}

void
chunks_append(struct chunks *c, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n > 0) {
		struct chunk *k = chunks_room(c, n);
		size_t part = k->cap - k->len;

		if (part > n)
			part = n;
		memcpy(k->bytes + k->len, p, part);
		if (c->cur == NULL) {
			c->cur = k;
			c->cur_off = k->len;
		}
		k->len += (uint32_t)part;
		c->unsent += part;
		c->unacked += part;
		p += part;
		n -= part;
	}
}

size_t
chunks_peek(const struct chunks *c, struct iovec *iov, size_t max)
{
	struct chunk *k = c->cur;
	uint32_t off = c->cur_off;
	size_t i;

	for (i = 0; i < max && k != NULL; i++, k = k->next, off = 0) {
		iov[i].iov_base = k->bytes + off;
		iov[i].iov_len = k->len - off;
	}
	return i;
}

void
chunks_sent(struct chunks *c, size_t n)
{
	c->unsent -= n;
	while (n > 0) {
		size_t part = c->cur->len - c->cur_off;

		if (n < part) {
			c->cur_off += (uint32_t)n;
			return;
		}
		n -= part;
		c->cur = c->cur->next;
		c->cur_off = 0;
	}
}

void
chunks_acked(struct chunks *c, size_t n)
{
	c->unacked -= n;
	while (n > 0) {
		struct chunk *k = c->head;
		size_t part = k->len - c->head_off;

		if (n < part) {
			c->head_off += (uint32_t)n;
			return;
		}
		n -= part;
		c->head = k->next;
		c->head_off = 0;
		if (c->head == NULL)
			c->tail = NULL;
		free(k);
	}
}
