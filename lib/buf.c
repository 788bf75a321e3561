#include "buf.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define BUF_MIN 4096
#define BUF_KEEP (256 * 1024) /* an empty buffer keeps no more than this */

void
buf_free(struct buf *b)
{
	free(b->mem);
	*b = (struct buf){ 0 };
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b), size;

	if (b->size - b->end >= n && b->mem != NULL)
		return b->mem + b->end;
	/* Moving the content down is worth it while it is the smaller half. */
	if (b->size >= len + n && len <= b->start) {
		memcpy(b->mem, b->mem + b->start, len);
	} else {
		uint8_t *mem;

		/* Twice the content: the next copy is as many bytes away. */
		size = b->size < BUF_MIN ? BUF_MIN : b->size;
		while (size < len + n || size < 2 * len)
			size *= 2;
		mem = malloc(size);
		if (mem == NULL)
			fatal(EX_OSERR, "malloc of %zu bytes", size);
		if (len > 0)
			memcpy(mem, b->mem + b->start, len);
		free(b->mem);
		b->mem = mem;
		b->size = size;
	}
	b->start = 0;
	b->end = len;
	return b->mem + b->end;
}

void
buf_append(struct buf *b, const void *data, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), data, n);
	b->end += n;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start < b->end)
		return;
	b->start = b->end = 0;
	if (b->size > BUF_KEEP)
		buf_free(b);
}
