#include "opt.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "version.h"

#define OPT_ROWS_MAX 64
#define OPT_BASE 0x1000 /* row n is OPT_BASE + n: never a character */
#define OPT_HELP 0x2000
#define OPT_VERSION 0x2001
#define OPT_VERBOSE 0x2002

static const char *opt_synopsis = "";

_Noreturn void
opt_usage(const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_warnx("%s", msg);
	fprintf(stderr, "usage: %s\n", opt_synopsis);
	exit(EX_USAGE);
}

int
opt_number(const char *s, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)s[0]) && s[0] != '-')
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || end == s || *end != '\0' || v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

struct opt_unit {
	const char *suffix;
	int64_t factor;
};

/*
 * A decimal number followed by one of the units. It may have a fraction as
 * long as the product is whole, to what a double can tell.
 */
static int
opt_scaled(const char *s, const struct opt_unit *units, int64_t min,
    int64_t max, int64_t *out)
{
	const char *unit = s + strspn(s, "0123456789.");
	char *end;
	double v, whole;

	if (!isdigit((unsigned char)s[0]))
		return -1;
	/* strtod alone would also read exponents and hexadecimal. */
	v = strtod(s, &end);
	if (end != unit)
		return -1;
	for (; units->suffix != NULL; units++) {
		if (strcmp(unit, units->suffix) != 0)
			continue;
		v *= (double)units->factor;
		if (v >= 0x1p63)
			return -1;
		whole = (double)(int64_t)(v + 0.5);
		if (v - whole > 1e-6 || whole - v > 1e-6)
			return -1;
		if ((int64_t)whole < min || (int64_t)whole > max)
			return -1;
		*out = (int64_t)whole;
		return 0;
	}
	return -1;
}

int
opt_size(const char *s, int64_t min, int64_t max, int64_t *out)
{
	static const struct opt_unit units[] = { { "", 1 }, { "KiB", 1 << 10 },
		{ "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { NULL, 0 } };

	return opt_scaled(s, units, min, max, out);
}

int
opt_ms(const char *s, int64_t min, int64_t max, int64_t *out)
{
	static const struct opt_unit units[] = { { "", 1000 }, { "ms", 1 },
		{ "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { NULL, 0 } };

	return opt_scaled(s, units, min, max, out);
}

int
opt_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	for (const char *p = choices;; i++) {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, value, n) == 0)
			return i;
		if (p[n] == '\0')
			return -1;
		p += n + 1;
	}
}

static void
opt_max(const struct opt *o, int64_t *min, int64_t *max)
{
	*min = o->min;
	*max = (o->min == 0 && o->max == 0) ? INT64_MAX / 2 : o->max;
}

static void
opt_set(const struct opt *o, const char *value)
{
	int64_t min, max;
	int bad = 0, i;

	opt_max(o, &min, &max);
	switch (o->type) {
	case OPT_FLAG:
		*(int *)o->dst = 1;
		break;
	case OPT_STRING:
		*(const char **)o->dst = value;
		break;
	case OPT_LIST: {
		struct opt_list *l = o->dst;

		if (l->n == OPT_LIST_MAX)
			opt_usage("--%s: at most %d", o->name, OPT_LIST_MAX);
		l->v[l->n++] = value;
		break;
	}
	case OPT_INT:
		bad = opt_number(value, min, max, o->dst);
		break;
	case OPT_SIZE:
		bad = opt_size(value, min, max, o->dst);
		break;
	case OPT_MS:
		bad = opt_ms(value, min, max, o->dst);
		break;
	case OPT_CHOICE:
		i = opt_choice(o->choices, value);
		if (i == -1)
			opt_usage("--%s: %s: not one of %s", o->name, value,
			    o->choices);
		*(int *)o->dst = i;
		break;
	}
	if (bad)
		opt_usage("--%s: %s: not a %s from %" PRId64 " to %" PRId64,
		    o->name, value,
		    o->type == OPT_MS ? "time (in milliseconds)" : "number",
		    min, max);
}

static void
opt_print_number(const struct opt *o)
{
	int64_t v = *(int64_t *)o->dst, min, max;

	opt_max(o, &min, &max);
	if (v < min || v > max)
		return; /* stands for "not given" */
	if (o->type == OPT_INT)
		printf(" (default %" PRId64 ")", v);
	else if (o->type == OPT_MS && v % 1000 == 0)
		printf(" (default %" PRId64 "s)", v / 1000);
	else if (o->type == OPT_MS)
		printf(" (default %" PRId64 "ms)", v);
	else if (v >= 1 << 30 && v % (1 << 30) == 0)
		printf(" (default %" PRId64 "GiB)", v >> 30);
	else if (v >= 1 << 20 && v % (1 << 20) == 0)
		printf(" (default %" PRId64 "MiB)", v >> 20);
	else if (v >= 1 << 10 && v % (1 << 10) == 0)
		printf(" (default %" PRId64 "KiB)", v >> 10);
	else
		printf(" (default %" PRId64 ")", v);
}

static void
opt_print_default(const struct opt *o)
{
	const char *s;

	switch (o->type) {
	case OPT_STRING:
		s = *(const char **)o->dst;
		if (s != NULL)
			printf(" (default %s)", s);
		break;
	case OPT_INT:
	case OPT_SIZE:
	case OPT_MS:
		opt_print_number(o);
		break;
	case OPT_CHOICE:
		s = o->choices;
		for (int i = *(int *)o->dst; i > 0; i--)
			s += strcspn(s, "|") + 1;
		printf(" (default %.*s)", (int)strcspn(s, "|"), s);
		break;
	default:
		break;
	}
}

static void
opt_print_help(const struct opt *table)
{
	char left[64];

	printf("usage: %s\n\n", opt_synopsis);
	for (const struct opt *o = table; o->name != NULL; o++) {
		const char *arg = o->arg;

		if (o->type == OPT_CHOICE && arg == NULL)
			arg = o->choices;
		snprintf(left, sizeof(left), "--%s%s%s", o->name,
		    arg != NULL ? " " : "", arg != NULL ? arg : "");
		printf("  %-32s %s", left, o->help);
		opt_print_default(o);
		putchar('\n');
	}
	printf("  %-32s %s\n", "--verbose", "more diagnostics on stderr");
	printf("  %-32s %s\n", "--version", "print the version and exit");
	printf("  %-32s %s\n", "--help", "print this and exit");
}

int
opt_parse(int argc, char **argv, const struct opt *table, const char *synopsis)
{
	struct option longopts[OPT_ROWS_MAX + 4] = { { NULL, 0, NULL, 0 } };
	unsigned char seen[OPT_ROWS_MAX] = { 0 };
	int c, n;

	opt_synopsis = synopsis;
	for (n = 0; table[n].name != NULL; n++) {
		if (n == OPT_ROWS_MAX)
			fatalx(EX_SOFTWARE, "option table is too long");
		longopts[n] = (struct option){ table[n].name,
			table[n].type == OPT_FLAG ? no_argument :
						    required_argument,
			NULL, OPT_BASE + n };
	}
	longopts[n++] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	longopts[n++] =
	    (struct option){ "version", no_argument, NULL, OPT_VERSION };
	longopts[n++] =
	    (struct option){ "verbose", no_argument, NULL, OPT_VERBOSE };
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longopts, NULL)) != -1) {
		switch (c) {
		case ':':
			opt_usage("%s: needs a value", argv[optind - 1]);
		case '?':
			if (optopt >= OPT_BASE)
				opt_usage("%s: takes no value",
				    argv[optind - 1]);
			if (optopt != 0)
				opt_usage("-%c: no such option", optopt);
			opt_usage("%s: no such option", argv[optind - 1]);
		case OPT_HELP:
			opt_print_help(table);
			exit(EX_OK);
		case OPT_VERSION:
			printf("%s (sluice) %s\n", log_progname(),
			    SLUICE_VERSION);
			exit(EX_OK);
		case OPT_VERBOSE:
			log_set_verbose(1);
			continue;
		default:
			c -= OPT_BASE;
			break;
		}
		if (seen[c]++ && table[c].type != OPT_LIST)
			opt_usage("--%s: given twice", table[c].name);
		opt_set(&table[c], optarg);
	}
	return optind;
}
