/* Entries, their properties and the names of topics (INTERFACES.md 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "entry.h"
#include "props.h"
#include "tname.h"

static struct entry
sample(void)
{
	return (struct entry){ .event = 5, .seq = 6, .producer = "prod",
		.producer_len = 4, .key = "k1", .key_len = 2,
		.payload = (const uint8_t *)"payload", .payload_len = 7 };
}

static void
crc_is_castagnoli(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	/* RFC 3720 B.4, as the number; on the wire there it is reversed. */
	assert_int_equal(crc32c(zeros, sizeof(zeros)), 0x8a9136aa);
}

static void
put_and_get(void **state)
{
	struct entry e = sample(), g;
	uint8_t p[128];
	size_t n = entry_size(&e);

	(void)state;
	entry_put(p, &e);
	entry_stamp(p, n, 77, 88);
	assert_true(entry_crc_ok(p, n));
	assert_int_equal(entry_get(p, n, &g, NULL), (int64_t)n);
	assert_int_equal(entry_check(&g, NULL), 0);
	assert_int_equal(g.id, 77);
	assert_int_equal(g.publish, 88);
	assert_int_equal(g.event, 5);
	assert_int_equal(g.seq, 6);
	assert_memory_equal(g.producer, "prod", 4);
	assert_memory_equal(g.key, "k1", 2);
	assert_int_equal(g.props_len, 1);
	assert_int_equal(g.payload_len, 7);
	assert_memory_equal(g.payload, "payload", 7);
}

static void
cut_anywhere_wants_more(void **state)
{
	struct entry e = sample(), g;
	uint8_t p[128];
	size_t n = entry_size(&e);

	(void)state;
	entry_put(p, &e);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(entry_get(p, i, &g, NULL), 0);
}

static void
any_flipped_bit_is_seen(void **state)
{
	struct entry e = sample(), g;
	uint8_t p[128];
	size_t n = entry_size(&e);
	int64_t got;

	(void)state;
	entry_put(p, &e);
	entry_stamp(p, n, 1, 2);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		got = entry_get(p, n, &g, NULL);
		assert_false(got > 0 && entry_crc_ok(p, (size_t)got));
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(entry_crc_ok(p, n));
}

static void
bad_lengths(void **state)
{
	static const struct {
		size_t off;
		uint32_t value;
		int size;
	} rows[] = {
		{ 0, ENTRY_LENGTH_MIN - 1, 4 },
		{ 0, ENTRY_LENGTH_MAX + 1, 4 },
		{ 0, 0xffffffff, 4 },
		{ 40, ENTRY_PRODUCER_MAX + 1, 2 },
		{ 42, ENTRY_KEY_MAX + 1, 2 },
		{ 44, ENTRY_PROPS_MAX + 1, 4 },
		{ 44, 100, 4 }, /* more than the entry holds */
	};
	struct entry e = sample(), g;
	uint8_t p[128];
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		entry_put(p, &e);
		if (rows[i].size == 4)
			be32_put(p + rows[i].off, rows[i].value);
		else
			be16_put(p + rows[i].off, (uint16_t)rows[i].value);
		assert_int_equal(entry_get(p, entry_size(&e), &g, &why), -1);
		assert_non_null(why);
	}
	/* A length the format allows, but over the payload's own limit. */
	entry_put(p, &e);
	be32_put(p, ENTRY_LENGTH_MAX);
	assert_int_equal(entry_get(p, entry_size(&e), &g, &why), -1);
}

static void
limits_of_fields(void **state)
{
	struct entry e = sample();

	(void)state;
	assert_null(entry_too_long(&e));
	e.payload_len = ENTRY_PAYLOAD_MAX;
	e.props_len = ENTRY_PROPS_MAX;
	e.key_len = ENTRY_KEY_MAX;
	e.producer_len = ENTRY_PRODUCER_MAX;
	assert_null(entry_too_long(&e));
	assert_true(entry_size(&e) <= ENTRY_SIZE_MAX);
	e.payload_len++;
	assert_non_null(entry_too_long(&e));
	e = sample();
	e.props_len = ENTRY_PROPS_MAX + 1;
	assert_non_null(entry_too_long(&e));
	e = sample();
	e.key_len = ENTRY_KEY_MAX + 1;
	assert_non_null(entry_too_long(&e));
	e = sample();
	e.producer_len = ENTRY_PRODUCER_MAX + 1;
	assert_non_null(entry_too_long(&e));
}

static void
content_is_checked(void **state)
{
	struct entry e = sample();

	(void)state;
	e.props = (const uint8_t *)"\x80";
	e.props_len = 1;
	assert_int_equal(entry_check(&e, NULL), 0);
	e.producer = "\xff\xfe\xfd\xfc";
	assert_int_equal(entry_check(&e, NULL), -1);
	e.producer = "a\0bc";
	assert_int_equal(entry_check(&e, NULL), -1);
	e = sample();
	e.props = (const uint8_t *)"\x80";
	e.props_len = 1;
	e.key = "\xc0\x80";
	assert_int_equal(entry_check(&e, NULL), -1);
	e = sample();
	e.props = (const uint8_t *)"\x80\x80";
	e.props_len = 2;
	assert_int_equal(entry_check(&e, NULL), -1);
}

static void
props_round_trip(void **state)
{
	struct props p = { 0 };
	struct props_iter it;
	struct mp_value v;
	struct mp_str key;

	(void)state;
	assert_int_equal(props_len(&p), 1);
	assert_int_equal(props_check(props_data(&p), props_len(&p)), 0);
	props_add_str(&p, "s", "text");
	props_add_uint(&p, "u", UINT64_MAX);
	props_add_int(&p, "i", -5);
	props_add_float(&p, "f", -1.5);
	props_add_bool(&p, "b", 1);
	assert_int_equal(props_check(props_data(&p), props_len(&p)), 0);
	props_iter_init(&it, props_data(&p), props_len(&p));
	assert_true(props_next(&it, &key, &v));
	assert_true(mp_str_is(key, "s") && mp_str_is(v.s, "text"));
	assert_true(props_next(&it, &key, &v));
	assert_true(v.type == MP_UINT && v.u == UINT64_MAX);
	assert_true(props_next(&it, &key, &v));
	assert_true(v.type == MP_INT && v.i == -5);
	assert_true(props_next(&it, &key, &v));
	assert_true(v.type == MP_FLOAT && v.d == -1.5);
	assert_true(props_next(&it, &key, &v));
	assert_true(v.type == MP_BOOL && v.b == 1);
	assert_false(props_next(&it, &key, &v));
	props_reset(&p);
	assert_int_equal(props_len(&p), 1);
	props_free(&p);
}

static void
props_of_two_maps(void **state)
{
	struct props a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(props_append(&a, &b), 0);
	assert_int_equal(props_len(&a), 1);
	props_add_uint(&b, "one", 1);
	props_add_str(&b, "two", "2");
	assert_int_equal(props_append(&a, &b), 0);
	assert_int_equal(props_len(&a), props_len(&b));
	assert_memory_equal(props_data(&a), props_data(&b), props_len(&b));
	props_add_bool(&a, "three", 1);
	assert_int_equal(props_append(&a, &b), 0);
	assert_int_equal(a.count, 5);
	assert_int_equal(props_check(props_data(&a), props_len(&a)), 0);
	/* Not more than any map may hold. */
	while (props_append(&a, &b) == 0)
		assert_true(a.count <= PROPS_COUNT_MAX);
	assert_int_equal(props_check(props_data(&a), props_len(&a)), 0);
	props_free(&a);
	props_free(&b);
}

static void
props_are_bounded(void **state)
{
	static char big[ENTRY_PROPS_MAX];
	struct props p = { 0 };
	int n = 0;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(props_add_strn(&p, "k", big, sizeof(big)), -1);
	assert_int_equal(props_add_strn(&p, "k", big, sizeof(big) - 20), 0);
	assert_int_equal(props_add_str(&p, "more", "does not fit"), -1);
	assert_true(props_len(&p) <= ENTRY_PROPS_MAX);
	props_reset(&p);
	while (props_add_bool(&p, "b", 0) == 0)
		n++;
	assert_int_equal(n, PROPS_COUNT_MAX);
	assert_int_equal(props_check(props_data(&p), props_len(&p)), 0);
	props_free(&p);
}

static void
props_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "", 0 },
		{ "\x90", 1 },			/* an array */
		{ "\x81\xa1k", 3 },		/* no value */
		{ "\x81\x01\x01", 3 },		/* the key is a number */
		{ "\x81\xa1k\x80", 4 },		/* a map inside */
		{ "\x81\xa1k\x90", 4 },		/* an array inside */
		{ "\x81\xa1k\xc0", 4 },		/* nil */
		{ "\x81\xa1k\xc4\x01x", 6 },	/* bytes */
		{ "\x81\xa1k\xa1\xff", 5 },	/* not UTF-8 */
		{ "\x81\xa1\xff\xa1v", 5 },
		{ "\x80\x00", 2 },		/* something behind */
		{ "\xdf\xff\xff\xff\xff", 5 },	/* 4 G pairs */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(props_check((const uint8_t *)rows[i].bytes,
				     rows[i].n),
		    -1);
}

static int
parse(const char *s, struct tname *t)
{
	return tname_parse(s, strlen(s), t);
}

static void
topic_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a b",
		"/etc/passwd", "../x", "persistent://", "persistent://a/b",
		"persistent://a/b/", "persistent://a//c", "persistent:///b/c",
		"persistent://a/b/c/d", "persistent://../b/c",
		"persistent://a/./c", "persistent://a/b/..",
		"non-persistent://a/b/c", "caf\xc3\xa9", "a\n", "a\\b", "a:b",
		"persistent:a" };
	char longest[TNAME_PART_MAX + 2];
	struct tname t;

	(void)state;
	assert_int_equal(parse("video-topic", &t), 0);
	assert_string_equal(t.full,
	    "persistent://public/default/video-topic");
	assert_int_equal(parse("persistent://T.1/n_2/...", &t), 0);
	assert_string_equal(t.tenant, "T.1");
	assert_string_equal(t.space, "n_2");
	assert_string_equal(t.name, "...");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &t), -1);
	assert_int_equal(tname_parse("a\0b", 3, &t), -1);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(tname_parse(longest, TNAME_PART_MAX, &t), 0);
	assert_int_equal(tname_parse(longest, TNAME_PART_MAX + 1, &t), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_castagnoli),
		cmocka_unit_test(put_and_get),
		cmocka_unit_test(cut_anywhere_wants_more),
		cmocka_unit_test(any_flipped_bit_is_seen),
		cmocka_unit_test(bad_lengths),
		cmocka_unit_test(limits_of_fields),
		cmocka_unit_test(content_is_checked),
		cmocka_unit_test(props_round_trip),
		cmocka_unit_test(props_of_two_maps),
		cmocka_unit_test(props_are_bounded),
		cmocka_unit_test(props_refused),
		cmocka_unit_test(topic_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
