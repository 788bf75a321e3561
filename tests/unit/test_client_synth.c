/* wt-client: synthetic payloads, and that the sinks take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "../../sink-audio/pcm.h"
#include "../../sink-chat/chat.h"
#include "../../sink-video/jpeg.h"
#include "../../wt-client/synth.h"

#define TIME UINT64_C(1700000000123456789)

/* Makes one in a buffer of just the size promised. The caller frees it. */
static uint8_t *
make(enum synth_kind kind, size_t size, uint64_t seq, size_t *n)
{
	uint8_t *p = malloc(synth_size(kind, size));

	assert_non_null(p);
	*n = synth_put(kind, p, size, seq, TIME);
	assert_true(*n <= synth_size(kind, size));
	return p;
}

static void
raw_carries_a_stamp_and_a_pattern(void **state)
{
	size_t sizes[] = { 1, 15, 16, 17, 1000, 251 * 256, 251 * 256 + 17,
		200000 };
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = make(SYNTH_RAW, sizes[i], 1234, &n);
		size_t from = sizes[i] < 16 ? 0 : 16;

		assert_int_equal(n, sizes[i]);
		if (from == 16) {
			assert_int_equal(be64_get(p), 1234);
			assert_int_equal(be64_get(p + 8), TIME);
		}
		for (size_t k = from; k < n; k++)
			assert_int_equal(p[k], (1234 + k) % 251);
		free(p);
	}
}

static void
pattern_goes_on_from_any_offset(void **state)
{
	uint8_t a[600], b[600];

	(void)state;
	synth_pattern(a, sizeof(a), UINT64_MAX, 0);
	for (size_t i = 0; i < sizeof(a); i += 7)
		synth_pattern(b + i, sizeof(b) - i < 7 ? sizeof(b) - i : 7,
		    UINT64_MAX, i);
	assert_memory_equal(a, b, sizeof(a));
}

static void
jpeg_of_any_size_is_a_picture(void **state)
{
	struct jpeg j;
	size_t n;

	(void)state;
	for (size_t size = 1; size < 70000; size += size < 400 ? 1 : 997) {
		uint8_t *p = make(SYNTH_JPEG, size, 9, &n);

		assert_int_equal(n, synth_size(SYNTH_JPEG, size));
		assert_int_equal(jpeg_inspect(p, n, &j), JPEG_OK);
		assert_int_equal(j.width, 64);
		assert_int_equal(j.height, 48);
		assert_int_equal(j.size, n);
		assert_int_equal(be64_get(p + 6), 9);
		assert_int_equal(be64_get(p + 14), TIME);
		free(p);
	}
}

static void
jpeg_fills_up_to_the_byte(void **state)
{
	/* Around one and two full comment segments. */
	static const size_t around[] = { 65537, 2 * 65537 };
	struct jpeg j;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t size = around[i]; size < around[i] + 300; size++) {
			uint8_t *p = make(SYNTH_JPEG, size, 1, &n);

			assert_int_equal(n, size);
			assert_int_equal(jpeg_inspect(p, n, &j), JPEG_OK);
			free(p);
		}
}

static void
pcm_is_one_wave(void **state)
{
	struct pcm a;
	size_t n;
	uint8_t *one, *two, *both;

	(void)state;
	one = make(SYNTH_PCM, 960, 0, &n);
	assert_int_equal(n, 20 + 1920);
	assert_int_equal(pcm_inspect(one, n, &a), PCM_OK);
	assert_int_equal(a.rate, 48000);
	assert_int_equal(a.samples, 960);
	assert_int_equal(a.peak, 16000);
	assert_int_equal(a.clipped, 0);
	assert_int_equal(a.timestamp_us, TIME / 1000);
	two = make(SYNTH_PCM, 960, 1, &n);
	both = make(SYNTH_PCM, 1920, 0, &n);
	assert_memory_equal(one + 20, both + 20, 1920);
	assert_memory_equal(two + 20, both + 20 + 1920, 1920);
	free(one);
	free(two);
	free(both);
}

static void
chat_is_a_message(void **state)
{
	static const size_t sizes[] = { 1, 150, 192, 193, 500, 16000 };
	uint64_t seq, ns;
	struct chat c;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = make(SYNTH_CHAT, sizes[i], 77, &n);

		assert_true(n >= sizes[i]);
		assert_true(n == sizes[i] || n <= SYNTH_CHAT_MIN);
		assert_int_equal(chat_inspect(p, n, 16384, &c), CHAT_OK);
		assert_int_equal(json_integer_value(c.message_id), 77);
		assert_true(c.timestamp == 1700000000123.0);
		assert_int_equal(sscanf(c.message, "%lu %lu ", &seq, &ns), 2);
		assert_int_equal(seq, 77);
		assert_int_equal(ns, TIME);
		chat_free(&c);
		free(p);
	}
}

static void
chat_with_the_largest_numbers(void **state)
{
	uint8_t p[SYNTH_CHAT_MIN];
	size_t n;

	(void)state;
	n = synth_put(SYNTH_CHAT, p, 1, UINT64_MAX, UINT64_MAX);
	assert_true(n <= sizeof(p));
	assert_int_equal(p[n - 1], '}');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_carries_a_stamp_and_a_pattern),
		cmocka_unit_test(pattern_goes_on_from_any_offset),
		cmocka_unit_test(jpeg_of_any_size_is_a_picture),
		cmocka_unit_test(jpeg_fills_up_to_the_byte),
		cmocka_unit_test(pcm_is_one_wave),
		cmocka_unit_test(chat_is_a_message),
		cmocka_unit_test(chat_with_the_largest_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
