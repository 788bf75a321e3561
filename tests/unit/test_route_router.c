/* Track types to services, tracks to endpoints; sessions and streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../route/router.h"
#include "../../route/streams.h"

static int32_t
lookup(struct router *r, const char *type)
{
	uint8_t t[TRACK_TYPE_LEN] = { 0 };

	memcpy(t, type, strlen(type));
	return router_lookup(r, t);
}

static struct config *
load(const char *text)
{
	struct conf *errors = NULL;
	struct config *c = config_from(conf_parse("r", (const uint8_t *)text,
	    strlen(text)), &errors);

	assert_non_null(c);
	return c;
}

static void
finds_services(void **state)
{
	struct config *c = load("services:\n"
	    "  a: {types: [video, 'v*'], endpoints: ['ipc:///a']}\n"
	    "  b: {types: ['vi*', 'x*y*z', videos], endpoints: ['ipc:///b']}\n"
	    "  c: {types: ['*chat', twelve_bytes], endpoints: ['ipc:///c']}\n");
	struct router r;

	(void)state;
	router_init(&r, c, 42);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(lookup(&r, "video"), 0);
		/* An exact name goes before a pattern further up. */
		assert_int_equal(lookup(&r, "videos"), 1);
		/* Of patterns the first one. */
		assert_int_equal(lookup(&r, "vivid"), 0);
		assert_int_equal(lookup(&r, "xyz"), 1);
		assert_int_equal(lookup(&r, "xaayaaz"), 1);
		assert_int_equal(lookup(&r, "xaaz"), ROUTER_UNKNOWN);
		assert_int_equal(lookup(&r, "chat"), 2);
		assert_int_equal(lookup(&r, "live_chat"), 2);
		assert_int_equal(lookup(&r, "chats"), ROUTER_UNKNOWN);
		assert_int_equal(lookup(&r, "twelve_bytes"), 2);
		assert_int_equal(lookup(&r, "twelve_byte"), ROUTER_UNKNOWN);
	}
	router_free(&r);
	config_free(c);
}

static void
unknown_goes_to_default(void **state)
{
	struct config *c = load("services:\n"
	    "  a: {types: [video], endpoints: ['ipc:///a']}\n"
	    "  default: {endpoints: ['ipc:///d']}\n");
	struct router r;

	(void)state;
	router_init(&r, c, 0);
	assert_int_equal(lookup(&r, "video"), 0);
	assert_int_equal(lookup(&r, "other"), 1);
	router_free(&r);
	config_free(c);
}

static void
memory_is_bounded(void **state)
{
	struct config *c = load("services:\n"
	    "  a: {types: [video, 't1*'], endpoints: ['ipc:///a']}\n");
	struct router r;
	char type[16];

	(void)state;
	router_init(&r, c, 7);
	for (int i = 0; i < 5 * ROUTER_REMEMBERED; i++) {
		snprintf(type, sizeof(type), "t%d", i);
		assert_int_equal(lookup(&r, type),
		    type[1] == '1' ? 0 : ROUTER_UNKNOWN);
		assert_true(r.table.count <= 1 + ROUTER_REMEMBERED);
	}
	assert_int_equal(lookup(&r, "video"), 0);
	router_free(&r);
	config_free(c);
}

static void
matches_patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		int match;
	} rows[] = {
		{ "*", "", 1 }, { "*", "abc", 1 }, { "a*", "a", 1 },
		{ "a*", "ba", 0 }, { "*a", "ba", 1 }, { "*a", "ab", 0 },
		{ "a*b", "ab", 1 }, { "a*b", "aXbXb", 1 },
		{ "a*b", "aXbX", 0 }, { "*a*", "xay", 1 },
		{ "**a**", "a", 1 }, { "a**b", "ab", 1 }, { "", "", 1 },
		{ "", "a", 0 }, { "abc", "abc", 1 }, { "abc", "ab", 0 },
		{ "*ab", "aab", 1 }, { "*aab*b", "aaabxb", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(router_match(rows[i].pattern,
		    (const uint8_t *)rows[i].text, strlen(rows[i].text)),
		    rows[i].match);
}

static void
picks_spread_and_stay(void **state)
{
	unsigned count[3] = { 0 };
	uint8_t id[TRACK_ID_LEN] = { 0 };

	(void)state;
	for (uint64_t session = 0; session < 1000; session++)
		for (int t = 0; t < 3; t++) {
			uint32_t n;

			snprintf((char *)id, sizeof(id), "track%d", t);
			n = router_pick(session, id, 3);
			assert_true(n < 3);
			assert_int_equal(n, router_pick(session, id, 3));
			count[n]++;
		}
	for (int i = 0; i < 3; i++)
		assert_true(count[i] > 900 && count[i] < 1100);
	assert_int_equal(router_pick(5, id, 1), 0);
}

static void
streams_count_packets(void **state)
{
	struct streams s;
	struct session *se;
	struct stream *st;

	(void)state;
	streams_init(&s, 10, 10, 200);
	se = streams_session_open(&s, 1, (const uint8_t *)"open", 4);
	assert_non_null(se);
	assert_int_equal(s.open_bytes, 4);
	st = streams_get(&s, 1, 4);
	assert_int_equal(st->number, 0);
	st->number = 5;
	assert_ptr_equal(streams_get(&s, 1, 4), st);
	assert_int_equal(streams_get(&s, 1, 8)->number, 0);
	assert_int_equal(streams_get(&s, 1, 4)->number, 5);
	streams_end(&s, 1, 4);
	streams_end(&s, 1, 4);
	assert_int_equal(streams_get(&s, 1, 4)->number, 0);
	assert_int_equal(s.streams.count, 2);
	assert_int_equal(s.streams_max, 2);
	assert_false(session_told(se, 0));
	session_tell(se, 199);
	session_tell(se, 63);
	assert_true(session_told(se, 199) && session_told(se, 63));
	assert_false(session_told(se, 198));
	streams_session_close(&s, se);
	assert_int_equal(s.streams.count, 0);
	assert_int_equal(s.open_bytes, 0);
	assert_null(streams_session_find(&s, 1));
	/* Nobody announced this one. */
	st = streams_get(&s, 2, UINT64_MAX);
	assert_null(st->session->open);
	streams_free(&s);
}

static void
streams_are_bounded(void **state)
{
	static uint8_t big[STREAMS_OPEN_MAX + 1];
	struct streams s;

	(void)state;
	streams_init(&s, 2, 3, 1);
	assert_non_null(streams_get(&s, 1, 0));
	assert_non_null(streams_get(&s, 1, 4));
	assert_non_null(streams_get(&s, 2, 0));
	assert_null(streams_get(&s, 2, 4));
	assert_non_null(streams_get(&s, 2, 0));
	assert_null(streams_session_open(&s, 3, NULL, 0));
	assert_int_equal(s.refused, 2);
	streams_end(&s, 1, 4);
	assert_null(streams_get(&s, 3, 0));
	assert_non_null(streams_get(&s, 2, 4));
	streams_session_open(&s, 1, big, sizeof(big));
	assert_int_equal(s.opens_lost, 1);
	assert_null(streams_session_find(&s, 1)->open);
	streams_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_services),
		cmocka_unit_test(unknown_goes_to_default),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(matches_patterns),
		cmocka_unit_test(picks_spread_and_stay),
		cmocka_unit_test(streams_count_packets),
		cmocka_unit_test(streams_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
