/*
 * tap. Bytes given whole and in pieces must show the same records, and every
 * line must be one line of printable ASCII that reads as JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../tap/line.h"
#include "../../tap/scan.h"

#define PREVIEW 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
want(void *ctx, const struct rec *r)
{
	(void)ctx;
	return line_want(r, PREVIEW);
}

static void
on_record(void *ctx, const struct rec *r, size_t have)
{
	struct buf *out = ctx;
	size_t at = buf_len(out);
	json_t *j;

	line_append(out, r, have, PREVIEW, 1);
	for (size_t i = at; i + 1 < buf_len(out); i++)
		if (buf_data(out)[i] < 0x20 || buf_data(out)[i] > 0x7e)
			abort();
	j = json_loadb((const char *)buf_data(out) + at, buf_len(out) - at, 0,
	    NULL);
	if (j == NULL)
		abort();
	json_decref(j);
}

static void
run(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct scan s = { .want = want, .record = on_record, .ctx = out };

	buf_append(out, "\n", 1);
	for (size_t at = 0; at < size; at += step)
		if (scan_feed(&s, data + at,
			size - at < step ? size - at : step) != NULL)
			break;
	scan_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 13, 33 };
	struct buf whole = { 0 };

	run(data, size, size + 1, &whole);
	for (size_t i = 0; i < 3; i++) {
		struct buf cut = { 0 };

		run(data, size, steps[i], &cut);
		if (buf_len(&cut) != buf_len(&whole) ||
		    memcmp(buf_data(&cut), buf_data(&whole), buf_len(&cut)) !=
			0)
			abort();
		buf_free(&cut);
	}
	buf_free(&whole);
	return 0;
}
