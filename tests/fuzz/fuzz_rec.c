/*
 * Records. The same bytes given whole and piece by piece must be cut into
 * the same records, each within its bounds; what is read and written again
 * must be the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rec.h"
#include "track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct rec *r, const uint8_t *p, size_t n)
{
	struct buf b = { 0 };

	if (n != (size_t)REC_HEADER_LEN + r->len || r->len > REC_PAYLOAD_MAX ||
	    r->type == 0 || (r->flags & ~REC_FLAGS_ALL) != 0)
		abort();
	if ((r->type == REC_STREAM_DATA || r->type == REC_DATAGRAM) &&
	    r->len > REC_CHUNK_MAX)
		abort();
	if (r->type == REC_PACKET && r->len < TRACK_HEADER_LEN)
		abort();
	rec_append(&b, r);
	if (buf_len(&b) != n || memcmp(buf_data(&b), p, n) != 0)
		abort();
	buf_free(&b);
}

/* One record from exactly n bytes, so that reading on is seen. */
static int64_t
get_exact(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct rec r;
	int64_t got;

	if (copy == NULL)
		abort();
	memcpy(copy, p, n);
	got = rec_get(copy, n, &r, NULL);
	free(copy);
	return got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	size_t at = 0;
	struct rec r;
	int64_t n;

	while ((n = rec_get(data + at, size - at, &r, &why)) > 0) {
		check(&r, data + at, (size_t)n);
		for (size_t cut = 0; cut < (size_t)n; cut += 1 + cut / 8)
			if (get_exact(data + at, cut) != 0)
				abort();
		at += (size_t)n;
	}
	if (n < 0 && why == NULL)
		abort();
	/* What is malformed is so from its header on, however much follows. */
	if (n < 0 && get_exact(data + at, REC_HEADER_LEN) != -1)
		abort();
	return 0;
}
