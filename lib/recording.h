/*
 * Recordings: one file per (session, track), DIR/NAME-SESSION-TRACK.EXT,
 * that ordinary players open. A bounded number is open at once, the longest
 * unused is closed for a new one and continued when its track goes on. What
 * is written is in the file, with a header that is true, a second later at
 * the latest: a kill leaves a file that plays.
 *
 * Recording never stops the pipeline: what cannot be written (disk full, a
 * limit reached) is left out, counted and logged once.
 */
#ifndef SLUICE_RECORDING_H
#define SLUICE_RECORDING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "track.h"

#define RECORDING_OPEN_MAX 64	  /* files open at once */
#define RECORDING_HEADER_MAX 64	  /* bytes */
#define RECORDING_FLUSH_BYTES (64 * 1024) /* held back at most, */
#define RECORDING_FLUSH_MS 1000		  /* and for so long */
/* A file of more bytes takes no more: a WAV header could not say so. */
#define RECORDING_SIZE_MAX (UINT64_C(0xffffffff) - (1 << 20))
/* NAME-SESSION-TRACK.EXT with every byte of the track escaped. */
#define RECORDING_NAME_MAX 128

struct recording {
	/* The format's: the header as it shall be in the file. A change is
	 * written with the next flush. */
	uint8_t header[RECORDING_HEADER_MAX];
	size_t header_len;
	uint64_t size;	  /* bytes behind the header, those held back too */
	uint64_t state[2]; /* the format's own; zero in a new file */

	/* Private. */
	int fd; /* -1: given up */
	uint64_t session;
	char track[TRACK_ID_LEN + 1];
	const char *ext;
	struct buf held;
	uint64_t used;	  /* ns, CLOCK_MONOTONIC: last append */
	uint64_t flush_at; /* ns; 0: nothing held back */
	int in_use;
};

/* What differs between formats. arg is what recording_get was given. */
struct recording_format {
	const char *ext; /* without the dot */
	/* A new file: fill in header, header_len, state. */
	void (*create)(struct recording *r, const void *arg);
	/*
	 * A file that is there already, of size bytes at fd: read the header
	 * and set header_len, state, and r->size to what is whole; the rest
	 * is cut off. -1: it is not to be continued.
	 */
	int (*resume)(struct recording *r, int fd, uint64_t size,
	    const void *arg);
};

struct recording_stats { /* for metrics tables */
	uint64_t open;	  /* gauge: files */
	uint64_t files;	  /* opened or continued */
	uint64_t bytes;	  /* written */
	uint64_t skipped; /* packets left out */
	uint64_t errors;  /* files given up */
};

struct recorder {
	const char *name; /* first part of the file names */
	int dir;	  /* descriptor; -1: nothing is recorded */
	uint64_t max_bytes, max_files; /* in this run; more is left out */
	struct recording_stats stats;
	struct recording files[RECORDING_OPEN_MAX];
	int logged; /* private: a limit was logged */
};

/* dir NULL: recording is off. A directory that is not there is made. 0, or
 * -1 with a line logged. */
int recorder_open(struct recorder *rr, const char *name, const char *dir,
    uint64_t max_bytes, uint64_t max_files);

/*
 * The file for a track, made or continued if it is not open. NULL when the
 * packet must be left out (counted). Valid until the next call for rr.
 */
struct recording *recording_get(struct recorder *rr, uint64_t session,
    const char *track, const struct recording_format *f, const void *arg,
    uint64_t now);

/* Appends; now: CLOCK_MONOTONIC, ns. */
void recording_append(struct recording *r, const void *data, size_t n,
    uint64_t now);

/* Leaves one packet out of r, and counts it. */
void recording_skip(struct recorder *rr);

/* Writes what was held back long enough. Returns the ns until it wants to be
 * called again, or UINT64_MAX. */
uint64_t recorder_tick(struct recorder *rr, uint64_t now);

/* Closes the files of one session, or all. */
void recorder_close_session(struct recorder *rr, uint64_t session);
void recorder_close(struct recorder *rr);

/* The file name of a track, without the directory: what is not a letter, a
 * digit, '_' or '-' is written %XX, an empty track id is %00. Pure. */
void recording_name(char out[RECORDING_NAME_MAX], const char *name,
    uint64_t session, const char *track, const char *ext);

#endif
