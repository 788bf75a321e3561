/* Varints, error codes, stream prefixes, frames and SETTINGS of HTTP/3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "h3frame.h"

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ })
#define LIMIT 256 /* bytes of a HEADERS payload */

static void
varint_examples(void **state)
{
	/* RFC 9000 appendix A.1. */
	static const struct {
		uint64_t v;
		size_t n;
		uint8_t p[8];
	} rows[] = {
		{ UINT64_C(151288809941952652), 8,
		    { 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c } },
		{ 494878333, 4, { 0x9d, 0x7f, 0x3e, 0x7d } },
		{ 15293, 2, { 0x7b, 0xbd } },
		{ 37, 1, { 0x25 } },
		{ VARINT_MAX, 8,
		    { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	};
	uint8_t p[8];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 0; n < rows[i].n; n++)
			assert_int_equal(varint_get(rows[i].p, n, &v), 0);
		assert_int_equal(varint_get(rows[i].p, 8, &v), rows[i].n);
		assert_int_equal(v, rows[i].v);
		assert_int_equal(varint_put(p, rows[i].v), rows[i].n);
		assert_memory_equal(p, rows[i].p, rows[i].n);
	}
	/* A longer form than needed is legal. */
	assert_int_equal(varint_get((const uint8_t[]){ 0x40, 0x25 }, 2, &v), 2);
	assert_int_equal(v, 37);
}

static void
varint_edges(void **state)
{
	static const uint64_t edges[] = { 0, 63, 64, 16383, 16384, 1073741823,
		1073741824, VARINT_MAX };
	static const size_t lens[] = { 1, 1, 2, 2, 4, 4, 8, 8 };

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct varint_in in = { 0 };
		uint8_t raw[8];
		const uint8_t *p = raw;
		uint64_t v = 1;
		size_t n;

		assert_int_equal(varint_len(edges[i]), lens[i]);
		assert_int_equal(varint_put(raw, edges[i]), lens[i]);
		for (size_t k = 0; k < lens[i]; k++) {
			n = 1;
			assert_int_equal(varint_take(&in, &p, &n, &v),
			    k + 1 == lens[i]);
			assert_int_equal(n, 0);
		}
		assert_int_equal(v, edges[i]);
	}
}

static void
app_codes_map(void **state)
{
	static const uint32_t codes[] = { 0, 1, 0x1d, 0x1e, 0x1f, 59, 60, 1000,
		UINT32_MAX - 1, UINT32_MAX };
	uint32_t app;

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		uint64_t h3 = h3_from_app_code(codes[i]);

		assert_true((h3 - 0x21) % 0x1f != 0);
		assert_int_equal(h3_to_app_code(h3, &app), 0);
		assert_int_equal(app, codes[i]);
	}
	assert_int_equal(h3_from_app_code(0), H3_WT_CODE_FIRST);
	assert_int_equal(h3_from_app_code(UINT32_MAX), H3_WT_CODE_LAST);
	assert_int_equal(h3_to_app_code(H3_WT_CODE_FIRST - 1, &app), -1);
	assert_int_equal(h3_to_app_code(H3_WT_CODE_LAST + 1, &app), -1);
	assert_int_equal(h3_to_app_code(H3_WT_CODE_FIRST + 0x1e, &app), -1);
	assert_int_equal(h3_to_app_code(H3_NO_ERROR, &app), -1);
	assert_string_equal(h3_error_name(0x106), "H3_FRAME_ERROR");
	assert_string_equal(h3_error_name(0x1234), "?");
}

static void
prefixes(void **state)
{
	static const struct {
		int uni;
		uint8_t bytes[10];
		size_t n, taken;
		enum h3_prefix_kind kind;
		uint64_t session;
	} rows[] = {
		{ 1, { 0x00, 0x04 }, 2, 1, H3_PREFIX_CONTROL, 0 },
		{ 1, { 0x01 }, 1, 1, H3_PREFIX_PUSH, 0 },
		{ 1, { 0x02 }, 1, 1, H3_PREFIX_QPACK_ENCODER, 0 },
		{ 1, { 0x03 }, 1, 1, H3_PREFIX_QPACK_DECODER, 0 },
		{ 1, { 0x40, 0x54, 0x04, 0xaa }, 4, 3, H3_PREFIX_WT, 4 },
		{ 1, { 0x40, 0x54, 0x40, 0x40 }, 4, 4, H3_PREFIX_WT, 64 },
		{ 1, { 0x40, 0x54, 0x01 }, 3, 3, H3_PREFIX_WT_BAD_ID, 1 },
		{ 1, { 0x21 }, 1, 1, H3_PREFIX_UNKNOWN, 0 },
		{ 1, { 0x40 }, 1, 1, H3_PREFIX_MORE, 0 },
		{ 1, { 0x40, 0x41 }, 2, 2, H3_PREFIX_UNKNOWN, 0 },
		{ 0, { 0x40, 0x41, 0x00, 0x55 }, 4, 3, H3_PREFIX_WT, 0 },
		{ 0, { 0x40, 0x41, 0x06 }, 3, 3, H3_PREFIX_WT_BAD_ID, 6 },
		{ 0, { 0x40, 0x41 }, 2, 2, H3_PREFIX_MORE, 0 },
		{ 0, { 0x01, 0x05 }, 2, 1, H3_PREFIX_REQUEST, 0 },
		{ 0, { 0x40, 0x54 }, 2, 2, H3_PREFIX_REQUEST, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct h3_prefix whole = { .uni = rows[i].uni };
		struct h3_prefix bytes = { .uni = rows[i].uni };
		enum h3_prefix_kind kind = H3_PREFIX_MORE;
		const uint8_t *p = rows[i].bytes;
		size_t n = rows[i].n;

		assert_int_equal(h3_prefix_take(&whole, &p, &n), rows[i].kind);
		assert_int_equal(p - rows[i].bytes, rows[i].taken);
		p = rows[i].bytes;
		for (size_t k = 0; k < rows[i].taken; k++) {
			assert_int_equal(kind, H3_PREFIX_MORE);
			n = 1;
			kind = h3_prefix_take(&bytes, &p, &n);
		}
		assert_int_equal(kind, rows[i].kind);
		assert_int_equal(bytes.session, rows[i].session);
		if (kind == H3_PREFIX_REQUEST)
			assert_memory_equal(bytes.raw, rows[i].bytes,
			    rows[i].taken);
	}
}

static void
prefix_put_is_taken(void **state)
{
	struct h3_prefix x = { .uni = 1 };
	uint8_t raw[16];
	const uint8_t *p = raw;
	size_t n;

	(void)state;
	n = h3_prefix_put(raw, H3_STREAM_WT_UNI, UINT64_C(1) << 40);
	assert_int_equal(h3_prefix_take(&x, &p, &n), H3_PREFIX_WT);
	assert_int_equal(n, 0);
	assert_int_equal(x.session, UINT64_C(1) << 40);
	assert_int_equal(h3_prefix_put(raw, H3_STREAM_CONTROL, 9), 1);
}

/* One event of a parser, boiled down to what a test compares. */
struct seen {
	enum h3_event ev;
	uint64_t v; /* bytes of payload, id, type or error */
};

static size_t
run(struct h3_frames *f, const uint8_t *p, size_t n, size_t step,
    struct seen *out, size_t max)
{
	size_t count = 0;

	while (n > 0) {
		size_t k = step < n ? step : n, left = k;
		const uint8_t *q = p;

		for (;;) {
			enum h3_event ev = h3_frames_next(f, &q, &left);
			struct seen s = { ev, 0 };

			if (ev == H3_EV_MORE)
				break;
			if (ev == H3_EV_GOAWAY)
				s.v = f->id;
			else if (ev == H3_EV_IGNORED)
				s.v = f->type;
			else if (ev == H3_EV_ERROR)
				s.v = f->error;
			else
				s.v = f->len;
			/* Pieces of DATA depend on the split: one event. */
			if (ev == H3_EV_DATA && count > 0 &&
			    out[count - 1].ev == H3_EV_DATA)
				out[count - 1].v += s.v;
			else if (count < max)
				out[count++] = s;
			if (ev == H3_EV_ERROR)
				return count;
		}
		assert_int_equal(left, 0);
		p += k;
		n -= k;
	}
	return count;
}

struct frames_case {
	const char *name;
	enum h3_frames_on on;
	int server;
	int connected; /* after the first HEADERS */
	const uint8_t *bytes;
	size_t n;
	struct seen want[8];
	uint64_t end; /* h3_frames_end */
};

#define ERROR(code) { { H3_EV_ERROR, code } }, code
#define CONTROL H3_ON_CONTROL
#define REQUEST H3_ON_REQUEST
#define SETTINGS_EMPTY 0x04, 0x00

static const struct frames_case cases[] = {
	{ "settings, goaway", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x01, 0x08),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_GOAWAY, 8 } },
	    H3_CLOSED_CRITICAL_STREAM },
	{ "goaway comes down only", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x01, 0x04, 0x07, 0x01, 0x05),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_GOAWAY, 4 },
		{ H3_EV_ERROR, H3_ID_ERROR } },
	    H3_ID_ERROR },
	{ "server's goaway is a request id", CONTROL, 0, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x01, 0x05),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_ID_ERROR } },
	    H3_ID_ERROR },
	{ "goaway with no id", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_ERROR } },
	    H3_FRAME_ERROR },
	{ "goaway with two ids", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x02, 0x04, 0x04),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_ERROR } },
	    H3_FRAME_ERROR },
	{ "goaway of 9 bytes", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x07, 0x09),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_ERROR } },
	    H3_FRAME_ERROR },
	{ "grease first", CONTROL, 1, 0, BYTES(0x21, 0x00),
	    ERROR(H3_MISSING_SETTINGS) },
	{ "goaway first", CONTROL, 1, 0, BYTES(0x07, 0x01, 0x00),
	    ERROR(H3_MISSING_SETTINGS) },
	{ "settings twice", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, SETTINGS_EMPTY),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "settings too long", CONTROL, 1, 0, BYTES(0x04, 0x44, 0x01),
	    ERROR(H3_EXCESSIVE_LOAD) },
	{ "grease between", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x21, 0x03, 1, 2, 3, 0x40, 0x5f, 0x00, 0x07,
		0x01, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_IGNORED, 0x21 },
		{ H3_EV_IGNORED, 0x5f }, { H3_EV_GOAWAY, 0 } },
	    H3_CLOSED_CRITICAL_STREAM },
	{ "max_push_id rises", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x0d, 0x01, 0x05, 0x0d, 0x01, 0x04),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_ID_ERROR } },
	    H3_ID_ERROR },
	{ "max_push_id from a server", CONTROL, 0, 0,
	    BYTES(SETTINGS_EMPTY, 0x0d, 0x01, 0x05),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "cancel_push of nothing", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x03, 0x01, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_ID_ERROR } },
	    H3_ID_ERROR },
	{ "data on control", CONTROL, 1, 0, BYTES(SETTINGS_EMPTY, 0x00, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "headers on control", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x01, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "HTTP/2 PING", CONTROL, 1, 0, BYTES(SETTINGS_EMPTY, 0x06, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "0x41 on control", CONTROL, 1, 0,
	    BYTES(SETTINGS_EMPTY, 0x40, 0x41, 0x00),
	    { { H3_EV_SETTINGS, 0 }, { H3_EV_ERROR, H3_FRAME_ERROR } },
	    H3_FRAME_ERROR },
	{ "nothing on control", CONTROL, 1, 0, BYTES(0x04), { { 0, 0 } },
	    H3_CLOSED_CRITICAL_STREAM },

	{ "headers and data", REQUEST, 1, 1,
	    BYTES(0x01, 0x02, 9, 9, 0x00, 0x00, 0x00, 0x03, 1, 2, 3, 0x00, 0x01,
		4),
	    { { H3_EV_HEADERS, 2 }, { H3_EV_DATA, 4 } }, 0 },
	{ "grease before headers", REQUEST, 1, 1,
	    BYTES(0x21, 0x01, 7, 0x01, 0x01, 9, 0x21, 0x00),
	    { { H3_EV_IGNORED, 0x21 }, { H3_EV_HEADERS, 1 },
		{ H3_EV_IGNORED, 0x21 } },
	    0 },
	{ "data first", REQUEST, 1, 0, BYTES(0x00, 0x01, 0x00),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "settings on a request", REQUEST, 1, 0, BYTES(SETTINGS_EMPTY),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "goaway on a request", REQUEST, 1, 0, BYTES(0x07, 0x01, 0x00),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "push_promise from a client", REQUEST, 1, 0, BYTES(0x05, 0x01),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "push_promise from a server", REQUEST, 0, 0, BYTES(0x05, 0x01),
	    ERROR(H3_ID_ERROR) },
	{ "HTTP/2 PRIORITY", REQUEST, 1, 0, BYTES(0x02, 0x00),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "HTTP/2 WINDOW_UPDATE", REQUEST, 1, 0, BYTES(0x08, 0x00),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "HTTP/2 CONTINUATION", REQUEST, 1, 0, BYTES(0x09, 0x00),
	    ERROR(H3_FRAME_UNEXPECTED) },
	{ "0x41 inside", REQUEST, 1, 1,
	    BYTES(0x01, 0x01, 9, 0x40, 0x41, 0x00),
	    { { H3_EV_HEADERS, 1 }, { H3_EV_ERROR, H3_FRAME_ERROR } },
	    H3_FRAME_ERROR },
	{ "trailers of a CONNECT", REQUEST, 1, 1,
	    BYTES(0x01, 0x01, 9, 0x01, 0x01, 9),
	    { { H3_EV_HEADERS, 1 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "trailers of another request, once", REQUEST, 1, 0,
	    BYTES(0x01, 0x01, 9, 0x01, 0x01, 9, 0x01, 0x01, 9),
	    { { H3_EV_HEADERS, 1 }, { H3_EV_HEADERS, 1 },
		{ H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "interim responses", REQUEST, 0, 0,
	    BYTES(0x01, 0x01, 9, 0x01, 0x01, 9, 0x00, 0x01, 5, 0x01, 0x01, 9,
		0x00, 0x01),
	    { { H3_EV_HEADERS, 1 }, { H3_EV_HEADERS, 1 }, { H3_EV_DATA, 1 },
		{ H3_EV_HEADERS, 1 }, { H3_EV_ERROR, H3_FRAME_UNEXPECTED } },
	    H3_FRAME_UNEXPECTED },
	{ "headers over the limit", REQUEST, 1, 0, BYTES(0x01, 0x41, 0x01),
	    ERROR(H3_EXCESSIVE_LOAD) },
	{ "end inside headers", REQUEST, 1, 0, BYTES(0x01, 0x02, 9),
	    { { 0, 0 } }, H3_FRAME_ERROR },
	{ "end inside a type", REQUEST, 1, 1, BYTES(0x01, 0x01, 9, 0x40),
	    { { H3_EV_HEADERS, 1 } }, H3_FRAME_ERROR },
	{ "end inside a skipped frame", REQUEST, 1, 1,
	    BYTES(0x01, 0x01, 9, 0x21, 0x02, 1),
	    { { H3_EV_HEADERS, 1 }, { H3_EV_IGNORED, 0x21 } }, H3_FRAME_ERROR },
	{ "end before headers", REQUEST, 1, 0, BYTES(0x21, 0x00),
	    { { H3_EV_IGNORED, 0x21 } }, H3_REQUEST_INCOMPLETE },
};

/* The first HEADERS are the CONNECT where the case says so. */
static size_t
run_case(const struct frames_case *c, struct h3_frames *f, size_t step,
    struct seen *out)
{
	size_t k, count;

	h3_frames_init(f, c->on, c->server, LIMIT);
	if (!c->connected)
		return run(f, c->bytes, c->n, step, out, 8);
	for (k = 0, count = 0; k < c->n && !f->headers; k++)
		count += run(f, c->bytes + k, 1, 1, out + count, 8 - count);
	/* The headers' type and length are through; now their payload. */
	for (; k < c->n; k++) {
		size_t more = run(f, c->bytes + k, 1, 1, out + count,
		    8 - count);

		count += more;
		if (more > 0)
			break;
	}
	h3_frames_connected(f);
	k++;
	if (k < c->n)
		count += run(f, c->bytes + k, c->n - k, step, out + count,
		    8 - count);
	return count;
}

static void
frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frames_case *c = &cases[i];

		for (size_t step = 1; step <= 16; step++) {
			struct seen got[8] = { { 0, 0 } };
			struct h3_frames f;
			size_t want = 0, n;

			n = run_case(c, &f, step, got);
			while (want < 8 && c->want[want].ev != H3_EV_MORE)
				want++;
			if (n != want || h3_frames_end(&f) != c->end)
				fail_msg("%s, step %zu: %zu events, end %s",
				    c->name, step, n,
				    h3_error_name(h3_frames_end(&f)));
			for (size_t k = 0; k < n; k++)
				if (got[k].ev != c->want[k].ev ||
				    got[k].v != c->want[k].v)
					fail_msg("%s, step %zu: event %zu is "
						 "%d %#lx",
					    c->name, step, k, got[k].ev,
					    (unsigned long)got[k].v);
			h3_frames_free(&f);
		}
	}
}

static void
headers_are_whole(void **state)
{
	uint8_t raw[2 * VARINT_LEN_MAX + 100];
	struct h3_frames f;
	const uint8_t *p = raw;
	size_t n, left = 0;

	(void)state;
	n = h3_frame_put(raw, H3_FRAME_HEADERS, 100);
	for (size_t i = 0; i < 100; i++)
		raw[n + i] = (uint8_t)i;
	n += 100;
	h3_frames_init(&f, H3_ON_REQUEST, 1, LIMIT);
	for (size_t i = 0; i < n; i += 10) {
		left = n - i < 10 ? n - i : 10;
		if (h3_frames_next(&f, &p, &left) == H3_EV_HEADERS)
			break;
	}
	assert_ptr_equal(p, raw + n);
	assert_int_equal(f.len, 100);
	assert_memory_equal(f.payload, raw + n - 100, 100);
	h3_frames_free(&f);
}

static void
settings_ours_come_back(void **state)
{
	uint8_t raw[H3_SETTINGS_FRAME_LEN];
	struct h3_settings a, b;
	struct h3_frames f;
	const uint8_t *p = raw;
	size_t n;

	(void)state;
	h3_settings_ours(&a, 16, 16384);
	n = h3_settings_put(raw, &a);
	assert_true(n <= sizeof(raw));
	h3_frames_init(&f, H3_ON_CONTROL, 0, LIMIT);
	assert_int_equal(h3_frames_next(&f, &p, &n), H3_EV_SETTINGS);
	assert_int_equal(n, 0);
	assert_int_equal(h3_settings_get(f.payload, f.len, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(b.qpack_max_table_capacity, 0);
	assert_int_equal(b.wt_draft02, 1);
	assert_int_equal(b.wt_draft07_max_sessions, 16);
	assert_int_equal(b.h3_datagram, 1);
	h3_frames_free(&f);
}

static uint64_t
get(const uint8_t *p, size_t n)
{
	struct h3_settings s;

	return h3_settings_get(p, n, &s);
}

static void
settings_that_are_wrong(void **state)
{
	uint8_t many[H3_SETTINGS_MAX + 2] = { 0 };
	struct h3_settings s;
	size_t n = 0;

	(void)state;
	assert_int_equal(get(NULL, 0), 0);
	assert_int_equal(get(BYTES(0x08, 1, 0x08, 1)), H3_SETTINGS_ERROR);
	assert_int_equal(get(BYTES(0x21, 1, 0x21, 1)), H3_SETTINGS_ERROR);
	for (uint8_t id = 2; id <= 5; id++)
		assert_int_equal(get((const uint8_t[]){ id, 0 }, 2),
		    H3_SETTINGS_ERROR);
	assert_int_equal(get(BYTES(0x08, 2)), H3_SETTINGS_ERROR);
	assert_int_equal(get(BYTES(0x33, 2)), H3_SETTINGS_ERROR);
	assert_int_equal(get(BYTES(0x33)), H3_FRAME_ERROR);
	assert_int_equal(get(BYTES(0x33, 0x40)), H3_FRAME_ERROR);
	assert_int_equal(get(BYTES(0x40)), H3_FRAME_ERROR);
	assert_int_equal(h3_settings_get(
			     (const uint8_t[]){ 0x21, 7, 0x33, 1 }, 4, &s),
	    0);
	assert_int_equal(s.unknown, 1);
	assert_int_equal(s.h3_datagram, 1);
	assert_int_equal(s.max_field_section_size, UINT64_MAX);
	for (uint64_t i = 0; i <= H3_SETTINGS_ENTRIES; i++) {
		n += varint_put(many + n, 100 + i);
		n += varint_put(many + n, 1);
	}
	assert_int_equal(get(many, n), H3_EXCESSIVE_LOAD);
	assert_int_equal(get(many, sizeof(many)), H3_EXCESSIVE_LOAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varint_examples),
		cmocka_unit_test(varint_edges),
		cmocka_unit_test(app_codes_map),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(prefix_put_is_taken),
		cmocka_unit_test(frames),
		cmocka_unit_test(headers_are_whole),
		cmocka_unit_test(settings_ours_come_back),
		cmocka_unit_test(settings_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
