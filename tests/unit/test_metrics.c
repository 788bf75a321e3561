/* The metrics file: its text, its replacement, its clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "forked.h"
#include "log.h"
#include "metrics.h"

#define SECOND UINT64_C(1000000000)

static uint64_t packets, errors_a = 1, errors_b = UINT64_MAX, active = 4;
static double rate = 0.5;

static const struct metric rows[] = {
	{ "packets_total", NULL, METRIC_COUNTER, &packets, "packets" },
	{ "errors_total", "reason=\"a\"", METRIC_COUNTER, &errors_a, "why" },
	{ "errors_total", "reason=\"b\"", METRIC_COUNTER, &errors_b, "why" },
	{ "active", NULL, METRIC_GAUGE, &active, "now" },
	{ "rate", NULL, METRIC_DOUBLE, &rate, "per second" },
	{ NULL, NULL, METRIC_GAUGE, NULL, NULL },
};

static char dir[] = "/tmp/sluice-metrics.XXXXXX";
static char path[64], text[4096];

static int
setup(void **state)
{
	(void)state;
	log_init("prog");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/m", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir); /* fails if anything was left behind */
}

static const char *
slurp(void)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
text_is_prometheus(void **state)
{
	struct metrics m = { .path = path, .rows = rows };

	(void)state;
	packets = 3;
	assert_int_equal(metrics_write(&m, 0), 0);
	assert_string_equal(slurp(),
	    "# HELP sluice_packets_total packets\n"
	    "# TYPE sluice_packets_total counter\n"
	    "sluice_packets_total{program=\"prog\"} 3\n"
	    "# HELP sluice_errors_total why\n"
	    "# TYPE sluice_errors_total counter\n"
	    "sluice_errors_total{program=\"prog\",reason=\"a\"} 1\n"
	    "sluice_errors_total{program=\"prog\",reason=\"b\"} "
	    "18446744073709551615\n"
	    "# HELP sluice_active now\n"
	    "# TYPE sluice_active gauge\n"
	    "sluice_active{program=\"prog\"} 4\n"
	    "# HELP sluice_rate per second\n"
	    "# TYPE sluice_rate gauge\n"
	    "sluice_rate{program=\"prog\"} 0.5\n");
}

static void
count_refresh(void *ctx, uint64_t now)
{
	(void)now;
	packets++;
	++*(int *)ctx;
}

static void
once_a_second(void **state)
{
	int refreshed = 0;
	struct metrics m = { .path = path, .rows = rows,
		.refresh = count_refresh, .ctx = &refreshed };
	uint64_t now = 1000 * SECOND;

	(void)state;
	assert_true(metrics_tick(&m, now) == SECOND);
	assert_int_equal(refreshed, 1);
	assert_true(metrics_tick(&m, now + SECOND / 4) == SECOND / 4 * 3);
	assert_int_equal(refreshed, 1);
	assert_true(metrics_tick(&m, now + SECOND) == SECOND);
	assert_int_equal(refreshed, 2);
	assert_true(metrics_tick(&m, now + 10 * SECOND) == SECOND);
	assert_int_equal(refreshed, 3);
}

static void
readers_never_see_half_a_file(void **state)
{
	struct metrics m = { .path = path, .rows = rows };
	struct stat a, b;
	FILE *f;
	char first[16];

	(void)state;
	assert_int_equal(metrics_write(&m, 0), 0);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(stat(path, &a), 0);
	assert_int_equal(metrics_write(&m, 0), 0);
	assert_int_equal(stat(path, &b), 0);
	assert_true(a.st_ino != b.st_ino); /* replaced, not rewritten */
	assert_non_null(fgets(first, sizeof(first), f));
	assert_true(strncmp(first, "# HELP", 6) == 0);
	fclose(f);
}

static void
without_a_path_nothing_happens(void **state)
{
	int refreshed = 0;
	struct metrics m = { .path = NULL, .rows = rows,
		.refresh = count_refresh, .ctx = &refreshed };

	(void)state;
	assert_true(metrics_tick(&m, SECOND) == UINT64_MAX);
	assert_int_equal(metrics_write(&m, SECOND), 0);
	assert_int_equal(refreshed, 0);
}

static void
fail_twice(void *arg)
{
	struct metrics m = { .path = "/nonexistent/m", .rows = rows };

	(void)arg;
	if (metrics_write(&m, 0) != -1 || metrics_write(&m, 0) != -1)
		puts("it did not fail");
}

static void
a_failure_is_logged_once(void **state)
{
	(void)state;
	assert_int_equal(forked(fail_twice, NULL, text, sizeof(text)), 0);
	assert_string_equal(text, "prog: metrics file /nonexistent/m: "
				  "No such file or directory\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_prometheus),
		cmocka_unit_test(once_a_second),
		cmocka_unit_test(readers_never_see_half_a_file),
		cmocka_unit_test(without_a_path_nothing_happens),
		cmocka_unit_test(a_failure_is_logged_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
