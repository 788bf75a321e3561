#include "jsonl.h"

#include <string.h>
#include <unistd.h>

#define TAIL 4096 /* bytes read at once when looking for the last line */

static void
jsonl_create(struct recording *r, const void *arg)
{
	(void)arg;
	r->header_len = 0;
}

/* A line without its end was cut short by a kill: it goes. */
static int
jsonl_resume(struct recording *r, int fd, uint64_t size, const void *arg)
{
	uint8_t tail[TAIL];

	(void)arg;
	while (size > 0) {
		size_t n = size < TAIL ? size : TAIL;
		const uint8_t *end;

		if (pread(fd, tail, n, (off_t)(size - n)) != (ssize_t)n)
			return -1;
		end = memrchr(tail, '\n', n);
		if (end != NULL) {
			r->size = size - n + (size_t)(end - tail) + 1;
			return 0;
		}
		size -= n;
	}
	return 0;
}

void
jsonl_append(struct recording *r, const uint8_t *p, size_t n, uint64_t now)
{
	while (n > 0) {
		size_t line = 0;

		while (line < n && p[line] != '\n' && p[line] != '\r')
			line++;
		recording_append(r, p, line, now);
		if (line < n)
			recording_append(r, " ", 1, now);
		line += line < n;
		p += line;
		n -= line;
	}
	recording_append(r, "\n", 1, now);
}

const struct recording_format jsonl_format = { "jsonl", jsonl_create,
	jsonl_resume };
