/*
 * catrecords: what a stream of records holds, a line each; with --tracks the
 * packets of each track go to a file of its own, whole and in order, so that
 * two runs can be compared with diff -r; with --stream the bytes of one stream
 * are written instead of lines.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "log.h"
#include "opt.h"
#include "rec.h"
#include "stage.h"
#include "track.h"

#define FILES_MAX 1000

static const char *tracks_dir;
static int64_t stream = -1;
static int quiet;

static const struct opt opts[] = {
	{ "tracks", OPT_STRING, &tracks_dir, "DIR",
	    "append the packets of track T to DIR/T", 0, 0, NULL },
	{ "stream", OPT_INT, &stream, "N",
	    "the bytes of stream N (of any session) and nothing else", 0, 0,
	    NULL },
	{ "quiet", OPT_FLAG, &quiet, NULL, "no lines", 0, 0, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

static struct {
	char id[TRACK_ID_LEN + 1];
	FILE *f;
} files[FILES_MAX];
static int nfiles;

static FILE *
file_of(const char *id)
{
	char path[4096];
	int i;

	for (i = 0; i < nfiles; i++)
		if (strcmp(files[i].id, id) == 0)
			return files[i].f;
	if (nfiles == FILES_MAX)
		fatalx(EX_DATAERR, "more than %d tracks", FILES_MAX);
	if (id[0] == '.' || strchr(id, '/') != NULL || id[0] == '\0')
		fatalx(EX_DATAERR, "track \"%s\" cannot name a file", id);
	snprintf(path, sizeof(path), "%s/%s", tracks_dir, id);
	strcpy(files[i].id, id);
	files[i].f = fopen(path, "ae");
	if (files[i].f == NULL)
		fatal(EX_CANTCREAT, "%s", path);
	nfiles++;
	return files[i].f;
}

/* "SESSION STREAM TYPE FLAGS LEN" and what matters of the payload. */
static void
print_record(const struct rec *r)
{
	const char *name = rec_type_name(r->type);
	struct track_header h;

	printf("%" PRIu64 " ", r->session);
	if (r->stream == REC_NO_STREAM)
		printf("- ");
	else
		printf("%" PRIu64 " ", r->stream);
	printf("%s %s%s%s%s%s %" PRIu32, name != NULL ? name : "?",
	    r->flags == 0 ? "-" : "", r->flags & REC_FIN ? "F" : "",
	    r->flags & REC_UNI ? "U" : "", r->flags & REC_SERVER ? "S" : "",
	    r->flags & REC_REQUEST ? "R" : "", r->len);
	if (r->type == REC_PACKET &&
	    track_header_get(r->payload, TRACK_PACKET_MAX, &h) == TRACK_OK)
		printf(" %s %s", h.id, h.type);
	if (r->type == REC_STREAM_RESET || r->type == REC_STOP_SENDING ||
	    r->type == REC_SESSION_CLOSE)
		printf(" 0x%x", (unsigned)be32_get(r->payload));
	putchar('\n');
}

static void
on_record(const struct rec *r)
{
	struct track_header h;

	if (stream != -1) {
		if (r->type == REC_STREAM_DATA &&
		    r->stream == (uint64_t)stream &&
		    fwrite(r->payload, 1, r->len, stdout) != r->len)
			fatal(EX_IOERR, "stdout");
		return;
	}
	if (!quiet)
		print_record(r);
	if (tracks_dir == NULL || r->type != REC_PACKET)
		return;
	if (track_header_get(r->payload, TRACK_PACKET_MAX, &h) != TRACK_OK ||
	    h.payload_len + TRACK_HEADER_LEN != r->len)
		fatalx(EX_DATAERR, "a PACKET that is no packet");
	if (fwrite(r->payload, 1, r->len, file_of(h.id)) != r->len)
		fatal(EX_IOERR, "%s", h.id);
}

int
main(int argc, char **argv)
{
	struct buf in = { 0 };
	enum stage_io io;
	const char *why;
	struct rec r;
	int64_t n;

	log_init("catrecords");
	if (opt_parse(argc, argv, opts, "catrecords [options] < records") <
	    argc)
		opt_usage("no operands wanted");
	while ((io = stage_read(STDIN_FILENO, &in, STAGE_CHUNK)) ==
	    STAGE_IO_OK) {
		while ((n = rec_get(buf_data(&in), buf_len(&in), &r, &why)) >
		    0) {
			on_record(&r);
			buf_consume(&in, (size_t)n);
		}
		if (n < 0)
			fatalx(EX_PROTOCOL, "malformed record: %s", why);
		fflush(stdout);
	}
	if (io != STAGE_IO_EOF)
		fatal(EX_IOERR, "stdin");
	if (buf_len(&in) > 0)
		fatalx(EX_PROTOCOL, "input ended inside a record");
	for (int i = 0; i < nfiles; i++)
		if (fclose(files[i].f) != 0)
			fatal(EX_IOERR, "%s", files[i].id);
	buf_free(&in);
	return EX_OK;
}
