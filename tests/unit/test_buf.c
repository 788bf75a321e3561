/* The byte queue, against a plain array doing the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"

static void
content_survives_any_order_of_calls(void **state)
{
	static uint8_t model[1 << 20];
	size_t head = 0, tail = 0;
	struct buf b = { 0 };
	uint32_t rnd = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t n;

		rnd = rnd * 1664525 + 1013904223;
		n = (rnd >> 8) % (i % 100 == 0 ? 9000 : 90);
		if ((rnd >> 28) < 8 && tail + n <= sizeof(model)) {
			uint8_t *p = buf_reserve(&b, n + (rnd & 31));

			for (size_t k = 0; k < n; k++)
				p[k] = model[tail + k] =
				    (uint8_t)(rnd >> (k & 15));
			buf_commit(&b, n);
			tail += n;
		} else {
			if (n > tail - head)
				n = tail - head;
			buf_consume(&b, n);
			head += n;
		}
		assert_int_equal(buf_len(&b), tail - head);
		if (tail > head)
			assert_memory_equal(buf_data(&b), model + head,
			    tail - head);
	}
	buf_free(&b);
	assert_null(b.mem);
	assert_int_equal(buf_len(&b), 0);
}

static void
append_of_nothing_allocates_nothing(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append(&b, NULL, 0);
	assert_null(b.mem);
	buf_consume(&b, 0);
	buf_append(&b, "abc", 3);
	buf_append(&b, NULL, 0);
	assert_int_equal(buf_len(&b), 3);
	assert_memory_equal(buf_data(&b), "abc", 3);
	buf_free(&b);
}

static void
memory_is_given_back_when_empty(void **state)
{
	struct buf b = { 0 };
	const size_t n = 8 << 20;

	(void)state;
	memset(buf_reserve(&b, n), 1, n);
	buf_commit(&b, n);
	assert_true(b.size >= n);
	buf_consume(&b, n);
	assert_int_equal(b.size, 0);
	buf_free(&b);
}

/* A queue that is never empty and never longer than n must not grow on. */
static void
a_steady_queue_keeps_its_size(void **state)
{
	static uint8_t chunk[1000];
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++)
		buf_append(&b, chunk, sizeof(chunk));
	for (int i = 0; i < 100000; i++) {
		buf_append(&b, chunk, sizeof(chunk));
		buf_consume(&b, sizeof(chunk));
	}
	assert_int_equal(buf_len(&b), 50000);
	assert_true(b.size <= 4 * 51000);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_survives_any_order_of_calls),
		cmocka_unit_test(append_of_nothing_allocates_nothing),
		cmocka_unit_test(memory_is_given_back_when_empty),
		cmocka_unit_test(a_steady_queue_keeps_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
