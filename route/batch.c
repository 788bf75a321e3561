#include "batch.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "be.h"
#include "log.h"
#include "rec.h"

#define NUMBERS_MIN 16

static struct chunk *
chunk_resize(struct chunk *c, size_t size)
{
	c = realloc(c, sizeof(*c) + size);
	if (c == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", size);
	c->size = size;
	return c;
}

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *c = chunk_resize(NULL, size);

	c->refs = 1;
	return c;
}

struct chunk *
chunk_ref(struct chunk *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void
chunk_unref(void *data, void *chunk)
{
	struct chunk *c = chunk;

	(void)data;
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(c);
}

struct batch *
batch_new(size_t size)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", sizeof(*b));
	b->records = chunk_new(size);
	b->numbers = chunk_new(8 * NUMBERS_MIN);
	return b;
}

void
batch_free(struct batch *b)
{
	chunk_unref(NULL, b->records);
	chunk_unref(NULL, b->numbers);
	free(b);
}

int
batch_takes(const struct batch *b, size_t len)
{
	if (b->shared || b->numbered)
		return 0;
	return b->count == 0 ||
	    (b->count < BATCH_RECORDS && b->len + len <= BATCH_BYTES);
}

/* Room for n bytes behind used ones. */
static struct chunk *
chunk_room(struct chunk *c, size_t used, size_t n)
{
	size_t size = c->size;

	if (size - used >= n)
		return c;
	while (size - used < n)
		size *= 2;
	return chunk_resize(c, size);
}

void
batch_append(struct batch *b, const uint8_t *rec, size_t len, uint64_t number)
{
	size_t end = b->off + b->len, n = 8 * (b->skip + b->count);

	b->records = chunk_room(b->records, end, len);
	memcpy(b->records->data + end, rec, len);
	b->len += len;
	b->numbers = chunk_room(b->numbers, n, 8);
	be64_put(b->numbers->data + n, number);
	b->count++;
}

size_t
batch_front(const struct batch *b, uint8_t *type)
{
	const uint8_t *p = batch_records(b);

	if (type != NULL)
		*type = p[4];
	return REC_HEADER_LEN + (size_t)be32_get(p);
}

size_t
batch_trim(struct batch *b, uint32_t n)
{
	size_t bytes = 0, len;

	for (; n > 0; n--) {
		len = batch_front(b, NULL);
		b->off += len;
		b->len -= len;
		b->skip++;
		b->count--;
		b->first++;
		bytes += len;
	}
	return bytes;
}

struct batch *
batch_split(struct batch *b, uint32_t n)
{
	struct batch *rest = malloc(sizeof(*rest));

	if (rest == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", sizeof(*rest));
	b->shared = 1;
	*rest = *b;
	chunk_ref(rest->records);
	chunk_ref(rest->numbers);
	b->len = batch_trim(rest, n);
	b->count = n;
	rest->prev = rest->next = NULL;
	return rest;
}

uint32_t
batch_fit(const struct batch *b, uint64_t packets, uint64_t bytes,
    uint64_t *len)
{
	const uint8_t *p = batch_records(b);
	uint64_t size;
	uint32_t n = 0;

	*len = b->len;
	if (b->count <= packets && b->len <= bytes)
		return b->count;
	*len = 0;
	while (n < b->count && n < packets) {
		size = REC_HEADER_LEN + (uint64_t)be32_get(p);
		if (*len + size > bytes)
			break;
		*len += size;
		p += size;
		n++;
	}
	return n;
}
