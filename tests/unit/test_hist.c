/* Percentiles from buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hist.h"

static struct hist h;

static void
small_values_are_exact(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	for (uint64_t v = 1; v <= 20; v++)
		hist_add(&h, v);
	assert_int_equal(hist_quantile(&h, 0), 1);
	assert_int_equal(hist_quantile(&h, 0.5), 10);
	assert_int_equal(hist_quantile(&h, 1), 20);
	assert_int_equal(h.max, 20);
	assert_int_equal(h.count, 20);
}

static void
large_values_are_close(void **state)
{
	(void)state;
	for (uint64_t v = 1; v != 0; v = v > UINT64_MAX / 3 ? 0 : v * 3) {
		uint64_t q;

		memset(&h, 0, sizeof(h));
		hist_add(&h, v);
		hist_add(&h, UINT64_MAX);
		q = hist_quantile(&h, 0.25);
		assert_true(q >= v && q - v <= v / HIST_SUB);
		assert_true(hist_quantile(&h, 1) == UINT64_MAX);
	}
}

static void
percentiles(void **state)
{
	uint64_t p99;

	(void)state;
	memset(&h, 0, sizeof(h));
	for (uint64_t v = 1; v <= 100000; v++)
		hist_add(&h, v * 1000);
	p99 = hist_quantile(&h, 0.99);
	assert_true(p99 >= 99000000);
	assert_true(p99 <= UINT64_C(99000000) * 33 / 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(large_values_are_close),
		cmocka_unit_test(percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
