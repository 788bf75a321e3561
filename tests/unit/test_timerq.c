#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "timerq.h"

#define COUNT 1000

static void
test_order(void **state)
{
	struct timerq q = { 0 };
	struct timer a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	assert_true(timerq_next(&q) == TIMERQ_NEVER);
	assert_null(timerq_pop(&q, UINT64_MAX));
	timerq_set(&q, &a, 30);
	timerq_set(&q, &b, 10);
	timerq_set(&q, &c, 20);
	assert_true(timerq_next(&q) == 10);
	assert_null(timerq_pop(&q, 9));
	timerq_set(&q, &b, 40);
	assert_ptr_equal(timerq_pop(&q, 100), &c);
	timerq_set(&q, &a, TIMERQ_NEVER);
	timerq_set(&q, &a, TIMERQ_NEVER);
	assert_ptr_equal(timerq_pop(&q, 100), &b);
	assert_null(timerq_pop(&q, UINT64_MAX));
	timerq_free(&q);
}

/* Against the plain way of finding the earliest. */
static void
test_random(void **state)
{
	static struct timer t[COUNT];
	struct timerq q = { 0 };

	(void)state;
	srandom(3);
	for (int i = 0; i < COUNT; i++)
		t[i].at = TIMERQ_NEVER;
	for (int round = 0; round < 20000; round++) {
		struct timer *x = &t[random() % COUNT], *got;
		uint64_t min = TIMERQ_NEVER, at = (uint64_t)random() % 10000;

		if (round % 3 == 2) {
			got = timerq_pop(&q, at);
			if (got != NULL) {
				assert_true(got->at <= at);
				for (int i = 0; i < COUNT; i++)
					assert_true(t[i].place == 0 ||
					    t[i].at >= got->at);
			}
			continue;
		}
		timerq_set(&q, x, round % 7 == 0 ? TIMERQ_NEVER : at);
		if (round % 100 != 0)
			continue;
		for (int i = 0; i < COUNT; i++)
			if (t[i].place != 0 && t[i].at < min)
				min = t[i].at;
		assert_true(timerq_next(&q) == min);
	}
	timerq_free(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
