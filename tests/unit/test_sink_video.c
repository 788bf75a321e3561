/* JPEG pictures, VP8 frames and WebCodecs chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "../../sink-video/chunk.h"
#include "../../sink-video/jpeg.h"
#include "../../sink-video/vp8.h"

#define SOI "\xff\xd8"
#define EOI "\xff\xd9"
#define APP0 "\xff\xe0\x00\x04" "ab"
#define SOF0 "\xff\xc0\x00\x11\x08\x01\xe0\x02\x80\x03" \
	"\x01\x22\x00\x02\x11\x01\x03\x11\x01"
#define DHT "\xff\xc4\x00\x05\x00\x01\x02"
#define SOS "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
#define DATA "\x12\x34\xff\x00\x56\xff\xd0\x78\xff\xd7\x9a"

/* Every read beyond n is seen by the sanitizer: the copy ends there. */
static enum jpeg_error
jpeg_exact(const void *p, size_t n, struct jpeg *j)
{
	uint8_t *copy = calloc(n > 0 ? n : 1, 1);
	enum jpeg_error e;

	memcpy(copy, p, n);
	e = jpeg_inspect(copy, n, j);
	free(copy);
	return e;
}

static enum chunk_error
chunk_exact(const void *p, size_t n, struct chunk *c)
{
	uint8_t *copy = calloc(n > 0 ? n : 1, 1);
	enum chunk_error e;

	memcpy(copy, p, n);
	e = chunk_inspect(copy, n, c);
	free(copy);
	return e;
}

#define JPEG(s, j) jpeg_exact((s), sizeof(s) - 1, (j))

static void
jpeg_reads_the_frame_header(void **state)
{
	static const char picture[] = SOI APP0 SOF0 DHT SOS DATA EOI;
	struct jpeg j;

	(void)state;
	assert_int_equal(JPEG(picture, &j), JPEG_OK);
	assert_int_equal(j.width, 640);
	assert_int_equal(j.height, 480);
	assert_int_equal(j.components, 3);
	assert_int_equal(j.precision, 8);
	assert_int_equal(j.size, sizeof(picture) - 1);
}

static void
jpeg_truncated_anywhere_is_not_good(void **state)
{
	static const char picture[] =
	    SOI APP0 SOF0 DHT SOS DATA SOS DATA EOI;
	struct jpeg j;

	(void)state;
	for (size_t n = 0; n < sizeof(picture) - 1; n++)
		assert_int_equal(jpeg_exact(picture, n, &j),
		    n < 3 ? JPEG_NOT_JPEG : JPEG_TRUNCATED);
	assert_int_equal(JPEG(picture, &j), JPEG_OK);
}

static void
jpeg_allows_what_the_standard_allows(void **state)
{
	struct jpeg j;

	(void)state;
	/* Fill bytes before a marker, several scans, bytes behind the end. */
	assert_int_equal(JPEG(SOI "\xff\xff" APP0 SOF0 SOS DATA "\xff\xff\xff"
	    DHT SOS DATA EOI "rest", &j), JPEG_OK);
	assert_int_equal(j.size, 2 + 2 + 6 + 19 + 10 + 11 + 3 + 7 + 10 + 11 +
	    2);
	/* A frame header inside an application segment is not one. */
	assert_int_equal(JPEG(SOI "\xff\xe1\x00\x15" SOF0 SOF0 SOS EOI, &j),
	    JPEG_OK);
	/* The height follows the scan. */
	assert_int_equal(JPEG(SOI "\xff\xc2\x00\x0b\x0c\x00\x00\x00\x10\x01"
	    "\x01\x11\x00" SOS DATA "\xff\xdc\x00\x04\x00\x09" EOI, &j),
	    JPEG_OK);
	assert_int_equal(j.height, 9);
	assert_int_equal(j.precision, 12);
}

static void
jpeg_names_what_is_wrong(void **state)
{
	struct jpeg j;

	(void)state;
	assert_int_equal(JPEG("", &j), JPEG_NOT_JPEG);
	assert_int_equal(JPEG("GIF89a", &j), JPEG_NOT_JPEG);
	assert_int_equal(JPEG(SOI APP0 "x" SOF0 SOS EOI, &j), JPEG_BAD_MARKER);
	assert_int_equal(JPEG(SOI "\xff\xe0\x00\x01", &j), JPEG_BAD_MARKER);
	assert_int_equal(JPEG(SOI APP0 "\xff\x00" EOI, &j), JPEG_BAD_MARKER);
	assert_int_equal(JPEG(SOI APP0 SOI SOF0 SOS EOI, &j),
	    JPEG_BAD_MARKER);
	assert_int_equal(JPEG(SOI EOI, &j), JPEG_NO_SOF);
	assert_int_equal(JPEG(SOI SOS DATA EOI, &j), JPEG_NO_SOF);
	assert_int_equal(JPEG(SOI SOF0 EOI, &j), JPEG_NO_SCAN);
	assert_int_equal(j.width, 640);
	/* No width; a component too many for the length; no height at all;
	 * a length too short for the fixed part. */
	assert_int_equal(JPEG(SOI "\xff\xc0\x00\x0b\x08\x00\x10\x00\x00\x01"
	    "\x01\x11\x00" SOS EOI, &j), JPEG_BAD_SOF);
	assert_int_equal(JPEG(SOI "\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x02"
	    "\x01\x11\x00" SOS EOI, &j), JPEG_BAD_SOF);
	assert_int_equal(JPEG(SOI "\xff\xc0\x00\x0b\x08\x00\x00\x00\x10\x01"
	    "\x01\x11\x00" SOS EOI, &j), JPEG_BAD_SOF);
	assert_int_equal(JPEG(SOI "\xff\xc0\x00\x07\x08\x00\x00\x00\x10" EOI,
	    &j), JPEG_BAD_SOF);
	assert_int_equal(JPEG(SOI "\xff\xc0\xff\xff\x08\x00\x00\x00\x10" EOI,
	    &j), JPEG_TRUNCATED);
}

/* A key frame of 320x240 with a first partition of 4 bytes. */
static const uint8_t vp8_key[] = { 0x90, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x40,
	0x01, 0xf0, 0x00, 1, 2, 3, 4, 5 };
/* A delta frame with a first partition of 2 bytes. */
static const uint8_t vp8_delta[] = { 0x51, 0x00, 0x00, 1, 2 };

static void
vp8_reads_the_tag(void **state)
{
	uint8_t scaled[sizeof(vp8_key)];
	struct vp8 v;

	(void)state;
	assert_int_equal(vp8_inspect(vp8_key, sizeof(vp8_key), &v), VP8_OK);
	assert_true(v.key_frame && v.show_frame && v.version == 0);
	assert_int_equal(v.first_part, 4);
	assert_int_equal(v.width, 320);
	assert_int_equal(v.height, 240);
	assert_int_equal(vp8_inspect(vp8_delta, sizeof(vp8_delta), &v),
	    VP8_OK);
	assert_false(v.key_frame);
	assert_int_equal(v.first_part, 2);
	assert_int_equal(v.width, 0);
	/* The scaling hint is not part of the size. */
	memcpy(scaled, vp8_key, sizeof(scaled));
	scaled[7] |= 0xc0;
	scaled[9] |= 0x40;
	assert_int_equal(vp8_inspect(scaled, sizeof(scaled), &v), VP8_OK);
	assert_int_equal(v.width, 320);
	assert_int_equal(v.height, 240);
}

static size_t
chunk_make(uint8_t *p, int codec, int key, const uint8_t *data, size_t n)
{
	struct chunk c = { .codec = (enum chunk_codec)codec, .key_frame = key,
		.width = 320, .height = 240, .timestamp_us = 33333,
		.duration_us = 16666 };

	chunk_header_put(p, &c);
	memcpy(p + CHUNK_HEADER_LEN, data, n);
	return CHUNK_HEADER_LEN + n;
}

static void
chunk_header_round_trips(void **state)
{
	uint8_t p[64];
	size_t n = chunk_make(p, CHUNK_VP8, 1, vp8_key, sizeof(vp8_key));
	struct chunk c;

	(void)state;
	assert_true(chunk_match(p, n));
	assert_false(jpeg_match(p, n));
	assert_int_equal(chunk_inspect(p, n, &c), CHUNK_OK);
	assert_int_equal(c.codec, CHUNK_VP8);
	assert_true(c.key_frame);
	assert_int_equal(c.width, 320);
	assert_int_equal(c.height, 240);
	assert_int_equal(c.timestamp_us, 33333);
	assert_int_equal(c.duration_us, 16666);
	assert_ptr_equal(c.data, p + CHUNK_HEADER_LEN);
	assert_int_equal(c.len, sizeof(vp8_key));
	n = chunk_make(p, CHUNK_VP8, 0, vp8_delta, sizeof(vp8_delta));
	assert_int_equal(chunk_inspect(p, n, &c), CHUNK_OK);
	assert_false(c.key_frame);
	/* The other codecs' bytes are not looked into. */
	for (int codec = CHUNK_VP9; codec <= CHUNK_AV1; codec++) {
		n = chunk_make(p, codec, 1, (const uint8_t *)"x", 1);
		assert_int_equal(chunk_inspect(p, n, &c), CHUNK_OK);
	}
}

static void
chunk_truncated_anywhere_is_not_good(void **state)
{
	uint8_t p[64];
	size_t n = chunk_make(p, CHUNK_VP8, 1, vp8_key, sizeof(vp8_key));
	struct chunk c;

	(void)state;
	for (size_t i = 0; i < CHUNK_HEADER_LEN; i++)
		assert_int_equal(chunk_exact(p, i, &c), CHUNK_SHORT_HEADER);
	assert_int_equal(chunk_exact(p, CHUNK_HEADER_LEN, &c), CHUNK_EMPTY);
	for (size_t i = CHUNK_HEADER_LEN + 1; i < n - 1; i++)
		assert_int_equal(chunk_exact(p, i, &c), CHUNK_VP8_TRUNCATED);
	/* The last byte is another partition's: VP8 itself is to say. */
	assert_int_equal(chunk_exact(p, n - 1, &c), CHUNK_OK);
	n = chunk_make(p, CHUNK_VP8, 0, vp8_delta, sizeof(vp8_delta));
	for (size_t i = CHUNK_HEADER_LEN + 1; i < n; i++)
		assert_int_equal(chunk_exact(p, i, &c), CHUNK_VP8_TRUNCATED);
}

static void
chunk_names_what_is_wrong(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		enum chunk_error e;
	} rows[] = {
		{ 0, 'w', CHUNK_SHORT_HEADER },
		{ 4, 0, CHUNK_BAD_CODEC },
		{ 4, 5, CHUNK_BAD_CODEC },
		{ 4, 255, CHUNK_BAD_CODEC },
		{ 5, 0x03, CHUNK_BAD_FLAGS },
		{ 5, 0x81, CHUNK_BAD_FLAGS },
		{ 6, 1, CHUNK_BAD_FLAGS },
		{ 7, 1, CHUNK_BAD_FLAGS },
		{ 5, 0, CHUNK_VP8_KEY_FLAG },
		{ 9, 0x41, CHUNK_VP8_SIZE },
		{ 11, 0xf1, CHUNK_VP8_SIZE },
		{ 24, 0x91, CHUNK_VP8_KEY_FLAG },
		{ 24, 0xf0, CHUNK_VP8_TRUNCATED },
		{ 26, 0xff, CHUNK_VP8_TRUNCATED },
		{ 27, 0x9c, CHUNK_VP8_START_CODE },
		{ 29, 0x00, CHUNK_VP8_START_CODE },
		{ 30, 0x41, CHUNK_VP8_SIZE },
	};
	uint8_t p[64];
	struct chunk c;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = chunk_make(p, CHUNK_VP8, 1, vp8_key, sizeof(vp8_key));
		p[rows[i].at] = rows[i].byte;
		assert_int_equal(chunk_exact(p, n, &c), rows[i].e);
	}
	n = chunk_make(p, CHUNK_AV1, 1, vp8_key, sizeof(vp8_key));
	be16_put(p + 8, 0);
	assert_int_equal(chunk_exact(p, n, &c), CHUNK_BAD_SIZE);
	be16_put(p + 8, 1);
	be16_put(p + 10, 0);
	assert_int_equal(chunk_exact(p, n, &c), CHUNK_BAD_SIZE);
}

static void
every_verdict_has_a_name(void **state)
{
	(void)state;
	for (int e = JPEG_OK; e <= JPEG_TRUNCATED; e++)
		assert_string_not_equal(jpeg_error_name((enum jpeg_error)e),
		    "?");
	for (int e = CHUNK_OK; e <= CHUNK_VP8_SIZE; e++)
		assert_string_not_equal(chunk_error_name((enum chunk_error)e),
		    "?");
	for (int c = CHUNK_VP8; c <= CHUNK_AV1; c++)
		assert_string_not_equal(chunk_codec_name((enum chunk_codec)c),
		    "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jpeg_reads_the_frame_header),
		cmocka_unit_test(jpeg_truncated_anywhere_is_not_good),
		cmocka_unit_test(jpeg_allows_what_the_standard_allows),
		cmocka_unit_test(jpeg_names_what_is_wrong),
		cmocka_unit_test(vp8_reads_the_tag),
		cmocka_unit_test(chunk_header_round_trips),
		cmocka_unit_test(chunk_truncated_anywhere_is_not_good),
		cmocka_unit_test(chunk_names_what_is_wrong),
		cmocka_unit_test(every_verdict_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
