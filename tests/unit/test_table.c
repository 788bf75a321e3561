/* The hash table, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table.h"

#define NODES 4096

static struct table_node nodes[NODES];
static char in[NODES];

static void
finds_what_is_in_it_and_nothing_else(void **state)
{
	struct table t = { 0 };
	struct table_node *n;
	size_t count = 0, at = 0;
	uint32_t rnd = 7;

	(void)state;
	assert_null(table_find(&t, 0, 0));
	for (size_t i = 0; i < NODES; i++) {
		nodes[i].k1 = i / 64;
		nodes[i].k2 = (i % 64) * 4;
	}
	for (int i = 0; i < 100000; i++) {
		size_t k;

		rnd = rnd * 1664525 + 1013904223;
		k = (rnd >> 8) % NODES;
		n = table_find(&t, nodes[k].k1, nodes[k].k2);
		assert_ptr_equal(n, in[k] ? &nodes[k] : NULL);
		if (in[k])
			table_remove(&t, n);
		else
			table_add(&t, &nodes[k]);
		in[k] = !in[k];
		count += in[k] ? 1 : (size_t)-1;
		assert_int_equal(t.count, count);
	}
	while ((n = table_take(&t, &at)) != NULL) {
		assert_true(in[n - nodes]);
		in[n - nodes] = 0;
		count--;
	}
	assert_int_equal(count, 0);
	assert_int_equal(t.count, 0);
	assert_null(table_find(&t, 0, 0));
	table_free(&t);
}

/* Ids as QUIC gives them must not pile up in a few buckets. */
static void
regular_keys_spread(void **state)
{
	struct table t = { 0 };
	size_t used = 0;

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		nodes[i].k1 = UINT64_C(1700000000000000000) + i / 1024;
		nodes[i].k2 = (i % 1024) * 4 + 2;
		table_add(&t, &nodes[i]);
	}
	for (size_t i = 0; i < t.size; i++)
		used += t.buckets[i] != NULL;
	/* Random placement leaves 1/e of the buckets empty. */
	assert_true(used > t.size * 58 / 100);
	table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in_it_and_nothing_else),
		cmocka_unit_test(regular_keys_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
