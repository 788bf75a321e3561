/*
 * UDP sockets for QUIC: several packets of one flow in one call (UDP_GRO,
 * UDP_SEGMENT), ECN marks, and on unconnected sockets the local address each
 * packet came to. What the kernel would not take is kept and sent later.
 */
#ifndef SLUICE_UDP_H
#define SLUICE_UDP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define UDP_BATCH_MAX 65507	/* bytes in one call, either way */
#define UDP_SEGMENTS_MAX 44	/* packets in one sending call */
#define UDP_RX_SIZE (64 * 1024) /* a buffer for udp_recv */

struct udp_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
};

/* Packets that go, or came, together: all of one size but the last, which may
 * be shorter. */
struct udp_batch {
	struct udp_addr local, remote;
	uint8_t *data;
	size_t len;	/* bytes */
	size_t segment; /* bytes of one packet */
	uint8_t ecn;	/* 2 bits */
};

struct udp {
	int fd;
	struct udp_addr local; /* as bound; the address may be a wildcard */
	uint8_t connected;
	uint8_t gso;		/* the kernel can segment */
	struct udp_batch stuck; /* to be sent again; data is ours. data NULL:
				 * nothing is stuck */
};

/* Binds (locallen 0: any) and connects (remotelen 0: stays open to all); one
 * of them at least. 0, or -1 with errno and nothing open. */
int udp_open(struct udp *u, const struct sockaddr *local, socklen_t locallen,
    const struct sockaddr *remote, socklen_t remotelen);
void udp_close(struct udp *u);

/*
 * Reads once into b->data, which has UDP_RX_SIZE bytes. 1: b is filled in;
 * 0: nothing there; -1: an error of the socket, see errno (on a connected one
 * ECONNREFUSED: nobody listens there).
 */
int udp_recv(struct udp *u, struct udp_batch *b);

/*
 * Sends b. 0: it is gone (or lost, as datagrams may be); 1: the socket is
 * full, a copy is kept as stuck, nothing else may be sent before udp_unstick()
 * says 0; -1: nobody is there (ECONNREFUSED).
 */
int udp_send(struct udp *u, const struct udp_batch *b);
int udp_unstick(struct udp *u);

/* "ADDRESS PORT"; returns buf. 64 bytes are enough. */
const char *udp_name(const struct sockaddr *sa, char *buf, size_t n);

/* Copies an IPv4 or IPv6 address; -1 when it is neither. */
int udp_addr_set(struct udp_addr *a, const struct sockaddr *sa, socklen_t len);

#endif
