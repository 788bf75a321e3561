/*
 * Delivery: the messages between route and the sinks (INTERFACES.md section
 * 4). Pure: frames in, structs out, and back.
 */
#ifndef SLUICE_DMSG_H
#define SLUICE_DMSG_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mp.h"
#include "rec.h"

#define DMSG_VERSION 1
#define DMSG_INSTANCE_MAX 64	  /* bytes of a route's or sink's instance */
#define DMSG_SERVICE_MAX 128	  /* bytes of a service's name */
#define DMSG_HEADERS_MAX 32	  /* configured headers of a service */
#define DMSG_HEADER_NAME_MAX 128  /* bytes */
#define DMSG_HEADER_VALUE_MAX 1024 /* bytes */
#define DMSG_MAP_MAX (64 * 1024)  /* bytes of frame 0 */
#define DMSG_COUNT_MAX 65536	  /* records in one message */
#define DMSG_FRAME_MAX (REC_HEADER_LEN + REC_PAYLOAD_MAX) /* any frame */
#define DMSG_NO_NUMBER UINT64_MAX /* packet number of what is no PACKET */
#define DMSG_SILENCE_MS 3000	  /* a sink silent for so long is gone */
#define DMSG_HELLO_MS 1000	  /* between two hellos */

enum dmsg_cmd {
	DMSG_UNKNOWN, /* a command this version does not know */
	DMSG_HELLO,
	DMSG_PACKETS,
	DMSG_GRANT
};

struct dmsg_header {
	struct mp_str name;
	struct mp_str value;
};

struct dmsg_hello {
	uint64_t version;
	char route[DMSG_INSTANCE_MAX + 1];
	char service[DMSG_SERVICE_MAX + 1];
	struct dmsg_header headers[DMSG_HEADERS_MAX];
	uint32_t nheaders;
};

struct dmsg_packets {
	char route[DMSG_INSTANCE_MAX + 1];
	uint64_t first; /* delivery number of the first record */
	uint64_t count; /* records; at least 1 */
	char sink[DMSG_INSTANCE_MAX + 1]; /* whose grant it is sent under */
};

struct dmsg_grant {
	char sink[DMSG_INSTANCE_MAX + 1];
	char route[DMSG_INSTANCE_MAX + 1];
	uint64_t acked;	  /* deliveries below are done */
	uint64_t packets; /* that may be under way beyond acked, */
	uint64_t bytes;	  /* and the bytes of frame 2 */
};

struct dmsg {
	enum dmsg_cmd cmd;
	union {
		struct dmsg_hello hello;
		struct dmsg_packets packets;
		struct dmsg_grant grant;
	};
};

/*
 * Reads frame 0. 0, or -1 when it is malformed; then *why says how, if why is
 * not NULL. Header strings point into the frame. Instances are not empty; a
 * key given twice is malformed.
 */
int dmsg_get(const uint8_t *p, size_t n, struct dmsg *m, const char **why);

/* Append frame 0 to b. What is put can be got: the caller keeps the limits
 * above. */
void dmsg_put_hello(struct buf *b, const struct dmsg_hello *h);
void dmsg_put_packets(struct buf *b, const struct dmsg_packets *p);
void dmsg_put_grant(struct buf *b, const struct dmsg_grant *g);

/* Walks frames 1 and 2 of a packets message; they must outlive it. */
struct dmsg_iter {
	const uint8_t *numbers; /* frame 1 */
	const uint8_t *records; /* frame 2 */
	size_t numbers_len, records_len;
};

/*
 * Checks both frames against the map and each other, to the last record,
 * before anything is taken from them. 0, or -1 with *why.
 */
int dmsg_iter_init(struct dmsg_iter *it, const struct dmsg_packets *p,
    const uint8_t *f1, size_t n1, const uint8_t *f2, size_t n2,
    const char **why);

/*
 * The next record and its packet number (DMSG_NO_NUMBER for what is not a
 * PACKET). Returns the record's whole size, header included, 0 at the end.
 * r->payload points into frame 2, the header starts REC_HEADER_LEN before.
 */
size_t dmsg_iter_next(struct dmsg_iter *it, uint64_t *number, struct rec *r);

#endif
