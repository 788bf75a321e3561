/* Records: round trips, every truncation, every bad field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "rec.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The bounds INTERFACES.md gives for each type's payload. */
static const struct bounds {
	uint8_t type;
	uint32_t min, max;
} bounds[] = {
	{ REC_SESSION_OPEN, 0, REC_PAYLOAD_MAX },
	{ REC_SESSION_CLOSE, 4, 4 + REC_REASON_MAX },
	{ REC_STREAM_DATA, 1, REC_CHUNK_MAX },
	{ REC_STREAM_RESET, 4, 4 },
	{ REC_STOP_SENDING, 4, 4 },
	{ REC_DATAGRAM, 0, REC_CHUNK_MAX },
	{ REC_PACKET, 32, REC_PAYLOAD_MAX },
	{ REC_SESSION_DRAIN, 0, 0 },
	{ REC_PAUSE, 0, 0 },
	{ REC_RESUME, 0, 0 },
	{ REC_STREAM_OPEN, 8, 8 },
	{ REC_STREAM_OPENED, 8, 8 },
	{ REC_REFUSED, 9, REC_PAYLOAD_MAX },
};

static struct rec
sample(uint8_t type, uint8_t flags, const uint8_t *payload, uint32_t len)
{
	return (struct rec){ .len = len,
		.type = type,
		.flags = flags,
		.session = UINT64_C(0x0102030405060708),
		.stream = UINT64_C(0x1112131415161718),
		.time = UINT64_C(0x2122232425262728),
		.payload = payload };
}

static void
header_bytes_are_as_documented(void **state)
{
	static const uint8_t want[REC_HEADER_LEN + 3] = { 0, 0, 0, 3, 3, 0x03,
		0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15,
		0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
		0x28, 'a', 'b', 'c' };
	struct rec r = sample(REC_STREAM_DATA, REC_FIN | REC_UNI,
	    (const uint8_t *)"abc", 3);
	struct buf b = { 0 };

	(void)state;
	rec_append(&b, &r);
	assert_int_equal(buf_len(&b), sizeof(want));
	assert_memory_equal(buf_data(&b), want, sizeof(want));
	buf_free(&b);
}

static void
round_trip_of_every_type(void **state)
{
	uint8_t payload[64];
	struct buf b = { 0 };
	struct rec r, got;
	int64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	for (size_t i = 0; i < LEN(bounds); i++) {
		r = sample(bounds[i].type, REC_UNI | REC_SERVER, payload,
		    bounds[i].min);
		rec_append(&b, &r);
		n = rec_get(buf_data(&b), buf_len(&b), &got, NULL);
		assert_int_equal(n, REC_HEADER_LEN + r.len);
		assert_int_equal(got.type, r.type);
		assert_int_equal(got.flags, r.flags);
		assert_int_equal(got.len, r.len);
		assert_true(got.session == r.session);
		assert_true(got.stream == r.stream);
		assert_true(got.time == r.time);
		assert_ptr_equal(got.payload, buf_data(&b) + REC_HEADER_LEN);
		if (r.len > 0)
			assert_memory_equal(got.payload, payload, r.len);
		buf_consume(&b, (size_t)n);
	}
	buf_free(&b);
}

static void
every_truncation_asks_for_more(void **state)
{
	uint8_t payload[40] = { 0 };
	struct rec r = sample(REC_PACKET, 0, payload, sizeof(payload)), got;
	struct buf b = { 0 };
	size_t n;

	(void)state;
	rec_append(&b, &r);
	for (n = 0; n < buf_len(&b); n++) {
		/* A copy of exactly n bytes: reading on is seen by ASAN. */
		uint8_t *p = malloc(n + 1);

		assert_non_null(p);
		memcpy(p, buf_data(&b), n);
		assert_int_equal(rec_get(p, n, &got, NULL), 0);
		free(p);
	}
	assert_int_equal(rec_get(buf_data(&b), n, &got, NULL), n);
	buf_free(&b);
}

static void
bytes_after_a_record_are_the_next_one(void **state)
{
	struct rec r = sample(REC_STREAM_DATA, 0, (const uint8_t *)"ab", 2);
	struct buf b = { 0 };
	struct rec got;

	(void)state;
	rec_append(&b, &r);
	rec_append_u32(&b, &(struct rec){ .type = REC_STREAM_RESET }, 77);
	assert_int_equal(rec_get(buf_data(&b), buf_len(&b), &got, NULL), 34);
	assert_int_equal(rec_get(buf_data(&b) + 34, buf_len(&b) - 34, &got,
	    NULL), 36);
	assert_int_equal(got.type, REC_STREAM_RESET);
	assert_int_equal(be32_get(got.payload), 77);
	buf_free(&b);
}

/* rec_get on a header alone: -1 before any payload, or 0. */
static int64_t
get_header(uint8_t type, uint8_t flags, uint32_t len, const char **why)
{
	uint8_t p[REC_HEADER_LEN];
	struct rec r = sample(type, flags, NULL, len), got;

	rec_header_put(p, &r);
	return rec_get(p, sizeof(p), &got, why);
}

static void
lengths_outside_a_types_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(bounds); i++) {
		const struct bounds *t = &bounds[i];
		const char *why = NULL;

		if (t->min > 0)
			assert_int_equal(get_header(t->type, 0, t->min - 1,
			    &why), -1);
		assert_true(get_header(t->type, 0, t->min, NULL) >= 0);
		assert_true(get_header(t->type, 0, t->max, NULL) >= 0);
		assert_int_equal(get_header(t->type, 0, t->max + 1, &why), -1);
		assert_non_null(why);
	}
}

static void
empty_stream_data_only_with_fin(void **state)
{
	(void)state;
	assert_int_equal(get_header(REC_STREAM_DATA, 0, 0, NULL), -1);
	assert_int_equal(get_header(REC_STREAM_DATA, REC_FIN, 0, NULL), 32);
}

static void
bad_fields(void **state)
{
	struct rec r = sample(REC_STREAM_DATA, REC_FIN, NULL, 0), got;
	uint8_t p[REC_HEADER_LEN];
	const char *why = NULL;

	(void)state;
	assert_int_equal(get_header(0, 0, 0, &why), -1);
	assert_string_equal(why, "type 0");
	assert_int_equal(get_header(99, 0, REC_PAYLOAD_MAX + 1, &why), -1);
	assert_int_equal(get_header(99, 0, UINT32_MAX, &why), -1);
	for (int bit = 0; bit < 8; bit++)
		assert_int_equal(get_header(REC_DATAGRAM, (uint8_t)(1 << bit),
		    0, &why) == -1, (1 << bit & REC_FLAGS_ALL) == 0);
	for (int bit = 0; bit < 16; bit++) {
		rec_header_put(p, &r);
		be16_put(p + 6, (uint16_t)(1 << bit));
		assert_int_equal(rec_get(p, sizeof(p), &got, &why), -1);
	}
}

static void
an_unknown_type_is_a_record(void **state)
{
	(void)state;
	for (int t = 1; t < 256; t++) {
		int known = 0;

		for (size_t i = 0; i < LEN(bounds); i++)
			known |= bounds[i].type == t;
		assert_int_equal(rec_type_name((uint8_t)t) != NULL, known);
		if (!known)
			assert_int_equal(get_header((uint8_t)t, 0, 0, NULL),
			    32);
	}
	assert_null(rec_type_name(0));
	assert_string_equal(rec_type_name(REC_PACKET), "PACKET");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_bytes_are_as_documented),
		cmocka_unit_test(round_trip_of_every_type),
		cmocka_unit_test(every_truncation_asks_for_more),
		cmocka_unit_test(bytes_after_a_record_are_the_next_one),
		cmocka_unit_test(lengths_outside_a_types_bounds),
		cmocka_unit_test(empty_stream_data_only_with_fin),
		cmocka_unit_test(bad_fields),
		cmocka_unit_test(an_unknown_type_is_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
