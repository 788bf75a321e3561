#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define OUTPUT_IOV 16 /* blocks in one call */
/* A record is not begun in the rest of a block that is smaller than this. */
#define OUTPUT_REST_MIN (REC_HEADER_LEN + 4096)

struct output_block {
	struct output_block *next;
	size_t start, end, size; /* bytes: first held, one past the last */
	uint8_t mem[];
};

static struct output_block *
block_new(struct output *o, size_t size)
{
	struct output_block *b = o->spare;

	if (b != NULL && size <= OUTPUT_BLOCK) {
		o->spare = b->next;
		o->nspare--;
	} else {
		if (size < OUTPUT_BLOCK)
			size = OUTPUT_BLOCK;
		b = malloc(sizeof(*b) + size);
		if (b == NULL)
			fatal(EX_OSERR, "malloc of %zu bytes", size);
		b->size = size;
	}
	b->next = NULL;
	b->start = b->end = 0;
	return b;
}

/* An empty block: kept when it is one of few and of the usual size. */
static void
block_done(struct output *o, struct output_block *b)
{
	if (b->size != OUTPUT_BLOCK || o->nspare == OUTPUT_SPARE) {
		free(b);
		return;
	}
	b->next = o->spare;
	o->spare = b;
	o->nspare++;
}

void
output_free(struct output *o)
{
	struct output_block *lists[] = { o->head, o->spare };

	for (int i = 0; i < 2; i++) {
		for (struct output_block *b = lists[i], *next; b != NULL;
		     b = next) {
			next = b->next;
			free(b);
		}
	}
	memset(o, 0, sizeof(*o));
}

/* A tail with room for n more bytes in one piece. */
static struct output_block *
tail_room(struct output *o, size_t n)
{
	struct output_block *b = o->tail;

	if (b != NULL && b->size - b->end >= n)
		return b;
	b = block_new(o, n);
	if (o->tail != NULL)
		o->tail->next = b;
	else
		o->head = b;
	o->tail = b;
	return b;
}

size_t
output_add(struct output *o, const struct rec *r)
{
	size_t size = REC_HEADER_LEN + r->len;
	struct output_block *b = tail_room(o, size);

	rec_header_put(b->mem + b->end, r);
	if (r->len > 0)
		memcpy(b->mem + b->end + REC_HEADER_LEN, r->payload, r->len);
	b->end += size;
	o->len += size;
	o->open_header = NULL;
	return size;
}

/* Puts up to n bytes behind the open record. Returns how many. */
static size_t
open_grow(struct output *o, const uint8_t *data, size_t n, int fin)
{
	struct output_block *b = o->tail;
	size_t room = b->size - b->end, take = n;

	if (take > room)
		take = room;
	if (take > REC_CHUNK_MAX - o->open.len)
		take = REC_CHUNK_MAX - o->open.len;
	if (take > 0)
		memcpy(b->mem + b->end, data, take);
	b->end += take;
	o->len += take;
	o->open.len += (uint32_t)take;
	if (fin && take == n)
		o->open.flags |= REC_FIN;
	rec_header_put(o->open_header, &o->open);
	if (o->open.flags & REC_FIN)
		o->open_header = NULL;
	return take;
}

/* An empty record of the stream at the end, which grows in the next step. */
static void
open_begin(struct output *o, const struct rec *r, size_t n)
{
	struct output_block *b;

	if (n > OUTPUT_REST_MIN - REC_HEADER_LEN)
		n = OUTPUT_REST_MIN - REC_HEADER_LEN;
	b = tail_room(o, REC_HEADER_LEN + n);
	o->open = *r;
	o->open.type = REC_STREAM_DATA;
	o->open.len = 0;
	o->open_header = b->mem + b->end;
	b->end += REC_HEADER_LEN;
	o->len += REC_HEADER_LEN;
}

size_t
output_add_stream(struct output *o, const struct rec *r, const uint8_t *data,
    size_t n, int fin)
{
	size_t before = o->len, k;

	if (n == 0 && !fin)
		return 0;
	if (o->open_header != NULL &&
	    (o->open.stream != r->stream || o->open.session != r->session))
		o->open_header = NULL;
	if (o->open_header != NULL) {
		k = open_grow(o, data, n, fin);
		if (k == n)
			return o->len - before;
		data += k;
		n -= k;
	}
	for (;;) {
		open_begin(o, r, n);
		k = open_grow(o, data, n, fin);
		if (k == n)
			return o->len - before;
		data += k;
		n -= k;
	}
}

int
output_peek(const struct output *o, struct iovec *iov, int max)
{
	int n = 0;

	for (struct output_block *b = o->head; b != NULL && n < max;
	     b = b->next)
		if (b->end > b->start)
			iov[n++] = (struct iovec){ b->mem + b->start,
				b->end - b->start };
	return n;
}

/* n bytes of the front record, which is at p as far as it is not gone. */
static size_t
front_take(struct output *o, const uint8_t *p, size_t n)
{
	size_t before = o->front_taken, total, payload;

	if (before == 0) {
		rec_get(p, REC_HEADER_LEN, &o->front, NULL);
		o->front.payload = NULL;
		if (p == o->open_header)
			o->open_header = NULL;
	}
	total = REC_HEADER_LEN + o->front.len;
	if (n > total - before)
		n = total - before;
	o->front_taken += n;
	payload = o->front_taken > REC_HEADER_LEN ?
	    o->front_taken - REC_HEADER_LEN :
	    0;
	if (before > REC_HEADER_LEN)
		payload -= before - REC_HEADER_LEN;
	if (o->front_taken == total) {
		o->front_taken = 0;
		o->records++;
	}
	o->taken(o->ctx, &o->front, n, payload, o->front_taken == 0);
	return n;
}

void
output_take(struct output *o, size_t n)
{
	o->len -= n;
	o->bytes += n;
	while (n > 0) {
		struct output_block *b = o->head;
		size_t k = b->end - b->start;

		if (k == 0) {
			o->head = b->next;
			block_done(o, b);
			continue;
		}
		k = front_take(o, b->mem + b->start, n < k ? n : k);
		b->start += k;
		n -= k;
	}
	/* The one block left is used again from its start: it is warm. */
	if (o->len == 0 && o->head == o->tail && o->head != NULL)
		o->head->start = o->head->end = 0;
}

enum stage_io
output_write(struct output *o, int fd)
{
	struct iovec iov[OUTPUT_IOV];
	size_t asked;
	ssize_t n;
	int count;

	while (o->len > 0) {
		count = output_peek(o, iov, OUTPUT_IOV);
		asked = 0;
		for (int i = 0; i < count; i++)
			asked += iov[i].iov_len;
		n = writev(fd, iov, count);
		o->writes++;
		if (n >= 0) {
			output_take(o, (size_t)n);
			if ((size_t)n < asked)
				return STAGE_IO_AGAIN;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return STAGE_IO_AGAIN;
		if (errno == EPIPE || errno == ECONNRESET)
			return STAGE_IO_EOF;
		return STAGE_IO_ERROR;
	}
	return STAGE_IO_OK;
}
