#include "scan.h"

#include <string.h>

/*
 * A record starts at p, of which n bytes are here. Shows it and returns the
 * bytes done with, or 0 when more are needed; s->need says how many then.
 */
static size_t
scan_start(struct scan *s, const uint8_t *p, size_t n)
{
	size_t have;
	struct rec r;

	s->need = REC_HEADER_LEN;
	if (n < REC_HEADER_LEN)
		return 0;
	if (rec_get(p, REC_HEADER_LEN, &r, &s->malformed) < 0)
		return 0;
	have = s->want(s->ctx, &r);
	if (have > r.len)
		have = r.len;
	if (have > SCAN_FRONT_MAX)
		have = SCAN_FRONT_MAX;
	s->need += have;
	if (n < s->need)
		return 0;
	s->record(s->ctx, &r, have);
	s->skip = REC_HEADER_LEN + (uint64_t)r.len - s->need;
	return s->need;
}

const char *
scan_feed(struct scan *s, const uint8_t *p, size_t n)
{
	while (n > 0 && s->malformed == NULL) {
		size_t part, held = buf_len(&s->front);

		if (s->skip > 0) {
			part = n < s->skip ? n : (size_t)s->skip;
			s->skip -= part;
		} else if (held == 0) {
			part = scan_start(s, p, n);
			if (part == 0 && s->malformed == NULL) {
				buf_append(&s->front, p, n);
				part = n;
			}
		} else {
			part = s->need - held;
			if (part > n)
				part = n;
			buf_append(&s->front, p, part);
			if (scan_start(s, buf_data(&s->front),
				held + part) > 0) {
				/* What was wanted may be less by now. */
				s->skip -= held + part - s->need;
				buf_consume(&s->front, held + part);
			}
		}
		p += part;
		n -= part;
	}
	return s->malformed;
}

int
scan_at_boundary(const struct scan *s)
{
	return s->skip == 0 && buf_len(&s->front) == 0 &&
	    s->malformed == NULL;
}

void
scan_free(struct scan *s)
{
	buf_free(&s->front);
}
