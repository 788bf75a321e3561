/*
 * Records: what flows on the pipes and the control socket (INTERFACES.md
 * sections 2 and 3). Pure: bytes in, struct out.
 */
#ifndef SLUICE_REC_H
#define SLUICE_REC_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define REC_HEADER_LEN 32
#define REC_PAYLOAD_MAX (16 * 1024 * 1024)
#define REC_CHUNK_MAX (64 * 1024) /* payload of STREAM_DATA, DATAGRAM */
#define REC_REASON_MAX 1024	  /* bytes of text in SESSION_CLOSE */
#define REC_NO_STREAM UINT64_MAX

enum rec_flag {
	REC_FIN = 0x01,
	REC_UNI = 0x02,
	REC_SERVER = 0x04,
	REC_REQUEST = 0x08
};
#define REC_FLAGS_ALL 0x0f

enum rec_type {
	REC_SESSION_OPEN = 1,
	REC_SESSION_CLOSE = 2,
	REC_STREAM_DATA = 3,
	REC_STREAM_RESET = 4,
	REC_STOP_SENDING = 5,
	REC_DATAGRAM = 6,
	REC_PACKET = 7,
	REC_SESSION_DRAIN = 8,
	REC_PAUSE = 16,
	REC_RESUME = 17,
	REC_STREAM_OPEN = 18,
	REC_STREAM_OPENED = 19,
	REC_REFUSED = 20
};

struct rec {
	uint32_t len; /* bytes of payload */
	uint8_t type; /* enum rec_type, or one this version does not know */
	uint8_t flags;
	uint64_t session;
	uint64_t stream;
	uint64_t time;	      /* ns since the epoch */
	const uint8_t *payload; /* set by rec_get; not part of the header */
};

/* Writes the 32 header bytes of r. */
void rec_header_put(uint8_t *p, const struct rec *r);

/* Appends header and payload (r->payload, r->len bytes) to b. */
void rec_append(struct buf *b, const struct rec *r);

/* Appends a record whose payload is one u32 (codes). r->len is set. */
void rec_append_u32(struct buf *b, struct rec *r, uint32_t v);

/*
 * The first record in the n bytes at p. Returns its whole size, 0 when more
 * bytes are needed, -1 when it is malformed (then *why, if not NULL, says how).
 * r->payload points into p. The header is checked, and r filled in, as soon as
 * REC_HEADER_LEN bytes are there.
 */
int64_t rec_get(const uint8_t *p, size_t n, struct rec *r, const char **why);

/* "STREAM_DATA" ...; NULL for a type this version does not know. */
const char *rec_type_name(uint8_t type);

#endif
