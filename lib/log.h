/*
 * Diagnostics: one line "program: what: reason" on stderr. stdout is data.
 * A line is written with one write(2), so lines of several processes that
 * share a stderr do not mix.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stdint.h>
#include <stdnoreturn.h>

/* Name shown in front of every line; kept, not copied. Call first in main. */
void log_init(const char *progname);
const char *log_progname(void);

/* With -v / --verbose: log_debug lines are written too. */
void log_set_verbose(int on);

/* The x forms leave out ": strerror(errno)". errno is left as it was. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * For lines that strangers can cause: at most LOG_LIMIT_LINES a second. All
 * zero is a new limit.
 */
#define LOG_LIMIT_LINES 10

struct log_limit {
	uint64_t since; /* private, as the rest; ns */
	unsigned lines;
	uint64_t dropped;
};

/*
 * 1 if a line may be written now, else 0: it is counted, and told of with
 * the first line of a later second. now: CLOCK_MONOTONIC, ns.
 */
int log_limit(struct log_limit *l, uint64_t now);

/* Write the line and exit with a code from <sysexits.h>. */
noreturn void fatal(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
noreturn void fatalx(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
