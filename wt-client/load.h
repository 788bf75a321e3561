/*
 * The load: clients (connections), their sessions, and in each session the
 * flows, one for every track. load.c has the loop and the library's callbacks,
 * client.c connections and sessions, send.c makes the flows' packets and
 * writes them, recv.c deals with what the server sends.
 */
#ifndef WT_CLIENT_LOAD_H
#define WT_CLIENT_LOAD_H

#include <gnutls/crypto.h>
#include <sys/queue.h>

#include "metrics.h"
#include "source.h"
#include "target.h"
#include "timerq.h"
#include "wt.h"

#define LOAD_SHA256_LEN 32

/* A track as asked for on the command line, and its figures over all
 * clients. */
struct track {
	const char *id, *type; /* of a bare one: what to call it, and "-" */
	int bare;	       /* no track headers: --bulk, --raw */
	struct source source;
	uint64_t packets, bytes; /* given to QUIC, headers included */
	uint64_t lost_packets;	 /* for streams the server had stopped */
	uint64_t unacked_bytes;	 /* never acknowledged */
	uint64_t too_large;	 /* datagrams that fit no packet; dropped */
	uint64_t late;		 /* times the pace was given up */
	uint64_t stopped;	 /* streams the server stopped or reset */
	uint64_t last_ns;	 /* CLOCK_MONOTONIC: the last byte acknowledged,
				  * or datagram sent */
};

struct load_config {
	struct target target;
	int have_local;
	struct target_addr local;
	const char **fields; /* request fields: name, value in turn */
	size_t nfields;
	int64_t clients, sessions, streams;
	int64_t connecting;   /* handshakes under way at once */
	int64_t count;	      /* packets per track; 0: no end */
	int64_t seconds_ms;   /* 0: until the sources end */
	int64_t connect_ms;
	int64_t linger_ms;
	int64_t max_unacked;  /* bytes per stream */
	int64_t split;	      /* bytes per write; 0: whole packets */
	int64_t migrate_ms, rebind_ms, update_keys_ms; /* 0: never */
	int retry_connect;
	int join, bidi, datagrams, echo, idle;
	const char *receive;  /* NULL, "-" or a directory */
	int64_t ready_fd;
	struct track *tracks;
	size_t ntracks;
};

/* Something to be done at a time. Set with wake_set(). */
struct wake {
	struct timer timer;
	void (*fire)(void *arg);
	void *arg;
};

struct load;
struct client;
struct session;
struct flow;

/* The length and digest of a stream or a datagram. */
struct sum {
	uint64_t len;
	uint8_t digest[LOAD_SHA256_LEN];
};

/* Bytes that the server sends on one stream. */
struct inbound {
	struct session *s;
	struct wt_stream *st; /* NULL when it is closed */
	gnutls_hash_hd_t hash; /* --echo; NULL: nothing came yet */
	uint64_t len;
	size_t owed; /* bytes not yet written to stdout: no window for them */
	int fd;	     /* --receive DIR; -1: not open */
	int listed;  /* in load->owing */
	TAILQ_ENTRY(inbound) link;
};
TAILQ_HEAD(inbounds, inbound);

/* A stream we send on. */
struct out {
	struct flow *flow;
	struct wt_stream *st; /* NULL: not opened yet, or closed */
	struct buf pending;   /* packets, or a part of one, not yet written */
	gnutls_hash_hd_t hash; /* --echo */
	uint64_t len;
	struct sum sum; /* --echo: of all that was sent, once fin is */
	int opened, fin;
	int last;    /* no packet follows what is pending */
	int dead;    /* takes no more: stopped, or gone */
	int counted; /* what it leaves unacknowledged is */
	struct inbound in; /* --bidi */
};

/* A track in a session. */
struct flow {
	struct session *s;
	struct track *track;
	struct cursor cursor;
	struct out *outs; /* streams; packet n goes to outs[n % nouts] */
	size_t nouts;
	struct buf datagram; /* made, but not taken yet */
	uint64_t due;	     /* ns: when the next packet may be made */
	struct wake wake;
	TAILQ_ENTRY(flow) link, sending_link;
	int ready;   /* in load->ready */
	int sending; /* in load->sending */
	int hungry;  /* waits for stdin */
	int told;    /* that it waits for stream credit */
	int ended;   /* makes no more packets */
	int done;    /* and has written all it made */
};
TAILQ_HEAD(flows, flow);

enum session_state {
	SESSION_ASKED,
	SESSION_OPEN,
	SESSION_FINISHING, /* wt_session_close() was called */
	SESSION_CLOSED,	   /* cleanly, by us or at our pleasure */
	SESSION_FAILED
};

struct session {
	struct client *client;
	struct wt_session *wt;
	enum session_state state;
	struct flow *flows; /* one per track */
	size_t active;	    /* flows not done, and 1 while it is held */
	size_t open_outs;   /* streams not closed */
	int held;
	int drained;	    /* the server asked for its end */
	int lost;	    /* it just ended: no code, no reason */
	uint64_t progress;  /* acknowledgements and echoes seen */
	uint64_t progress_then; /* of it when the linger time began */
	uint64_t linger_at; /* ns: give up if nothing happens; 0: not begun */
	uint64_t datagrams; /* given to the library */
	struct wake wake;   /* linger */
	/* --echo: what has not come back. */
	struct sum *expected; /* unidirectional streams and datagrams */
	size_t nexpected, expected_size;
	struct inbound dgram_in; /* --receive: datagrams of this session */
};

enum client_state { CLIENT_WAITING, CLIENT_CONNECTING, CLIENT_OPEN,
	CLIENT_ENDED };

struct client {
	struct load *load;
	size_t index;
	struct wt_conn *conn; /* NULL: none now */
	enum client_state state;
	struct session *sessions;
	size_t answered; /* sessions opened or refused */
	size_t ended;	 /* sessions that are over */
	size_t addr;	 /* of target.addrs, to be tried next */
	uint64_t began;	 /* ns: first attempt */
	uint64_t backoff_ms;
	struct wake wake; /* connect deadline, then the next attempt */
};

/* Figures of the whole load. */
struct totals {
	uint64_t sessions_open; /* gauge */
	uint64_t sessions_opened, sessions_refused, sessions_failed;
	uint64_t sessions_cut; /* closed or drained by the server while we had
				* something to send */
	uint64_t connections_failed, connect_retries;
	int refused_status; /* of the first refusal */
	uint64_t stopped;   /* streams the server stopped or reset */
	uint64_t unfinished; /* streams whose end was not acknowledged */
	uint64_t streams_in, stream_bytes_in, datagrams_in;
	uint64_t datagrams_sent;
	uint64_t echoed, echo_wrong, echo_missing;
	uint64_t receive_dropped; /* datagrams, stdout being behind */
};

struct load {
	const struct load_config *cfg;
	struct wt *wt;
	struct timerq timers;
	struct client *clients;
	size_t nclients;
	size_t next_client; /* the first that has not begun */
	size_t connecting;  /* clients in CLIENT_CONNECTING */
	size_t ended;	    /* clients in CLIENT_ENDED */
	size_t answered, nsessions; /* sessions: answered or failed; in all */
	struct flows ready;
	struct flows sending; /* --split: wrote pieces that are not sent yet */
	struct flow *reader; /* whose source is stdin, NULL */
	int started, stopping;
	int over;	     /* leave the loop; what is called back then is
			      * the closing of what is left */
	int exit_code;	     /* why, when it was not the end of the work */
	uint64_t now;	     /* CLOCK_MONOTONIC ns, of this turn */
	uint64_t real;	     /* CLOCK_REALTIME ns, of this turn */
	uint64_t began;	     /* ns: first connection attempt */
	uint64_t started_at; /* ns: every session answered, flows start */
	uint64_t *connect_ns; /* one for each session opened */
	size_t bound;	     /* unacknowledged bytes per stream */
	struct wake stop, migrate, rebind, update_keys;
	struct totals total;
	/* --receive */
	int dirfd;
	struct buf out;	     /* for stdout */
	struct inbounds owing;
	int out_blocked;
	unsigned complaints;
};

/* load.c */
/* The callbacks for wt_client_new(); their context is a struct load. */
extern const struct wt_events load_events;
void load_init(struct load *l, const struct load_config *cfg);
/*
 * Runs until everything is done or a signal ends it. m, if its path is not
 * NULL, is kept up to date.
 */
void load_run(struct load *l, int signal_fd, struct metrics *m);
/* What main returns: EX_OK when all that was asked for was done. */
int load_exit_code(const struct load *l);
void load_free(struct load *l); /* after wt_free(), which calls back */
/* Every session is open, refused or failed: the flows start. */
void load_start(struct load *l);
void wake_set(struct load *l, struct wake *w, uint64_t at);
/* A line on stderr, the first few times. */
void load_complain(struct load *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* client.c */
void client_init(struct client *c, struct load *l, size_t index);
void client_free(struct client *c);
void clients_begin(struct load *l); /* as many as may connect at once */
/* n more of its sessions are open, refused or failed. */
void client_answered(struct client *c, size_t n);
/* Its connection, or the attempt at one, came to nothing. */
void client_failed(struct client *c, const char *why);
void client_session_over(struct client *c);
void session_start(struct session *s);
void session_stop(struct session *s); /* makes no more packets */
/* Ends the session if it has nothing more to do. */
void session_check(struct session *s);
/* Whether there was something left to do for it. */
int session_is_busy(const struct session *s);

/* send.c */
void flow_init(struct flow *f, struct session *s, struct track *t);
void flow_free(struct flow *f);
void flow_start(struct flow *f, uint64_t at);
void flow_stop(struct flow *f); /* no more packets */
void flow_ready(struct flow *f);
void flows_run(struct load *l); /* a turn for each that is ready */
void flows_sent(struct load *l); /* after wt_flush() */
void out_acked(struct out *o);
void out_stopped(struct out *o, uint32_t code);
void out_closed(struct out *o);
void out_give_up(struct out *o); /* nothing more is waited for */

/* recv.c */
void inbound_init(struct inbound *in, struct session *s, struct wt_stream *st);
void inbound_data(struct inbound *in, const uint8_t *data, size_t len, int fin);
void inbound_end(struct inbound *in); /* closed: st is NULL afterwards */
void inbound_datagram(struct session *s, const uint8_t *data, size_t len);
void receive_init(struct load *l); /* exits when the directory is not there */
void receive_flush(struct load *l);
void receive_free(struct load *l);
void echo_hash(gnutls_hash_hd_t *h, const void *data, size_t len);
void echo_sum(gnutls_hash_hd_t *h, uint64_t len, struct sum *sum);
/* Something that is to come back on a stream or datagram of the server's. */
void echo_expect(struct session *s, const struct sum *sum);
void echo_expect_datagram(struct session *s, const void *data, size_t len);

#endif
