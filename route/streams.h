/*
 * What route remembers of sessions and streams: packet numbers, the
 * SESSION_OPEN record, and which endpoints were told of a session. Bounded.
 */
#ifndef ROUTE_STREAMS_H
#define ROUTE_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "table.h"
#include "track.h"

#define STREAMS_OPEN_MAX (64 * 1024) /* bytes of one SESSION_OPEN record, */
#define STREAMS_OPENS_MAX (64 * 1024 * 1024) /* and of all */

struct stream {
	struct table_node node; /* session, stream */
	struct session *session;
	struct stream *prev, *next; /* of the session */
	uint64_t number;	    /* of the next packet */
	/* The decision for the last packet holds while the next one has the
	 * same track, so long as epoch is the route's. */
	uint64_t epoch;
	uint8_t id[TRACK_ID_LEN], type[TRACK_TYPE_LEN];
	int32_t target;
};

struct session {
	struct table_node node; /* session, 0 */
	struct stream *streams;
	uint8_t *open;	 /* the SESSION_OPEN record, or NULL */
	size_t open_len; /* bytes */
	uint64_t told[]; /* a bit for each endpoint */
};

struct streams {
	struct table sessions, streams;
	uint64_t max_sessions, max_streams;
	size_t nwords; /* of told */
	struct stream *last; /* looked up */
	uint64_t open_bytes; /* of all sessions */
	uint64_t streams_max; /* most streams at a time */
	uint64_t refused;    /* sessions and streams over a limit; counter */
	uint64_t opens_lost; /* SESSION_OPENs over a limit; counter */
};

void streams_init(struct streams *s, uint64_t max_sessions,
    uint64_t max_streams, size_t nendpoints);
void streams_free(struct streams *s);

/* A session begins; rec is its SESSION_OPEN record, copied, or NULL for one
 * that was never announced. NULL: over the limit. */
struct session *streams_session_open(struct streams *s, uint64_t session,
    const uint8_t *rec, size_t len);
struct session *streams_session_find(const struct streams *s,
    uint64_t session);
/* Forgets the session and its streams. */
void streams_session_close(struct streams *s, struct session *se);

/* The stream, made if it is new; NULL: over a limit. */
struct stream *streams_get(struct streams *s, uint64_t session,
    uint64_t stream);
/* The stream has ended. */
void streams_end(struct streams *s, uint64_t session, uint64_t stream);

static inline int
session_told(const struct session *se, uint32_t endpoint)
{
	return (int)(se->told[endpoint / 64] >> endpoint % 64 & 1);
}

static inline void
session_tell(struct session *se, uint32_t endpoint)
{
	se->told[endpoint / 64] |= UINT64_C(1) << endpoint % 64;
}

#endif
