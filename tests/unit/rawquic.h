/*
 * A QUIC client that puts any bytes on its streams: what a broken or hostile
 * HTTP/3 peer would do. For unit tests; driven by hand.
 */
#ifndef SLUICE_RAWQUIC_H
#define SLUICE_RAWQUIC_H

#include <ngtcp2/ngtcp2.h>

#include "buf.h"
#include "chunks.h"
#include "tls.h"
#include "udp.h"

#define RAW_STREAMS 64

struct raw_stream {
	int64_t id;
	struct chunks tx;
	int fin;
	struct buf in;
	int in_fin, closed;
	int64_t reset, stop; /* codes as on the wire; -1: none */
};

struct raw {
	struct udp udp;
	struct udp_addr remote;
	struct tls *tls;
	struct tls_conn tc;
	ngtcp2_conn *qc;
	struct raw_stream streams[RAW_STREAMS]; /* ours and the server's */
	size_t nstreams;
	int done;	     /* handshake */
	int closed;	     /* by the server */
	uint64_t close_code; /* then */
	int close_is_app;
	uint64_t retries;
	int untracked;	     /* no record of streams that close */
};

/* Starts a connection to 127.0.0.1 and that port. Any certificate with that
 * hash is good. */
void raw_open(struct raw *r, const struct sockaddr *sa, socklen_t salen,
    const uint8_t *hash);
void raw_free(struct raw *r);
/* Reads and writes what there is. */
void raw_turn(struct raw *r);
/* Opens a stream and queues bytes on it. */
struct raw_stream *raw_stream(struct raw *r, int uni, const void *p, size_t n,
    int fin);
void raw_write(struct raw_stream *st, const void *p, size_t n, int fin);
struct raw_stream *raw_find(struct raw *r, int64_t id);
/* Sends one QUIC datagram frame now; asserts that it went. */
void raw_datagram(struct raw *r, const void *p, size_t n);

#endif
