/* PCM samples: what is measured, what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "../../sink-audio/pcm.h"

#define SAMPLES 4800

/* Every read beyond n is seen by the sanitizer, and the copy is unaligned. */
static enum pcm_error
pcm_exact(const void *p, size_t n, struct pcm *a)
{
	uint8_t *copy = calloc(n + 1, 1);
	enum pcm_error e;

	memcpy(copy + 1, p, n);
	e = pcm_inspect(copy + 1, n, a);
	free(copy);
	return e;
}

static void
sample_put(uint8_t *p, int v)
{
	p[0] = (uint8_t)(v & 0xff);
	p[1] = (uint8_t)((unsigned)v >> 8 & 0xff);
}

static void
near(double a, double b)
{
	assert_true(fabs(a - b) < 0.01);
}

static void
pcm_measures_known_signals(void **state)
{
	static uint8_t p[2 * SAMPLES];
	struct pcm a;

	(void)state;
	/* A full-scale sine is at -3.01 dBFS, its peak at the scale's end. */
	for (int i = 0; i < SAMPLES; i++)
		sample_put(p + 2 * i,
		    (int)lrint(32767 * sin(2 * M_PI * 440 * i / 48000.0)));
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	assert_int_equal(a.samples, SAMPLES);
	assert_int_equal(a.peak, 32767);
	near(a.rms_dbfs, -3.01);
	assert_false(a.has_header);
	/* A square wave over the whole scale: every sample clipped. */
	for (int i = 0; i < SAMPLES; i++)
		sample_put(p + 2 * i, i & 1 ? -32768 : 32767);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	assert_int_equal(a.peak, 32768);
	assert_int_equal(a.clipped, SAMPLES);
	near(a.rms_dbfs, 0);
	/* One sample among zeros; one of 1 would be below the floor. */
	memset(p, 0, sizeof(p));
	sample_put(p + 2 * 1024, -16);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	assert_int_equal(a.peak, 16);
	assert_int_equal(a.clipped, 0);
	near(a.rms_dbfs, 20 * log10(16 / 32768.0 / sqrt(SAMPLES)));
	sample_put(p + 2 * 1024, 1);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	assert_int_equal(a.peak, 1);
	near(a.rms_dbfs, PCM_SILENCE_DBFS);
	memset(p, 0, sizeof(p));
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	assert_int_equal(a.peak, 0);
	near(a.rms_dbfs, PCM_SILENCE_DBFS);
}

static void
pcm_looks_at_every_sample(void **state)
{
	static uint8_t p[2 * 3000];
	struct pcm a;

	(void)state;
	for (size_t i = 0; i < 3000; i += 7) {
		memset(p, 0, sizeof(p));
		sample_put(p + 2 * i, -32768);
		assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
		assert_int_equal(a.peak, 32768);
		assert_int_equal(a.clipped, 1);
	}
}

static void
pcm_header_round_trips(void **state)
{
	uint8_t p[PCM_HEADER_LEN + 4];
	struct pcm a;

	(void)state;
	pcm_header_put(p, 44100, 123456789);
	sample_put(p + PCM_HEADER_LEN, 100);
	sample_put(p + PCM_HEADER_LEN + 2, -200);
	assert_int_equal(pcm_inspect(p, sizeof(p), &a), PCM_OK);
	assert_true(a.has_header);
	assert_int_equal(a.rate, 44100);
	assert_int_equal(a.timestamp_us, 123456789);
	assert_int_equal(a.samples, 2);
	assert_int_equal(a.peak, 200);
	assert_ptr_equal(a.data, p + PCM_HEADER_LEN);
}

static void
pcm_truncated_anywhere(void **state)
{
	uint8_t p[PCM_HEADER_LEN + 4] = { 0 };
	struct pcm a;

	(void)state;
	pcm_header_put(p, 48000, 0);
	assert_int_equal(pcm_exact(p, 0, &a), PCM_EMPTY);
	/* Less than the magic is samples. */
	assert_int_equal(pcm_exact(p, 1, &a), PCM_ODD_LENGTH);
	assert_int_equal(pcm_exact(p, 2, &a), PCM_OK);
	assert_int_equal(pcm_exact(p, 3, &a), PCM_ODD_LENGTH);
	for (size_t n = 4; n < PCM_HEADER_LEN; n++)
		assert_int_equal(pcm_exact(p, n, &a), PCM_SHORT_HEADER);
	assert_int_equal(pcm_exact(p, PCM_HEADER_LEN, &a), PCM_EMPTY);
	assert_int_equal(pcm_exact(p, PCM_HEADER_LEN + 1, &a),
	    PCM_ODD_LENGTH);
	assert_int_equal(pcm_exact(p, PCM_HEADER_LEN + 2, &a), PCM_OK);
	assert_int_equal(pcm_exact(p, PCM_HEADER_LEN + 3, &a),
	    PCM_ODD_LENGTH);
}

static void
pcm_refuses_hostile_headers(void **state)
{
	static const uint32_t rates[] = { 0, 7999, 192001, UINT32_MAX };
	uint8_t p[PCM_HEADER_LEN + 2] = { 0 };
	struct pcm a;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		pcm_header_put(p, rates[i], 0);
		assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_BAD_RATE);
	}
	pcm_header_put(p, PCM_RATE_MIN, UINT64_MAX);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	pcm_header_put(p, PCM_RATE_MAX, 0);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_OK);
	be16_put(p + 8, 2);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_BAD_CHANNELS);
	be16_put(p + 8, 1);
	be16_put(p + 10, 24);
	assert_int_equal(pcm_exact(p, sizeof(p), &a), PCM_BAD_BITS);
}

static void
every_verdict_has_a_name(void **state)
{
	(void)state;
	for (int e = PCM_OK; e <= PCM_BAD_BITS; e++)
		assert_string_not_equal(pcm_error_name((enum pcm_error)e),
		    "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcm_measures_known_signals),
		cmocka_unit_test(pcm_looks_at_every_sample),
		cmocka_unit_test(pcm_header_round_trips),
		cmocka_unit_test(pcm_truncated_anywhere),
		cmocka_unit_test(pcm_refuses_hostile_headers),
		cmocka_unit_test(every_verdict_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
