/*
 * Sessions, streams and connections by the numbers records name them with,
 * and what each connection has waiting for stdout.
 *
 * A session's entry outlives the session: it stays until its SESSION_CLOSE is
 * written, so that every byte still queued finds the connection whose window
 * it holds.
 */
#ifndef WT_ACCEPT_SESSIONS_H
#define WT_ACCEPT_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "rec.h"
#include "table.h"
#include "wt.h"

struct conn {
	struct table_node node; /* k1: the wt_conn's address */
	struct wt_conn *wt;	/* NULL: gone */
	size_t queued;		/* bytes that wait for stdout, with headers */
	unsigned sessions;	/* entries that point here */
	int shed;		/* closed for having too much queued */
};

struct session {
	struct table_node node; /* k1: the id in records */
	struct wt_session *wt;	/* NULL: closed */
	struct conn *conn;
	struct buf open;	/* payload of SESSION_OPEN until it is due */
	int opened;		/* SESSION_OPEN was queued */
};

struct stream {
	struct table_node node; /* k1: the session's id, k2: the stream's */
	struct wt_stream *wt;
	struct session *session;
	uint8_t flags;	    /* REC_UNI, REC_SERVER */
	uint8_t ended;	    /* FIN or STREAM_RESET was queued */
	uint8_t stopped;    /* STOP_SENDING was sent: */
	uint32_t stop_code; /* with this code */
};

struct sessions {
	struct table conns, sessions, streams;
	uint64_t next_id;
	/* The last ones found: records come in runs. */
	struct session *last_session;
	struct stream *last_stream;
	uint64_t streams_max; /* most streams there were at once */
};

/* realtime: ns since the epoch. Ids count up from the second of the start, so
 * they differ from those of an earlier run. */
void sessions_init(struct sessions *t, uint64_t realtime);
void sessions_free(struct sessions *t);

/* Enters a session (and its connection) and sets its data pointer. */
struct session *session_new(struct sessions *t, struct wt_session *wt);
/* The entry with this id, also of a closed session; NULL when there is none. */
struct session *session_find(struct sessions *t, uint64_t id);
/* Forgets the session; its connection with the last one. */
void session_free(struct sessions *t, struct session *s);

/* Enters a stream of s and sets its data pointer. */
struct stream *stream_new(struct sessions *t, struct session *s,
    struct wt_stream *wt);
struct stream *stream_find(struct sessions *t, uint64_t session,
    uint64_t stream);
void stream_free(struct sessions *t, struct stream *st);

/* The connection is gone: nothing opens its window any more. */
void conn_gone(struct sessions *t, struct wt_conn *wt);
/* All connections and their streams are gone; what is queued stays known. */
void conns_gone(struct sessions *t);

/*
 * A piece of a record was taken by the reader (as output's callback): opens
 * the windows it held, and forgets a session after its last record.
 */
void sessions_taken(struct sessions *t, const struct rec *r, size_t size,
    size_t payload, int last);

#endif
