/* Sessions, streams and datagrams between two endpoints of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wt_pair.h"

static void
assert_bytes(const struct pair_stream *ps, size_t n, unsigned seed)
{
	uint8_t *want = malloc(n + 1);

	assert_non_null(ps);
	pair_fill(want, n, seed);
	assert_int_equal(buf_len(&ps->in), n);
	if (n > 0)
		assert_memory_equal(buf_data(&ps->in), want, n);
	free(want);
}

/* n bytes and the end from one side's stream to the other side. */
static void
send_bytes(struct pair_stream *ps, size_t n, unsigned seed)
{
	uint8_t *p = malloc(n + 1);

	pair_fill(p, n, seed);
	assert_int_equal(wt_stream_write(ps->st, p, n, 1), 0);
	assert_int_equal(wt_stream_write(ps->st, p, n, 0), -1);
	free(p);
}

static void
test_connect(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	assert_string_equal(p.server.path, "/wt");
	assert_string_equal(p.server.authority, "localhost");
	pair_free(&p);
	assert_int_equal(p.client.sessions[0].closed, 1);
	assert_int_equal(p.server.sessions[0].closed, 1);
	assert_int_equal(p.client.conn_closed, 1);
}

static void
test_uni(void **state)
{
	static const size_t sizes[] = { 0, 1, 1200, 70000, 3000000 };
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct pair_stream *up, *down, *ps;

		up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
		assert_non_null(up);
		send_bytes(up, sizes[i], (unsigned)i);
		down = pair_stream_open(&p.server, p.server.sessions[0].s, 1);
		assert_non_null(down);
		send_bytes(down, sizes[i], (unsigned)i + 50);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) &&
		    ps->fin && up->closed);
		assert_bytes(ps, sizes[i], (unsigned)i);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.client, down->id)) &&
		    ps->fin && down->closed);
		assert_bytes(ps, sizes[i], (unsigned)i + 50);
	}
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_uni),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
