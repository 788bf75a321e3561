/*
 * A QUIC connection with nothing of HTTP/3 in it: streams and datagrams carry
 * whatever bytes a test wants to send. For tests only.
 */
#ifndef HOSTILE_RAWQUIC_H
#define HOSTILE_RAWQUIC_H

#include <ngtcp2/ngtcp2.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "chunks.h"
#include "tls.h"

#define RAW_STREAMS_MAX 20000
#define RAW_RX_KEEP 65536 /* bytes kept of what a stream received */

struct raw_stream {
	int64_t id;
	struct chunks tx;
	struct buf rx;
	int fin, fin_sent; /* to be sent after tx */
	int got_fin, closed;
	int64_t got_reset, got_stop; /* the peer's codes; -1: none */
};

struct raw {
	ngtcp2_conn *qc;
	struct tls *tls;
	struct tls_conn tc;
	int fd;
	int handshaken;
	int over;	 /* the connection has ended */
	uint64_t error;	 /* with this code; UINT64_MAX: silently */
	int app_error;	 /* ... which is the application's */
	char why[256];
	struct raw_stream **streams; /* by index */
	size_t nstreams;
	size_t sending; /* index to begin with */
	uint64_t datagrams; /* received */
};

/* Connects, without waiting. Exits on failure. hash: 32 bytes. */
void raw_open(struct raw *r, const char *host, const char *port,
    const uint8_t *hash, uint64_t idle_ms);
/* say: tells the peer with a CONNECTION_CLOSE. */
void raw_close(struct raw *r, int say);

/* One turn: waits at most ms for a packet, reads, writes. */
void raw_turn(struct raw *r, int ms);

/* A new stream, or NULL while there is no credit. */
struct raw_stream *raw_stream(struct raw *r, int uni);
void raw_send(struct raw *r, struct raw_stream *st, const void *p, size_t n,
    int fin);
void raw_datagram(struct raw *r, const void *p, size_t n);

#endif
