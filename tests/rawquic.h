/*
 * A QUIC client with nothing of HTTP/3 in it: its streams and datagrams carry
 * whatever bytes a test wants to send, as a broken or hostile peer would. For
 * tests only. What should never happen here ends the program.
 */
#ifndef SLUICE_RAWQUIC_H
#define SLUICE_RAWQUIC_H

#include <ngtcp2/ngtcp2.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "chunks.h"
#include "tls.h"
#include "udp.h"

#define RAW_STREAMS_MAX 20000
#define RAW_IN_KEEP 65536 /* bytes kept of what a stream received */

struct raw_stream {
	int64_t id;
	struct chunks tx;
	struct buf in;
	int fin, fin_sent; /* to be sent after tx */
	int in_fin, closed;
	int64_t reset, stop; /* the server's codes; -1: none */
};

struct raw {
	struct udp udp;
	struct udp_addr remote;
	struct tls *tls;
	struct tls_conn tc;
	ngtcp2_conn *qc;
	int done;	     /* handshake */
	int closed;	     /* the connection has ended */
	int end;	     /* ... for this reason: NGTCP2_ERR_... */
	uint64_t close_code; /* the server's; UINT64_MAX: none */
	int close_is_app;    /* it is the application's */
	struct raw_stream **streams; /* ours and the server's, as they began */
	size_t nstreams;
	size_t sending;	    /* index to begin with */
	uint64_t datagrams; /* received */
};

/* Starts a connection, does not wait. hash: 32 bytes, of the certificate.
 * idle_ms 0: no idle timeout. */
void raw_open(struct raw *r, const struct sockaddr *sa, socklen_t salen,
    const uint8_t *hash, uint64_t idle_ms);
/* say: tells the server with a CONNECTION_CLOSE. */
void raw_close(struct raw *r, int say);

/* One turn: waits at most ms for a packet, reads, writes. */
void raw_turn(struct raw *r, int ms);

/* Opens a stream and queues bytes on it. NULL: no credit for one. */
struct raw_stream *raw_stream(struct raw *r, int uni, const void *p, size_t n,
    int fin);
void raw_write(struct raw_stream *st, const void *p, size_t n, int fin);
/* NULL: not ours, and the server has not opened it yet. */
struct raw_stream *raw_find(struct raw *r, int64_t id);

/* Sends one QUIC datagram frame now. 0: it would not go. */
int raw_datagram(struct raw *r, const void *p, size_t n);

#endif
