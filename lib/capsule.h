/*
 * Capsules (RFC 9297 section 3.2) on the CONNECT stream of a WebTransport
 * session: what DATA frames carry there. Pure; no memory is taken.
 */
#ifndef SLUICE_CAPSULE_H
#define SLUICE_CAPSULE_H

#include <stddef.h>
#include <stdint.h>

#include "varint.h"

#define CAPSULE_REASON_MAX 1024 /* bytes of text in a CLOSE */
#define CAPSULE_CLOSE_LEN_MAX (VARINT_LEN_MAX * 2 + 4 + CAPSULE_REASON_MAX)
#define CAPSULE_DRAIN_LEN_MAX (VARINT_LEN_MAX * 2)

enum capsule_type {
	CAPSULE_DATAGRAM = 0x00,
	CAPSULE_WT_CLOSE_SESSION = 0x2843,
	CAPSULE_WT_DRAIN_SESSION = 0x78ae,
	CAPSULE_WT_MAX_DATA = 0x190b4d3d,
	CAPSULE_WT_MAX_STREAMS_BIDI = 0x190b4d3f,
	CAPSULE_WT_MAX_STREAMS_UNI = 0x190b4d40
};

enum capsule_event {
	CAPSULE_EV_MORE,    /* all bytes given were taken */
	CAPSULE_EV_CLOSE,   /* code, reason, reasonlen are set */
	CAPSULE_EV_DRAIN,
	CAPSULE_EV_LIMIT,   /* one of WT_MAX_...: type, limit */
	CAPSULE_EV_IGNORED, /* type: another capsule, which will be skipped */
	CAPSULE_EV_ERROR    /* CLOSE shorter than its code, longer than it may
			     * be or not UTF-8, DRAIN with a payload, a limit
			     * that is no integer, or bytes after CLOSE:
			     * H3_MESSAGE_ERROR. Every later call
			     * says the same */
};

/* All zero is the start. */
struct capsule_in {
	uint64_t type;
	uint32_t code;
	uint64_t limit;
	size_t reasonlen;
	const char *reason; /* into this struct, until it goes */
	/* Private from here. */
	uint8_t state;
	uint64_t left; /* bytes of the payload to come */
	size_t have;
	struct varint_in in;
	uint8_t close[4 + CAPSULE_REASON_MAX];
};

/* Takes bytes from the n at *p, moving both on, until there is an event. */
enum capsule_event capsule_next(struct capsule_in *c, const uint8_t **p,
    size_t *n);

/* The stream ended. 0 when no capsule was cut short, else -1. */
int capsule_end(const struct capsule_in *c);

/* Write a whole capsule; the bytes written. A reason longer than
 * CAPSULE_REASON_MAX is cut, at a character's start. */
size_t capsule_close_put(uint8_t *p, uint32_t code, const char *reason,
    size_t reasonlen);
size_t capsule_drain_put(uint8_t *p);

#endif
