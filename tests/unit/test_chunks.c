#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chunks.h"

static void
test_empty(void **state)
{
	struct chunks c = { 0 };
	struct iovec iov[2];

	(void)state;
	assert_int_equal(chunks_peek(&c, iov, 2), 0);
	chunks_append(&c, "", 0);
	assert_null(c.head);
	chunks_free(&c);
}

/* What is peeked is what was appended, and stays where it is. */
static void
test_order(void **state)
{
	struct chunks c = { 0 };
	struct iovec iov[2], first;

	(void)state;
	chunks_append(&c, "hello ", 6);
	assert_int_equal(chunks_peek(&c, &first, 1), 1);
	chunks_append(&c, "world", 5);
	assert_int_equal(c.unsent, 11);
	assert_int_equal(c.unacked, 11);
	assert_int_equal(chunks_peek(&c, iov, 2), 1);
	assert_ptr_equal(iov[0].iov_base, first.iov_base);
	assert_memory_equal(iov[0].iov_base, "hello world", 11);
	chunks_sent(&c, 4);
	assert_int_equal(chunks_peek(&c, iov, 2), 1);
	assert_memory_equal(iov[0].iov_base, "o world", 7);
	chunks_acked(&c, 2);
	assert_int_equal(c.unacked, 9);
	assert_memory_equal(first.iov_base, "hello world", 11);
	chunks_sent(&c, 7);
	assert_int_equal(chunks_peek(&c, iov, 2), 0);
	chunks_append(&c, "!", 1);
	assert_int_equal(chunks_peek(&c, iov, 2), 1);
	assert_memory_equal(iov[0].iov_base, "!", 1);
	chunks_sent(&c, 1);
	chunks_acked(&c, 10);
	assert_null(c.head);
	assert_null(c.tail);
	chunks_free(&c);
}

/* Any sizes of appending, sending and acknowledging. */
static void
test_random(void **state)
{
	struct chunks c = { 0 };
	static uint8_t data[3000000];
	size_t in = 0, sent = 0, acked = 0;

	(void)state;
	srandom(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13 + (i >> 9));
	while (acked < sizeof(data)) {
		struct iovec iov[3];
		size_t n = (size_t)random() % 100000, k;

		if (n > sizeof(data) - in)
			n = sizeof(data) - in;
		chunks_append(&c, data + in, n);
		in += n;
		k = chunks_peek(&c, iov, 3);
		for (size_t i = 0; i < k; i++) {
			size_t part = iov[i].iov_len;

			if (i + 1 == k)
				part -= (size_t)random() % (part + 1);
			assert_memory_equal(iov[i].iov_base, data + sent, part);
			chunks_sent(&c, part);
			sent += part;
		}
		n = (size_t)random() % (sent - acked + 1);
		chunks_acked(&c, n);
		acked += n;
		assert_int_equal(c.unsent, in - sent);
		assert_int_equal(c.unacked, in - acked);
	}
	assert_null(c.head);
	chunks_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
