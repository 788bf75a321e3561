/* tap: record boundaries in pieces of any size, and lines of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "rec.h"
#include "track.h"
#include "../../tap/line.h"
#include "../../tap/scan.h"

#define SESSION UINT64_C(1795229511631506917)

/* What scan called back with: headers and fronts, one behind the other. */
struct seen {
	struct buf text;
	size_t want;
	int count;
};

static size_t
want(void *ctx, const struct rec *r)
{
	const struct seen *s = ctx;

	(void)r;
	return s->want;
}

static void
on_record(void *ctx, const struct rec *r, size_t have)
{
	struct seen *s = ctx;
	struct rec front = *r;

	assert_int_equal(have, s->want < r->len ? s->want : r->len);
	front.len = (uint32_t)have;
	rec_append(&s->text, &front);
	s->count++;
}

static void
put(struct buf *b, uint8_t type, uint8_t flags, const void *p, size_t n)
{
	const struct rec r = { .len = (uint32_t)n,
		.type = type,
		.flags = flags,
		.session = SESSION,
		.stream = type == REC_SESSION_OPEN ? REC_NO_STREAM : 6,
		.time = SESSION + 1,
		.payload = p };

	rec_append(b, &r);
}

static void
make_records(struct buf *b)
{
	static uint8_t payload[500];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	put(b, REC_SESSION_OPEN, 0, "\x80", 1);
	for (size_t n = 1; n < 20; n++)
		put(b, REC_STREAM_DATA, REC_UNI, payload, n * n);
	put(b, REC_STREAM_DATA, REC_FIN, NULL, 0);
	put(b, REC_SESSION_DRAIN, 0, NULL, 0);
	put(b, REC_PACKET, REC_UNI, payload, 500);
}

static void
every_cut_shows_the_same(void **state)
{
	static const size_t wants[] = { 0, 1, 40, 100000 };
	struct buf b = { 0 };

	(void)state;
	make_records(&b);
	for (size_t w = 0; w < 4; w++) {
		struct seen first = { .want = wants[w] };

		for (size_t cut = buf_len(&b); cut > 0; cut -= 1 + cut / 50) {
			struct seen now = { .want = wants[w] };
			struct scan s = { .want = want,
				.record = on_record };

			s.ctx = cut == buf_len(&b) ? &first : &now;
			for (size_t at = 0; at < buf_len(&b); at += cut) {
				size_t n = buf_len(&b) - at;

				assert_null(scan_feed(&s, buf_data(&b) + at,
				    n < cut ? n : cut));
			}
			assert_true(scan_at_boundary(&s));
			assert_int_equal(first.count, 23);
			if (cut != buf_len(&b)) {
				assert_int_equal(now.count, 23);
				assert_memory_equal(buf_data(&now.text),
				    buf_data(&first.text),
				    buf_len(&first.text));
			}
			buf_free(&now.text);
			scan_free(&s);
		}
		buf_free(&first.text);
	}
	buf_free(&b);
}

/* A viewer comes or goes while a record is half here. */
static void
what_is_wanted_may_change(void **state)
{
	struct buf b = { 0 };

	(void)state;
	make_records(&b);
	for (size_t cut = 1; cut < buf_len(&b); cut++) {
		for (int more = 0; more < 2; more++) {
			struct seen seen = { .want = more ? 0 : 200 };
			struct scan s = { .want = want,
				.record = on_record, .ctx = &seen };

			assert_null(scan_feed(&s, buf_data(&b), cut));
			seen.want = more ? 200 : 0;
			assert_null(scan_feed(&s, buf_data(&b) + cut,
			    buf_len(&b) - cut));
			assert_int_equal(seen.count, 23);
			assert_true(scan_at_boundary(&s));
			buf_free(&seen.text);
			scan_free(&s);
		}
	}
	buf_free(&b);
}

static void
garbage_is_told_and_stays_so(void **state)
{
	struct seen seen = { 0 };
	struct scan s = { .want = want, .record = on_record, .ctx = &seen };
	struct buf b = { 0 };
	uint8_t bad[REC_HEADER_LEN];

	(void)state;
	memset(bad, 0xff, sizeof(bad));
	put(&b, REC_STREAM_DATA, 0, "abc", 3);
	assert_null(scan_feed(&s, buf_data(&b), buf_len(&b)));
	assert_null(scan_feed(&s, bad, 31));
	assert_non_null(scan_feed(&s, bad, 1));
	assert_non_null(scan_feed(&s, buf_data(&b), buf_len(&b)));
	assert_int_equal(seen.count, 1);
	assert_false(scan_at_boundary(&s));
	scan_free(&s);
	buf_free(&b);
	buf_free(&seen.text);
}

/* The line for a record of these bytes, whole or cut to have. */
static json_t *
line(uint8_t type, uint8_t flags, const void *p, size_t n, size_t have,
    size_t preview)
{
	const struct rec r = { .len = (uint32_t)n,
		.type = type,
		.flags = flags,
		.session = SESSION,
		.stream = 6,
		.time = UINT64_C(5000000),
		.payload = p };
	struct buf out = { 0 };
	json_t *j;

	line_append(&out, &r, have, preview, UINT64_C(7000999));
	assert_int_equal(buf_data(&out)[buf_len(&out) - 1], '\n');
	for (size_t i = 0; i + 1 < buf_len(&out); i++)
		assert_in_range(buf_data(&out)[i], 0x20, 0x7e);
	j = json_loadb((const char *)buf_data(&out), buf_len(&out), 0, NULL);
	assert_non_null(j);
	buf_free(&out);
	return j;
}

static const char *
text_of(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static json_int_t
int_of(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void
a_packet(void **state)
{
	uint8_t p[200];
	json_t *j;

	(void)state;
	track_header_put(p, "live_chat", "chat", 11);
	memcpy(p + 32, "hello w\xc3\xb6rld", 12);
	j = line(REC_PACKET, REC_UNI | REC_SERVER, p, 43, 43, 20);
	assert_string_equal(text_of(j, "type"), "PACKET");
	assert_string_equal(text_of(j, "session"), "1795229511631506917");
	assert_string_equal(text_of(j, "stream"), "6");
	assert_string_equal(text_of(j, "time"), "5000000");
	assert_int_equal(int_of(j, "age_us"), 2000);
	assert_int_equal(int_of(j, "len"), 43);
	assert_string_equal(text_of(j, "track_id"), "live_chat");
	assert_string_equal(text_of(j, "track_type"), "chat");
	assert_int_equal(int_of(j, "payload_len"), 11);
	assert_string_equal(text_of(j, "preview"), "hello w\xc3\xb6rl");
	assert_int_equal(json_array_size(json_object_get(j, "flags")), 2);
	json_decref(j);
	/* A preview that would end inside a character ends before it. */
	j = line(REC_PACKET, 0, p, 43, 32 + 8, 8);
	assert_string_equal(text_of(j, "preview"), "hello w");
	json_decref(j);
	/* No text, no preview. */
	p[33] = 0x1b;
	j = line(REC_PACKET, 0, p, 43, 43, 20);
	assert_null(text_of(j, "preview"));
	json_decref(j);
	p[0] = 0xff;
	j = line(REC_PACKET, 0, p, 43, 43, 20);
	assert_string_equal(text_of(j, "error"), "BAD_TRACK_ID");
	json_decref(j);
}

static void
a_session(void **state)
{
	static const char map[] = "\x83\xa4peer\xa3"
				  "1 2\xa6origin\xa3\xff\xc3(\xa7headers\x81"
				  "\xa1k\xa1v";
	json_t *j, *open;

	(void)state;
	j = line(REC_SESSION_OPEN, 0, map, sizeof(map) - 1, sizeof(map) - 1,
	    0);
	open = json_object_get(j, "open");
	assert_string_equal(text_of(open, "peer"), "1 2");
	assert_string_equal(text_of(open, "origin"), "?\?(");
	assert_string_equal(text_of(json_object_get(open, "headers"), "k"),
	    "v");
	json_decref(j);
	for (size_t n = 0; n < sizeof(map) - 1; n++) {
		j = line(REC_SESSION_OPEN, 0, map, n, n, 0);
		assert_non_null(text_of(j, "error"));
		json_decref(j);
	}
	j = line(REC_SESSION_CLOSE, 0, "\0\0\1\0bye", 7, 7, 0);
	assert_int_equal(int_of(j, "code"), 256);
	assert_string_equal(text_of(j, "reason"), "bye");
	json_decref(j);
	j = line(REC_STOP_SENDING, REC_REQUEST, "\0\0\0\x10", 4, 4, 0);
	assert_string_equal(text_of(j, "code_name"), "PACKET_TOO_LONG");
	json_decref(j);
	j = line(99, 0, NULL, 5, 0, 0);
	assert_string_equal(text_of(j, "type"), "99");
	json_decref(j);
}

static void
a_deep_map_is_refused(void **state)
{
	uint8_t p[3000];
	json_t *j;

	(void)state;
	for (size_t i = 0; i < sizeof(p); i += 3) /* {"a": {"a": ... */
		memcpy(p + i, "\x81\xa1" "a", 3);
	j = line(REC_SESSION_OPEN, 0, p, sizeof(p), sizeof(p), 0);
	assert_non_null(text_of(j, "error"));
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_shows_the_same),
		cmocka_unit_test(what_is_wanted_may_change),
		cmocka_unit_test(garbage_is_told_and_stays_so),
		cmocka_unit_test(a_packet),
		cmocka_unit_test(a_session),
		cmocka_unit_test(a_deep_map_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
