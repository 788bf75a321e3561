/* sink-file: pieces of files onto a topic. */
#include <stddef.h>
#include <stdio.h>

#include "file.h"
#include "log.h"
#include "sink.h"

struct file {
	struct file_piece piece; /* the one at hand */
	uint64_t begun, ended;
};

static struct file file;

static const struct opt opts[] = {
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static const struct metric metrics[] = {
	{ "files_begun_total", NULL, METRIC_COUNTER, &file.begun,
	    "first pieces of files" },
	{ "files_ended_total", NULL, METRIC_COUNTER, &file.ended,
	    "last pieces of files" },
	{ NULL, NULL, METRIC_COUNTER, NULL, NULL }
};

static const char *
file_kind_inspect(void *ctx, const struct sink_packet *p, struct props *props)
{
	struct file *f = ctx;
	const struct file_piece *piece = &f->piece;
	enum file_error e = file_inspect(p->payload, p->len, &f->piece);

	if (e != FILE_OK)
		return file_error_name(e);
	props_add_str(props, "name", piece->name);
	props_add_str(props, "transfer", piece->transfer);
	props_add_uint(props, "offset", piece->offset);
	props_add_uint(props, "size", piece->size);
	props_add_uint(props, "length", piece->len);
	f->begun += piece->offset == 0;
	f->ended += piece->offset + piece->len == piece->size;
	return NULL;
}

static void
file_create(struct recording *r, const void *arg)
{
	(void)arg;
	r->header_len = 0;
}

/* Whatever is there is whole: pieces are appended in their order. */
static int
file_resume(struct recording *r, int fd, uint64_t size, const void *arg)
{
	(void)fd;
	(void)arg;
	r->size = size;
	return 0;
}

static const struct recording_format file_format = { "bin", file_create,
	file_resume };

/* A transfer is a file of its own. A piece that came before is there; one
 * behind a gap, after another was left out, cannot be put anywhere. */
static void
file_kind_record(void *ctx, struct recorder *rr, const struct sink_packet *p)
{
	const struct file *f = ctx;
	char track[TRACK_ID_LEN + 1];
	struct recording *r;

	snprintf(track, sizeof(track), "%.*s", TRACK_ID_LEN,
	    f->piece.transfer);
	r = recording_get(rr, p->session, track, &file_format, NULL, p->now);
	if (r == NULL)
		return;
	if (f->piece.offset != r->size)
		recording_skip(rr);
	else
		recording_append(r, f->piece.data, f->piece.len, p->now);
}

static const char *
file_kind_reason(size_t i)
{
	i++; /* the first is "ok" */
	return i <= FILE_BAD_RANGE ? file_error_name((enum file_error)i) :
				     NULL;
}

int
main(int argc, char **argv)
{
	static const struct sink_kind kind = {
		.name = "file",
		.topic = "file-topic",
		.rejected_topic = "file-rejected-topic",
		.opts = opts,
		.metrics = metrics,
		.inspect = file_kind_inspect,
		.record = file_kind_record,
		.reason = file_kind_reason,
		.ctx = &file,
	};

	log_init("sink-file");
	return sink_main(argc, argv, &kind);
}
