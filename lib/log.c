#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static const char *log_name = "sluice";
static int log_verbose;

void
log_init(const char *progname)
{
	log_name = progname;
}

const char *
log_progname(void)
{
	return log_name;
}

void
log_set_verbose(int on)
{
	log_verbose = on;
}

/* C0, DEL, or C1 in UTF-8, which terminals obey too. */
static int
log_is_control(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];

	return c < 0x20 || c == 0x7f ||
	    (c == 0xc2 && n > 1 && ((unsigned char)p[1] & 0xe0) == 0x80);
}

/* Formats and writes one line; err is 0 or an errno value to explain. */
static void
log_line(int err, const char *fmt, va_list ap)
{
	char line[1024];
	size_t len;
	int n;

	n = snprintf(line, sizeof(line), "%.64s: ", log_name);
	len = (size_t)n;
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (n > 0)
		len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	if (err != 0) {
		n = snprintf(line + len, sizeof(line) - len, ": %s",
		    strerror(err));
		if (n > 0)
			len += (size_t)n;
		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
	}
	/* What strangers sent may be quoted here: one line stays one line. */
	for (size_t i = 0; i < len; i++)
		if (log_is_control(line + i, len - i))
			line[i] = '?';
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) == -1)
		return; /* nowhere left to complain */
}

void
log_warn(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(err, fmt, ap);
	va_end(ap);
	errno = err;
}

void
log_warnx(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
	errno = err;
}

void
log_info(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
	errno = err;
}

void
log_debug(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
	errno = err;
}

int
log_limit(struct log_limit *l, uint64_t now)
{
	if (l->since == 0 || now - l->since >= NS_PER_S) {
		if (l->dropped > 0)
			log_info("%" PRIu64 " lines like these left out",
			    l->dropped);
		*l = (struct log_limit){ .since = now != 0 ? now : 1 };
	}
	if (l->lines < LOG_LIMIT_LINES) {
		l->lines++;
		return 1;
	}
	l->dropped++;
	return 0;
}

noreturn void
fatal(int code, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(err, fmt, ap);
	va_end(ap);
	exit(code);
}

noreturn void
fatalx(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
	exit(code);
}
