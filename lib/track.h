/*
 * The 32-byte header in front of every track packet (INTERFACES.md section
 * 1). Pure: bytes in, struct out.
 */
#ifndef SLUICE_TRACK_H
#define SLUICE_TRACK_H

#include <stddef.h>
#include <stdint.h>

#define TRACK_HEADER_LEN 32
#define TRACK_ID_LEN 16
#define TRACK_TYPE_LEN 12
#define TRACK_PACKET_MAX_DEFAULT (10 * 1024 * 1024) /* header and payload */
#define TRACK_PACKET_MAX (16 * 1024 * 1024 - 1)	    /* fits one record */
#define TRACK_PACKET_LARGE (5 * 1024 * 1024)

/* WebTransport application error codes for what is wrong with a stream. */
enum track_error {
	TRACK_OK = 0,
	TRACK_TOO_LONG = 0x10,
	TRACK_BAD_ID = 0x11,
	TRACK_BAD_TYPE = 0x12,
	TRACK_TRUNCATED = 0x13,
	TRACK_BAD_DATAGRAM = 0x14,
	TRACK_BUFFER_LIMIT = 0x15
};

struct track_header {
	char id[TRACK_ID_LEN + 1];     /* NUL-terminated UTF-8 */
	char type[TRACK_TYPE_LEN + 1]; /* the same, not empty */
	uint32_t payload_len;	       /* bytes */
};

/*
 * Reads the 32 bytes at p. max_packet bounds header plus payload.
 * TRACK_OK, TRACK_TOO_LONG, TRACK_BAD_ID or TRACK_BAD_TYPE.
 */
enum track_error track_header_get(const uint8_t *p, size_t max_packet,
    struct track_header *h);

/* Writes 32 bytes; -1 when id or type does not fit or type is empty. */
int track_header_put(uint8_t *p, const char *id, const char *type,
    uint32_t payload_len);

/* "PACKET_TOO_LONG" ...; "?" for what is no code of ours. */
const char *track_error_name(enum track_error e);

/* 1 if the n bytes at p are well-formed UTF-8 (RFC 3629), else 0. */
int utf8_valid(const uint8_t *p, size_t n);

#endif
