/* msgpack cursor and the delivery messages of INTERFACES.md section 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "dmsg.h"
#include "mp.h"
#include "rec.h"

#define LIT(s) (const uint8_t *)(s), sizeof(s) - 1

static void
put_pair(msgpack_packer *pk, const char *k, uint64_t v)
{
	mp_put_pair_uint(pk, k, v);
}

static struct mp_str
str_of(const char *s)
{
	return (struct mp_str){ s, (uint32_t)strlen(s) };
}

static void
mp_reads_every_token(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum mp_type type;
		uint64_t u; /* value, length or count */
	} rows[] = {
		{ "\x00", 1, MP_UINT, 0 },
		{ "\x7f", 1, MP_UINT, 127 },
		{ "\xcc\xff", 2, MP_UINT, 255 },
		{ "\xcd\x01\x00", 3, MP_UINT, 256 },
		{ "\xce\xff\xff\xff\xff", 5, MP_UINT, 0xffffffff },
		{ "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, MP_UINT,
		    UINT64_MAX },
		{ "\xd0\x05", 2, MP_UINT, 5 },
		{ "\xd1\x7f\xff", 3, MP_UINT, 32767 },
		{ "\xff", 1, MP_INT, (uint64_t)-1 },
		{ "\xe0", 1, MP_INT, (uint64_t)-32 },
		{ "\xd0\x80", 2, MP_INT, (uint64_t)-128 },
		{ "\xd2\xff\xff\xff\xfe", 5, MP_INT, (uint64_t)-2 },
		{ "\xd3\x80\0\0\0\0\0\0\0", 9, MP_INT,
		    UINT64_C(1) << 63 },
		{ "\xc0", 1, MP_NIL, 0 },
		{ "\xc2", 1, MP_BOOL, 0 },
		{ "\xc3", 1, MP_BOOL, 1 },
		{ "\xa3" "abc", 4, MP_STR, 3 },
		{ "\xd9\x01" "a", 3, MP_STR, 1 },
		{ "\xda\x00\x02" "ab", 5, MP_STR, 2 },
		{ "\xdb\0\0\0\x01" "a", 6, MP_STR, 1 },
		{ "\xc4\x02" "ab", 4, MP_BIN, 2 },
		{ "\xc5\x00\x01" "a", 4, MP_BIN, 1 },
		{ "\xc6\0\0\0\0", 5, MP_BIN, 0 },
		{ "\xd4\x01" "a", 3, MP_EXT, 2 },
		{ "\xd8\x01" "0123456789abcdef", 18, MP_EXT, 17 },
		{ "\xc7\x01\x07" "a", 4, MP_EXT, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mp m = { (const uint8_t *)rows[i].bytes, rows[i].n };
		struct mp_value v;

		assert_int_equal(mp_next(&m, &v), 0);
		assert_int_equal(v.type, rows[i].type);
		assert_int_equal(m.n, 0);
		if (v.type == MP_UINT || v.type == MP_INT)
			assert_true(v.u == rows[i].u);
		else if (v.type == MP_BOOL)
			assert_int_equal(v.b, rows[i].u);
		else if (v.type != MP_NIL)
			assert_int_equal(v.s.n, rows[i].u);
		/* Cut anywhere it is refused, not read past the end. */
		for (size_t n = 0; n < rows[i].n; n++) {
			uint8_t *cut = malloc(n + 1);

			memcpy(cut, rows[i].bytes, n);
			m = (struct mp){ cut, n };
			assert_int_equal(mp_next(&m, &v), -1);
			free(cut);
		}
	}
}

static void
mp_reads_floats(void **state)
{
	struct mp m = { LIT("\xca\x3f\xc0\0\0\xcb\xc0\x04\0\0\0\0\0\0") };
	struct mp_value v;

	(void)state;
	assert_int_equal(mp_next(&m, &v), 0);
	assert_true(v.type == MP_FLOAT && v.d > 1.49 && v.d < 1.51);
	assert_int_equal(mp_next(&m, &v), 0);
	assert_true(v.type == MP_FLOAT && v.d < -2.49 && v.d > -2.51);
	assert_int_equal(mp_next(&m, &v), -1);
}

static void
mp_counts_fit_what_is_left(void **state)
{
	static const char *const bad[] = { "\xdd\xff\xff\xff\xff",
		"\xdf\xff\xff\xff\xff", "\x81\x01", "\x92\x01", "\xc1",
		"\xdb\xff\xff\xff\xff" };
	static const size_t len[] = { 5, 5, 2, 2, 1, 5 };
	struct mp_value v;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct mp m = { (const uint8_t *)bad[i], len[i] };

		assert_int_equal(mp_next(&m, &v), -1);
	}
}

static void
mp_skips_deep_nesting(void **state)
{
	size_t n = 1 << 20;
	uint8_t *p = malloc(n);
	struct mp m = { p, n };

	(void)state;
	memset(p, 0x91, n);
	assert_int_equal(mp_skip(&m), -1);
	p[n - 1] = 0xc0;
	m = (struct mp){ p, n };
	assert_int_equal(mp_skip(&m), 0);
	assert_int_equal(m.n, 0);
	free(p);
}

static void
mp_str_is_text(void **state)
{
	struct mp_str s;
	struct mp m = { LIT("\xa2" "a\0") };
	char dst[3];

	(void)state;
	assert_int_equal(mp_str(&m, 10, &s), -1);
	m = (struct mp){ LIT("\xa1\xff") };
	assert_int_equal(mp_str(&m, 10, &s), -1);
	m = (struct mp){ LIT("\xa3" "abc") };
	assert_int_equal(mp_str(&m, 2, &s), -1);
	m = (struct mp){ LIT("\xa3" "abc") };
	assert_int_equal(mp_str(&m, 3, &s), 0);
	assert_true(mp_str_is(s, "abc"));
	assert_false(mp_str_is(s, "ab"));
	assert_int_equal(mp_str_copy(s, dst, sizeof(dst)), -1);
}

static void
hello_round_trip(void **state)
{
	struct dmsg_hello h = { .version = DMSG_VERSION, .route = "r1",
		.service = "video", .nheaders = 2 };
	struct buf b = { 0 };
	struct dmsg m;

	(void)state;
	h.headers[0] = (struct dmsg_header){ str_of("X-A"), str_of("1") };
	h.headers[1] = (struct dmsg_header){ str_of("X-B"), str_of("") };
	dmsg_put_hello(&b, &h);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), 0);
	assert_int_equal(m.cmd, DMSG_HELLO);
	assert_int_equal(m.hello.version, DMSG_VERSION);
	assert_string_equal(m.hello.route, "r1");
	assert_string_equal(m.hello.service, "video");
	assert_int_equal(m.hello.nheaders, 2);
	assert_true(mp_str_is(m.hello.headers[0].name, "X-A"));
	assert_true(mp_str_is(m.hello.headers[0].value, "1"));
	assert_true(mp_str_is(m.hello.headers[1].value, ""));
	/* Every cut of it, and every extra byte, is malformed. */
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_int_equal(dmsg_get(buf_data(&b), n, &m, NULL), -1);
	buf_append(&b, "", 1);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), -1);
	buf_free(&b);
}

static void
grant_round_trip(void **state)
{
	struct dmsg_grant g = { "sinkinstance", "routeinstance", 1, 2,
		UINT64_MAX };
	struct buf b = { 0 };
	struct dmsg m;

	(void)state;
	dmsg_put_grant(&b, &g);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), 0);
	assert_int_equal(m.cmd, DMSG_GRANT);
	assert_string_equal(m.grant.sink, g.sink);
	assert_string_equal(m.grant.route, g.route);
	assert_true(m.grant.acked == 1 && m.grant.packets == 2 &&
	    m.grant.bytes == UINT64_MAX);
	buf_free(&b);
}

static void
bad_map(const char *expect, const uint8_t *p, size_t n)
{
	const char *why = "";
	struct dmsg m;

	assert_int_equal(dmsg_get(p, n, &m, &why), -1);
	assert_string_equal(why, expect);
}

static void
maps_that_are_malformed(void **state)
{
	static uint8_t big[DMSG_MAP_MAX + 1];
	struct dmsg m;

	(void)state;
	bad_map("not a map with string keys", LIT(""));
	bad_map("not a map with string keys", LIT("\x90"));
	bad_map("not a map with string keys", LIT("\x81\x01\x01"));
	bad_map("no cmd", LIT("\x80"));
	bad_map("no cmd", LIT("\x81\xa1" "a\x01"));
	bad_map("bad cmd", LIT("\x81\xa3" "cmd\x01"));
	bad_map("bad cmd", LIT("\x82\xa3" "cmd\xa1" "a\xa3" "cmd\xa1" "a"));
	bad_map("bytes after the map", LIT("\x81\xa3" "cmd\xa1" "a\x01"));
	bad_map("missing key", LIT("\x81\xa3" "cmd\xa5" "grant"));
	bad_map("map is too long", big, sizeof(big));
	assert_int_equal(dmsg_get(LIT("\x81\xa3" "cmd\xa4" "what"), &m, NULL),
	    0);
	assert_int_equal(m.cmd, DMSG_UNKNOWN);
}

/* A packets map by hand: route as given, n pairs first and count. */
static void
put_packets_map(struct buf *b, const char *route, uint64_t first,
    uint64_t count, int extra)
{
	msgpack_packer pk;

	b->start = b->end = 0;
	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, (size_t)(extra ? 6 : 5));
	mp_put_pair_str(&pk, "cmd", "packets");
	mp_put_pair_str(&pk, "route", route);
	put_pair(&pk, "first", first);
	put_pair(&pk, "count", count);
	mp_put_pair_str(&pk, "sink", "s");
	if (extra == 1)
		put_pair(&pk, "first", first);
	else if (extra == 2)
		mp_put_pair_str(&pk, "future", "thing");
	else if (extra == 3)
		mp_put_pair_str(&pk, "first", "1");
}

static void
fields_that_are_malformed(void **state)
{
	char name[DMSG_INSTANCE_MAX + 2];
	struct buf b = { 0 };
	struct dmsg m;

	(void)state;
	put_packets_map(&b, "r", 5, 1, 0);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), 0);
	put_packets_map(&b, "r", 5, 1, 2);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), 0);
	assert_int_equal(m.packets.first, 5);
	put_packets_map(&b, "r", 5, 1, 1);
	bad_map("first", buf_data(&b), buf_len(&b));
	put_packets_map(&b, "r", 5, 1, 3);
	bad_map("first", buf_data(&b), buf_len(&b));
	put_packets_map(&b, "", 5, 1, 0);
	bad_map("route", buf_data(&b), buf_len(&b));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	put_packets_map(&b, name, 5, 1, 0);
	bad_map("route", buf_data(&b), buf_len(&b));
	name[DMSG_INSTANCE_MAX] = '\0';
	put_packets_map(&b, name, 5, 1, 0);
	assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b), &m, NULL), 0);
	put_packets_map(&b, "r", 5, 0, 0);
	bad_map("count", buf_data(&b), buf_len(&b));
	put_packets_map(&b, "r", 5, DMSG_COUNT_MAX + 1, 0);
	bad_map("count", buf_data(&b), buf_len(&b));
	put_packets_map(&b, "r", UINT64_MAX, 1, 0);
	bad_map("count", buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static void
too_many_headers(void **state)
{
	struct buf b = { 0 };
	msgpack_packer pk;

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		struct dmsg m;

		b.start = b.end = 0;
		mp_packer_init(&pk, &b);
		msgpack_pack_map(&pk, 5);
		mp_put_pair_str(&pk, "cmd", "hello");
		put_pair(&pk, "version", 1);
		mp_put_pair_str(&pk, "route", "r");
		mp_put_pair_str(&pk, "service", "s");
		mp_put_str(&pk, "headers");
		msgpack_pack_map(&pk, (size_t)DMSG_HEADERS_MAX + bad);
		for (int i = 0; i < DMSG_HEADERS_MAX + bad; i++)
			mp_put_pair_str(&pk, "k", "v");
		if (bad)
			bad_map("headers", buf_data(&b), buf_len(&b));
		else
			assert_int_equal(dmsg_get(buf_data(&b), buf_len(&b),
			    &m, NULL), 0);
	}
	buf_free(&b);
}

/* Three records: SESSION_OPEN, two PACKETs. */
static void
make_frames(struct buf *f1, struct buf *f2)
{
	uint8_t track[40] = { 0 }, num[24];
	struct rec r = { .type = REC_SESSION_OPEN, .session = 7,
		.stream = REC_NO_STREAM };

	rec_append(f2, &r);
	r = (struct rec){ .len = 40, .type = REC_PACKET, .session = 7,
		.stream = 4, .payload = track };
	rec_append(f2, &r);
	r.len = 32;
	rec_append(f2, &r);
	be64_put(num, DMSG_NO_NUMBER);
	be64_put(num + 8, 0);
	be64_put(num + 16, 1);
	buf_append(f1, num, sizeof(num));
}

static void
iter_walks_records(void **state)
{
	struct dmsg_packets p = { "r", 0, 3, "s" };
	struct buf f1 = { 0 }, f2 = { 0 };
	struct dmsg_iter it;
	uint64_t number;
	struct rec r;

	(void)state;
	make_frames(&f1, &f2);
	assert_int_equal(dmsg_iter_init(&it, &p, buf_data(&f1), buf_len(&f1),
	    buf_data(&f2), buf_len(&f2), NULL), 0);
	assert_int_equal(dmsg_iter_next(&it, &number, &r), 32);
	assert_true(number == DMSG_NO_NUMBER && r.type == REC_SESSION_OPEN);
	assert_int_equal(dmsg_iter_next(&it, &number, &r), 72);
	assert_true(number == 0 && r.len == 40 && r.stream == 4);
	assert_int_equal(dmsg_iter_next(&it, &number, &r), 64);
	assert_true(number == 1 && r.len == 32);
	assert_int_equal(dmsg_iter_next(&it, &number, &r), 0);
	buf_free(&f1);
	buf_free(&f2);
}

static void
iter_refuses_disagreement(void **state)
{
	struct dmsg_packets p = { "r", 0, 3, "s" };
	struct buf f1 = { 0 }, f2 = { 0 };
	struct dmsg_iter it;
	const char *why;
	uint8_t *d1, *d2;

	(void)state;
	make_frames(&f1, &f2);
	d1 = buf_data(&f1);
	d2 = buf_data(&f2);
#define TRY(n1, n2) dmsg_iter_init(&it, &p, d1, n1, d2, n2, &why)
	for (size_t n = 0; n < buf_len(&f1); n++)
		assert_int_equal(TRY(n, buf_len(&f2)), -1);
	for (size_t n = 0; n < buf_len(&f2); n++)
		assert_int_equal(TRY(buf_len(&f1), n), -1);
	p.count = 2;
	assert_int_equal(TRY(16, buf_len(&f2)), -1);
	assert_string_equal(why, "records disagree with count");
	assert_int_equal(TRY(24, buf_len(&f2)), -1);
	assert_string_equal(why, "packet numbers disagree with count");
	p.count = 3;
	be64_put(d1 + 8, DMSG_NO_NUMBER);
	assert_int_equal(TRY(24, buf_len(&f2)), -1);
	assert_string_equal(why, "packet number disagrees with record type");
	be64_put(d1 + 8, 0);
	be64_put(d1, 0);
	assert_int_equal(TRY(24, buf_len(&f2)), -1);
	be64_put(d1, DMSG_NO_NUMBER);
	assert_int_equal(TRY(24, buf_len(&f2)), 0);
	d2[6] = 1;
	assert_int_equal(TRY(24, buf_len(&f2)), -1);
	assert_string_equal(why, "reserved bytes are not zero");
#undef TRY
	buf_free(&f1);
	buf_free(&f2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mp_reads_every_token),
		cmocka_unit_test(mp_reads_floats),
		cmocka_unit_test(mp_counts_fit_what_is_left),
		cmocka_unit_test(mp_skips_deep_nesting),
		cmocka_unit_test(mp_str_is_text),
		cmocka_unit_test(hello_round_trip),
		cmocka_unit_test(grant_round_trip),
		cmocka_unit_test(maps_that_are_malformed),
		cmocka_unit_test(fields_that_are_malformed),
		cmocka_unit_test(too_many_headers),
		cmocka_unit_test(iter_walks_records),
		cmocka_unit_test(iter_refuses_disagreement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
