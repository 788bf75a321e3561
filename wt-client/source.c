#include "source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "opt.h"
#include "stage.h"

#define NS_PER_S 1e9

static uint64_t
rate_interval(double rate)
{
	return rate > 0 ? (uint64_t)(NS_PER_S / rate) : 0;
}

int
source_parse_rate(const char *arg, double *rate)
{
	char *end;

	if (strcmp(arg, "max") == 0) {
		*rate = 0;
		return 0;
	}
	/* Digits and one point: strtod alone would take "inf" and "0x1". */
	if (!isdigit((unsigned char)arg[0]) ||
	    arg[strspn(arg, "0123456789.")] != '\0')
		return -1;
	*rate = strtod(arg, &end);
	if (*end != '\0' || *rate > SOURCE_RATE_MAX)
		return -1;
	/* Slower than one in a thousand seconds is a slip of the pen. */
	return *rate > 0 && *rate < 0.001 ? -1 : 0;
}

int
source_parse_synth(const char *arg, uint64_t *size, uint64_t *interval)
{
	const char *at = strchr(arg, '@');
	char number[32];
	int64_t v;
	double rate;

	if (at == NULL || (size_t)(at - arg) >= sizeof(number))
		return -1;
	memcpy(number, arg, (size_t)(at - arg));
	number[at - arg] = '\0';
	if (opt_size(number, 1, SOURCE_PAYLOAD_MAX, &v) == -1 ||
	    source_parse_rate(at + 1, &rate) == -1)
		return -1;
	*size = (uint64_t)v;
	*interval = rate_interval(rate);
	return 0;
}

static int
source_open_synth(struct source *s, enum synth_kind kind, const char *spec,
    const char *arg)
{
	s->kind = SOURCE_SYNTH;
	s->synth = kind;
	if (source_parse_synth(arg, &s->size, &s->interval) == -1 ||
	    synth_size(kind, s->size) > SOURCE_PAYLOAD_MAX) {
		log_warnx("%s: not KIND:SIZE@RATE, SIZE at most %d bytes, RATE "
			  "max or packets per second up to %d",
		    spec, SOURCE_PAYLOAD_MAX, SOURCE_RATE_MAX);
		return EX_USAGE;
	}
	return 0;
}

static int
source_map(struct source *s, const char *path)
{
	struct stat st;
	void *mem;
	int fd, rc = EX_NOINPUT;

	s->kind = SOURCE_FILE;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		log_warn("%s", path);
		goto done;
	}
	if (!S_ISREG(st.st_mode)) {
		log_warnx("%s: not a regular file", path);
		goto done;
	}
	if (st.st_size == 0) {
		log_warnx("%s: empty", path);
		rc = EX_DATAERR;
		goto done;
	}
	mem = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED) {
		log_warn("%s", path);
		goto done;
	}
	s->mem = mem;
	s->len = (size_t)st.st_size;
	rc = 0;

done:
	if (fd != -1)
		close(fd);
	return rc;
}

static int
source_cut(struct cutter *c, const struct source *s)
{
	return cut_begin(c, s->cut, s->mem, s->len, s->chunk,
	    SOURCE_PAYLOAD_MAX);
}

/* The whole file once, so that a bad one is refused before anything is sent
 * and cutting never fails later. */
static int
source_check(const struct source *s, const char *path)
{
	struct cutter c;
	struct cut_piece piece;
	size_t n = 0;
	int rc;

	rc = source_cut(&c, s);
	if (rc == 0)
		while ((rc = cut_next(&c, &piece)) == 1)
			n++;
	if (rc == -1) {
		log_warnx("%s: offset %zu: %s", path, c.pos, c.why);
		return EX_DATAERR;
	}
	if (n == 0) {
		log_warnx("%s: holds no packet", path);
		return EX_DATAERR;
	}
	return 0;
}

static int
source_open_file(struct source *s, const char *path, enum cut_kind kind,
    const struct source_options *o)
{
	int rc = source_map(s, path);

	if (rc != 0)
		return rc;
	s->cut = kind;
	s->chunk = (size_t)o->chunk;
	s->loop = o->loop;
	s->interval = rate_interval(
	    kind == CUT_JPEG || kind == CUT_IVF ? o->fps : o->rate);
	return source_check(s, path);
}

int
source_open(struct source *s, const char *spec, const struct source_options *o)
{
	static const struct {
		const char *prefix;
		enum synth_kind kind;
	} synths[] = { { "synthetic:", SYNTH_RAW }, { "jpeg:", SYNTH_JPEG },
		{ "pcm:", SYNTH_PCM }, { "chat:", SYNTH_CHAT } };

	*s = (struct source){ 0 };
	if (strcmp(spec, "-") == 0) {
		s->kind = SOURCE_STDIN;
		s->interval = rate_interval(o->rate);
		return 0;
	}
	for (size_t i = 0; i < sizeof(synths) / sizeof(synths[0]); i++) {
		size_t n = strlen(synths[i].prefix);

		if (strncmp(spec, synths[i].prefix, n) == 0)
			return source_open_synth(s, synths[i].kind, spec,
			    spec + n);
	}
	return source_open_file(s, spec, cut_kind_of(spec), o);
}

void
source_open_bulk(struct source *s, uint64_t bytes)
{
	*s = (struct source){ .kind = SOURCE_BULK, .size = bytes };
}

int
source_open_raw(struct source *s, const char *path,
    const struct source_options *o)
{
	*s = (struct source){ 0 };
	return source_open_file(s, path, CUT_CHUNK, o);
}

void
source_close(struct source *s)
{
	if (s->mem != NULL)
		munmap((void *)(uintptr_t)s->mem, s->len);
	buf_free(&s->line);
	*s = (struct source){ 0 };
}

void
cursor_init(struct cursor *c, const struct source *s)
{
	*c = (struct cursor){ 0 };
	if (s->kind == SOURCE_FILE)
		source_cut(&c->cutter, s);
}

static enum source_result
next_file(struct source *s, struct cursor *c, struct buf *b)
{
	uint8_t prefix[CUT_PREFIX_MAX];
	struct cut_piece piece;
	int rc = cut_next(&c->cutter, &piece);

	if (rc == 0 && s->loop) {
		source_cut(&c->cutter, s);
		rc = cut_next(&c->cutter, &piece);
	}
	/* -1 cannot be, but for a file that changed under us. */
	if (rc != 1)
		return SOURCE_END;
	buf_append(b, prefix, cut_prefix(&c->cutter, &piece, prefix));
	buf_append(b, piece.data, piece.len);
	return SOURCE_PACKET;
}

static enum source_result
next_bulk(const struct source *s, struct cursor *c, struct buf *b)
{
	uint64_t n = SOURCE_BULK_CHUNK;

	if (s->size != 0 && s->size - c->bytes < n)
		n = s->size - c->bytes;
	if (n == 0)
		return SOURCE_END;
	synth_pattern(buf_reserve(b, n), n, 0, c->bytes);
	buf_commit(b, n);
	c->bytes += n;
	return SOURCE_PACKET;
}

static enum source_result
next_line(struct source *s, struct buf *b)
{
	for (;;) {
		const uint8_t *p = buf_data(&s->line), *nl = NULL;
		size_t n = buf_len(&s->line), end;

		if (n > s->scanned)
			nl = memchr(p + s->scanned, '\n', n - s->scanned);
		s->scanned = n;
		if (nl == NULL && !s->eof)
			return SOURCE_WAIT;
		if (n == 0)
			return SOURCE_END;
		end = nl != NULL ? (size_t)(nl - p) + 1 : n;
		n = end - (nl != NULL);
		if (n > 0 && p[n - 1] == '\r')
			n--;
		buf_append(b, p, n);
		buf_consume(&s->line, end);
		s->scanned = 0;
		if (n > 0)
			return SOURCE_PACKET;
	}
}

enum source_result
source_next(struct source *s, struct cursor *c, uint64_t time_ns,
    struct buf *b)
{
	enum source_result r = SOURCE_PACKET;

	switch (s->kind) {
	case SOURCE_STDIN:
		r = next_line(s, b);
		break;
	case SOURCE_FILE:
		r = next_file(s, c, b);
		break;
	case SOURCE_BULK:
		r = next_bulk(s, c, b);
		break;
	case SOURCE_SYNTH:
		buf_commit(b, synth_put(s->synth,
		    buf_reserve(b, synth_size(s->synth, s->size)), s->size,
		    c->seq, time_ns));
		break;
	}
	if (r == SOURCE_PACKET)
		c->seq++;
	return r;
}

/* Bytes of the first line held, or of what there is of it. */
static size_t
line_length(const struct source *s)
{
	const uint8_t *p = buf_data(&s->line), *nl = NULL;
	size_t n = buf_len(&s->line);

	if (n > s->scanned)
		nl = memchr(p + s->scanned, '\n', n - s->scanned);
	return nl != NULL ? (size_t)(nl - p) : n;
}

int
source_read(struct source *s, int fd)
{
	switch (stage_read(fd, &s->line, STAGE_CHUNK)) {
	case STAGE_IO_OK:
	case STAGE_IO_AGAIN:
		break;
	case STAGE_IO_EOF:
		s->eof = 1;
		break;
	case STAGE_IO_ERROR:
		log_warn("stdin");
		return EX_IOERR;
	}
	if (line_length(s) > SOURCE_PAYLOAD_MAX) {
		log_warnx("stdin: a line is larger than a packet can be (%d)",
		    SOURCE_PAYLOAD_MAX);
		return EX_DATAERR;
	}
	return 0;
}
