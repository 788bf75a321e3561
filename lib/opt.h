/*
 * Long options from one table: parsing (getopt_long), ranges, defaults and
 * the text of --help. Every program also gets --help, --version and
 * --verbose from here.
 *
 *	static const struct opt opts[] = {
 *		{ "max-packet", OPT_SIZE, &max_packet, "BYTES", "largest track
 *		  packet", .min = 33, .max = 1 << 24 },
 *		{ NULL }
 *	};
 *	argi = opt_parse(argc, argv, opts, "demux [options]");
 *
 * What the variable holds before opt_parse is the default shown by --help; a
 * number out of its range stands for "not given" and is not shown. A
 * single-value option given twice, a number out of range or with anything
 * after it, or an unknown option: a line on stderr and exit EX_USAGE.
 */
#ifndef SLUICE_OPT_H
#define SLUICE_OPT_H

#include <stddef.h>
#include <stdint.h>

enum opt_type {
	OPT_FLAG,   /* int: set to 1 */
	OPT_STRING, /* const char *: points into argv */
	OPT_LIST,   /* struct opt_list: may be repeated; points into argv */
	OPT_INT,    /* int64_t: decimal, min..max */
	OPT_SIZE,   /* int64_t: bytes, decimal with an optional KiB, MiB or GiB */
	OPT_MS,     /* int64_t: milliseconds; "500ms", "30s", "2m"; a bare
		     * number is seconds and may have a fraction: "0.5" */
	OPT_CHOICE  /* int: index of the value in .choices, "a|b|c" */
};

#define OPT_LIST_MAX 64

struct opt_list {
	const char *v[OPT_LIST_MAX];
	int n;
};

struct opt {
	const char *name;
	enum opt_type type;
	void *dst;
	const char *arg;  /* shown in --help; NULL for OPT_FLAG */
	const char *help; /* one line */
	int64_t min, max; /* OPT_INT, OPT_SIZE, OPT_MS; both 0: 0..INT64_MAX */
	const char *choices; /* OPT_CHOICE */
};

/*
 * Parses argv against a table ended by a NULL name (at most 64 rows).
 * synopsis follows "usage: ". Returns the index of the first operand.
 */
int opt_parse(int argc, char **argv, const struct opt *table,
    const char *synopsis);

/* "program: message", "usage: synopsis", exit EX_USAGE. */
_Noreturn void opt_usage(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* The whole of s as a number in min..max. Return 0, or -1 when it is not. */
int opt_number(const char *s, int64_t min, int64_t max, int64_t *out);
int opt_size(const char *s, int64_t min, int64_t max, int64_t *out);
int opt_ms(const char *s, int64_t min, int64_t max, int64_t *out);

/* The index of value among "a|b|c", or -1. */
int opt_choice(const char *choices, const char *value);

#endif
