#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "quicstop.h"
#include "wt_int.h"

#define IO_READS 16   /* receiving calls on a socket per turn */
#define IO_VECS 8     /* pieces of a stream's queue looked at for a packet */
#define IO_QUANTUM_MIN (10 * 1452)

void
quic_path(ngtcp2_path *path, struct wt_sock *so, struct udp_addr *local,
    struct udp_addr *remote)
{
	path->local.addr = &local->u.sa;
	path->local.addrlen = local->len;
	path->remote.addr = &remote->u.sa;
	path->remote.addrlen = remote->len;
	path->user_data = so;
}

/* -------------------------------------------------------------- receive */

static struct wt_conn *
quic_lookup(struct wt *wt, const ngtcp2_version_cid *vc)
{
	struct wt_conn *c;

	if (vc->dcidlen != WT_CID_LEN)
		return cidmap_get(&wt->cids, vc->dcid, vc->dcidlen);
	if (wt->last_conn != NULL &&
	    memcmp(vc->dcid, wt->last_cid, WT_CID_LEN) == 0)
		return wt->last_conn;
	c = cidmap_get(&wt->cids, vc->dcid, vc->dcidlen);
	if (c != NULL)
		memcpy(wt->last_cid, vc->dcid, WT_CID_LEN);
	wt->last_conn = c;
	return c;
}

/* A packet after our CONNECTION_CLOSE: say it again, ever more rarely (RFC
 * 9000 section 10.2.1). */
static void
quic_conn_late(struct wt_conn *c, const ngtcp2_path *path)
{
	c->late++;
	if (c->state == CONN_CLOSING && c->close_packet != NULL &&
	    (c->late & (c->late - 1)) == 0)
		quic_send(c->wt, path, c->close_packet, c->close_len, 0);
}

/* What the packet being read says about stopping. The decryption callback has
 * no context; there is one packet at a time. */
static struct quicstop quic_stops[QUICSTOP_MAX];
static size_t quic_nstops;

int
quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen)
{
	int rc = ngtcp2_crypto_decrypt_cb(dest, aead, ctx, p, n, nonce,
	    noncelen, aad, aadlen);

	if (rc == 0 && n > aead->max_overhead)
		quic_nstops += quicstop_find(dest, n - aead->max_overhead,
		    quic_stops + quic_nstops, QUICSTOP_MAX - quic_nstops);
	return rc;
}

static int
quic_tell_stops(struct wt_conn *c)
{
	struct wt_stream *st;

	for (size_t i = 0; i < quic_nstops; i++) {
		st = wt_stream_writable(c, quic_stops[i].id);
		if (st != NULL && !st->tx_done &&
		    h3_stream_stop(st, quic_stops[i].code) == -1)
			return NGTCP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static void
quic_conn_input(struct wt_conn *c, const ngtcp2_path *path,
    const ngtcp2_pkt_info *pi, const uint8_t *p, size_t n)
{
	int rc;

	if (c->state != CONN_OPEN) {
		quic_conn_late(c, path);
		return;
	}
	quic_nstops = 0;
	rc = ngtcp2_conn_read_pkt(c->qc, path, pi, p, n, c->wt->now);
	if (rc == 0 && quic_nstops > 0)
		rc = quic_tell_stops(c);
	quic_conn_dirty(c);
	if (rc != 0)
		quic_conn_failed(c, rc);
}

static void
quic_input(struct wt *wt, struct wt_sock *so, ngtcp2_path *path,
    const ngtcp2_pkt_info *pi, const uint8_t *p, size_t n)
{
	ngtcp2_version_cid vc;
	struct wt_conn *c = so->c;
	int rc;

	if (c == NULL) {
		rc = ngtcp2_pkt_decode_version_cid(&vc, p, n, WT_CID_LEN);
		if (rc != 0 && rc != NGTCP2_ERR_VERSION_NEGOTIATION) {
			wt->stats.packets_invalid++;
			return;
		}
		c = quic_lookup(wt, &vc);
	}
	if (c != NULL)
		quic_conn_input(c, path, pi, p, n);
	else
		quic_accept(wt, path, pi, p, n);
}

static void
quic_input_batch(struct wt *wt, struct wt_sock *so, struct udp_batch *b)
{
	ngtcp2_pkt_info pi = { .ecn = b->ecn };
	ngtcp2_path path;

	if (so->c != NULL)
		b->local = so->as;
	quic_path(&path, so, &b->local, &b->remote);
	wt->stats.bytes_in += b->len;
	for (size_t off = 0; off < b->len; off += b->segment) {
		size_t n = b->len - off;

		if (n > b->segment)
			n = b->segment;
		wt->stats.packets_in++;
		quic_input(wt, so, &path, &pi, b->data + off, n);
	}
}

int
quic_read_socket(struct wt *wt, struct wt_sock *so)
{
	struct udp_batch b = { .data = wt->rx };
	int rc;

	for (int i = 0; i < IO_READS; i++) {
		rc = udp_recv(&so->udp, &b);
		wt->stats.recv_calls++;
		if (rc == 0)
			return 0;
		if (rc == -1) {
			/* Nobody listens there: told by ICMP, so not proof,
			 * but before an answer there is nothing to lose. */
			if (so->c != NULL && !so->c->established)
				quic_conn_drop(so->c, strerror(errno));
			return 0;
		}
		wt_tick(wt);
		quic_input_batch(wt, so, &b);
	}
	return 1;
}

/* ----------------------------------------------------------------- send */

static struct wt_sock *
quic_sock_of(const ngtcp2_path *path)
{
	struct wt_sock *so = path->user_data;

	while (so != NULL && so->via != NULL)
		so = so->via;
	return so;
}

static void
quic_send_batch(struct wt *wt, struct wt_sock *so, const struct udp_batch *b)
{
	int rc;

	rc = udp_send(&so->udp, b);
	wt->stats.send_calls++;
	wt->stats.bytes_out += b->len;
	wt->stats.packets_out += (b->len + b->segment - 1) / b->segment;
	if (rc == 1)
		wt_sock_stuck(wt, so, 1);
}

static int
quic_batch_set_path(struct udp_batch *b, const ngtcp2_path *path)
{
	return udp_addr_set(&b->local, path->local.addr, path->local.addrlen) ==
		-1 ||
	    udp_addr_set(&b->remote, path->remote.addr,
		path->remote.addrlen) == -1 ? -1 : 0;
}

void
quic_send(struct wt *wt, const ngtcp2_path *path, uint8_t *data, size_t len,
    uint8_t ecn)
{
	struct udp_batch b = { .data = data, .len = len, .segment = len,
		.ecn = ecn };
	struct wt_sock *so = quic_sock_of(path);

	if (so == NULL || so->udp.stuck.data != NULL ||
	    quic_batch_set_path(&b, path) == -1)
		return;
	quic_send_batch(wt, so, &b);
}

/* The next datagram into the packet. *n: what ngtcp2 said; returns 0 when
 * there is none to write. */
static int
quic_put_datagram(struct wt_conn *c, ngtcp2_path *path, ngtcp2_pkt_info *pi,
    uint8_t *dest, size_t size, ngtcp2_ssize *n)
{
	struct wt_datagram *d;
	int accepted = 0;

	while ((d = STAILQ_FIRST(&c->sending)) != NULL) {
		accepted = 0;
		if (d->len > wt_datagram_limit(c)) { /* the path shrank */
			STAILQ_REMOVE_HEAD(&c->sending, next);
			c->nsending--;
			c->wt->stats.datagrams_dropped++;
			free(d);
			continue;
		}
		*n = ngtcp2_conn_write_datagram(c->qc, path, pi, dest, size,
		    &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, d->bytes,
		    d->len, c->wt->now);
		if (*n == 0 && !accepted)
			return 1; /* no room in the congestion window */
		if (!accepted && *n > 0)
			return 1; /* not in this packet: the next one */
		STAILQ_REMOVE_HEAD(&c->sending, next);
		c->nsending--;
		if (accepted)
			c->wt->stats.datagrams_out++;
		else
			c->wt->stats.datagrams_dropped++;
		free(d);
		if (accepted)
			return 1;
		if (*n != NGTCP2_ERR_INVALID_ARGUMENT &&
		    *n != NGTCP2_ERR_INVALID_STATE)
			return 1;
	}
	return 0;
}

/* The streams' turn goes round, packet by packet. */
static struct wt_stream *
quic_next_stream(struct wt_conn *c)
{
	return c->data_blocked ? NULL : TAILQ_FIRST(&c->sendq);
}

static void
quic_stream_written(struct wt_stream *st, size_t n, int fin)
{
	struct wt_conn *c = st->c;

	chunks_sent(&st->tx, n);
	wt_stream_sent(st, n);
	if (fin && st->tx.unsent == 0)
		st->fin_sent = 1;
	if (st->tx.unsent == 0 && (!st->fin || st->fin_sent)) {
		wt_stream_dequeue(st);
		return;
	}
	TAILQ_REMOVE(&c->sendq, st, sendq_link);
	TAILQ_INSERT_TAIL(&c->sendq, st, sendq_link);
}

/* Cuts the pieces down to max bytes; returns how many bytes they are. */
static size_t
quic_trim(struct iovec *iov, size_t *niov, uint64_t max)
{
	size_t total = 0;

	for (size_t i = 0; i < *niov; i++) {
		if (iov[i].iov_len > max - total) {
			iov[i].iov_len = (size_t)(max - total);
			*niov = iov[i].iov_len > 0 ? i + 1 : i;
		}
		total += iov[i].iov_len;
	}
	return total;
}

/* A window of the peer's is full. */
static void
quic_block_stream(struct wt_stream *st)
{
	wt_stream_dequeue(st);
	st->blocked = 1;
}

/* The next stream's bytes, or with no stream what else is due, into the
 * packet. Returns what ngtcp2 said, or NGTCP2_ERR_WRITE_MORE to go on. */
static ngtcp2_ssize
quic_put_stream(struct wt_conn *c, ngtcp2_path *path, ngtcp2_pkt_info *pi,
    uint8_t *dest, size_t size)
{
	struct wt_stream *st = quic_next_stream(c);
	struct iovec iov[IO_VECS];
	ngtcp2_ssize n, taken = -1;
	uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
	size_t niov = 0, total = 0;
	int64_t id = -1;
	int fin = 0;

	if (st != NULL) {
		id = st->id;
		niov = chunks_peek(&st->tx, iov, IO_VECS);
		total = quic_trim(iov, &niov, wt_stream_allowance(st));
		if (total == 0 && st->tx.unsent > 0) {
			quic_block_stream(st);
			return NGTCP2_ERR_WRITE_MORE;
		}
		fin = st->fin && total == st->tx.unsent;
		flags = NGTCP2_WRITE_STREAM_FLAG_MORE |
		    (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
	}
	/* An ngtcp2_vec has the members of an iovec, in its order. */
	n = ngtcp2_conn_writev_stream(c->qc, path, pi, dest, size, &taken,
	    flags, id, (const ngtcp2_vec *)(const void *)iov, niov,
	    c->wt->now);
	if (st == NULL)
		return n;
	if (taken >= 0)
		quic_stream_written(st, (size_t)taken,
		    fin && (size_t)taken == total);
	switch (n) {
	case NGTCP2_ERR_STREAM_DATA_BLOCKED:
		if (ngtcp2_conn_get_max_data_left(c->qc) == 0)
			c->data_blocked = 1;
		else
			quic_block_stream(st);
		return NGTCP2_ERR_WRITE_MORE;
	case NGTCP2_ERR_STREAM_SHUT_WR:
	case NGTCP2_ERR_STREAM_NOT_FOUND:
		wt_stream_dequeue(st);
		st->tx_done = 1;
		return NGTCP2_ERR_WRITE_MORE;
	}
	return n;
}

/* One packet. Its size, 0 when there is nothing to say or no leave to say it,
 * or an error of ngtcp2. */
static ngtcp2_ssize
quic_put_packet(struct wt_conn *c, ngtcp2_path *path, ngtcp2_pkt_info *pi,
    uint8_t *dest, size_t size)
{
	int datagram = c->sends_datagram_next || TAILQ_EMPTY(&c->sendq);
	ngtcp2_ssize n;

	c->sends_datagram_next = !datagram;
	for (;;) {
		if (!datagram ||
		    !quic_put_datagram(c, path, pi, dest, size, &n)) {
			datagram = 0;
			n = quic_put_stream(c, path, pi, dest, size);
		}
		if (n != NGTCP2_ERR_WRITE_MORE)
			return n;
	}
}

static int
quic_same_flow(const struct udp_batch *b, const ngtcp2_path *path,
    const ngtcp2_pkt_info *pi)
{
	return b->ecn == pi->ecn && b->local.len == path->local.addrlen &&
	    b->remote.len == path->remote.addrlen &&
	    memcmp(&b->local.u, path->local.addr, b->local.len) == 0 &&
	    memcmp(&b->remote.u, path->remote.addr, b->remote.len) == 0;
}

/*
 * Adds the n bytes written behind b, sending b first when they cannot go with
 * it. A packet shorter than the others ends a batch. Returns 0 when so is full.
 */
static int
quic_batch_add(struct wt *wt, struct udp_batch *b, struct wt_sock **so,
    const ngtcp2_path *path, const ngtcp2_pkt_info *pi, size_t n)
{
	if (b->len > 0 && (!quic_same_flow(b, path, pi) || n > b->segment ||
	    quic_sock_of(path) != *so || b->len % b->segment != 0)) {
		uint8_t *rest = b->data + b->len;

		quic_send_batch(wt, *so, b);
		/* What follows would go to a socket that may be full. It is a
		 * lost packet then, which is rare enough. */
		b->data = rest;
		b->len = 0;
	}
	if (b->len == 0) {
		*so = quic_sock_of(path);
		if (*so == NULL || (*so)->udp.stuck.data != NULL ||
		    quic_batch_set_path(b, path) == -1)
			return 0;
		b->segment = n;
		b->ecn = pi->ecn;
	}
	b->len += n;
	return 1;
}

static int
quic_conn_is_stuck(struct wt_conn *c)
{
	struct wt_sock *so = quic_sock_of(ngtcp2_conn_get_path(c->qc));

	return c->wt->nstuck > 0 && so != NULL && so->udp.stuck.data != NULL;
}

void
quic_conn_write(struct wt_conn *c)
{
	struct wt *wt = c->wt;
	struct udp_batch b = { .data = wt->tx };
	struct wt_sock *so = NULL;
	size_t quantum = ngtcp2_conn_get_send_quantum(c->qc);
	size_t payload = ngtcp2_conn_get_max_tx_udp_payload_size(c->qc);
	ngtcp2_path_storage ps;
	ngtcp2_ssize n = 0;

	if (quic_conn_is_stuck(c))
		return; /* made dirty again when the socket has room */
	if (quantum < IO_QUANTUM_MIN)
		quantum = IO_QUANTUM_MIN;
	if (quantum > UDP_SEGMENTS_MAX * payload)
		quantum = UDP_SEGMENTS_MAX * payload;
	c->data_blocked = 0;
	for (size_t total = 0; total + payload <= quantum;
	     total += (size_t)n) {
		ngtcp2_pkt_info pi = { 0 };

		ngtcp2_path_storage_zero(&ps);
		n = quic_put_packet(c, &ps.path, &pi, b.data + b.len, payload);
		if (n <= 0)
			break;
		if (!quic_batch_add(wt, &b, &so, &ps.path, &pi, (size_t)n))
			break;
	}
	if (b.len > 0)
		quic_send_batch(wt, so, &b);
	if (n < 0)
		quic_conn_failed(c, (int)n);
	else
		ngtcp2_conn_update_pkt_tx_time(c->qc, wt->now);
}
