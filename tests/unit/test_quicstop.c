#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quicstop.h"

#define STOP "\x05\x04\x40\x63" /* stream 4, code 99 */

static size_t
find(const char *p, size_t n, struct quicstop *out)
{
	uint8_t *copy = calloc(1, n + 1);
	size_t found;

	/* At the end of it, so that sanitizers see a byte too far. */
	memcpy(copy + 1, p, n);
	found = quicstop_find(copy + 1, n, out, 2);
	free(copy);
	return found;
}

#define FIND(s) find(s, sizeof(s) - 1, out)

/* Behind each other kind of frame. */
static void
test_behind(void **state)
{
	struct quicstop out[2];

	(void)state;
	assert_int_equal(FIND(STOP), 1);
	assert_int_equal(out[0].id, 4);
	assert_int_equal(out[0].code, 99);
	assert_int_equal(FIND("\x00\x00\x01" STOP), 1);
	assert_int_equal(FIND("\x02\x09\x00\x01\x02\x00\x01" STOP), 1);
	assert_int_equal(FIND("\x03\x09\x00\x00\x02\x01\x02\x03" STOP), 1);
	assert_int_equal(FIND("\x04\x01\x02\x03" STOP), 1);
	assert_int_equal(FIND("\x06\x00\x02zz" STOP), 1);
	assert_int_equal(FIND("\x07\x03zzz" STOP), 1);
	assert_int_equal(FIND("\x0a\x04\x02zz" STOP), 1);
	assert_int_equal(FIND("\x0f\x04\x01\x02zz" STOP), 1);
	assert_int_equal(FIND("\x10\x01\x11\x01\x02\x12\x01\x13\x01" STOP), 1);
	assert_int_equal(FIND("\x14\x01\x15\x01\x02\x16\x01\x17\x01" STOP), 1);
	assert_int_equal(FIND("\x18\x01\x00\x04" "cidx" "0123456789abcdef" STOP),
	    1);
	assert_int_equal(FIND("\x19\x01\x1a" "12345678\x1b" "12345678" STOP),
	    1);
	assert_int_equal(FIND("\x1e\x31\x02zz" STOP), 1);
}

/* Data that looks like frames is data. */
static void
test_not_there(void **state)
{
	struct quicstop out[2];

	(void)state;
	assert_int_equal(FIND(""), 0);
	assert_int_equal(FIND("\x08\x04" STOP), 0);
	assert_int_equal(FIND("\x0a\x04\x04" STOP), 0);
	assert_int_equal(FIND("\x30" STOP), 0);
	assert_int_equal(FIND("\x1d\x00\x00" STOP), 0);
	assert_int_equal(FIND("\x21" STOP), 0);
}

static void
test_cut_short(void **state)
{
	static const char all[] = "\x02\x09\x00\x01\x02\x00\x01\x18\x01\x00\x04"
	    "cidx0123456789abcdef" STOP;
	struct quicstop out[2];

	(void)state;
	for (size_t n = 0; n < sizeof(all) - 1; n++)
		assert_int_equal(find(all, n, out), 0);
	assert_int_equal(FIND(all), 1);
	assert_int_equal(FIND("\x07\x7f\xff"), 0);
	assert_int_equal(FIND("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
	    0);
}

static void
test_max(void **state)
{
	struct quicstop out[2];

	(void)state;
	assert_int_equal(FIND(STOP STOP STOP), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
