/* Options: numbers, ranges, and every way to end with EX_USAGE. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "forked.h"
#include "log.h"
#include "opt.h"

#define ARGS_MAX 80

static int flag, choice;
static const char *string = "deflt";
static struct opt_list list;
static int64_t number = 7, size = 3 << 20, ms = 1500, unset = -1,
	       large = INT64_C(64) << 30;

static const struct opt table[] = {
	{ "flag", OPT_FLAG, &flag, NULL, "a flag", 0, 0, NULL },
	{ "string", OPT_STRING, &string, "TEXT", "a string", 0, 0, NULL },
	{ "list", OPT_LIST, &list, "ITEM", "a list", 0, 0, NULL },
	{ "number", OPT_INT, &number, "N", "a number", -5, 10, NULL },
	{ "size", OPT_SIZE, &size, "BYTES", "a size", 33, 1 << 24, NULL },
	{ "ms", OPT_MS, &ms, "TIME", "a time", 0, 0, NULL },
	{ "choice", OPT_CHOICE, &choice, NULL, "one of", 0, 0,
	    "never|auto|always" },
	{ "unset", OPT_INT, &unset, "N", "a number not given", 0, 9, NULL },
	{ "large", OPT_SIZE, &large, "BYTES", "a large size", 0, 0, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

/* Splits a line at its blanks, parses it and prints what came out. */
static void
parse(void *arg)
{
	char line[1024], *argv[ARGS_MAX + 1];
	int argc = 0, argi;

	snprintf(line, sizeof(line), "%s", (const char *)arg);
	for (char *p = strtok(line, " "); p != NULL && argc < ARGS_MAX;
	     p = strtok(NULL, " "))
		argv[argc++] = p;
	argv[argc] = NULL;
	log_init("prog");
	argi = opt_parse(argc, argv, table, "prog [options] operand");
	printf("%d %s %d %" PRId64 " %" PRId64 " %" PRId64 " %d operands %d",
	    flag, string, list.n, number, size, ms, choice, argc - argi);
}

static void
good_lines(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "prog", "0 deflt 0 7 3145728 1500 0 operands 0" },
		{ "prog --flag --string s --list a --list b --number -5 "
		  "--size 64KiB --ms 2m --choice auto x y",
		    "1 s 2 -5 65536 120000 1 operands 2" },
		{ "prog --size=0.5MiB --ms=0.25 --number=10",
		    "0 deflt 0 10 524288 250 0 operands 0" },
		{ "prog --choice always -- --flag",
		    "0 deflt 0 7 3145728 1500 2 operands 1" },
	};
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *line = strdup(rows[i].line);

		assert_int_equal(forked(parse, line, text, sizeof(text)), 0);
		assert_string_equal(text, rows[i].want);
		free(line);
	}
}

static void
bad_lines(void **state)
{
	static const struct {
		const char *line, *want; /* the line after "prog: " */
	} rows[] = {
		{ "prog --nope", "--nope: no such option" },
		{ "prog -x", "-x: no such option" },
		{ "prog -5", "-5: no such option" },
		{ "prog --string", "--string: needs a value" },
		{ "prog --flag=1", "--flag=1: takes no value" },
		{ "prog --help=1", "--help=1: takes no value" },
		{ "prog --number 1 --number 1", "--number: given twice" },
		{ "prog --flag --flag", "--flag: given twice" },
		{ "prog --number 11",
		    "--number: 11: not a number from -5 to 10" },
		{ "prog --number 1x",
		    "--number: 1x: not a number from -5 to 10" },
		{ "prog --size 32",
		    "--size: 32: not a number from 33 to 16777216" },
		{ "prog --size 1.5",
		    "--size: 1.5: not a number from 33 to 16777216" },
		{ "prog --ms 1y", "--ms: 1y: not a time (in milliseconds) "
				  "from 0 to 4611686018427387903" },
		{ "prog --choice no",
		    "--choice: no: not one of never|auto|always" },
		{ "prog --choice aut",
		    "--choice: aut: not one of never|auto|always" },
	};
	char text[4096], want[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *line = strdup(rows[i].line);

		snprintf(want, sizeof(want),
		    "prog: %s\nusage: prog [options] operand\n", rows[i].want);
		assert_int_equal(forked(parse, line, text, sizeof(text)),
		    EX_USAGE);
		assert_string_equal(text, want);
		free(line);
	}
}

static void
a_list_has_a_limit(void **state)
{
	char line[1024] = "prog", text[4096];

	(void)state;
	for (int i = 0; i < OPT_LIST_MAX; i++)
		strcat(line, " --list=x");
	assert_int_equal(forked(parse, line, text, sizeof(text)), 0);
	strcat(line, " --list=x");
	assert_int_equal(forked(parse, line, text, sizeof(text)), EX_USAGE);
	assert_non_null(strstr(text, "--list: at most 64"));
}

static void
help_shows_every_option_and_default(void **state)
{
	static const char *const want[] = { "usage: prog [options] operand\n",
		"--flag  ", "--string TEXT ", "(default deflt)",
		"--list ITEM ", "(default 7)", "(default 3MiB)",
		"(default 1500ms)", "--choice never|auto|always",
		"(default never)", "(default 64GiB)", "--verbose", "--version", "--help" };
	char text[4096], line[] = "prog --help --nope";

	(void)state;
	assert_int_equal(forked(parse, line, text, sizeof(text)), EX_OK);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_non_null(strstr(text, want[i]));
	assert_null(strstr(text, "(default -1)"));
}

static void
version_is_one_line(void **state)
{
	char text[4096], line[] = "prog --version";

	(void)state;
	assert_int_equal(forked(parse, line, text, sizeof(text)), EX_OK);
	assert_true(strncmp(text, "prog (sluice) ", 14) == 0);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void
numbers(void **state)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "0x10",
		"1.0", "9223372036854775808", "a" };
	int64_t v = 0;

	(void)state;
	assert_int_equal(opt_number("0", 0, 9, &v), 0);
	assert_int_equal(opt_number("-9223372036854775808", INT64_MIN, 0, &v),
	    0);
	assert_true(v == INT64_MIN);
	assert_int_equal(opt_number("9223372036854775807", 0, INT64_MAX, &v),
	    0);
	assert_true(v == INT64_MAX);
	assert_int_equal(opt_number("10", 0, 9, &v), -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(opt_number(bad[i], INT64_MIN, INT64_MAX, &v),
		    -1);
	assert_true(v == INT64_MAX); /* untouched */
}

static void
sizes_and_times(void **state)
{
	static const char *const bad[] = { "", "KiB", "1kib", "1K", "1e3",
		"0x10", "1 KiB", "-1", ".5KiB", "1..5KiB", "1.5.5KiB", "nan",
		"inf", "8589934592GiB", "99999999999999999999", "0.3",
		"1KiBx" };
	int64_t v;

	(void)state;
	assert_int_equal(opt_size("0", 0, INT64_MAX, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(opt_size("1.5KiB", 0, INT64_MAX, &v), 0);
	assert_int_equal(v, 1536);
	assert_int_equal(opt_size("2GiB", 0, INT64_MAX, &v), 0);
	assert_true(v == INT64_C(2) << 30);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(opt_size(bad[i], 0, INT64_MAX, &v), -1);
	assert_int_equal(opt_ms("0.1", 0, 1000, &v), 0);
	assert_int_equal(v, 100);
	assert_int_equal(opt_ms("0.29", 0, 1000, &v), 0);
	assert_int_equal(v, 290);
	assert_int_equal(opt_ms("7ms", 0, 1000, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(opt_ms("1h", 0, INT64_MAX, &v), 0);
	assert_int_equal(v, 3600000);
	assert_int_equal(opt_ms("0.5ms", 0, 1000, &v), -1);
	assert_int_equal(opt_ms("1001ms", 0, 1000, &v), -1);
	assert_int_equal(opt_ms("1KiB", 0, 1000, &v), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(a_list_has_a_limit),
		cmocka_unit_test(help_shows_every_option_and_default),
		cmocka_unit_test(version_is_one_line),
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes_and_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
