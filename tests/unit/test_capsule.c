/* Capsules of a WebTransport session, fed whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capsule.h"

#define MAX_EVENTS 8

static size_t
run(struct capsule_in *c, const uint8_t *p, size_t n, size_t step,
    enum capsule_event *out)
{
	size_t count = 0;

	while (n > 0) {
		size_t k = step < n ? step : n, left = k;
		const uint8_t *q = p;
		enum capsule_event ev;

		while ((ev = capsule_next(c, &q, &left)) != CAPSULE_EV_MORE) {
			assert_true(count < MAX_EVENTS);
			out[count++] = ev;
			if (ev == CAPSULE_EV_ERROR)
				return count;
		}
		assert_int_equal(left, 0);
		p += k;
		n -= k;
	}
	return count;
}

static void
close_comes_back(void **state)
{
	uint8_t raw[CAPSULE_CLOSE_LEN_MAX];
	char reason[CAPSULE_REASON_MAX];
	enum capsule_event ev[MAX_EVENTS];

	(void)state;
	memset(reason, 'x', sizeof(reason));
	for (size_t len = 0; len <= sizeof(reason); len += 64) {
		for (size_t step = 1; step < 40; step += 7) {
			struct capsule_in c = { 0 };
			size_t n = capsule_close_put(raw, 0xdeadbeef, reason,
			    len);

			assert_int_equal(run(&c, raw, n, step, ev), 1);
			assert_int_equal(ev[0], CAPSULE_EV_CLOSE);
			assert_int_equal(c.code, 0xdeadbeef);
			assert_int_equal(c.reasonlen, len);
			assert_memory_equal(c.reason, reason, len);
			assert_int_equal(capsule_end(&c), 0);
		}
	}
}

static void
long_reason_is_cut_between_characters(void **state)
{
	uint8_t raw[CAPSULE_CLOSE_LEN_MAX];
	char reason[CAPSULE_REASON_MAX + 3];
	enum capsule_event ev[MAX_EVENTS];
	struct capsule_in c = { 0 };
	size_t n;

	(void)state;
	memset(reason, 'x', sizeof(reason));
	memcpy(reason + CAPSULE_REASON_MAX - 1, "\xe2\x82\xac", 3);
	n = capsule_close_put(raw, 1, reason, CAPSULE_REASON_MAX + 2);
	assert_true(n <= sizeof(raw));
	assert_int_equal(run(&c, raw, n, n, ev), 1);
	assert_int_equal(ev[0], CAPSULE_EV_CLOSE);
	assert_int_equal(c.reasonlen, CAPSULE_REASON_MAX - 1);
}

static void
others_are_skipped(void **state)
{
	/* GREASE of 3 bytes, an empty DATAGRAM, DRAIN, GREASE, DRAIN. */
	static const uint8_t raw[] = { 0x17, 3, 1, 2, 3, 0x00, 0, 0x80, 0x00,
		0x78, 0xae, 0x00, 0x40, 0x40, 0x40, 0x01, 9, 0x80, 0x00, 0x78,
		0xae, 0x00 };
	static const enum capsule_event want[] = { CAPSULE_EV_IGNORED,
		CAPSULE_EV_IGNORED, CAPSULE_EV_DRAIN, CAPSULE_EV_IGNORED,
		CAPSULE_EV_DRAIN };

	(void)state;
	for (size_t step = 1; step <= sizeof(raw); step++) {
		enum capsule_event ev[MAX_EVENTS];
		struct capsule_in c = { 0 };

		assert_int_equal(run(&c, raw, sizeof(raw), step, ev), 5);
		assert_memory_equal(ev, want, sizeof(want));
		assert_int_equal(capsule_end(&c), 0);
	}
}

static void
a_huge_capsule_is_skipped_without_memory(void **state)
{
	uint8_t raw[16], zeros[4096] = { 0 };
	enum capsule_event ev[MAX_EVENTS];
	struct capsule_in c = { 0 };
	size_t n = varint_put(raw, 0x17);

	(void)state;
	n += varint_put(raw + n, VARINT_MAX);
	assert_int_equal(run(&c, raw, n, n, ev), 1);
	assert_int_equal(ev[0], CAPSULE_EV_IGNORED);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(run(&c, zeros, sizeof(zeros), 4096, ev), 0);
	assert_int_equal(capsule_end(&c), -1);
}

static void
wrong_ones(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[16];
		size_t n;
		int error; /* or only its end is wrong */
	} rows[] = {
		{ "CLOSE without a code", { 0x68, 0x43, 3, 0, 0, 0 }, 6, 1 },
		{ "CLOSE too long", { 0x68, 0x43, 0x44, 0x05 }, 4, 1 },
		{ "CLOSE not UTF-8", { 0x68, 0x43, 5, 0, 0, 0, 0, 0xff }, 8,
		    1 },
		{ "bytes after CLOSE", { 0x68, 0x43, 4, 0, 0, 0, 0, 0x17 }, 8,
		    1 },
		{ "DRAIN with a payload", { 0x80, 0x00, 0x78, 0xae, 1, 0 }, 6,
		    1 },
		{ "a limit without an integer", { 0x99, 0x0b, 0x4d, 0x3d, 0 },
		    5, 1 },
		{ "a limit too long", { 0x99, 0x0b, 0x4d, 0x3f, 9 }, 5, 1 },
		{ "a limit and more", { 0x99, 0x0b, 0x4d, 0x40, 2, 1, 0 }, 7,
		    1 },
		{ "half a limit", { 0x99, 0x0b, 0x4d, 0x40, 1, 0x40 }, 6, 1 },
		{ "cut in its type", { 0x68 }, 1, 0 },
		{ "cut in its length", { 0x68, 0x43, 0x40 }, 3, 0 },
		{ "cut in its payload", { 0x68, 0x43, 4, 0, 0 }, 5, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step <= rows[i].n; step++) {
			enum capsule_event ev[MAX_EVENTS];
			struct capsule_in c = { 0 };
			size_t n = run(&c, rows[i].bytes, rows[i].n, step, ev);
			int error = n > 0 && ev[n - 1] == CAPSULE_EV_ERROR;

			if (error != rows[i].error || capsule_end(&c) != -1)
				fail_msg("%s, step %zu", rows[i].name, step);
		}
	}
}

static void
limits(void **state)
{
	/* Two limits, the second over 62 bits' worth, and DRAIN. */
	static const uint8_t raw[] = { 0x99, 0x0b, 0x4d, 0x3d, 2, 0x43, 0xe8,
		0x99, 0x0b, 0x4d, 0x40, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0x80, 0x00, 0x78, 0xae, 0x00 };

	(void)state;
	for (size_t step = 1; step <= sizeof(raw); step++) {
		enum capsule_event ev[MAX_EVENTS];
		struct capsule_in c = { 0 };

		assert_int_equal(run(&c, raw, 7, step, ev), 1);
		assert_int_equal(ev[0], CAPSULE_EV_LIMIT);
		assert_int_equal(c.type, CAPSULE_WT_MAX_DATA);
		assert_int_equal(c.limit, 1000);
		assert_int_equal(run(&c, raw + 7, sizeof(raw) - 7, step, ev),
		    2);
		assert_int_equal(ev[0], CAPSULE_EV_LIMIT);
		assert_int_equal(ev[1], CAPSULE_EV_DRAIN);
		assert_true(c.limit == VARINT_MAX);
	}
}

static void
drain_is_put(void **state)
{
	uint8_t raw[CAPSULE_DRAIN_LEN_MAX];
	enum capsule_event ev[MAX_EVENTS];
	struct capsule_in c = { 0 };
	size_t n = capsule_drain_put(raw);

	(void)state;
	assert_true(n <= sizeof(raw));
	assert_int_equal(run(&c, raw, n, 1, ev), 1);
	assert_int_equal(ev[0], CAPSULE_EV_DRAIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_comes_back),
		cmocka_unit_test(long_reason_is_cut_between_characters),
		cmocka_unit_test(others_are_skipped),
		cmocka_unit_test(a_huge_capsule_is_skipped_without_memory),
		cmocka_unit_test(wrong_ones),
		cmocka_unit_test(limits),
		cmocka_unit_test(drain_is_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
