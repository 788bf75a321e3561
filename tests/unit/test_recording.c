/* Recordings: names, limits, files that are whole at any moment. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "le.h"
#include "recording.h"
#include "../../sink-audio/wav.h"
#include "../../sink-chat/jsonl.h"
#include "../../sink-video/ivf.h"

#define SECOND UINT64_C(1000000000)
#define WAV "/t-0000000000000007-a.wav"

static char dir[64];
static struct recorder rr;
static uint8_t file[1 << 20];

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/recording.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 :
	    recorder_open(&rr, "t", dir, 1 << 20, 100);
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	recorder_close(&rr);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

/* Reads DIR/NAME into file[]; its size, or -1. */
static ssize_t
slurp(const char *name)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd == -1)
		return -1;
	n = read(fd, file, sizeof(file));
	close(fd);
	return n;
}

static void
append_raw(const char *name, const void *p, size_t n)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static int
files_in_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
names_cannot_leave_the_directory(void **state)
{
	static const struct {
		const char *track, *want;
	} rows[] = {
		{ "live_video", "t-00000000000000ff-live_video.x" },
		{ "A-z_09", "t-00000000000000ff-A-z_09.x" },
		{ "", "t-00000000000000ff-%00.x" },
		{ "..", "t-00000000000000ff-%2E%2E.x" },
		{ "/etc/passwd", "t-00000000000000ff-%2Fetc%2Fpasswd.x" },
		{ "a%2F", "t-00000000000000ff-a%252F.x" },
		{ "\xc3\xa9\n\x7f", "t-00000000000000ff-%C3%A9%0A%7F.x" },
		{ "////////////////", "t-00000000000000ff-%2F%2F%2F%2F%2F%2F"
		    "%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F.x" },
	};
	char name[RECORDING_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		recording_name(name, "t", 255, rows[i].track, "x");
		assert_string_equal(name, rows[i].want);
	}
}

static void
wav_is_true_after_every_flush(void **state)
{
	static const uint8_t samples[200] = { 1 };
	uint32_t rate = 44100;
	struct recording *r;
	uint64_t now = SECOND;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		r = recording_get(&rr, 7, "a", &wav_format, &rate, now);
		wav_append(r, samples, sizeof(samples), now);
		/* Held back for a second at most. */
		assert_true(recorder_tick(&rr, now) <= SECOND);
		now += SECOND;
		assert_true(recorder_tick(&rr, now) == UINT64_MAX);
		assert_int_equal(slurp(WAV), 44 + 200 * i);
		assert_memory_equal(file, "RIFF", 4);
		assert_int_equal(le32_get(file + 4), 36 + 200 * i);
		assert_int_equal(le32_get(file + 24), 44100);
		assert_int_equal(le32_get(file + 40), 200 * i);
	}
	assert_int_equal(rr.stats.bytes, 600);
}

static void
wav_is_continued(void **state)
{
	static const uint8_t samples[10] = { 1 };
	uint32_t rate = 48000, other = 8000;
	struct recording *r;

	(void)state;
	r = recording_get(&rr, 7, "a", &wav_format, &rate, 1);
	wav_append(r, samples, sizeof(samples), 1);
	recorder_close_session(&rr, 8);
	assert_int_equal(rr.stats.open, 1);
	recorder_close_session(&rr, 7);
	assert_int_equal(rr.stats.open, 0);
	/* Killed in the middle of a sample. */
	append_raw(WAV, "x", 1);
	r = recording_get(&rr, 7, "a", &wav_format, &other, 1);
	assert_int_equal(wav_rate(r), 48000);
	wav_append(r, samples, sizeof(samples), 1);
	recorder_close_session(&rr, 7);
	assert_int_equal(slurp(WAV), 64);
	assert_int_equal(le32_get(file + 40), 20);
}

static void
what_is_not_ours_is_left_alone(void **state)
{
	uint32_t rate = 48000;

	(void)state;
	append_raw(WAV, "something else of more than a header's length", 45);
	assert_null(recording_get(&rr, 7, "a", &wav_format, &rate, 1));
	assert_null(recording_get(&rr, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(rr.stats.errors, 1);
	assert_int_equal(rr.stats.skipped, 2);
	assert_int_equal(slurp(WAV), 45);
}

static void
links_are_not_followed(void **state)
{
	char path[128];
	uint32_t rate = 48000;

	(void)state;
	snprintf(path, sizeof(path), "%s" WAV, dir);
	assert_int_equal(symlink("target", path), 0);
	assert_null(recording_get(&rr, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	recorder_close_session(&rr, 7);
	assert_null(recording_get(&rr, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(rr.stats.errors, 2);
}

static void
two_writers_do_not_meet(void **state)
{
	static struct recorder other;
	uint32_t rate = 48000;

	(void)state;
	assert_non_null(recording_get(&rr, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(recorder_open(&other, "t", dir, 1 << 20, 100), 0);
	assert_null(recording_get(&other, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(other.stats.errors, 1);
	recorder_close(&other);
}

static void
files_open_are_bounded(void **state)
{
	char track[16];
	uint32_t rate = 48000;
	struct recording *r;

	(void)state;
	rr.max_files = 2 * RECORDING_OPEN_MAX + 10;
	for (int i = 0; i < RECORDING_OPEN_MAX + 10; i++) {
		snprintf(track, sizeof(track), "t%d", i);
		r = recording_get(&rr, 7, track, &wav_format, &rate,
		    (uint64_t)i + 1);
		wav_append(r, (const uint8_t *)"12", 2, 1);
		assert_true(rr.stats.open <= RECORDING_OPEN_MAX);
	}
	assert_int_equal(files_in_dir(), RECORDING_OPEN_MAX + 10);
	/* One closed for another is continued. */
	r = recording_get(&rr, 7, "t0", &wav_format, &rate, 1000);
	assert_int_equal(r->size, 2);
}

static void
limits_leave_out_what_is_new(void **state)
{
	uint32_t rate = 48000;
	struct recording *r;
	char track[16];

	(void)state;
	rr.max_files = 3;
	for (int i = 0; i < 5; i++) {
		snprintf(track, sizeof(track), "t%d", i);
		r = recording_get(&rr, 7, track, &wav_format, &rate, 1);
		assert_int_equal(r != NULL, i < 3);
	}
	assert_int_equal(rr.stats.skipped, 2);
	assert_int_equal(files_in_dir(), 3);
	rr.max_bytes = 100;
	r = recording_get(&rr, 7, "t0", &wav_format, &rate, 1);
	recording_append(r, file, 100, 1);
	recorder_tick(&rr, 2 * SECOND);
	assert_null(recording_get(&rr, 7, "t0", &wav_format, &rate, 1));
}

static void
ivf_counts_and_times_frames(void **state)
{
	struct chunk c = { .codec = CHUNK_VP8, .width = 320, .height = 240,
		.timestamp_us = 5000000, .data = (const uint8_t *)"frame",
		.len = 5 };
	static const uint64_t times[] = { 5000000, 5033000, 5033000, 4000000,
		4040000, UINT64_MAX, 10 };
	static const uint64_t want[] = { 0, 33000, 33001, 33002, 73002, 73003,
		73014 };
	struct recording *r;

	(void)state;
	for (int i = 0; i < 7; i++) {
		c.timestamp_us = times[i];
		r = recording_get(&rr, 7, "a", ivf_format(c.codec), &c, 1);
		ivf_append(r, &c, 1);
	}
	recorder_close_session(&rr, 7);
	assert_int_equal(slurp("/t-0000000000000007-a.ivf"), 32 + 7 * 17);
	assert_memory_equal(file, "DKIF\0\0\x20\0VP80\x40\x01\xf0\0", 16);
	assert_int_equal(le32_get(file + 24), 7);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(le32_get(file + 32 + 17 * i), 5);
		assert_int_equal(le64_get(file + 32 + 17 * i + 4), want[i]);
	}
}

static void
ivf_is_continued_behind_what_is_whole(void **state)
{
	struct chunk c = { .codec = CHUNK_VP9, .width = 16, .height = 16,
		.timestamp_us = 100, .data = (const uint8_t *)"frame",
		.len = 5 };
	const char *name = "/t-0000000000000007-a.vp9.ivf";
	struct recording *r;

	(void)state;
	r = recording_get(&rr, 7, "a", ivf_format(c.codec), &c, 1);
	ivf_append(r, &c, 1);
	recorder_close_session(&rr, 7);
	append_raw(name, "\x05\0\0\0\1\0\0\0\0\0\0\0fra", 15);
	c.timestamp_us = 7;
	r = recording_get(&rr, 7, "a", ivf_format(c.codec), &c, 1);
	assert_int_equal(r->size, 17);
	ivf_append(r, &c, 1);
	recorder_close_session(&rr, 7);
	assert_int_equal(slurp(name), 32 + 2 * 17);
	assert_int_equal(le32_get(file + 24), 2);
	assert_int_equal(le64_get(file + 32 + 17 + 4), 1);
	/* Cut at any place, it is continued or, without header, refused. */
	for (off_t n = 32 + 16; n > 0; n--) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s", dir, name);
		assert_int_equal(truncate(path, n), 0);
		r = recording_get(&rr, 7, "a", ivf_format(c.codec), &c, 1);
		assert_int_equal(r != NULL, n >= 32);
		if (r != NULL)
			ivf_append(r, &c, 1);
		recorder_close_session(&rr, 7);
	}
}

static void
jsonl_has_a_message_a_line(void **state)
{
	const char *name = "/t-0000000000000007-a.jsonl";
	struct recording *r;

	(void)state;
	r = recording_get(&rr, 7, "a", &jsonl_format, NULL, 1);
	jsonl_append(r, (const uint8_t *)"{\r\n\"a\":\n1}", 10, 1);
	jsonl_append(r, (const uint8_t *)"{}", 2, 1);
	recorder_close_session(&rr, 7);
	assert_int_equal(slurp(name), 14);
	assert_memory_equal(file, "{  \"a\": 1}\n{}\n", 14);
	append_raw(name, "{\"half", 6);
	r = recording_get(&rr, 7, "a", &jsonl_format, NULL, 1);
	jsonl_append(r, (const uint8_t *)"{}", 2, 1);
	recorder_close_session(&rr, 7);
	assert_int_equal(slurp(name), 17);
	assert_memory_equal(file + 11, "{}\n{}\n", 6);
}

static void
nothing_is_done_without_a_directory(void **state)
{
	static struct recorder off;
	uint32_t rate = 48000;

	(void)state;
	assert_int_equal(recorder_open(&off, "t", NULL, 1, 1), 0);
	assert_null(recording_get(&off, 7, "a", &wav_format, &rate, 1));
	assert_int_equal(off.stats.skipped, 0);
	assert_true(recorder_tick(&off, 1) == UINT64_MAX);
	recorder_close(&off);
	assert_int_equal(recorder_open(&off, "t", "/dev/null/x", 1, 1), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_cannot_leave_the_directory),
		TEST(wav_is_true_after_every_flush),
		TEST(wav_is_continued),
		TEST(what_is_not_ours_is_left_alone),
		TEST(links_are_not_followed),
		TEST(two_writers_do_not_meet),
		TEST(files_open_are_bounded),
		TEST(limits_leave_out_what_is_new),
		TEST(ivf_counts_and_times_frames),
		TEST(ivf_is_continued_behind_what_is_whole),
		TEST(jsonl_has_a_message_a_line),
		cmocka_unit_test(nothing_is_done_without_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
