/*
 * Cuts a file's bytes into the payloads of track packets. Pure: memory in,
 * pieces out; nothing is copied.
 */
#ifndef WT_CLIENT_CUT_H
#define WT_CLIENT_CUT_H

#include <stddef.h>
#include <stdint.h>

enum cut_kind {
	CUT_CHUNK, /* pieces of a fixed size, the last may be shorter */
	CUT_LINES, /* one line, without its end; empty lines are skipped */
	CUT_JPEG,  /* one JPEG picture, SOI to EOI, found by its markers */
	CUT_IVF,   /* one frame */
	CUT_WAV	   /* CUT_WAV_SAMPLES samples */
};

#define CUT_WAV_SAMPLES 4096
#define CUT_PREFIX_MAX 24 /* bytes in front of a piece: see cut_prefix */

struct cut_piece {
	const uint8_t *data;
	size_t len;
	uint64_t time_us; /* IVF, WAV: since the start of the file */
	int key;	  /* IVF: a key frame */
};

struct cutter {
	enum cut_kind kind;
	const uint8_t *mem;
	size_t len;
	size_t pos;	 /* where the next piece starts, or what is wrong is */
	size_t max;	 /* bytes a piece may have with its prefix */
	const char *why; /* after -1: what is wrong */
	size_t chunk;	 /* CHUNK */
	uint8_t codec;	 /* IVF: INTERFACES.md section 8 */
	uint16_t width, height; /* IVF: of the last key frame */
	uint32_t rate, scale;	/* IVF: time base; WAV: rate in Hz */
	size_t data;		/* WAV: first sample */
	size_t end;		/* WAV: end of the samples */
};

/* By the end of a file's name: .mjpeg .mjpg .jpg .jpeg .jsonl .txt .ivf .wav;
 * anything else is CUT_CHUNK. */
enum cut_kind cut_kind_of(const char *path);

/*
 * Starts at the front of the len bytes at mem, which must stay. chunk: bytes
 * a piece of CUT_CHUNK. 0, or -1 with c->why and c->pos set: the file's own
 * header is not what its kind promises.
 */
int cut_begin(struct cutter *c, enum cut_kind kind, const uint8_t *mem,
    size_t len, size_t chunk, size_t max);

/* 1: a piece; 0: the end; -1: malformed at c->pos, see c->why. */
int cut_next(struct cutter *c, struct cut_piece *piece);

/*
 * What goes in front of the piece in its packet (INTERFACES.md section 8): the
 * WebCodecs header for IVF, the PCM header for WAV. Returns its length, 0 for
 * the other kinds.
 */
size_t cut_prefix(const struct cutter *c, const struct cut_piece *piece,
    uint8_t prefix[CUT_PREFIX_MAX]);

/* The 20 bytes of the PCM header of 16-bit mono samples. */
#define CUT_PCM_HEADER_LEN 20
void cut_pcm_header(uint8_t *p, uint32_t rate, uint64_t time_us);

#endif
