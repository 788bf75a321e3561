/*
 * A WebTransport server and a client in one process, over loopback, and what
 * each of them was told. For the wt_* unit tests.
 */
#ifndef SLUICE_WT_PAIR_H
#define SLUICE_WT_PAIR_H

#include "buf.h"
#include "wt.h"

#define PAIR_STREAMS 64
#define PAIR_SESSIONS 8
#define PAIR_DEADLINE_MS 30000

struct pair;

struct pair_stream {
	struct wt_stream *st; /* NULL once it is closed */
	int64_t id;
	struct buf in;
	size_t waiting; /* bytes not given back with wt_stream_consumed() */
	int opened, fin, closed;
	int64_t reset, stop; /* codes; -1: none */
	unsigned acks;
};

struct pair_session {
	struct wt_session *s; /* NULL once it is closed */
	int open, status /* of a refusal */, drained, closed;
	int64_t code;
	char reason[1025];
	struct buf datagrams; /* one after the other */
	unsigned ndatagrams;
};

struct pair_side {
	struct wt *wt;
	struct pair *pair;
	struct pair_session sessions[PAIR_SESSIONS];
	size_t nsessions;
	struct pair_stream streams[PAIR_STREAMS];
	size_t nstreams; /* those beyond PAIR_STREAMS are only counted */
	size_t nclosed;	 /* streams */
	int hold;	 /* leaves what comes unconsumed */
	uint64_t bytes;	 /* of streams, received */
	/* Server: the last request, and how to answer. */
	char path[256], authority[256], origin[256], protocols[256];
	char peer[64], field[256] /* value of x-test */;
	int status;
	const char *protocol;
	/* Client. */
	char why[256];
	int conn_closed;
};

struct pair {
	struct pair_side server, client;
	struct wt_config server_cfg, client_cfg;
	struct wt_conn *conn; /* NULL once it is closed */
	uint8_t hash[32];     /* of the server's certificate */
	char dir[64], cert[96], key[96];
	struct sockaddr_storage addr;
	socklen_t addrlen;
};

/* Certificates and default configurations; change them, then pair_start(). */
void pair_init(struct pair *p);
/* A server on that address (127.0.0.1, ::1) and a client without connection. */
void pair_start(struct pair *p, const char *address);
/* Connects and asks for a session; does not wait. */
void pair_connect(struct pair *p);
struct pair_session *pair_request(struct pair *p, const char *path);
/* pair_init, pair_start on 127.0.0.1, pair_connect, a session on both sides. */
void pair_open(struct pair *p);
void pair_free(struct pair *p);

/* One turn of both loops; waits at most a few ms. */
void pair_turn(struct pair *p);
/* A stream the client opens in its first session, recorded. */
struct pair_stream *pair_stream_open(struct pair_side *side,
    struct wt_session *s, int uni);
struct pair_stream *pair_stream_find(struct pair_side *side, int64_t id);
/* n bytes that depend on their place and on seed. */
void pair_fill(uint8_t *p, size_t n, unsigned seed);
uint64_t pair_ms(void);

/* Turns the loops until the expression is true; fails the test when that
 * takes too long. */
#define PAIR_UNTIL(p, expr) PAIR_TURN_UNTIL(pair_turn(p), expr, #expr)

/* The same for another turn; text is the expression as it was written. */
#define PAIR_TURN_UNTIL(turn, expr, text)                                 \
	do {                                                              \
		uint64_t until_ = pair_ms() + PAIR_DEADLINE_MS;           \
		while (!(expr)) {                                         \
			if (pair_ms() > until_)                           \
				fail_msg("%s:%d: never: %s", __FILE__,    \
				    __LINE__, text);                      \
			turn;                                             \
		}                                                         \
	} while (0)

#endif
