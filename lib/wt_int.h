/*
 * What the files behind wt.h share, from the wire up:
 *
 *	quic_io.c	packets in and out, batches, the socket being full
 *	quic_server.c	the first packet of a connection: version
 *			negotiation, Retry, limits, stateless reset
 *	quic_client.c	connecting, migrating
 *	quic_conn.c	ngtcp2's callbacks, timers
 *	quic_close.c	the end of a connection
 *	wt_h3.c		HTTP/3: control streams, which stream is what
 *	wt_session.c	CONNECT, capsules, sessions, datagrams
 *	wt_stream.c	the streams of sessions, and what all streams send
 *	wt.c		the endpoint and its loop
 *
 * Nothing of a connection is freed while ngtcp2 or a callback of the program
 * may be using it: what ends is marked, and h3_conn_settle() and quic_reap()
 * clean up from wt_read() and wt_flush().
 */
#ifndef SLUICE_WT_INT_H
#define SLUICE_WT_INT_H

#include <ngtcp2/ngtcp2.h>
#include <sys/queue.h>

#include "buf.h"
#include "capsule.h"
#include "chunks.h"
#include "cidmap.h"
#include "h3field.h"
#include "h3frame.h"
#include "timerq.h"
#include "tls.h"
#include "udp.h"
#include "wt.h"

#define WT_NS_PER_MS UINT64_C(1000000)
#define WT_NS_PER_S UINT64_C(1000000000)

#define WT_CID_LEN 8		/* bytes of the ids we choose */
#define WT_CLOSE_MAX 256	/* bytes kept of a CONNECTION_CLOSE packet */
#define WT_LINGER_NS (2 * WT_NS_PER_S) /* a server's connection without an
					* open session is closed after this */
#define WT_WAIT_NS (5 * WT_NS_PER_S) /* streams and datagrams wait this long
				      * for their session */
#define WT_PATIENCE_MAX_NS (5 * WT_NS_PER_S) /* see quic_conn_patience() */
#define WT_UNHEARD_MAX 1000 /* streams of a connection that ngtcp2 forgets to
			     * close, see h3_reset_unheard() */
#define WT_STUCK_NS (5 * WT_NS_PER_MS) /* a full socket is tried again, when
					* poll does not tell of it */
#define WT_GONE_IDS 8 /* ended sessions a connection remembers */

/* A UDP socket: one of the server's, or one of a client connection. */
struct wt_sock {
	struct udp udp;
	SLIST_ENTRY(wt_sock) next;
	struct wt_conn *c;	/* client; NULL: the server's */
	struct wt_sock *via;	/* rebound: packets leave here instead */
	struct udp_addr as;	/* the local address QUIC knows */
	uint8_t want_out;	/* EPOLLOUT is asked for */
};
SLIST_HEAD(wt_socks, wt_sock);

enum wt_conn_state {
	CONN_OPEN,
	CONN_CLOSING,  /* CONNECTION_CLOSE sent; answers late packets */
	CONN_DRAINING, /* the peer closed */
	CONN_DEAD      /* to be freed */
};

struct wt_datagram {
	STAILQ_ENTRY(wt_datagram) next;
	size_t len;
	uint8_t bytes[];
};
STAILQ_HEAD(wt_datagrams, wt_datagram);

TAILQ_HEAD(wt_streams, wt_stream);
TAILQ_HEAD(wt_sessions, wt_session);
TAILQ_HEAD(wt_conns, wt_conn);

struct wt_conn {
	ngtcp2_conn *qc;
	struct wt *wt;
	struct tls_conn tls;
	TAILQ_ENTRY(wt_conn) link;
	TAILQ_ENTRY(wt_conn) dirty_link;
	struct timer timer;
	struct wt_socks socks; /* client */
	ngtcp2_cid first;      /* server: the id the client made up for us */
	enum wt_conn_state state;
	uint8_t is_dirty;
	uint8_t handshaking;   /* counted in wt->handshaking */
	uint8_t established;   /* handshake completed */
	uint8_t tls_done;      /* the TLS session may go */
	uint8_t close_asked;   /* wt_conn_close() */
	uint8_t ended;	       /* a session has ended and is to be reported */
	uint8_t known;	       /* the program is owed a conn_closed */
	uint8_t sends_datagram_next; /* takes turns with streams */
	uint8_t data_blocked;  /* the peer's connection window is full */
	/* HTTP/3. */
	uint8_t got_control, got_encoder, got_decoder, got_settings;
	uint8_t goaway_sent, goaway_got;
	uint8_t peer_wt; /* the peer's SETTINGS allow WebTransport */
	uint8_t limits;	 /* the peer limits what its sessions take */
	uint64_t peer_max_data, peer_max_streams[2]; /* initially; by uni */
	struct wt_stream *control;   /* ours */
	int64_t request_max;	     /* highest request stream seen; -1 */
	struct wt_streams streams;   /* those that belong to no session */
	struct wt_streams sendq;     /* those with something to send */
	struct wt_sessions sessions;
	size_t nsessions;
	size_t nopen;		     /* sessions in SESSION_OPEN */
	size_t nwaiting;	     /* streams and datagrams held */
	size_t nunheard;	     /* see h3_reset_unheard() */
	struct wt_datagrams held;    /* datagrams, their prefix included */
	struct wt_datagrams sending;
	size_t nsending;
	int64_t gone[WT_GONE_IDS];   /* ids of ended sessions, a ring */
	unsigned ngone;
	/* ns, TIMERQ_NEVER: not set. When it is closed unless a session or,
	 * after wt_conn_close(), the last words being sent come first; when
	 * what waits for a session has waited enough. */
	uint64_t linger_at, wait_until;
	/* The end. */
	uint64_t h3_error;	/* set by what returns -1 to ngtcp2 */
	const char *h3_why;
	uint64_t close_at;	/* CLOSING, DRAINING: when it is over */
	uint8_t *close_packet;	/* CLOSING: said again to late packets */
	size_t close_len;
	unsigned late;		/* packets since */
	char *why;		/* for conn_closed */
};

enum wt_session_state {
	SESSION_NEW,	/* client: CONNECT not sent; server: CONNECT here,
			 * SETTINGS are not */
	SESSION_ASKED,	/* client: CONNECT sent */
	SESSION_OPEN,
	SESSION_ENDED	/* session_closed is due */
};

struct wt_session {
	struct wt_conn *c;
	struct wt_stream *st; /* the CONNECT stream; NULL: gone, or not there */
	TAILQ_ENTRY(wt_session) link;
	struct wt_streams streams;
	int64_t id;
	enum wt_session_state state;
	uint8_t was_open; /* session_open was called, or request accepted */
	uint8_t silent;	  /* the program never heard of it */
	uint8_t drain_sent;
	void *data;
	struct capsule_in *capsules; /* from the first byte on */
	struct buf request; /* client: HEADERS to send; server: field section
			     * that waits for SETTINGS */
	/* The peer's limits, if c->limits, and what is used of them: bytes,
	 * and streams, bidirectional and unidirectional ones. */
	uint64_t max_data, sent;
	uint64_t max_streams[2], opened[2];
	uint32_t code;
	uint16_t reasonlen;
	char *reason;
	char *protocol; /* client: the subprotocol the server chose */
};

enum wt_kind {
	KIND_NEW,     /* what it is is not known yet */
	KIND_CONTROL, /* the peer's */
	KIND_QPACK,   /* the peer's encoder or decoder stream */
	KIND_REQUEST, /* HTTP/3 frames */
	KIND_WT,
	KIND_WAITING, /* a WT stream without its session */
	KIND_IGNORED, /* what comes is thrown away */
	KIND_OURS     /* our control stream */
};

struct wt_stream {
	struct wt_conn *c;
	struct wt_session *s; /* KIND_WT: its session; KIND_REQUEST: the
			       * session it carries, if it does */
	TAILQ_ENTRY(wt_stream) link; /* KIND_WT: in s->streams, else in
				      * c->streams */
	TAILQ_ENTRY(wt_stream) sendq_link;
	int64_t id;
	void *data;
	struct chunks tx;
	uint64_t held;	 /* bytes of window kept back: while paused, or
			  * until a request is whole */
	uint8_t kind;	 /* enum wt_kind */
	uint8_t uni, local;
	uint8_t queued;	 /* in c->sendq */
	uint8_t blocked; /* the peer's stream window is full */
	uint8_t fin;	 /* FIN follows tx */
	uint8_t fin_sent;
	uint8_t tx_done; /* nothing may be sent any more */
	uint8_t rx_done; /* nothing is of interest any more */
	uint8_t paused;
	uint8_t over;	 /* QUIC is through with it */
	uint8_t head;	 /* bytes in front of the program's, not yet sent */
	union {
		struct h3_prefix prefix; /* KIND_NEW */
		struct h3_frames *frames; /* KIND_CONTROL, KIND_REQUEST */
		struct {
			uint64_t session;
			struct buf *buf; /* what came so far */
			uint8_t fin;
		} wait; /* KIND_WAITING */
	} u;
};

/* So many a second, and as many at once. */
struct wt_rate {
	uint64_t per_second;
	uint64_t credit; /* ns worth */
	uint64_t last;	 /* ns */
};

struct wt {
	struct wt_config cfg;
	const struct wt_events *ev;
	struct wt_stats stats;
	int server;
	struct tls *tls;
	int epfd, timerfd;
	uint64_t timerfd_at; /* what it is set to; TIMERQ_NEVER: nothing */
	struct wt_socks socks; /* server */
	size_t nsocks;
	size_t nstuck; /* sockets that are full */
	struct cidmap cids;
	struct cidmap writable; /* streams we may write to, by connection and
				 * stream id: ngtcp2 cannot be asked */
	struct timerq timers;
	struct wt_conns conns, dirty, dead;
	uint64_t nconns;
	uint64_t handshaking;
	struct wt_rate handshakes, stateless;
	uint64_t now;	/* CLOCK_MONOTONIC, ns, of this batch */
	uint64_t batch; /* CLOCK_REALTIME, ns, of this batch; 0: none */
	int paused, draining;
	int late; /* was paused, and has not read all that came meanwhile */
	uint8_t reset_secret[TLS_SHA256_LEN];
	uint8_t token_secret[TLS_SHA256_LEN];
	uint8_t *rx, *tx;
	/* The last lookup: packets come in bursts. */
	uint8_t last_cid[WT_CID_LEN];
	struct wt_conn *last_conn;
};

/* wt.c */
struct wt_sock *wt_sock_new(struct wt *wt, const struct sockaddr *local,
    socklen_t locallen, const struct sockaddr *remote, socklen_t remotelen);
void wt_sock_free(struct wt *wt, struct wt_sock *so);
void wt_sock_stuck(struct wt *wt, struct wt_sock *so, int stuck);
void wt_tick(struct wt *wt); /* brings wt->now up to date */
int wt_rate_take(struct wt_rate *r, uint64_t now); /* 0: none left */
uint64_t wt_rate_left(struct wt_rate *r, uint64_t now);

/* quic_io.c */
/* A turn's worth. 1: there may be more. */
int quic_read_socket(struct wt *wt, struct wt_sock *so);
void quic_conn_write(struct wt_conn *c);
/* Decrypts, and takes note of STOP_SENDING. */
int quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen);
/* One packet outside of the batches. */
void quic_send(struct wt *wt, const ngtcp2_path *path, uint8_t *data,
    size_t len, uint8_t ecn);
void quic_path(ngtcp2_path *path, struct wt_sock *so,
    struct udp_addr *local, struct udp_addr *remote);

/* quic_server.c: a packet that belongs to no connection. */
void quic_accept(struct wt *wt, ngtcp2_path *path, const ngtcp2_pkt_info *pi,
    const uint8_t *p, size_t n);
void quic_send_retry(struct wt *wt, ngtcp2_path *path,
    const ngtcp2_pkt_hd *hd);

/* quic_conn.c */
struct wt_conn *quic_conn_new(struct wt *wt);
void quic_conn_init(struct wt_conn *c, ngtcp2_settings *settings,
    ngtcp2_transport_params *params);
void quic_callbacks(ngtcp2_callbacks *cb, int server);
void quic_cid_new(ngtcp2_cid *cid);
void quic_conn_dirty(struct wt_conn *c);
void quic_conn_set_timer(struct wt_conn *c);
void quic_conn_timeout(struct wt_conn *c);

/* quic_close.c: ngtcp2 said so, we say so, nobody needs to be told. */
/* Why it ends; the first who knows tells. */
void quic_conn_set_why(struct wt_conn *c, const char *why);
void quic_conn_failed(struct wt_conn *c, int liberr);
void quic_conn_close(struct wt_conn *c, uint64_t h3_error, const char *why);
void quic_conn_drop(struct wt_conn *c, const char *why);
uint64_t quic_conn_patience(struct wt_conn *c); /* ns */
void quic_conn_forget(struct wt_conn *c); /* unlinks it, for quic_reap() */
void quic_reap(struct wt *wt);

/* wt_h3.c: return 0, or -1 with c->h3_error set. */
int h3_conn_start(struct wt_conn *c);
int h3_stream_open(struct wt_conn *c, int64_t id);
int h3_stream_data(struct wt_stream *st, const uint8_t *p, size_t n, int fin);
int h3_stream_reset(struct wt_stream *st, uint64_t code);
int h3_stream_stop(struct wt_stream *st, uint64_t code);
int h3_stream_close(struct wt_stream *st);
int h3_datagram(struct wt_conn *c, const uint8_t *p, size_t n);
int h3_fail(struct wt_conn *c, uint64_t code, const char *why);
void h3_conn_settle(struct wt_conn *c);
void h3_conn_close_asked(struct wt_conn *c);
void h3_conn_gone(struct wt_conn *c);
void h3_conn_drain(struct wt_conn *c);
/* Bytes nobody has to deal with: opens the windows at once. */
void h3_skip(struct wt_stream *st, size_t n);

/* wt_session.c */
int wt_request_data(struct wt_stream *st, const uint8_t *p, size_t n, int fin);
int wt_request_retry(struct wt_conn *c); /* SETTINGS are here now */
void wt_session_end(struct wt_session *s, uint32_t code, const char *reason,
    size_t reasonlen);
void wt_session_report_ended(struct wt_session *s);
struct wt_session *wt_session_find(struct wt_conn *c, int64_t id);
int wt_session_is_gone(const struct wt_conn *c, int64_t id);
void wt_session_connect(struct wt_session *s);
int wt_datagram_in(struct wt_conn *c, const uint8_t *p, size_t n);
size_t wt_datagram_limit(struct wt_conn *c); /* bytes, with the prefix */
void wt_waiting_admit(struct wt_session *s);
void wt_waiting_reject(struct wt_conn *c, int64_t id, uint64_t code);

/* wt_stream.c */
struct wt_stream *wt_stream_new(struct wt_conn *c, int64_t id,
    enum wt_kind kind, int local);
void wt_stream_free(struct wt_stream *st);
struct wt_stream *wt_stream_writable(struct wt_conn *c, int64_t id);
void wt_stream_become(struct wt_stream *st, enum wt_kind kind);
void wt_stream_join(struct wt_stream *st, struct wt_session *s);
void wt_stream_deliver(struct wt_stream *st, const uint8_t *p, size_t n,
    int fin);
void wt_stream_detach(struct wt_stream *st);
void wt_stream_send(struct wt_stream *st, const void *data, size_t n, int fin);
void wt_stream_acked(struct wt_stream *st, size_t n);
/* Bytes its session may send now; n of its bytes are sent. */
uint64_t wt_stream_allowance(const struct wt_stream *st);
void wt_stream_sent(struct wt_stream *st, size_t n);
void wt_stream_unblock(struct wt_stream *st);
void wt_stream_dequeue(struct wt_stream *st);
void wt_stream_abort(struct wt_stream *st, uint64_t h3_code);

#endif
