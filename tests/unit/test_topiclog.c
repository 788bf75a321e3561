/* A topic's log: ledgers, positions, reading from one into the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../topic-bus/position.h"
#include "../../topic-bus/topiclog.h"

static struct segment_dir dir;
static char root[] = "/tmp/sluice-topiclog.XXXXXX";
static struct topiclog l;
static char text[TOPICLOG_TEXT_MAX];
static uint8_t memory[1 << 20];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	dir.root = open(root, O_RDONLY | O_DIRECTORY);
	dir.durable = 1;
	files_init(&dir.files, 4);
	return 0;
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	close(dir.root);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* One entry with the given payload into the active ledger. */
static void
append(const char *payload, uint64_t publish)
{
	struct entry e = { .payload = (const uint8_t *)payload,
		.payload_len = (uint32_t)strlen(payload) };
	size_t n = entry_size(&e);
	struct segment *s = l.active;
	uint8_t p[256];
	struct iovec iov = { p, n };

	entry_put(p, &e);
	entry_stamp(p, n, s->next, publish);
	assert_int_equal(segment_append(s, &iov, 1, n, 1, publish), 0);
	segment_publish(s, s->size, s->next);
	l.last_publish = publish;
}

static void
begin(uint64_t now)
{
	assert_int_equal(topiclog_begin(&l, now), 0);
}

static uint8_t *
room(void *ctx, size_t n)
{
	(void)ctx;
	assert_true(n <= sizeof(memory));
	return memory;
}

/* What is at p: the payload's first letter; 0 at the end, '!' on failure. */
static int
next(struct position *p)
{
	uint64_t count;
	struct entry e;
	int64_t n = topiclog_read(&l, p, 4096, 1, room, NULL, &count, text);

	if (n <= 0)
		return n == 0 ? 0 : '!';
	assert_int_equal(count, 1);
	assert_int_equal(entry_get(memory, (size_t)n, &e, NULL), n);
	return e.payload[0];
}

static struct position
find(const char *from)
{
	struct bmsg_position where;
	struct position p;

	assert_int_equal(bmsg_position_get(bmsg_str(from), &where), 0);
	assert_int_equal(topiclog_find(&l, &where, &p, text), BMSG_OK);
	return p;
}

static enum bmsg_code
find_error(const char *from)
{
	struct bmsg_position where;
	struct position p;

	assert_int_equal(bmsg_position_get(bmsg_str(from), &where), 0);
	return topiclog_find(&l, &where, &p, text);
}

static void
an_empty_log(void **state)
{
	struct position early, late;

	(void)state;
	topiclog_init(&l, &dir, "a/b/empty");
	topiclog_open(&l);
	early = find("earliest");
	late = find("latest");
	assert_int_equal(next(&early), 0);
	assert_int_equal(find_error("1:0"), BMSG_OK);
	assert_int_equal(find_error("2:0"), BMSG_E_NO_TOPIC);
	/* Both get the first message there ever is. */
	begin(10);
	append("x", 10);
	assert_int_equal(next(&early), 'x');
	assert_int_equal(next(&late), 'x');
	assert_int_equal(next(&late), 0);
	topiclog_free(&l);
}

/* a b | c | (nothing) | d e: four ledgers, one of them empty. */
static void
fill(void)
{
	topiclog_init(&l, &dir, "a/b/c");
	topiclog_open(&l);
	if (l.n == 0) {
		begin(100);
		append("a", 100);
		append("b", 200);
		begin(300);
		append("c", 300);
		begin(400);
		begin(500);
		append("d", 500);
		append("e", 600);
	}
	assert_int_equal(l.n, 4);
	assert_string_equal(l.problem, "");
}

static void
reading_goes_from_ledger_to_ledger(void **state)
{
	struct position p;

	(void)state;
	for (int again = 0; again < 2; again++) {
		fill();
		p = find("earliest");
		for (const char *c = "abcde"; *c != '\0'; c++)
			assert_int_equal(next(&p), *c);
		assert_int_equal(next(&p), 0);
		assert_int_equal(l.last_publish, 600);
		topiclog_free(&l);
	}
}

static void
finding(void **state)
{
	static const struct {
		const char *from;
		int first;
	} rows[] = { { "earliest", 'a' }, { "latest", 0 }, { "1:0", 'a' },
		{ "1:1", 'b' }, { "1:2", 'c' }, { "1:99", 'c' },
		{ "0:5", 'a' }, { "2:0", 'c' }, { "2:1", 'd' },
		{ "3:0", 'd' }, { "3:7", 'd' }, { "4:1", 'e' }, { "4:2", 0 },
		{ "5:0", 0 }, { "@0", 'a' }, { "@100", 'a' }, { "@101", 'b' },
		{ "@200", 'b' }, { "@201", 'c' }, { "@300", 'c' },
		{ "@301", 'd' }, { "@450", 'd' }, { "@501", 'e' },
		{ "@601", 0 } };
	struct position p;

	(void)state;
	fill();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = find(rows[i].from);
		if (next(&p) != rows[i].first)
			fail_msg("from %s", rows[i].from);
	}
	assert_int_equal(find_error("6:0"), BMSG_E_POSITION);
	topiclog_free(&l);
	/* In the ledger being written, an id that is yet to come is none. */
	fill();
	begin(700);
	append("f", 700);
	assert_int_equal(find_error("5:1"), BMSG_OK);
	assert_int_equal(find_error("5:2"), BMSG_E_POSITION);
	topiclog_free(&l);
}

static void
what_is_not_visible_is_not_read(void **state)
{
	struct position p;

	(void)state;
	topiclog_init(&l, &dir, "a/b/hidden");
	topiclog_open(&l);
	begin(1);
	append("x", 1);
	append("y", 1);
	segment_publish(l.active, SEGMENT_HEADER_LEN, 0);
	begin(2);
	append("z", 2);
	p = find("earliest");
	assert_int_equal(next(&p), 0); /* and not z */
	segment_publish(l.segs[0], l.segs[0]->size, 2);
	assert_int_equal(next(&p), 'x');
	assert_int_equal(next(&p), 'y');
	assert_int_equal(next(&p), 'z');
	topiclog_free(&l);
}

static void
damage_stops_readers_and_writers(void **state)
{
	struct position p;
	int fd;

	(void)state;
	topiclog_init(&l, &dir, "a/b/damaged");
	topiclog_open(&l);
	begin(1);
	append("x", 1);
	append("y", 1);
	topiclog_free(&l);
	fd = openat(dir.root, "a/b/damaged/0000000000000001.log", O_RDWR);
	assert_int_equal(pwrite(fd, "\xff", 1, SEGMENT_HEADER_LEN + 60), 1);
	close(fd);
	topiclog_init(&l, &dir, "a/b/damaged");
	topiclog_open(&l);
	assert_non_null(strstr(l.problem, "0000000000000001.log:82: "));
	p = find("earliest");
	assert_int_equal(next(&p), 'x');
	assert_int_equal(next(&p), '!');
	assert_non_null(strstr(text, "0000000000000001.log:82: "));
	topiclog_free(&l);
}

static void
a_header_cut_short_is_removed(void **state)
{
	struct position p;
	int fd;

	(void)state;
	fill();
	topiclog_free(&l);
	fd = openat(dir.root, "a/b/c/00000000000000ff.log",
	    O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "slui", 4), 4);
	close(fd);
	topiclog_init(&l, &dir, "a/b/c");
	topiclog_open(&l);
	assert_string_equal(l.problem, "");
	p = find("4:1");
	assert_int_equal(next(&p), 'e');
	assert_int_equal(faccessat(dir.root, "a/b/c/00000000000000ff.log",
	    F_OK, 0), -1);
	topiclog_free(&l);
}

static void
positions_as_written_by_people(void **state)
{
	static const struct {
		const char *s;
		uint64_t ns;
	} times[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:01.5Z", 1500000000 },
		{ "1970-01-01t00:00:00.000000001z", 1 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T23:30:00-00:30", 0 },
		{ "2024-05-01T12:00:00Z", UINT64_C(1714564800000000000) },
		{ "@17", 17 },
	};
	static const char *const bad[] = { "", "now", "2024-05-01",
		"2024-05-01 12:00:00Z", "2024-05-01T12:00:00",
		"2024-05-01T12:00:00.Z", "2024-05-01T12:00:00Zx",
		"2024-05-01T12:00:00+1:00", "2024-13-01T12:00:00Z",
		"1960-01-01T00:00:00Z", "2024-05-01T12:00:00+01:0x" };
	struct bmsg_position p;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_int_equal(position_parse(times[i].s, &p), 0);
		assert_int_equal(p.from, BMSG_TIME);
		assert_int_equal(p.time, times[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(position_parse(bad[i], &p), -1);
	assert_int_equal(position_parse("3:4", &p), 0);
	assert_true(p.from == BMSG_ID && p.ledger == 3 && p.entry == 4);
	assert_int_equal(position_parse("latest", &p), 0);
	assert_int_equal(p.from, BMSG_LATEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_log),
		cmocka_unit_test(reading_goes_from_ledger_to_ledger),
		cmocka_unit_test(a_header_cut_short_is_removed),
		cmocka_unit_test(finding),
		cmocka_unit_test(what_is_not_visible_is_not_read),
		cmocka_unit_test(damage_stops_readers_and_writers),
		cmocka_unit_test(positions_as_written_by_people),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
