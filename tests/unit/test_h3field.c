/* Field sections, the rules about them, and subprotocol lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h3field.h"
#include "h3frame.h"
#include "sflist.h"

#define LIMIT 16384

/* Takes the HEADERS frame at the front of b apart; its payload. */
static const uint8_t *
payload(struct buf *b, size_t *n)
{
	uint64_t type, len;
	size_t k;

	k = varint_get(buf_data(b), buf_len(b), &type);
	assert_int_equal(type, H3_FRAME_HEADERS);
	buf_consume(b, k);
	k = varint_get(buf_data(b), buf_len(b), &len);
	buf_consume(b, k);
	assert_int_equal(len, buf_len(b));
	*n = len;
	return buf_data(b);
}

/*
 * A section by hand: literal field lines with literal names and no Huffman
 * code (RFC 9204 section 4.5.6). rows ends with a NULL.
 */
static void
section(struct buf *b, const char *const *rows)
{
	buf_append(b, "\0\0", 2); /* required insert count, base */
	for (; rows[0] != NULL; rows += 2) {
		size_t name = strlen(rows[0]), value = strlen(rows[1]);
		uint8_t head[2] = { 0x27, 0 };

		if (name < 7) {
			head[0] = (uint8_t)(0x20 | name);
			buf_append(b, head, 1);
		} else {
			assert_true(name - 7 < 128);
			head[1] = (uint8_t)(name - 7);
			buf_append(b, head, 2);
		}
		buf_append(b, rows[0], name);
		assert_true(value < 127);
		head[0] = (uint8_t)value;
		buf_append(b, head, 1);
		buf_append(b, rows[1], value);
	}
}

static void
request_comes_back(void **state)
{
	static const char *const extra[] = { "origin", "https://example.org",
		"wt-available-protocols", "\"a\", \"b\"", "x-empty", "" };
	struct buf b = { 0 };
	struct h3_fields f;
	size_t n;
	const uint8_t *p;

	(void)state;
	assert_int_equal(h3_request_put(&b, "example.org:4433", "/wt?x=1",
			     extra, 6),
	    0);
	p = payload(&b, &n);
	assert_int_equal(h3_request_get(p, n, LIMIT, &f, NULL), H3_FIELD_OK);
	assert_int_equal(f.kind, H3_REQUEST_WEBTRANSPORT);
	assert_string_equal(f.method, "CONNECT");
	assert_string_equal(f.scheme, "https");
	assert_string_equal(f.authority, "example.org:4433");
	assert_string_equal(f.path, "/wt?x=1");
	assert_string_equal(f.protocol, "webtransport");
	assert_string_equal(h3_fields_find(&f, "origin"),
	    "https://example.org");
	assert_string_equal(h3_fields_find(&f, "x-empty"), "");
	assert_null(h3_fields_find(&f, "nope"));
	assert_int_equal(f.nfields, 8);
	h3_fields_free(&f);
	buf_free(&b);
}

static void
response_comes_back(void **state)
{
	static const char *const extra[] = { "wt-protocol", "\"b\"" };
	struct buf b = { 0 };
	struct h3_fields f;
	size_t n;
	const uint8_t *p;

	(void)state;
	assert_int_equal(h3_response_put(&b, 200, extra, 2), 0);
	p = payload(&b, &n);
	assert_int_equal(h3_response_get(p, n, LIMIT, &f, NULL), H3_FIELD_OK);
	assert_int_equal(f.status, 200);
	assert_string_equal(h3_fields_find(&f, "wt-protocol"), "\"b\"");
	h3_fields_free(&f);
	buf_free(&b);
	assert_int_equal(h3_response_put(&b, 404, NULL, 0), 0);
	p = payload(&b, &n);
	assert_int_equal(h3_response_get(p, n, LIMIT, &f, NULL), H3_FIELD_OK);
	assert_int_equal(f.status, 404);
	assert_int_equal(f.nfields, 0);
	h3_fields_free(&f);
	buf_free(&b);
}

#define GET ":method", "GET", ":scheme", "https", ":path", "/"
#define XCONNECT ":method", "CONNECT", ":scheme", "https", ":path", "/wt", \
	":authority", "h"

static const struct {
	const char *rows[16];
	enum h3_field_result want;
	enum h3_request_kind kind;
} requests[] = {
	{ { GET, ":authority", "h" }, H3_FIELD_OK, H3_REQUEST_OTHER },
	{ { GET, "host", "h" }, H3_FIELD_OK, H3_REQUEST_OTHER },
	{ { GET, ":authority", "h", "host", "h" }, H3_FIELD_OK,
	    H3_REQUEST_OTHER },
	{ { GET, ":authority", "h", "te", "trailers" }, H3_FIELD_OK,
	    H3_REQUEST_OTHER },
	{ { ":method", "OPTIONS", ":scheme", "https", ":path", "*",
	      ":authority", "h" },
	    H3_FIELD_OK, H3_REQUEST_OTHER },
	{ { ":method", "CONNECT", ":authority", "h:1" }, H3_FIELD_OK,
	    H3_REQUEST_CONNECT },
	{ { XCONNECT, ":protocol", "connect-udp" }, H3_FIELD_OK,
	    H3_REQUEST_CONNECT },
	{ { XCONNECT, ":protocol", "webtransport" }, H3_FIELD_OK,
	    H3_REQUEST_WEBTRANSPORT },
	{ { XCONNECT, ":protocol", "webtransport-h3", "a", "b" }, H3_FIELD_OK,
	    H3_REQUEST_WEBTRANSPORT },

	{ { NULL }, H3_FIELD_MALFORMED, 0 },
	{ { GET }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "host", "i" }, H3_FIELD_MALFORMED, 0 },
	{ { ":scheme", "https", ":path", "/", ":authority", "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "GET", ":path", "/", ":authority", "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "GET", ":scheme", "https", ":authority", "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "GET", ":scheme", "https", ":path", "x", ":authority",
	      "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "GET", ":scheme", "https", ":path", "*", ":authority",
	      "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", ":protocol", "webtransport" },
	    H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", ":authority", "h" }, H3_FIELD_MALFORMED,
	    0 },
	{ { GET, ":authority", "h", ":status", "200" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", ":x", "y" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, "a", "b", ":authority", "h" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "Upper", "b" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "", "b" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", ":", "b" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "a b", "b" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "a", "b\rc" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "a", " b" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "a", "b\t" }, H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "connection", "close" },
	    H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "transfer-encoding", "chunked" },
	    H3_FIELD_MALFORMED, 0 },
	{ { GET, ":authority", "h", "te", "gzip" }, H3_FIELD_MALFORMED, 0 },
	{ { ":method", "CONNECT", ":authority", "h:1", ":path", "/" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "CONNECT" }, H3_FIELD_MALFORMED, 0 },
	{ { ":method", "CONNECT", ":scheme", "https", ":path", "/wt",
	      ":protocol", "webtransport", "host", "h" },
	    H3_FIELD_MALFORMED, 0 },
	{ { ":method", "CONNECT", ":scheme", "http", ":path", "/wt",
	      ":authority", "h", ":protocol", "webtransport" },
	    H3_FIELD_MALFORMED, 0 },
};

static void
request_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const char *why = NULL;
		struct buf b = { 0 };
		struct h3_fields f;
		enum h3_field_result rc;

		section(&b, requests[i].rows);
		rc = h3_request_get(buf_data(&b), buf_len(&b), LIMIT, &f, &why);
		if (rc != requests[i].want ||
		    (rc == H3_FIELD_OK && f.kind != requests[i].kind) ||
		    (rc == H3_FIELD_MALFORMED && why == NULL))
			fail_msg("request %zu: %d, %s", i, rc, why);
		h3_fields_free(&f);
		buf_free(&b);
	}
}

static void
response_rules(void **state)
{
	static const struct {
		const char *rows[6];
		enum h3_field_result want;
	} rows[] = {
		{ { ":status", "200", "a", "b" }, H3_FIELD_OK },
		{ { ":status", "099" }, H3_FIELD_MALFORMED },
		{ { ":status", "2000" }, H3_FIELD_MALFORMED },
		{ { ":status", "20x" }, H3_FIELD_MALFORMED },
		{ { ":status", "200", ":status", "200" }, H3_FIELD_MALFORMED },
		{ { "a", "b" }, H3_FIELD_MALFORMED },
		{ { ":path", "/" }, H3_FIELD_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = { 0 };
		struct h3_fields f;

		section(&b, rows[i].rows);
		assert_int_equal(h3_response_get(buf_data(&b), buf_len(&b),
				     LIMIT, &f, NULL),
		    rows[i].want);
		h3_fields_free(&f);
		buf_free(&b);
	}
}

static void
limits(void **state)
{
	static const char *const rows[] = { GET, ":authority", "h", "a", "b",
		NULL };
	struct buf b = { 0 };
	struct h3_fields f;
	size_t size;

	(void)state;
	section(&b, rows);
	assert_int_equal(h3_request_get(buf_data(&b), buf_len(&b), LIMIT, &f,
			     NULL),
	    H3_FIELD_OK);
	size = f.size;
	assert_int_equal(size, 5 * H3_FIELD_OVERHEAD + 10 + 12 + 6 + 11 + 2);
	h3_fields_free(&f);
	assert_int_equal(h3_request_get(buf_data(&b), buf_len(&b), size, &f,
			     NULL),
	    H3_FIELD_OK);
	h3_fields_free(&f);
	assert_int_equal(h3_request_get(buf_data(&b), buf_len(&b), size - 1,
			     &f, NULL),
	    H3_FIELD_TOO_LARGE);
	h3_fields_free(&f);
	buf_free(&b);
}

static void
qpack_errors(void **state)
{
	/* Needs an insert; a dynamic reference; cut short; nothing at all. */
	static const struct {
		uint8_t bytes[4];
		size_t n;
	} rows[] = { { { 0x02, 0x00, 0x80 }, 3 }, { { 0x00, 0x00, 0x80 }, 3 },
		{ { 0x00, 0x00, 0x27 }, 3 }, { { 0x00 }, 1 }, { { 0 }, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct h3_fields f;

		if (h3_request_get(rows[i].bytes, rows[i].n, LIMIT, &f,
			NULL) != H3_FIELD_QPACK)
			fail_msg("row %zu", i);
		h3_fields_free(&f);
	}
}

static int
join(void *ctx, const char *member)
{
	strcat(ctx, "<");
	strcat(ctx, member);
	strcat(ctx, ">");
	return 0;
}

static void
lists(void **state)
{
	static const struct {
		const char *s;
		int n;
		const char *members;
	} rows[] = {
		{ "", 0, "" },
		{ "\"a\"", 1, "<a>" },
		{ " \"a\" ,\t\"b c\"  ", 2, "<a><b c>" },
		{ "\"a\\\"b\\\\\"", 1, "<a\"b\\>" },
		{ "\"a\";q=0.5;x, \"b\";y=\"z\";t=tok;u=:aGk=:;v=?1;w=-3", 2,
		    "<a><b>" },
		{ "\"\"", 1, "<>" },
		{ "\"a\",", -1, "" },
		{ ",\"a\"", -1, "" },
		{ "\"a\" \"b\"", -1, "" },
		{ "a", -1, "" },
		{ "\"a\", 5", -1, "" },
		{ "(\"a\")", -1, "" },
		{ "\"a", -1, "" },
		{ "\"a\\", -1, "" },
		{ "\"a\\b\"", -1, "" },
		{ "\"\xc3\xa4\"", -1, "" },
		{ "\"a\";", -1, "" },
		{ "\"a\";q=", -1, "" },
		{ "\"a\";q=:x", -1, "" },
		{ "\"a\";q=?2", -1, "" },
		{ "\"a\";Q", -1, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[256] = "";

		if (sf_list_each(rows[i].s, join, got) != rows[i].n ||
		    strcmp(got, rows[i].members) != 0)
			fail_msg("%s: %s", rows[i].s, got);
	}
}

static void
list_limits(void **state)
{
	char s[8 * (SF_LIST_MAX + 1) + 1] = "", big[SF_STRING_MAX + 3];

	(void)state;
	for (int i = 0; i < SF_LIST_MAX; i++)
		strcat(s, i == 0 ? "\"a\"" : ",\"a\"");
	assert_int_equal(sf_list_each(s, NULL, NULL), SF_LIST_MAX);
	strcat(s, ",\"a\"");
	assert_int_equal(sf_list_each(s, NULL, NULL), -1);
	memset(big, 'x', sizeof(big));
	big[0] = big[SF_STRING_MAX] = '"';
	big[SF_STRING_MAX + 1] = '\0';
	assert_int_equal(sf_list_each(big, NULL, NULL), 1);
	big[SF_STRING_MAX] = 'x';
	big[SF_STRING_MAX + 1] = '"';
	big[SF_STRING_MAX + 2] = '\0';
	assert_int_equal(sf_list_each(big, NULL, NULL), -1);
}

static void
choices(void **state)
{
	static const char *const allowed[] = { "b", "a" };

	(void)state;
	assert_string_equal(sf_list_choose("\"a\", \"b\"", allowed, 2), "b");
	assert_string_equal(sf_list_choose("\"x\", \"a\"", allowed, 2), "a");
	assert_null(sf_list_choose("\"x\"", allowed, 2));
	assert_null(sf_list_choose("", allowed, 2));
	assert_null(sf_list_choose("\"a\", b", allowed, 2));
	assert_null(sf_list_choose("\"a\"", allowed, 0));
}

static void
strings(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(sf_string_put(out, sizeof(out), "a\"b\\c"), 0);
	assert_string_equal(out, "\"a\\\"b\\\\c\"");
	assert_int_equal(sf_string_get(out, out, sizeof(out)), 0);
	assert_string_equal(out, "a\"b\\c");
	assert_int_equal(sf_string_put(out, 5, "ab"), 0);
	assert_int_equal(sf_string_put(out, 4, "ab"), -1);
	assert_int_equal(sf_string_put(out, sizeof(out), "\n"), -1);
	assert_int_equal(sf_string_get("\"a\";x=1", out, sizeof(out)), 0);
	assert_int_equal(sf_string_get("\"a\", \"b\"", out, sizeof(out)), -1);
	assert_int_equal(sf_string_get("\"abc\"", out, 3), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_comes_back),
		cmocka_unit_test(response_comes_back),
		cmocka_unit_test(request_rules),
		cmocka_unit_test(response_rules),
		cmocka_unit_test(limits),
		cmocka_unit_test(qpack_errors),
		cmocka_unit_test(lists),
		cmocka_unit_test(list_limits),
		cmocka_unit_test(choices),
		cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
