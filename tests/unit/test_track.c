/* The track header: round trips, limits, UTF-8 and padding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "track.h"

#define MAX TRACK_PACKET_MAX_DEFAULT
#define U(s) (const uint8_t *)(s)

static void
header_bytes_are_as_documented(void **state)
{
	uint8_t p[TRACK_HEADER_LEN], want[TRACK_HEADER_LEN] = { 0 };
	struct track_header h;

	(void)state;
	memcpy(want, "live_video", 10);
	want[18] = 0x12, want[19] = 0x34;
	memcpy(want + 20, "video", 5);
	assert_int_equal(track_header_put(p, "live_video", "video", 0x1234),
	    0);
	assert_memory_equal(p, want, sizeof(want));
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_OK);
	assert_string_equal(h.id, "live_video");
	assert_string_equal(h.type, "video");
	assert_int_equal(h.payload_len, 0x1234);
}

static void
full_fields_have_no_nul(void **state)
{
	uint8_t p[TRACK_HEADER_LEN];
	struct track_header h;

	(void)state;
	assert_int_equal(track_header_put(p, "0123456789abcdef",
	    "0123456789ab", 0), 0);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_OK);
	assert_string_equal(h.id, "0123456789abcdef");
	assert_string_equal(h.type, "0123456789ab");
}

static void
put_refuses_what_does_not_fit(void **state)
{
	uint8_t p[TRACK_HEADER_LEN];

	(void)state;
	assert_int_equal(track_header_put(p, "0123456789abcdefg", "t", 0), -1);
	assert_int_equal(track_header_put(p, "i", "0123456789abc", 0), -1);
	assert_int_equal(track_header_put(p, "i", "", 0), -1);
	assert_int_equal(track_header_put(p, "", "t", 0), 0);
}

static void
length_limit_is_exact(void **state)
{
	uint8_t p[TRACK_HEADER_LEN];
	struct track_header h;

	(void)state;
	track_header_put(p, "i", "t", 1000 - TRACK_HEADER_LEN);
	assert_int_equal(track_header_get(p, 1000, &h), TRACK_OK);
	assert_int_equal(track_header_get(p, 999, &h), TRACK_TOO_LONG);
	track_header_put(p, "i", "t", UINT32_MAX);
	assert_int_equal(track_header_get(p, TRACK_PACKET_MAX, &h),
	    TRACK_TOO_LONG);
	assert_true(h.payload_len == UINT32_MAX);
}

/* One byte of a good header changed, at every place. */
static void
every_byte_after_a_nul_is_refused(void **state)
{
	uint8_t good[TRACK_HEADER_LEN], p[TRACK_HEADER_LEN];
	struct track_header h;

	(void)state;
	track_header_put(good, "id", "ty", 7);
	for (size_t i = 0; i < TRACK_HEADER_LEN; i++) {
		enum track_error want = TRACK_OK;

		memcpy(p, good, sizeof(p));
		p[i] = 'x';
		if (i > 2 && i < 16)
			want = TRACK_BAD_ID;
		else if (i == 16)
			want = TRACK_TOO_LONG;
		else if (i > 22)
			want = TRACK_BAD_TYPE;
		assert_int_equal(track_header_get(p, MAX, &h), want);
	}
	memcpy(p, good, sizeof(p));
	p[0] = 0; /* "\0d": a byte after the NUL */
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_BAD_ID);
	memset(p, 0, 16);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_OK);
	memset(p + 20, 0, 12);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_BAD_TYPE);
}

static void
utf8_by_the_rfc(void **state)
{
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80",
		"\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
		"a\xe2\x82\xac" "b" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xc2", "\xc2" "a", "\xe0\x80\x80", "\xe0\x9f\xbf",
		"\xe2\x82", "\xe2\x82" "a", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xfe", "\xff", "ok\xff" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(utf8_valid(U(good[i]), strlen(good[i])), 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(utf8_valid(U(bad[i]), strlen(bad[i])), 0);
	assert_int_equal(utf8_valid(U("\0"), 1), 1);
}

static void
utf8_cut_at_the_end_of_a_field(void **state)
{
	uint8_t p[TRACK_HEADER_LEN];
	struct track_header h;

	(void)state;
	track_header_put(p, "i", "t", 0);
	memcpy(p, "0123456789abcde\xc3", 16);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_BAD_ID);
	memcpy(p, "0123456789abcd\xc3\xa4", 16);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_OK);
	memcpy(p + 20, "v\xff", 2);
	assert_int_equal(track_header_get(p, MAX, &h), TRACK_BAD_TYPE);
}

static void
errors_have_their_documented_names(void **state)
{
	(void)state;
	assert_string_equal(track_error_name(0x10), "PACKET_TOO_LONG");
	assert_string_equal(track_error_name(0x11), "BAD_TRACK_ID");
	assert_string_equal(track_error_name(0x12), "BAD_TRACK_TYPE");
	assert_string_equal(track_error_name(0x13), "TRUNCATED");
	assert_string_equal(track_error_name(0x14), "BAD_DATAGRAM");
	assert_string_equal(track_error_name(0x15), "BUFFER_LIMIT");
	assert_string_equal(track_error_name(TRACK_OK), "OK");
	assert_string_equal(track_error_name(0x77), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_bytes_are_as_documented),
		cmocka_unit_test(full_fields_have_no_nul),
		cmocka_unit_test(put_refuses_what_does_not_fit),
		cmocka_unit_test(length_limit_is_exact),
		cmocka_unit_test(every_byte_after_a_nul_is_refused),
		cmocka_unit_test(utf8_by_the_rfc),
		cmocka_unit_test(utf8_cut_at_the_end_of_a_field),
		cmocka_unit_test(errors_have_their_documented_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
