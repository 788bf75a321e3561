/* Messages of topic-bus and its clients (INTERFACES.md 5 and 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bmsg.h"
#include "props.h"

static int
str_equal(struct mp_str a, struct mp_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void
round_trip(const struct bmsg *m)
{
	struct buf b = { 0 };
	struct bmsg g;

	bmsg_put(&b, m);
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, NULL), 0);
	assert_int_equal(g.cmd, m->cmd);
	assert_true(str_equal(g.topic, m->topic));
	assert_true(str_equal(g.conn, m->conn));
	assert_true(str_equal(g.bus, m->bus));
	assert_true(str_equal(g.from, m->from));
	assert_true(str_equal(g.text, m->text));
	assert_int_equal(g.code, m->code);
	assert_int_equal(g.batch, m->batch);
	assert_int_equal(g.reader, m->reader);
	assert_int_equal(g.count, m->count);
	assert_int_equal(g.epoch, m->epoch);
	assert_int_equal(g.permits, m->permits);
	assert_int_equal(g.ledger, m->ledger);
	assert_int_equal(g.entry, m->entry);
	/* Every shorter piece of it is malformed. */
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_int_equal(bmsg_get(buf_data(&b), n, &g, NULL), -1);
	buf_free(&b);
}

static void
every_command(void **state)
{
	struct mp_str t = bmsg_str("video-topic"), c = bmsg_str("abc.1.0");
	const struct bmsg rows[] = {
		{ .cmd = BMSG_PING },
		{ .cmd = BMSG_SEND, .topic = t, .batch = 1, .count = 3 },
		{ .cmd = BMSG_SEND, .topic = t, .batch = UINT64_MAX,
		    .count = BMSG_COUNT_MAX, .conn = c, .epoch = 2 },
		{ .cmd = BMSG_READ, .topic = t, .reader = 4,
		    .from = bmsg_str("earliest"), .permits = 100 },
		{ .cmd = BMSG_READ, .topic = t, .reader = 4, .conn = c,
		    .from = bmsg_str("1:2"), .permits = 0 },
		{ .cmd = BMSG_FLOW, .reader = 4, .permits = BMSG_PERMITS_MAX },
		{ .cmd = BMSG_CLOSE, .reader = 4 },
		{ .cmd = BMSG_TOPICS },
		{ .cmd = BMSG_PONG, .bus = bmsg_str("x"), .conn = c },
		{ .cmd = BMSG_RECEIPT, .batch = 1, .ledger = 2, .entry = 3,
		    .count = 4 },
		{ .cmd = BMSG_READING, .reader = 1, .ledger = 2, .entry = 3 },
		{ .cmd = BMSG_MESSAGES, .reader = 1, .topic = t, .ledger = 2,
		    .count = 5 },
		{ .cmd = BMSG_ERROR, .batch = 7, .code = BMSG_E_STORAGE,
		    .text = bmsg_str("disk full") },
		{ .cmd = BMSG_ERROR, .reader = 7, .code = BMSG_E_POSITION,
		    .text = bmsg_str("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bmsg m = rows[i];

		m.has_batch = m.cmd == BMSG_ERROR && m.batch != 0;
		m.has_reader = m.cmd == BMSG_ERROR && m.reader != 0;
		round_trip(&m);
	}
}

static void
every_code(void **state)
{
	struct buf b = { 0 };
	struct bmsg m, g;

	(void)state;
	for (int c = BMSG_OK + 1; c <= BMSG_E_OTHER; c++) {
		m = (struct bmsg){ .cmd = BMSG_ERROR, .has_batch = 1,
			.batch = 1, .code = (enum bmsg_code)c,
			.text = bmsg_str("why") };
		bmsg_put(&b, &m);
		assert_int_equal(
		    bmsg_get(buf_data(&b), buf_len(&b), &g, NULL), 0);
		assert_int_equal(g.code, c);
		buf_consume(&b, buf_len(&b));
	}
	buf_free(&b);
}

/* {cmd: "send", ...} built by hand. */
static void
put_send(struct buf *b, uint64_t count, const char *batch_key)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 5);
	mp_put_pair_uint(&pk, "future", 1);
	mp_put_pair_str(&pk, "cmd", "send");
	mp_put_pair_str(&pk, "topic", "t");
	mp_put_pair_uint(&pk, "count", count);
	mp_put_pair_uint(&pk, batch_key, 9);
}

static void
what_is_refused(void **state)
{
	struct buf b = { 0 };
	const char *why;
	struct bmsg g;

	(void)state;
	put_send(&b, 1, "batch");
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), 0);
	buf_append(&b, "\0", 1);
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), -1);
	buf_free(&b);
	/* The number of a bad batch is still found. */
	put_send(&b, 0, "batch");
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), -1);
	assert_string_equal(why, "count");
	assert_true(g.cmd == BMSG_SEND && g.has_batch && g.batch == 9);
	buf_free(&b);
	put_send(&b, BMSG_COUNT_MAX + 1, "batch");
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), -1);
	buf_free(&b);
	put_send(&b, 1, "count"); /* given twice, and no batch */
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), -1);
	buf_free(&b);
	put_send(&b, 1, "batches");
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, &why), -1);
	assert_string_equal(why, "missing key");
	buf_free(&b);
	assert_int_equal(bmsg_get((const uint8_t *)"GET / HTTP", 10, &g, &why),
	    -1);
}

static void
unknown_commands_are_known_as_such(void **state)
{
	/* A future command may use our keys with other types. */
	static const uint8_t in[] = "\x82\xa3"
				    "cmd\xa4seek\xa5topic\xc3";
	struct bmsg g;

	(void)state;
	assert_int_equal(bmsg_get(in, sizeof(in) - 1, &g, NULL), 0);
	assert_int_equal(g.cmd, BMSG_UNKNOWN);
}

static void
topic_list(void **state)
{
	struct buf b = { 0 };
	struct tname t;
	struct bmsg g;

	(void)state;
	bmsg_put_list(&b, 2);
	bmsg_put_list_topic(&b, "persistent://public/default/a");
	bmsg_put_list_topic(&b, "persistent://public/default/b");
	assert_int_equal(bmsg_get(buf_data(&b), buf_len(&b), &g, NULL), 0);
	assert_int_equal(g.cmd, BMSG_TOPIC_LIST);
	assert_true(bmsg_list_next(&g, &t));
	assert_string_equal(t.name, "a");
	assert_true(bmsg_list_next(&g, &t));
	assert_string_equal(t.name, "b");
	assert_false(bmsg_list_next(&g, &t));
	buf_free(&b);
}

static void
positions(void **state)
{
	static const char *const good[] = { "earliest", "latest", "0:0",
		"18446744073709551615:18446744073709551615", "@0",
		"@1700000000000000000" };
	static const char *const bad[] = { "", "1", "1:", ":1", "1:2:3", "a",
		"-1:0", "1: 2", "@", "@x", "@-1", "Earliest", "@1 ",
		"18446744073709551616:0", "99999999999999999999:0" };
	char s[BMSG_FROM_MAX + 1];
	struct bmsg_position p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(bmsg_position_get(bmsg_str(good[i]), &p), 0);
		bmsg_position_put(s, &p);
		assert_string_equal(s, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bmsg_position_get(bmsg_str(bad[i]), &p), -1);
}

static void
feed_round_trip(void **state)
{
	struct bmsg_feed f = { .ledger = 3, .e = { .id = 4, .publish = 5,
	    .event = 6, .seq = 7, .producer = "p", .producer_len = 1,
	    .key = "kk", .key_len = 2 } }, g;
	struct props p = { 0 };
	struct buf b = { 0 };

	(void)state;
	props_add_str(&p, "track_id", "live");
	f.e.props = props_data(&p);
	f.e.props_len = props_len(&p);
	bmsg_put_feed(&b, &f);
	assert_int_equal(bmsg_get_feed(buf_data(&b), buf_len(&b), &g, NULL),
	    0);
	assert_int_equal(g.ledger, 3);
	assert_int_equal(g.e.id, 4);
	assert_int_equal(g.e.publish, 5);
	assert_int_equal(g.e.event, 6);
	assert_int_equal(g.e.seq, 7);
	assert_memory_equal(g.e.producer, "p", 1);
	assert_memory_equal(g.e.key, "kk", 2);
	assert_int_equal(g.e.props_len, f.e.props_len);
	assert_memory_equal(g.e.props, f.e.props, f.e.props_len);
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_int_equal(bmsg_get_feed(buf_data(&b), n, &g, NULL), -1);
	props_free(&p);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command),
		cmocka_unit_test(every_code),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(unknown_commands_are_known_as_such),
		cmocka_unit_test(topic_list),
		cmocka_unit_test(positions),
		cmocka_unit_test(feed_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
