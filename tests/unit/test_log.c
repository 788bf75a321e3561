/* Diagnostics: one line each, whatever is in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "forked.h"
#include "log.h"

static char text[8192];

static void
say_all(void *arg)
{
	(void)arg;
	log_init("prog");
	errno = ENOENT;
	log_warn("file %s", "x");
	log_warnx("n %d", 5);
	log_info("info");
	log_debug("not yet");
	log_set_verbose(1);
	log_debug("now");
	if (errno != ENOENT)
		log_warnx("errno was changed");
	fatal(EX_NOINPUT, "gone");
}

static void
lines_look_as_documented(void **state)
{
	(void)state;
	assert_int_equal(forked(say_all, NULL, text, sizeof(text)),
	    EX_NOINPUT);
	assert_string_equal(text,
	    "prog: file x: No such file or directory\n"
	    "prog: n 5\n"
	    "prog: info\n"
	    "prog: now\n"
	    "prog: gone: No such file or directory\n");
}

static void
say_hostile(void *arg)
{
	log_init("prog");
	log_warnx("%s", (const char *)arg);
	fatalx(EX_DATAERR, "%s", (const char *)arg);
}

static void
one_line_stays_one_line(void **state)
{
	char hostile[] = "a\nprog: fake\r\x1b[2J\x7f\tb \xc2\x9b" "c\xc3\xa4";

	(void)state;
	assert_int_equal(forked(say_hostile, hostile, text, sizeof(text)),
	    EX_DATAERR);
	assert_string_equal(text, "prog: a?prog: fake??[2J??b ?\x9b" "c\xc3\xa4\n"
				  "prog: a?prog: fake??[2J??b ?\x9b" "c\xc3\xa4\n");
}

/* Around the size of the line buffer, with and without an errno text. */
static void
say_long(void *arg)
{
	size_t n = *(size_t *)arg;
	char s[3000];

	memset(s, 'x', n);
	s[n] = '\0';
	log_init("prog");
	errno = EPIPE;
	log_warn("%s", s);
	log_warnx("%s", s);
}

static void
long_lines_are_cut(void **state)
{
	(void)state;
	for (size_t n = 950; n < 1100; n++) {
		char *nl;

		assert_int_equal(forked(say_long, &n, text, sizeof(text)), 0);
		nl = strchr(text, '\n');
		assert_non_null(nl);
		assert_true(nl - text <= 1023);
		assert_true(strncmp(nl + 1, "prog: xxx", 9) == 0);
		assert_ptr_equal(strchr(nl + 1, '\n'),
		    text + strlen(text) - 1);
	}
}

static void
say_name(void *arg)
{
	log_init(arg);
	log_warnx("x");
}

static void
a_long_name_is_cut(void **state)
{
	char name[3000];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(forked(say_name, name, text, sizeof(text)), 0);
	assert_true(strlen(text) < 100);
	assert_non_null(strstr(text, "n: x\n"));
}

static void
say_often(void *arg)
{
	struct log_limit l = { 0 };
	const uint64_t second = UINT64_C(1000000000);
	int n = 0;

	(void)arg;
	log_init("prog");
	for (int i = 0; i < 1000; i++)
		n += log_limit(&l, 5 * second + (uint64_t)i);
	log_warnx("%d", n);
	n = log_limit(&l, 6 * second);
	log_warnx("%d", n);
	n = log_limit(&l, 9 * second);
	log_warnx("%d", n);
}

static void
a_flood_is_limited_and_told(void **state)
{
	(void)state;
	assert_int_equal(forked(say_often, NULL, text, sizeof(text)), 0);
	assert_string_equal(text, "prog: 10\n"
				  "prog: 990 lines like these left out\n"
				  "prog: 1\n"
				  "prog: 1\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_look_as_documented),
		cmocka_unit_test(one_line_stays_one_line),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(a_flood_is_limited_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
