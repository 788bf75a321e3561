#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cidmap.h"

/* The example in appendix A of the SipHash paper. */
static void
test_siphash(void **state)
{
	const uint64_t key[2] = { UINT64_C(0x0706050403020100),
		UINT64_C(0x0f0e0d0c0b0a0908) };
	uint8_t in[15];

	(void)state;
	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = i;
	assert_true(cidmap_siphash(key, in, sizeof(in)) ==
	    UINT64_C(0xa129ca6149be45e5));
}

static void
test_put_get(void **state)
{
	static int values[5000];
	struct cidmap m;
	uint8_t cid[CIDMAP_CID_MAX + 1] = { 0 };

	(void)state;
	cidmap_init(&m);
	assert_null(cidmap_get(&m, cid, 0));
	cidmap_del(&m, cid, 0, &m);
	for (int i = 0; i < 5000; i++) {
		memcpy(cid, &i, sizeof(i));
		assert_int_equal(cidmap_put(&m, cid, 8, &values[i]), 0);
		assert_int_equal(cidmap_put(&m, cid, 8, &values[0]), -1);
	}
	assert_int_equal(m.count, 5000);
	for (int i = 0; i < 5000; i++) {
		memcpy(cid, &i, sizeof(i));
		assert_ptr_equal(cidmap_get(&m, cid, 8), &values[i]);
		assert_null(cidmap_get(&m, cid, 7));
		cidmap_del(&m, cid, 8, &values[4999 - i]); /* not its value */
		assert_ptr_equal(cidmap_get(&m, cid, 8), &values[i]);
		if (i % 2)
			cidmap_del(&m, cid, 8, &values[i]);
	}
	assert_int_equal(m.count, 2500);
	for (int i = 0; i < 5000; i++) {
		memcpy(cid, &i, sizeof(i));
		assert_ptr_equal(cidmap_get(&m, cid, 8),
		    i % 2 ? NULL : &values[i]);
	}
	assert_int_equal(cidmap_put(&m, cid, sizeof(cid), &m), -1);
	assert_int_equal(cidmap_put(&m, cid, CIDMAP_CID_MAX, &m), 0);
	assert_ptr_equal(cidmap_get(&m, cid, CIDMAP_CID_MAX), &m);
	cidmap_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_put_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
