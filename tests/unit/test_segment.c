/* Segments and files: append, recovery, damage, seeking (INTERFACES.md 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../topic-bus/segment.h"
#include "log.h"

#define ENTRIES 20

static struct segment_dir dir;
static char root[] = "/tmp/sluice-segment.XXXXXX";

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	dir.root = open(root, O_RDONLY | O_DIRECTORY);
	dir.durable = 1;
	files_init(&dir.files, 16);
	return mkdirat(dir.root, "t", 0700);
}

static int
teardown(void **state)
{
	(void)state;
	unlinkat(dir.root, "t/0000000000000001.log", 0);
	unlinkat(dir.root, "t", AT_REMOVEDIR);
	close(dir.root);
	return rmdir(root);
}

/* Appends one entry with a payload of n bytes, published at time. */
static void
append(struct segment *s, size_t n, uint64_t publish)
{
	static uint8_t payload[1024 * 1024];
	struct entry e = { .producer = "p", .producer_len = 1,
		.payload = payload, .payload_len = (uint32_t)n };
	size_t size = entry_size(&e);
	uint8_t *p = malloc(size);
	struct iovec iov = { p, size };

	memset(payload, (int)s->next, n);
	entry_put(p, &e);
	entry_stamp(p, size, s->next, publish);
	assert_int_equal(segment_append(s, &iov, 1, size, 1, publish), 0);
	segment_publish(s, s->size, s->next);
	free(p);
}

static struct segment *
fresh(void)
{
	struct segment *s = segment_new(&dir, "t", 1);

	unlinkat(dir.root, "t/0000000000000001.log", 0);
	assert_int_equal(segment_create(s, 1000), 0);
	return s;
}

static struct segment *
reopen(struct segment *s)
{
	segment_free(s);
	return segment_new(&dir, "t", 1);
}

static int
raw_fd(void)
{
	return openat(dir.root, "t/0000000000000001.log", O_RDWR);
}

static void
cut(uint64_t size)
{
	int fd = raw_fd();

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void
flip(uint64_t bit)
{
	int fd = raw_fd();
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, (off_t)(bit / 8)), 1);
	c ^= (uint8_t)(1u << bit % 8);
	assert_int_equal(pwrite(fd, &c, 1, (off_t)(bit / 8)), 1);
	close(fd);
}

static void
names(void **state)
{
	static const char *const bad[] = { "1.log", "0000000000000001.LOG",
		"0000000000000001.log~", "000000000000001g.log",
		"00000000000000001.log", "+000000000000001.log", "",
		"000000000000000A.log" };
	char name[SEGMENT_NAME_LEN + 1];
	uint64_t l;

	(void)state;
	segment_name(name, 0xabc);
	assert_string_equal(name, "0000000000000abc.log");
	assert_int_equal(segment_name_get(name, &l), 0);
	assert_int_equal(l, 0xabc);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(segment_name_get(bad[i], &l), -1);
}

static void
written_is_there_again(void **state)
{
	struct segment *s = fresh();
	uint64_t size;

	(void)state;
	for (int i = 0; i < ENTRIES; i++)
		append(s, (size_t)i * 10, 2000 + (uint64_t)i);
	size = s->size;
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(s->created, 1000);
	assert_int_equal(segment_scan(s, 1), 0);
	assert_int_equal(s->size, size);
	assert_int_equal(s->next, ENTRIES);
	assert_int_equal(s->last_publish, 2000 + ENTRIES - 1);
	assert_null(s->damage);
	segment_free(s);
}

/* The last entry cut at every offset: torn, cut off, the rest is there. */
static void
torn_tails(void **state)
{
	struct segment *s = fresh();
	uint64_t before, whole;

	(void)state;
	for (int i = 0; i < 3; i++)
		append(s, 100, 1);
	before = s->size;
	append(s, 100, 1);
	whole = s->size;
	for (uint64_t at = whole - 1; at > before; at--) {
		cut(at);
		s = reopen(s);
		assert_int_equal(segment_load(s), 0);
		assert_int_equal(segment_scan(s, 1), at - before);
		assert_int_equal(s->size, before);
		assert_int_equal(s->next, 3);
		assert_null(s->damage);
		/* In a file that is not the newest, the same is damage. */
		s = reopen(s);
		assert_int_equal(segment_load(s), 0);
		assert_int_equal(segment_scan(s, 0), -1);
		assert_int_equal(s->damage_offset, before);
	}
	/* What is written next replaces the torn bytes. */
	cut(before + 30);
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), 30);
	append(s, 5, 1);
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), 0);
	assert_int_equal(s->next, 4);
	segment_free(s);
}

/* A file of zeros behind the last entry is what a power cut may leave. */
static void
zeros_behind(void **state)
{
	struct segment *s = fresh();
	uint64_t size;

	(void)state;
	append(s, 100, 1);
	size = s->size;
	cut(size + 3 * 1024 * 1024);
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), 3 * 1024 * 1024);
	assert_int_equal(s->size, size);
	flip(8 * (size + 2 * 1024 * 1024));
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), -1);
	assert_int_equal(s->damage_offset, size);
	segment_free(s);
}

/*
 * Any single bit flipped anywhere: it is seen, what is before it stays, and
 * nothing is cut off but for an entry that is the last.
 */
static void
flipped_bits(void **state)
{
	uint64_t start[5], size;
	struct segment *s = fresh();
	int64_t rc;

	(void)state;
	for (int i = 0; i < 4; i++) {
		start[i] = s->size;
		append(s, 40, 1);
	}
	size = start[4] = s->size;
	for (uint64_t bit = 0; bit < 8 * size; bit++) {
		uint64_t hit = 0;

		flip(bit);
		s = reopen(s);
		if (segment_load(s) == -1) {
			assert_true(bit < 8 * SEGMENT_HEADER_LEN);
			assert_int_equal(errno, EBADMSG);
			assert_non_null(s->damage);
		} else if (bit < 8 * SEGMENT_HEADER_LEN) {
			fail_msg("bit %d of the header", (int)bit);
		} else {
			while (bit / 8 >= start[hit + 1])
				hit++;
			rc = segment_scan(s, 1);
			assert_int_equal(s->next, hit);
			assert_int_equal(s->size, start[hit]);
			assert_true(rc == -1 ? s->damage != NULL :
					       rc > 0 && hit == 3);
		}
		flip(bit);
	}
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), 0);
	segment_free(s);
}

static void
short_files(void **state)
{
	struct segment *s = fresh();

	(void)state;
	for (uint64_t n = 0; n < SEGMENT_HEADER_LEN; n++) {
		cut(n);
		s = reopen(s);
		assert_int_equal(segment_load(s), -1);
		assert_int_equal(errno, ENODATA);
	}
	segment_free(s);
}

static void
seeking(void **state)
{
	struct segment *s = fresh();
	uint64_t offset, id, at[200];

	(void)state;
	/* Several index points; two entries share each time. */
	for (uint64_t i = 0; i < 200; i++) {
		at[i] = s->size;
		append(s, 20000, 1000 + 10 * (i / 2));
	}
	for (int again = 0; again < 2; again++) {
		assert_true(again == 1 || s->npoints > 10);
		for (uint64_t i = 0; i < 200; i++) {
			assert_int_equal(
			    segment_seek_entry(s, i, &offset, &id), 0);
			assert_true(offset == at[i] && id == i);
			assert_int_equal(segment_seek_time(s,
			    1000 + 10 * (i / 2), &offset, &id), 0);
			assert_int_equal(id, i / 2 * 2);
			assert_int_equal(segment_seek_time(s,
			    995 + 10 * (i / 2), &offset, &id), 0);
			assert_int_equal(id, i / 2 * 2);
		}
		assert_int_equal(segment_seek_entry(s, 200, &offset, &id), 0);
		assert_true(offset == s->size && id == 200);
		assert_int_equal(segment_seek_entry(s, 9999, &offset, &id), 0);
		assert_int_equal(id, 200);
		assert_int_equal(segment_seek_time(s, 0, &offset, &id), 0);
		assert_int_equal(id, 0);
		assert_int_equal(segment_seek_time(s, UINT64_MAX, &offset,
		    &id), 0);
		assert_int_equal(id, 200);
		s = reopen(s);
		assert_int_equal(segment_load(s), 0);
	}
	segment_free(s);
}

static void
seeking_stops_at_what_is_visible(void **state)
{
	struct segment *s = fresh();
	uint64_t offset, id, end;

	(void)state;
	append(s, 10, 1);
	end = s->size;
	append(s, 10, 2);
	segment_publish(s, end, 1);
	assert_int_equal(segment_seek_entry(s, 1, &offset, &id), 0);
	assert_true(offset == end && id == 1);
	assert_int_equal(segment_seek_time(s, 2, &offset, &id), 0);
	assert_true(offset == end && id == 1);
	segment_free(s);
}

static void
seeking_meets_damage(void **state)
{
	struct segment *s = fresh();
	uint64_t offset, id, at;

	(void)state;
	append(s, 10, 1);
	at = s->size;
	append(s, 10, 1);
	append(s, 10, 1);
	flip(8 * (at + 50));
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_seek_entry(s, 0, &offset, &id), 0);
	assert_int_equal(s->damage_offset, at);
	assert_int_equal(s->visible, at);
	assert_int_equal(segment_seek_entry(s, 2, &offset, &id), 0);
	assert_true(offset == at && id == 1); /* as far as it goes */
	segment_free(s);
}

static void
a_full_disk_leaves_no_trace(void **state)
{
	struct rlimit old, small;
	struct segment *s = fresh();
	uint8_t big[8192], zeros[4000] = { 0 };
	struct entry e = { .payload = zeros, .payload_len = sizeof(zeros) };
	struct iovec iov[2] = { { big, 4049 }, { big, 4049 } };
	uint64_t size;
	struct stat st;

	(void)state;
	append(s, 100, 1);
	size = s->size;
	entry_put(big, &e);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = size + 5000; /* inside the second piece */
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(segment_append(s, iov, 2, 2 * 4049, 2, 1), -1);
	assert_int_equal(errno, EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(s->size, size);
	assert_int_equal(s->next, 1);
	assert_int_equal(fstat(s->file.fd, &st), 0);
	assert_int_equal(st.st_size, size);
	append(s, 100, 1);
	s = reopen(s);
	assert_int_equal(segment_load(s), 0);
	assert_int_equal(segment_scan(s, 1), 0);
	assert_int_equal(s->next, 2);
	segment_free(s);
}

static void
files_stay_within_the_budget(void **state)
{
	struct file f[10];
	struct files fs;

	(void)state;
	files_init(&fs, 4);
	for (int i = 0; i < 10; i++) {
		f[i] = (struct file){ .fd = -1 };
		files_add(&fs, &f[i], open("/dev/null", O_RDONLY));
		assert_true(fs.open <= 4);
		if (i == 0)
			files_pin(&fs, &f[0]);
		if (i >= 1)
			files_touch(&fs, &f[1]);
	}
	assert_true(f[0].fd != -1); /* pinned */
	assert_true(f[1].fd != -1); /* used all the time */
	assert_true(f[5].fd == -1);
	assert_int_equal(fs.evicted, 6);
	files_unpin(&fs, &f[0]);
	for (int i = 0; i < 10; i++)
		files_close(&fs, &f[i]);
	assert_int_equal(fs.open, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(written_is_there_again),
		cmocka_unit_test(torn_tails),
		cmocka_unit_test(zeros_behind),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(short_files),
		cmocka_unit_test(seeking),
		cmocka_unit_test(seeking_stops_at_what_is_visible),
		cmocka_unit_test(seeking_meets_damage),
		cmocka_unit_test(a_full_disk_leaves_no_trace),
		cmocka_unit_test(files_stay_within_the_budget),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
