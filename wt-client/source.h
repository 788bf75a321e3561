/*
 * Where a track's packets come from: stdin, a file, or a generator. One
 * struct source is shared by all who send the track; each has a cursor.
 */
#ifndef WT_CLIENT_SOURCE_H
#define WT_CLIENT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "cut.h"
#include "synth.h"
#include "track.h"

#define SOURCE_PAYLOAD_MAX (TRACK_PACKET_MAX - TRACK_HEADER_LEN)
#define SOURCE_RATE_MAX 1000000 /* packets per second */
#define SOURCE_BULK_CHUNK (256 * 1024)

enum source_kind { SOURCE_STDIN, SOURCE_FILE, SOURCE_SYNTH, SOURCE_BULK };

struct source {
	enum source_kind kind;
	uint64_t interval; /* ns between packets; 0: no pace */
	/* FILE */
	const uint8_t *mem;
	size_t len;
	enum cut_kind cut;
	size_t chunk;
	int loop;
	/* SYNTH: SIZE as given. BULK: bytes in all, 0: no end. */
	enum synth_kind synth;
	uint64_t size;
	/* STDIN */
	struct buf line; /* read, not yet sent: at most one packet and a read */
	size_t scanned;	 /* bytes of it known to hold no line end */
	int eof;
};

struct cursor {
	uint64_t seq;	/* packets made so far */
	uint64_t bytes; /* BULK */
	struct cutter cutter;
};

struct source_options {
	int loop;     /* files start again at their end */
	int64_t chunk; /* bytes a piece of a file without packets of its own */
	double fps;   /* pace of .mjpeg and .ivf files, 0: none */
	double rate;  /* pace of the other files, 0: none */
};

/*
 * Opens what spec names: "-", "synthetic:SIZE@RATE", "jpeg:...", "pcm:...",
 * "chat:..." or a file. A file is mapped and cut once as a check. 0, or an
 * exit code with a line logged: EX_USAGE for a bad spec, EX_NOINPUT,
 * EX_DATAERR.
 */
int source_open(struct source *s, const char *spec,
    const struct source_options *o);
/* bytes of pattern, 0: without end. */
void source_open_bulk(struct source *s, uint64_t bytes);
/* A file's bytes as they are. Exit codes as above. */
int source_open_raw(struct source *s, const char *path,
    const struct source_options *o);
void source_close(struct source *s);

void cursor_init(struct cursor *c, const struct source *s);

enum source_result {
	SOURCE_PACKET, /* one payload was appended */
	SOURCE_WAIT,   /* stdin has no whole line now */
	SOURCE_END
};

/* The next payload, behind what b holds. time_ns: CLOCK_REALTIME. */
enum source_result source_next(struct source *s, struct cursor *c,
    uint64_t time_ns, struct buf *b);

/* Reads stdin once. 0, or an exit code with a line logged: EX_IOERR, or
 * EX_DATAERR for a line that is larger than a packet can be. */
int source_read(struct source *s, int fd);

/* "SIZE@RATE" apart: *interval in ns, 0 for "max" and 0. 0 or -1. */
int source_parse_synth(const char *arg, uint64_t *size, uint64_t *interval);
/* Packets per second, "29.97"; "max" or 0: 0. 0 or -1. */
int source_parse_rate(const char *arg, double *rate);

#endif
