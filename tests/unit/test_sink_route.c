/* The delivery protocol as a sink keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink_route.h"

#define MS UINT64_C(1000000)
#define WINDOW 8
#define WINDOW_BYTES 1000
#define SIZE 100

static struct sink_routes rs;
static uint64_t now;

static int
setup(void **state)
{
	(void)state;
	now = 1000 * MS;
	sink_routes_init(&rs, 2, WINDOW, WINDOW_BYTES);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sink_routes_free(&rs);
	return 0;
}

static struct sink_route *
hello(const char *name)
{
	struct dmsg_hello h = { .version = DMSG_VERSION };

	strcpy(h.route, name);
	strcpy(h.service, "s");
	return sink_route_hello(&rs, &h, (const uint8_t *)"id", 2, now);
}

/* A packets message from r's route, under its present grant. */
static struct sink_route *
packets(const struct sink_route *r, uint64_t first, uint64_t count,
    uint64_t *skip)
{
	struct dmsg_packets p = { .first = first, .count = count };

	strcpy(p.route, r->route);
	strcpy(p.sink, r->sink);
	return sink_route_packets(&rs, &p, skip, now);
}

static uint64_t
take(struct sink_route *r)
{
	uint64_t cookie;

	assert_int_equal(sink_route_take(&rs, r, SIZE, now, &cookie), 0);
	return cookie;
}

/* The grant that must be due. */
static struct dmsg_grant
granted(struct sink_route *r)
{
	struct dmsg_grant g;

	assert_int_equal(sink_route_grant(&rs, r, &g, now), 1);
	return g;
}

static void
hello_is_answered_with_a_grant(void **state)
{
	struct sink_route *r = hello("a");
	struct dmsg_grant g = granted(r);

	(void)state;
	assert_string_equal(g.route, "a");
	assert_string_equal(g.sink, r->sink);
	assert_int_equal(strlen(g.sink), SINK_INSTANCE_LEN);
	assert_true(g.acked == 0 && g.packets == WINDOW &&
	    g.bytes == WINDOW_BYTES);
	assert_int_equal(sink_route_grant(&rs, r, &g, now), 0);
	/* The same route, from another connection. */
	assert_ptr_equal(hello("a"), r);
	granted(r);
	assert_int_equal(rs.stats.active, 1);
}

static void
routes_are_bounded(void **state)
{
	struct dmsg_hello h = { .version = DMSG_VERSION + 1, .route = "v" };

	(void)state;
	assert_null(sink_route_hello(&rs, &h, (const uint8_t *)"i", 1, now));
	assert_non_null(hello("a"));
	assert_non_null(hello("b"));
	assert_null(hello("c"));
	assert_int_equal(rs.stats.refused, 2);
	/* One that is silent makes room. */
	now += (SINK_SILENCE_MS - 1) * MS;
	hello("a");
	now += MS;
	sink_routes_tick(&rs, now);
	assert_int_equal(rs.stats.forgotten, 1);
	assert_non_null(hello("c"));
	assert_null(hello("b"));
}

static void
acknowledged_in_order_only(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip, c0, c1, c2;
	struct dmsg_grant g;

	(void)state;
	granted(r);
	assert_ptr_equal(packets(r, 0, 3, &skip), r);
	assert_int_equal(skip, 0);
	c0 = take(r);
	c1 = take(r);
	c2 = take(r);
	sink_route_done(&rs, c2, now);
	sink_route_done(&rs, c1, now);
	now += 1000 * MS;
	assert_int_equal(sink_route_grant(&rs, r, &g, now), 0);
	sink_route_done(&rs, c0, now);
	assert_int_equal(granted(r).acked, 3);
	assert_int_equal(r->bytes, 0);
	/* A second receipt for one of them is late. */
	sink_route_done(&rs, c1, now);
	assert_int_equal(rs.stats.late, 1);
}

static void
first_number_is_the_start(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip;

	(void)state;
	granted(r);
	assert_ptr_equal(packets(r, 500, 1, &skip), r);
	assert_int_equal(skip, 0);
	sink_route_done(&rs, take(r), now);
	now += MS;
	assert_int_equal(granted(r).acked, 501);
}

static void
duplicates_are_skipped(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip;

	(void)state;
	packets(r, 0, 3, &skip);
	take(r), take(r), take(r);
	assert_ptr_equal(packets(r, 1, 4, &skip), r);
	assert_int_equal(skip, 2);
	assert_ptr_equal(packets(r, 0, 2, &skip), r);
	assert_int_equal(skip, 2);
	assert_int_equal(rs.stats.duplicates, 4);
}

static void
a_gap_starts_anew(void **state)
{
	struct sink_route *r = hello("a");
	char before[SINK_INSTANCE_LEN + 1];
	struct dmsg_packets old = { .route = "a", .first = 3, .count = 1 };
	uint64_t skip, c0, c1;
	struct dmsg_grant g;

	(void)state;
	granted(r);
	packets(r, 0, 2, &skip);
	c0 = take(r);
	c1 = take(r);
	strcpy(before, r->sink);
	strcpy(old.sink, before);
	assert_null(packets(r, 3, 1, &skip));
	assert_int_equal(rs.stats.gaps, 1);
	assert_string_not_equal(r->sink, before);
	g = granted(r);
	assert_string_equal(g.sink, r->sink);
	assert_int_equal(g.acked, 0);
	/* What was under way before route heard of it. */
	assert_null(sink_route_packets(&rs, &old, &skip, now));
	assert_int_equal(rs.stats.stale, 1);
	/* From the unacknowledged on; what was taken is awaited still. */
	assert_ptr_equal(packets(r, 0, 4, &skip), r);
	assert_int_equal(skip, 2);
	take(r);
	sink_route_done(&rs, c0, now);
	sink_route_done(&rs, c1, now);
	now += SINK_GRANT_LAZY_MS * MS;
	assert_int_equal(granted(r).acked, 2);
}

static void
a_later_start_forgets_what_is_below(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip, c0;

	(void)state;
	packets(r, 0, 1, &skip);
	c0 = take(r);
	assert_null(packets(r, 10, 1, &skip));
	/* Route has given 0 to 9 to another sink. */
	assert_ptr_equal(packets(r, 10, 1, &skip), r);
	assert_int_equal(skip, 0);
	assert_int_equal(r->acked, 10);
	take(r);
	sink_route_done(&rs, c0, now);
	assert_int_equal(rs.stats.late, 1);
	assert_int_equal(r->acked, 10);
}

static void
a_new_run_of_a_forgotten_route(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip, c0;

	(void)state;
	packets(r, 0, 1, &skip);
	c0 = take(r);
	now += SINK_SILENCE_MS * MS;
	sink_routes_tick(&rs, now);
	r = hello("a");
	packets(r, 0, 1, &skip);
	take(r);
	sink_route_done(&rs, c0, now);
	assert_int_equal(rs.stats.late, 1);
	assert_int_equal(r->acked, 0);
}

static void
over_the_grant_is_cut(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip, cookie;

	(void)state;
	packets(r, 0, 20, &skip);
	for (int i = 0; i < WINDOW; i++)
		take(r);
	assert_int_equal(sink_route_take(&rs, r, SIZE, now, &cookie), -1);
	/* By bytes; but one alone may be larger. */
	r = hello("b");
	packets(r, 0, 20, &skip);
	assert_int_equal(sink_route_take(&rs, r, 5000, now, &cookie), 0);
	assert_int_equal(sink_route_take(&rs, r, 1, now, &cookie), -1);
	assert_int_equal(rs.stats.over, 2);
}

static void
unknown_routes_send_in_vain(void **state)
{
	struct dmsg_packets p = { .route = "x", .count = 1, .sink = "y" };
	uint64_t skip;

	(void)state;
	assert_null(sink_route_packets(&rs, &p, &skip, now));
	assert_int_equal(rs.stats.unknown, 1);
}

static void
grants_are_not_told_one_by_one(void **state)
{
	struct sink_route *r = hello("a");
	struct dmsg_grant g;
	uint64_t skip, c[4];

	(void)state;
	granted(r);
	packets(r, 0, 4, &skip);
	for (int i = 0; i < 4; i++)
		c[i] = take(r);
	sink_route_done(&rs, c[0], now);
	assert_int_equal(sink_route_grant(&rs, r, &g, now), 0);
	assert_true(sink_routes_tick(&rs, now) == SINK_GRANT_LAZY_MS * MS);
	/* A quarter of the window is worth a message at once. */
	sink_route_done(&rs, c[1], now);
	assert_int_equal(sink_routes_tick(&rs, now), 0);
	assert_int_equal(granted(r).acked, 2);
	/* So is the end, but not every microsecond. */
	sink_route_done(&rs, c[2], now);
	assert_int_equal(sink_route_grant(&rs, r, &g, now), 0);
	now += SINK_GRANT_LAZY_MS * MS;
	assert_int_equal(granted(r).acked, 3);
	sink_route_done(&rs, c[3], now);
	assert_true(sink_routes_tick(&rs, now) == SINK_GRANT_MS * MS);
	now += SINK_GRANT_MS * MS;
	assert_int_equal(granted(r).acked, 4);
}

static void
shut_grants_nothing(void **state)
{
	struct sink_route *r = hello("a");
	struct dmsg_grant g;

	(void)state;
	granted(r);
	sink_routes_shut(&rs, 1);
	g = granted(r);
	assert_true(g.packets == 0 && g.bytes == 0);
	sink_routes_shut(&rs, 1);
	assert_int_equal(sink_route_grant(&rs, r, &g, now), 0);
	sink_routes_shut(&rs, 0);
	assert_int_equal(granted(r).packets, WINDOW);
}

static void
headers_become_properties(void **state)
{
	struct dmsg_hello h = { .version = DMSG_VERSION, .route = "a",
		.service = "s", .nheaders = 2 };
	struct props_iter it;
	struct mp_str key;
	struct mp_value v;
	struct sink_route *r;

	(void)state;
	h.headers[0] = (struct dmsg_header){ { "sample-rate", 11 },
		{ "44100", 5 } };
	h.headers[1] = (struct dmsg_header){ { "x", 1 }, { "", 0 } };
	r = sink_route_hello(&rs, &h, (const uint8_t *)"i", 1, now);
	assert_string_equal(sink_route_header(r, "sample-rate"), "44100");
	assert_string_equal(sink_route_header(r, "x"), "");
	assert_null(sink_route_header(r, "44100"));
	props_iter_init(&it, props_data(&r->headers), props_len(&r->headers));
	assert_int_equal(props_next(&it, &key, &v), 1);
	assert_true(mp_str_is(key, "header.sample-rate"));
	assert_true(mp_str_is(v.s, "44100"));
	assert_int_equal(props_next(&it, &key, &v), 1);
	assert_int_equal(props_next(&it, &key, &v), 0);
	/* route was configured anew. */
	h.nheaders = 0;
	sink_route_hello(&rs, &h, (const uint8_t *)"i", 1, now);
	assert_null(sink_route_header(r, "sample-rate"));
	assert_int_equal(r->headers.count, 0);
}

static void
a_window_goes_round(void **state)
{
	struct sink_route *r = hello("a");
	uint64_t skip, c[WINDOW];

	(void)state;
	for (uint64_t n = 0; n < 1000; n += WINDOW) {
		assert_ptr_equal(packets(r, n, WINDOW, &skip), r);
		for (int i = 0; i < WINDOW; i++)
			c[i] = take(r);
		for (int i = WINDOW - 1; i >= 0; i--)
			sink_route_done(&rs, c[i], now);
		assert_int_equal(r->acked, n + WINDOW);
		assert_int_equal(r->bytes, 0);
	}
	assert_int_equal(rs.stats.late, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_is_answered_with_a_grant),
		TEST(routes_are_bounded),
		TEST(acknowledged_in_order_only),
		TEST(first_number_is_the_start),
		TEST(duplicates_are_skipped),
		TEST(a_gap_starts_anew),
		TEST(a_later_start_forgets_what_is_below),
		TEST(a_new_run_of_a_forgotten_route),
		TEST(over_the_grant_is_cut),
		TEST(unknown_routes_send_in_vain),
		TEST(grants_are_not_told_one_by_one),
		TEST(shut_grants_nothing),
		TEST(headers_become_properties),
		TEST(a_window_goes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
