/*
 * Messages between topic-bus and its clients, and the map of the live feed
 * (INTERFACES.md sections 5 and 6): frame 0 in both directions. Frame 1 is
 * entries, lib/entry.h. Pure: bytes in, struct out.
 */
#ifndef SLUICE_BMSG_H
#define SLUICE_BMSG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "entry.h"
#include "mp.h"
#include "tname.h"

#define BMSG_HEAD_MAX (64 * 1024) /* bytes of frame 0, towards topic-bus */
#define BMSG_BATCH_MAX (12 * 1024 * 1024) /* bytes of frame 1 */
#define BMSG_COUNT_MAX 65536	  /* entries in one frame 1 */
#define BMSG_INSTANCE_MAX 64	  /* bytes of a bus instance */
#define BMSG_CONN_MAX 128	  /* bytes of a connection's name */
#define BMSG_FROM_MAX 64	  /* bytes of a position */
#define BMSG_TEXT_MAX 1024	  /* bytes of an error's text */
#define BMSG_PERMITS_MAX (1 << 20) /* of one reader at any time */

enum bmsg_cmd {
	BMSG_UNKNOWN, /* a command this version does not know */
	/* client -> topic-bus */
	BMSG_PING,
	BMSG_SEND,
	BMSG_READ,
	BMSG_FLOW,
	BMSG_CLOSE,
	BMSG_TOPICS, /* the question */
	/* topic-bus -> client */
	BMSG_PONG,
	BMSG_RECEIPT,
	BMSG_READING,
	BMSG_MESSAGES,
	BMSG_ERROR,
	BMSG_TOPIC_LIST /* the answer to topics */
};

enum bmsg_code {
	BMSG_OK, /* no error; not on the wire */
	BMSG_E_TOPIC_NAME,
	BMSG_E_ENTRY,
	BMSG_E_TOO_LARGE,
	BMSG_E_STORAGE,
	BMSG_E_NO_TOPIC,
	BMSG_E_POSITION,
	BMSG_E_LIMIT,
	BMSG_E_PROTOCOL,
	BMSG_E_OTHER /* a code this version does not know */
};

/* One message; the command says which members count. */
struct bmsg {
	enum bmsg_cmd cmd;
	struct mp_str topic;	/* send, read, messages */
	struct mp_str conn;	/* pong, send, read; n 0: absent */
	struct mp_str bus;	/* pong */
	struct mp_str from;	/* read */
	struct mp_str text;	/* error */
	enum bmsg_code code;	/* error */
	int has_batch, has_reader; /* error: which of them is set */
	uint64_t batch;		/* send, receipt, error */
	uint64_t reader;	/* read, flow, close, reading, messages, error */
	uint64_t count;		/* send, receipt, messages: 1 at least */
	uint64_t epoch;		/* send; 0 when absent */
	uint64_t permits;	/* read, flow: at most BMSG_PERMITS_MAX */
	uint64_t ledger, entry; /* receipt, reading, messages (ledger) */
	struct mp list;		/* topic list: list_count strings */
	uint32_t list_count;
};

/*
 * Reads frame 0. 0, or -1 when it is malformed; then *why says how, if why is
 * not NULL. Strings point into the frame. When it is malformed, cmd and
 * batch or reader are set as far as they could be read, so that an error can
 * be addressed.
 */
int bmsg_get(const uint8_t *p, size_t n, struct bmsg *m, const char **why);

/* Appends frame 0 for m. Anything but a topic list. */
void bmsg_put(struct buf *b, const struct bmsg *m);

/* A topic list in pieces: the head, then n times a name. */
void bmsg_put_list(struct buf *b, uint32_t n);
void bmsg_put_list_topic(struct buf *b, const char *name);

/* The next name of m->list; 1, or 0 at the end or when it is no topic. */
int bmsg_list_next(struct bmsg *m, struct tname *t);

/* "storage" ...; what an error carries. */
const char *bmsg_code_name(enum bmsg_code code);

static inline struct mp_str
bmsg_str(const char *s)
{
	return (struct mp_str){ s, (uint32_t)strlen(s) };
}

/* A position in a topic: the string of read's from. */
enum bmsg_from { BMSG_EARLIEST, BMSG_LATEST, BMSG_ID, BMSG_TIME };

struct bmsg_position {
	enum bmsg_from from;
	uint64_t ledger, entry; /* BMSG_ID */
	uint64_t time;		/* BMSG_TIME: ns since the epoch */
};

/* 0, or -1 when s is none. */
int bmsg_position_get(struct mp_str s, struct bmsg_position *p);
/* Writes it with a NUL: BMSG_FROM_MAX + 1 bytes at s. */
void bmsg_position_put(char *s, const struct bmsg_position *p);

/* Frame 1 of the live feed. */
struct bmsg_feed {
	uint64_t ledger;
	struct entry e; /* without payload */
};

void bmsg_put_feed(struct buf *b, const struct bmsg_feed *f);
int bmsg_get_feed(const uint8_t *p, size_t n, struct bmsg_feed *f,
    const char **why);

#endif
