/* wt-client: sources, and where to connect. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../wt-client/source.h"
#include "../../wt-client/target.h"

static const struct source_options plain = { .chunk = 4 };

static void
write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* The next payload is s; "" for anything but a packet, result in *r. */
static enum source_result
take(struct source *s, struct cursor *c, char *text, size_t size)
{
	struct buf b = { 0 };
	enum source_result r;

	buf_append(&b, "head", 4);
	r = source_next(s, c, 0, &b);
	assert_memory_equal(buf_data(&b), "head", 4);
	assert_true(buf_len(&b) - 4 < size);
	memcpy(text, buf_data(&b) + 4, buf_len(&b) - 4);
	text[buf_len(&b) - 4] = '\0';
	buf_free(&b);
	return r;
}

static void
rates(void **state)
{
	static const char *const bad[] = { "", "-1", "x", "1x", "1e3", "0x10",
		"inf", "nan", "1.2.3", ".5", "1000001", "0.0001", " 1", "1 " };
	double v;

	(void)state;
	assert_int_equal(source_parse_rate("29.97", &v), 0);
	assert_true(v > 29.96 && v < 29.98);
	assert_int_equal(source_parse_rate("max", &v), 0);
	assert_true(v == 0);
	assert_int_equal(source_parse_rate("0", &v), 0);
	assert_true(v == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(source_parse_rate(bad[i], &v), -1);
}

static void
sizes_and_rates(void **state)
{
	static const char *const bad[] = { "", "100", "@1", "100@", "0@1",
		"100@x", "16MiB@1", "-1@1", "1 @1",
		"11111111111111111111111111111111111111111111@1" };
	uint64_t size, interval;

	(void)state;
	assert_int_equal(source_parse_synth("1200@100", &size, &interval), 0);
	assert_int_equal(size, 1200);
	assert_int_equal(interval, 10000000);
	assert_int_equal(source_parse_synth("64KiB@max", &size, &interval), 0);
	assert_int_equal(size, 65536);
	assert_int_equal(interval, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    source_parse_synth(bad[i], &size, &interval), -1);
}

static void
specs(void **state)
{
	struct source s;

	(void)state;
	assert_int_equal(source_open(&s, "chat:200@5", &plain), 0);
	assert_int_equal(s.synth, SYNTH_CHAT);
	assert_int_equal(source_open(&s, "synthetic:x", &plain), EX_USAGE);
	/* Samples are two bytes each. */
	assert_int_equal(source_open(&s, "pcm:10MiB@1", &plain), EX_USAGE);
	assert_int_equal(source_open(&s, "none.txt", &plain), EX_NOINPUT);
	assert_int_equal(source_open(&s, "/", &plain), EX_NOINPUT);
	write_file("empty.txt", "");
	assert_int_equal(source_open(&s, "empty.txt", &plain), EX_DATAERR);
	write_file("blank.txt", "\n\n");
	assert_int_equal(source_open(&s, "blank.txt", &plain), EX_DATAERR);
	write_file("bad.mjpeg", "no picture");
	assert_int_equal(source_open(&s, "bad.mjpeg", &plain), EX_DATAERR);
	write_file("bad.ivf", "no film");
	assert_int_equal(source_open(&s, "bad.ivf", &plain), EX_DATAERR);
	/* Sent as it is, anything is good. */
	assert_int_equal(source_open_raw(&s, "bad.ivf", &plain), 0);
	source_close(&s);
}

static void
file_ends_or_starts_again(void **state)
{
	struct source_options again = { .chunk = 4, .loop = 1, .rate = 10 };
	struct source s;
	struct cursor c, d;
	char text[64];

	(void)state;
	write_file("a.bin", "abcdef");
	assert_int_equal(source_open(&s, "a.bin", &plain), 0);
	cursor_init(&c, &s);
	cursor_init(&d, &s);
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "abcd");
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "ef");
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_END);
	assert_int_equal(c.seq, 2);
	/* The other one is where it was. */
	assert_int_equal(take(&s, &d, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "abcd");
	source_close(&s);
	assert_int_equal(source_open(&s, "a.bin", &again), 0);
	assert_int_equal(s.interval, 100000000);
	cursor_init(&c, &s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(&s, &c, text, sizeof(text)),
		    SOURCE_PACKET);
	assert_string_equal(text, "abcd");
	source_close(&s);
}

static void
pace_by_kind(void **state)
{
	struct source_options o = { .chunk = 4, .fps = 50, .rate = 10 };
	struct source s;

	(void)state;
	write_file("a.txt", "a\n");
	assert_int_equal(source_open(&s, "a.txt", &o), 0);
	assert_int_equal(s.interval, 100000000);
	source_close(&s);
	write_file("a.mjpeg", "\xff\xd8\xff\xd9");
	assert_int_equal(source_open(&s, "a.mjpeg", &o), 0);
	assert_int_equal(s.interval, 20000000);
	source_close(&s);
}

static void
bulk_is_exact(void **state)
{
	struct source s;
	struct cursor c;
	struct buf b = { 0 };

	(void)state;
	source_open_bulk(&s, SOURCE_BULK_CHUNK + 10);
	cursor_init(&c, &s);
	assert_int_equal(source_next(&s, &c, 0, &b), SOURCE_PACKET);
	assert_int_equal(source_next(&s, &c, 0, &b), SOURCE_PACKET);
	assert_int_equal(source_next(&s, &c, 0, &b), SOURCE_END);
	assert_int_equal(buf_len(&b), SOURCE_BULK_CHUNK + 10);
	for (size_t i = 0; i < buf_len(&b); i++)
		if (buf_data(&b)[i] != i % 251)
			fail();
	buf_free(&b);
}

static void
lines_of_a_pipe(void **state)
{
	struct source s;
	struct cursor c;
	char text[64];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(source_open(&s, "-", &plain), 0);
	cursor_init(&c, &s);
	assert_int_equal(source_read(&s, fds[0]), 0);
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_WAIT);
	assert_int_equal(write(fds[1], "on", 2), 2);
	assert_int_equal(source_read(&s, fds[0]), 0);
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_WAIT);
	assert_int_equal(write(fds[1], "e\r\n\n\r\ntwo\nth", 13), 13);
	assert_int_equal(source_read(&s, fds[0]), 0);
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "one");
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "two");
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_WAIT);
	close(fds[1]);
	assert_int_equal(source_read(&s, fds[0]), 0);
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_PACKET);
	assert_string_equal(text, "th");
	assert_int_equal(take(&s, &c, text, sizeof(text)), SOURCE_END);
	close(fds[0]);
	source_close(&s);
}

static void
a_line_without_end(void **state)
{
	static char block[65536];
	struct source s;
	int fds[2], rc = 0;
	size_t sent = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(source_open(&s, "-", &plain), 0);
	while (rc == 0 && sent < 2 * (size_t)SOURCE_PAYLOAD_MAX) {
		assert_int_equal(write(fds[1], block, sizeof(block)),
		    sizeof(block));
		sent += sizeof(block);
		rc = source_read(&s, fds[0]);
	}
	assert_int_equal(rc, EX_DATAERR);
	assert_true(sent <= SOURCE_PAYLOAD_MAX + 2 * sizeof(block));
	close(fds[0]);
	close(fds[1]);
	source_close(&s);
}

static void
many_lines_are_not_one(void **state)
{
	static char block[65536];
	struct source s;
	int fd;

	(void)state;
	memset(block, '\n', sizeof(block));
	fd = open("many.txt", O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t n = 0; n < 18 << 20; n += sizeof(block))
		assert_int_equal(write(fd, block, sizeof(block)),
		    sizeof(block));
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(source_open(&s, "-", &plain), 0);
	for (int i = 0; i < 80; i++)
		assert_int_equal(source_read(&s, fd), 0);
	close(fd);
	source_close(&s);
}

static void
urls(void **state)
{
	static const char *const bad[] = { "", "http://a/", "https://",
		"https:///x", "https://a:0/", "https://a:65536/", "https://a:/",
		"https://u@a/", "https://[::1/", "https://a/b c", "https://a/\n",
		"https://a:1x/", "a:443" };
	struct target t;

	(void)state;
	assert_null(target_parse(&t, "https://127.0.0.1:4433/wt?a=b#c"));
	assert_string_equal(t.host, "127.0.0.1");
	assert_string_equal(t.port, "4433");
	assert_string_equal(t.authority, "127.0.0.1:4433");
	assert_string_equal(t.path, "/wt?a=b");
	assert_null(target_parse(&t, "HTTPS://[::1]:1/"));
	assert_string_equal(t.host, "::1");
	assert_string_equal(t.authority, "[::1]:1");
	assert_null(target_parse(&t, "https://[::1]"));
	assert_string_equal(t.port, "443");
	assert_string_equal(t.path, "/");
	assert_null(target_parse(&t, "https://example.org?x"));
	assert_string_equal(t.path, "/?x");
	assert_string_equal(t.authority, "example.org");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(target_parse(&t, bad[i]));
}

static void
hashes(void **state)
{
	static const char hex[] = "00112233445566778899aabbccddeeff"
				  "00112233445566778899AABBCCDDEEFF";
	uint8_t hash[32];
	char text[200], *p = text;

	(void)state;
	assert_int_equal(target_hash_parse(hex, 64, hash), 0);
	assert_int_equal(hash[1], 0x11);
	assert_int_equal(hash[31], 0xff);
	for (int i = 0; i < 32; i++)
		p += sprintf(p, "%s%.2s", i > 0 ? ":" : "", hex + 2 * i);
	strcpy(p, "  -\n"); /* as sha256sum prints it */
	memset(hash, 0, sizeof(hash));
	assert_int_equal(target_hash_parse(text, strlen(text), hash), 0);
	assert_int_equal(hash[31], 0xff);
	assert_int_equal(target_hash_parse(hex, 63, hash), -1);
	assert_int_equal(target_hash_parse("", 0, hash), -1);
	sprintf(text, "%s0", hex);
	assert_int_equal(target_hash_parse(text, 65, hash), -1);
	sprintf(text, "g%s", hex + 1);
	assert_int_equal(target_hash_parse(text, 64, hash), -1);
	sprintf(text, ":%s", hex);
	assert_int_equal(target_hash_parse(text, 65, hash), -1);
}

static int
scratch(void **state)
{
	static char dir[] = "/tmp/sluice-test.XXXXXX";

	*state = dir;
	return mkdtemp(dir) == NULL ? -1 : chdir(dir);
}

static int
unscratch(void **state)
{
	static const char *const names[] = { "empty.txt", "blank.txt",
		"bad.mjpeg", "bad.ivf", "a.bin", "a.txt", "a.mjpeg", "many.txt" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	return chdir("/") == -1 ? -1 : rmdir(*state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(sizes_and_rates),
		cmocka_unit_test(specs),
		cmocka_unit_test(file_ends_or_starts_again),
		cmocka_unit_test(pace_by_kind),
		cmocka_unit_test(bulk_is_exact),
		cmocka_unit_test(lines_of_a_pipe),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(many_lines_are_not_one),
		cmocka_unit_test(urls),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, scratch, unscratch);
}
