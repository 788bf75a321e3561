/*
 * A WebTransport endpoint over HTTP/3 and QUIC, client or server:
 * draft-ietf-webtrans-http3, RFC 9220, RFC 9297, RFC 9114, RFC 9000/9221.
 *
 * One struct wt owns UDP sockets, TLS credentials and connections. It does
 * not block, has no thread and no clock of its own besides wt_clock(): the
 * program polls its descriptors and calls it. One turn of a program's loop:
 *
 *	n = wt_pollfds(wt, fds, nfds);
 *	poll(fds, ..., wt_timeout_ms(wt));
 *	wt_read(wt);	// reads what the sockets hold, calls back
 *	...		// the program's own descriptors, wt_stream_write() etc.
 *	wt_flush(wt);	// timers, then one round of writing for all that have
 *			// something to say
 *
 * Lifetimes: struct wt_session lives until its session_closed callback
 * returns, struct wt_stream until its stream_closed callback returns; before
 * session_closed every stream of the session gets its stream_closed. struct
 * wt_conn lives until conn_closed returns, which may be long after its last
 * session_closed. Pointers to data are valid during the callback. Callbacks
 * may call any function here but wt_free(), wt_read() and wt_flush().
 *
 * Application error codes are the WebTransport ones (u32); the mapping to
 * HTTP/3 codes (draft section "Resetting Data Streams") happens inside. A
 * peer's code outside the mapped range is reported as 0.
 */
#ifndef SLUICE_WT_H
#define SLUICE_WT_H

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct wt;
struct wt_conn;
struct wt_session;
struct wt_stream;

enum wt_retry { WT_RETRY_AUTO, WT_RETRY_ALWAYS, WT_RETRY_NEVER };

/* What was asked for by an extended CONNECT. Strings end in NUL. */
struct wt_request {
	const char *authority;
	const char *path;
	const char *origin;    /* "" when absent */
	const char *protocols; /* wt-available-protocols, raw, "" when absent */
	const char *peer;      /* "ADDRESS PORT" */
	/* The other fields, without pseudo-fields; name, value in turn. */
	const char *const *fields;
	size_t nfields; /* strings in fields: twice the number of fields */
};

struct wt_events {
	/*
	 * Server: decide about a CONNECT. Return 200 to accept, or another
	 * status. *protocol may be set to one of the offered subprotocols; it
	 * must stay valid until the call returns to the library. A session
	 * that is not accepted is never heard of again.
	 */
	int (*session_request)(void *ctx, struct wt_session *s,
	    const struct wt_request *req, const char **protocol);
	/* Accepted (server) or answered with 2xx (client). */
	void (*session_open)(void *ctx, struct wt_session *s);
	/* Client: the CONNECT was answered with another status. The session
	 * ends; session_closed follows. */
	void (*session_refused)(void *ctx, struct wt_session *s, int status);
	/* DRAIN_WEBTRANSPORT_SESSION or GOAWAY from the peer. */
	void (*session_drain)(void *ctx, struct wt_session *s);
	/* The end, from whichever side. code and reason as the peer gave them,
	 * 0 and "" when the connection just went away. */
	void (*session_closed)(void *ctx, struct wt_session *s, uint32_t code,
	    const char *reason, size_t reasonlen);
	/* A stream opened by the peer. */
	void (*stream_open)(void *ctx, struct wt_stream *st);
	/*
	 * Bytes in order; fin with the last. They count against the
	 * flow-control windows until wt_stream_consumed().
	 */
	void (*stream_data)(void *ctx, struct wt_stream *st,
	    const uint8_t *data, size_t len, int fin);
	void (*stream_reset)(void *ctx, struct wt_stream *st, uint32_t code);
	void (*stream_stop)(void *ctx, struct wt_stream *st, uint32_t code);
	/* Bytes were acknowledged: wt_stream_unacked() went down. May be
	 * NULL. */
	void (*stream_acked)(void *ctx, struct wt_stream *st);
	void (*stream_closed)(void *ctx, struct wt_stream *st);
	void (*datagram)(void *ctx, struct wt_session *s, const uint8_t *data,
	    size_t len);
	/* Client and server: the connection failed or ended, the last callback
	 * about it (a server's: only if it had a session). why is one line
	 * for people; refused certificates, timeouts, CONNECTION_CLOSE from
	 * the peer. */
	void (*conn_closed)(void *ctx, struct wt_conn *c, const char *why);
};

struct wt_config {
	const struct wt_events *events;
	void *ctx;
	/* Flow control, RFC 9000 section 4. Bytes. */
	uint64_t max_data;	   /* initial connection window */
	uint64_t max_stream_data;  /* initial stream window */
	uint64_t max_window;	   /* auto-tuning may raise them to these; */
	uint64_t max_stream_window; /* 0: stay at the initial values */
	uint64_t max_streams_uni;  /* concurrent, per connection, from the peer */
	uint64_t max_streams_bidi;
	uint64_t max_datagram_size; /* max_datagram_frame_size; 0: none */
	uint64_t idle_timeout_ms;
	uint64_t handshake_timeout_ms;
	size_t max_field_section; /* bytes of a header section, RFC 9114 4.2.2 */
	size_t max_send_datagrams; /* datagrams queued per connection; more are
				    * refused by wt_session_datagram() */
	/* Server. */
	const char *cert_file, *key_file; /* PEM */
	uint64_t max_connections;
	uint64_t max_sessions_per_connection;
	uint64_t max_handshakes_per_second; /* more get a Retry or are dropped */
	uint64_t max_buffered_streams; /* streams and datagrams held for a
					* session that is not there yet */
	enum wt_retry retry;
	/* Client. */
	const char *ca_file; /* PEM; NULL: the system's */
	uint64_t keep_alive_ms; /* PING after this much silence; 0: never */
	const uint8_t *cert_sha256; /* 32 bytes: accept just this certificate
				     * (DER hash), instead of a CA */
	/* Both. */
	const char *keylog_file; /* NSS key log format, appended; NULL: none */
};

/* Fills in the defaults named in wt-accept(1). */
void wt_config_init(struct wt_config *cfg);

/* Counters, monotonic unless said otherwise. Read-only for programs. */
struct wt_stats {
	uint64_t connections_total, connections_active /* gauge */;
	uint64_t connections_refused, handshakes_failed;
	uint64_t sessions_total, sessions_active /* gauge */, sessions_refused;
	uint64_t streams_total, streams_active /* gauge */;
	uint64_t stream_bytes_in, stream_bytes_out;
	uint64_t datagrams_in, datagrams_out, datagrams_dropped;
	uint64_t packets_in, packets_out, packets_invalid; /* QUIC packets or,
				* with GRO/GSO, UDP datagrams they came in */
	uint64_t bytes_in, bytes_out; /* UDP payload */
	uint64_t recv_calls, send_calls;
	uint64_t retries_sent, version_negotiations_sent, stateless_resets_sent;
	uint64_t path_changes; /* validated migrations and rebindings */
	uint64_t h3_errors;	/* connections closed for an HTTP/3 violation */
	uint64_t buffered_rejected; /* streams or datagrams without a session */
	uint64_t unknown_ignored; /* GREASE and unknown frames, settings,
				   * capsules, stream types */
};

/*
 * A server without addresses yet, or a client endpoint. cfg is copied; the
 * strings and events it points to must stay. NULL with a line logged.
 */
struct wt *wt_server_new(const struct wt_config *cfg);
struct wt *wt_client_new(const struct wt_config *cfg);
/* Closes every connection at once (CONNECTION_CLOSE is tried), with the
 * callbacks that belong to that, and frees. */
void wt_free(struct wt *wt);
const struct wt_stats *wt_stats(const struct wt *wt);

/* Server: binds a UDP socket; may be called several times. -1 with a line
 * logged. wt_listen_addr gives the bound address of the i-th. */
int wt_listen(struct wt *wt, const struct sockaddr *sa, socklen_t salen);
int wt_listen_addr(const struct wt *wt, size_t i, struct sockaddr_storage *sa,
    socklen_t *salen);

/* Client: starts a connection (its own UDP socket, bound to local when not
 * NULL). host is for SNI and certificate names. NULL with a line logged. */
struct wt_conn *wt_connect(struct wt *wt, const struct sockaddr *sa,
    socklen_t salen, const struct sockaddr *local, socklen_t locallen,
    const char *host);
/* Client: asks for a session; may be called at once, and again for more
 * sessions on the same connection. fields: name, value in turn, or NULL. */
struct wt_session *wt_session_request(struct wt_conn *c, const char *authority,
    const char *path, const char *const *fields, size_t nfields);
/* CONNECTION_CLOSE with H3_NO_ERROR. */
void wt_conn_close(struct wt_conn *c);
/* Client: a new local UDP socket and an active migration to it (RFC 9000
 * section 9.2), or with rebind only a new socket, as a NAT would do it. */
int wt_conn_migrate(struct wt_conn *c, int rebind);
/* Starts a key update (RFC 9001 section 6). -1 when it is too early. */
int wt_conn_update_keys(struct wt_conn *c);

/*
 * The loop. wt_pollfds sets up at most n entries and returns how many it
 * would need. With wt_pause_reading(1) they ask for nothing, so that the
 * kernel drops what cannot be taken, and no connection times out. wt_timeout_ms: -1 when nothing is due.
 */
size_t wt_pollfds(const struct wt *wt, struct pollfd *fds, size_t n);
int wt_timeout_ms(const struct wt *wt);
void wt_read(struct wt *wt);
void wt_flush(struct wt *wt);
void wt_pause_reading(struct wt *wt, int on);
/* CLOCK_REALTIME ns at which the batch now being read came off the socket;
 * outside of wt_read, now. */
uint64_t wt_clock(const struct wt *wt);

/* Server, SIGTERM: no new connections, GOAWAY and DRAIN to all. */
void wt_drain(struct wt *wt);

/* Sessions. id: the CONNECT stream's. data: the program's own pointer. */
int64_t wt_session_id(const struct wt_session *s);
struct wt_conn *wt_session_conn(const struct wt_session *s);
void wt_session_set_data(struct wt_session *s, void *data);
void *wt_session_data(const struct wt_session *s);
/* CLOSE_WEBTRANSPORT_SESSION; streams are reset. reasonlen <= 1024.
 * session_closed is called from wt_flush or wt_read, not from inside. */
void wt_session_close(struct wt_session *s, uint32_t code, const char *reason,
    size_t reasonlen);
void wt_session_drain(struct wt_session *s);
/* Client, once open: the subprotocol the server chose, or "". */
const char *wt_session_protocol(const struct wt_session *s);
/* -1: too large for the path or the peer, or the queue is full. Copies. */
int wt_session_datagram(struct wt_session *s, const void *data, size_t len);
/* Largest datagram payload that can be sent now; 0: none. */
size_t wt_session_datagram_max(const struct wt_session *s);
/* Opens a stream. NULL: the peer gives no stream credit now. */
struct wt_stream *wt_stream_open(struct wt_session *s, int uni);
/* Streams the peer lets us open now. */
uint64_t wt_session_streams_left(const struct wt_session *s, int uni);

/* Streams. */
int64_t wt_stream_id(const struct wt_stream *st);
struct wt_session *wt_stream_session(const struct wt_stream *st);
int wt_stream_is_uni(const struct wt_stream *st);
int wt_stream_is_local(const struct wt_stream *st); /* we opened it */
void wt_stream_set_data(struct wt_stream *st, void *data);
void *wt_stream_data(const struct wt_stream *st);
/*
 * Queues a copy of the bytes; they are sent by wt_flush() and kept until
 * acknowledged. Any amount is taken: the caller looks at wt_stream_unacked()
 * and stops by itself. fin ends the sending side. -1 when it has ended.
 */
int wt_stream_write(struct wt_stream *st, const void *data, size_t len,
    int fin);
/* Bytes queued or in flight, not yet acknowledged. */
size_t wt_stream_unacked(const struct wt_stream *st);
/* Of these, bytes that no packet has held yet. */
size_t wt_stream_unsent(const struct wt_stream *st);
/* RESET_STREAM (sending side) and STOP_SENDING (receiving side). */
void wt_stream_reset(struct wt_stream *st, uint32_t code);
void wt_stream_stop(struct wt_stream *st, uint32_t code);
/*
 * n of the bytes given to stream_data are dealt with: opens the stream's and
 * the connection's window by that much. On a paused stream only the
 * connection's; the stream's follows with wt_stream_resume().
 */
void wt_stream_consumed(struct wt_stream *st, size_t n);
void wt_stream_pause(struct wt_stream *st);
void wt_stream_resume(struct wt_stream *st);
/* The same by connection, for bytes of a stream that is closed by now. */
void wt_conn_consumed(struct wt_conn *c, size_t n);

#endif
