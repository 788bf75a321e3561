/* wt-accept: which sessions are accepted, and what SESSION_OPEN says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../wt-accept/request.h"
#include "mp.h"

static const struct wt_request plain = { .authority = "h:1",
	.path = "/wt",
	.origin = "",
	.protocols = "",
	.peer = "127.0.0.1 5" };

static void
paths(void **state)
{
	static const struct {
		const char *allowed, *path;
		int status;
	} rows[] = {
		{ NULL, "/wt", 200 },
		{ NULL, "/wt?a=b", 200 },
		{ NULL, "/wt/", 404 },
		{ NULL, "/w", 404 },
		{ NULL, "/wtx", 404 },
		{ NULL, "/", 404 },
		{ "/chat", "/chat", 200 },
		{ "/chat", "/wt", 404 },
		{ "/chat", "/chat?x", 200 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request_rules rules = { .paths = { { rows[i].allowed },
						   rows[i].allowed != NULL } };
		struct wt_request req = plain;
		const char *protocol = "";

		req.path = rows[i].path;
		assert_int_equal(request_decide(&rules, &req, &protocol),
		    rows[i].status);
	}
}

static void
origins(void **state)
{
	static const struct {
		struct opt_list allowed;
		const char *origin;
		int status;
	} rows[] = {
		{ { { NULL }, 0 }, "", 200 },
		{ { { NULL }, 0 }, "https://a", 200 },
		{ { { "https://a" }, 1 }, "https://a", 200 },
		{ { { "https://a", "https://b" }, 2 }, "https://b", 200 },
		{ { { "https://a" }, 1 }, "https://A", 403 },
		{ { { "https://a" }, 1 }, "https://a.evil", 403 },
		{ { { "https://a" }, 1 }, "", 403 },
		{ { { "https://a", "none" }, 2 }, "", 200 },
		{ { { "https://a", "none" }, 2 }, "none", 403 },
		{ { { "https://a", "none" }, 2 }, "null", 403 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request_rules rules = { .origins = rows[i].allowed };
		struct wt_request req = plain;
		const char *protocol = "";

		req.origin = rows[i].origin;
		assert_int_equal(request_decide(&rules, &req, &protocol),
		    rows[i].status);
	}
}

static void
protocols(void **state)
{
	static const struct {
		const char *offered, *chosen;
	} rows[] = {
		{ "", "" },
		{ "\"x\"", "" },
		{ "\"v1\", \"v2\"", "v2" },
		{ "\"v1\"", "v1" },
		{ "v1", "" },
	};
	struct request_rules rules = { .protocols = { { "v2", "v1" }, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wt_request req = plain;
		const char *protocol = "";

		req.protocols = rows[i].offered;
		assert_int_equal(request_decide(&rules, &req, &protocol), 200);
		assert_string_equal(protocol, rows[i].chosen);
	}
}

static void
expect_pair(struct mp *m, const char *key, const char *value)
{
	struct mp_str s;

	assert_int_equal(mp_str(m, 64, &s), 0);
	assert_true(mp_str_is(s, key));
	assert_int_equal(mp_str(m, 1024, &s), 0);
	assert_true(mp_str_is(s, value));
}

static void
session_open_says_it_all(void **state)
{
	static const char *const fields[] = { "origin", "https://h", "x", "1",
		"cookie", "a=b", "x", "2", "cookie", "c=d", "bad", "\xff"
								  "e" };
	struct wt_request req = plain;
	struct buf b = { 0 };
	struct mp_str s;
	uint32_t count;
	struct mp m;

	(void)state;
	req.origin = "https://h";
	req.path = "/wt?\xff";
	req.fields = fields;
	req.nfields = sizeof(fields) / sizeof(fields[0]);
	request_pack(&b, &req, "v1");
	m = (struct mp){ buf_data(&b), buf_len(&b) };
	assert_int_equal(mp_map(&m, &count), 0);
	assert_int_equal(count, 6);
	expect_pair(&m, "peer", "127.0.0.1 5");
	expect_pair(&m, "authority", "h:1");
	expect_pair(&m, "path", "/wt??");
	expect_pair(&m, "origin", "https://h");
	expect_pair(&m, "protocol", "v1");
	assert_int_equal(mp_str(&m, 64, &s), 0);
	assert_true(mp_str_is(s, "headers"));
	assert_int_equal(mp_map(&m, &count), 0);
	assert_int_equal(count, 3);
	expect_pair(&m, "x", "1, 2");
	expect_pair(&m, "cookie", "a=b; c=d");
	expect_pair(&m, "bad", "?e");
	assert_int_equal(m.n, 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(origins),
		cmocka_unit_test(protocols),
		cmocka_unit_test(session_open_says_it_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
