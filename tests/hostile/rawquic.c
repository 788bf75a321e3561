#include "rawquic.h"

#include <errno.h>
#include <netdb.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "h3frame.h"
#include "log.h"
#include "quicstop.h"
#include "stage.h"

#define PACKET_MAX 1452
#define CID_LEN 12
#define NS_PER_MS UINT64_C(1000000)

static ngtcp2_conn *
conn_of(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct raw *)ref->user_data)->qc;
}

static void
on_rand(uint8_t *p, size_t n, const ngtcp2_rand_ctx *ctx)
{
	(void)ctx;
	tls_random(p, n);
}

static int
on_new_cid(ngtcp2_conn *qc, ngtcp2_cid *cid, uint8_t *token, size_t n,
    void *user)
{
	(void)qc, (void)user;
	tls_random(cid->data, n);
	cid->datalen = n;
	tls_random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static int
on_handshake(ngtcp2_conn *qc, void *user)
{
	(void)qc;
	((struct raw *)user)->handshaken = 1;
	return 0;
}

static struct raw_stream *
stream_add(struct raw *r, int64_t id)
{
	struct raw_stream *st = calloc(1, sizeof(*st));

	if (st == NULL || r->nstreams == RAW_STREAMS_MAX)
		fatalx(EX_SOFTWARE, "too many streams");
	st->id = id;
	st->got_reset = st->got_stop = -1;
	r->streams[r->nstreams++] = st;
	return st;
}

static int
on_stream_open(ngtcp2_conn *qc, int64_t id, void *user)
{
	struct raw *r = user;

	ngtcp2_conn_set_stream_user_data(qc, id, stream_add(r, id));
	return 0;
}

static int
on_stream_data(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t offset,
    const uint8_t *data, size_t n, void *user, void *stream)
{
	struct raw_stream *st = stream;

	(void)offset, (void)user;
	ngtcp2_conn_extend_max_offset(qc, n);
	ngtcp2_conn_extend_max_stream_offset(qc, id, n);
	if (st == NULL)
		return 0;
	if (buf_len(&st->rx) + n <= RAW_RX_KEEP)
		buf_append(&st->rx, data, n);
	if (flags & NGTCP2_STREAM_DATA_FLAG_FIN)
		st->got_fin = 1;
	return 0;
}

static int
on_acked(ngtcp2_conn *qc, int64_t id, uint64_t offset, uint64_t n, void *user,
    void *stream)
{
	(void)qc, (void)id, (void)offset, (void)user;
	if (stream != NULL)
		chunks_acked(&((struct raw_stream *)stream)->tx, n);
	return 0;
}

static int
on_reset(ngtcp2_conn *qc, int64_t id, uint64_t size, uint64_t code, void *user,
    void *stream)
{
	(void)qc, (void)id, (void)size, (void)user;
	if (stream != NULL)
		((struct raw_stream *)stream)->got_reset = (int64_t)code;
	return 0;
}

static int
on_stream_close(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t code,
    void *user, void *stream)
{
	(void)qc, (void)flags, (void)id, (void)code, (void)user;
	if (stream != NULL)
		((struct raw_stream *)stream)->closed = 1;
	return 0;
}

static int
on_datagram(ngtcp2_conn *qc, uint32_t flags, const uint8_t *p, size_t n,
    void *user)
{
	(void)qc, (void)flags, (void)p, (void)n;
	((struct raw *)user)->datagrams++;
	return 0;
}

/* ngtcp2 tells nothing of STOP_SENDING; there is one packet at a time. */
static struct quicstop stops[QUICSTOP_MAX];
static size_t nstops;

static int
on_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen)
{
	int rc = ngtcp2_crypto_decrypt_cb(dest, aead, ctx, p, n, nonce,
	    noncelen, aad, aadlen);

	if (rc == 0 && n > aead->max_overhead)
		nstops += quicstop_find(dest, n - aead->max_overhead,
		    stops + nstops, QUICSTOP_MAX - nstops);
	return rc;
}

static void
note_stops(struct raw *r)
{
	for (size_t i = 0; i < nstops; i++)
		for (size_t k = 0; k < r->nstreams; k++)
			if (r->streams[k]->id == stops[i].id)
				r->streams[k]->got_stop =
				    (int64_t)stops[i].code;
	nstops = 0;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.encrypt = ngtcp2_crypto_encrypt_cb,
	.decrypt = on_decrypt,
	.hp_mask = ngtcp2_crypto_hp_mask_cb,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
	.update_key = ngtcp2_crypto_update_key_cb,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	.rand = on_rand,
	.get_new_connection_id = on_new_cid,
	.handshake_completed = on_handshake,
	.stream_open = on_stream_open,
	.recv_stream_data = on_stream_data,
	.acked_stream_data_offset = on_acked,
	.stream_reset = on_reset,
	.stream_close = on_stream_close,
	.recv_datagram = on_datagram,
};

static void
connect_udp(struct raw *r, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *res;
	int rc = getaddrinfo(host, port, &hints, &res);

	if (rc != 0)
		fatalx(EX_NOHOST, "%s: %s", host, gai_strerror(rc));
	r->fd = socket(res->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->fd == -1 || connect(r->fd, res->ai_addr, res->ai_addrlen) == -1)
		fatal(EX_UNAVAILABLE, "%s:%s", host, port);
	freeaddrinfo(res);
}

void
raw_open(struct raw *r, const char *host, const char *port,
    const uint8_t *hash, uint64_t idle_ms)
{
	struct sockaddr_storage local, remote;
	ngtcp2_transport_params params;
	ngtcp2_cid scid = { CID_LEN, { 0 } }, dcid = { CID_LEN, { 0 } };
	ngtcp2_settings settings;
	ngtcp2_path path = { .local = { (void *)&local, sizeof(local) },
		.remote = { (void *)&remote, sizeof(remote) } };

	memset(r, 0, sizeof(*r));
	r->error = UINT64_MAX;
	r->streams = calloc(RAW_STREAMS_MAX, sizeof(*r->streams));
	connect_udp(r, host, port);
	if (getsockname(r->fd, path.local.addr, &path.local.addrlen) == -1 ||
	    getpeername(r->fd, path.remote.addr, &path.remote.addrlen) == -1)
		fatal(EX_OSERR, "socket");
	tls_random(scid.data, CID_LEN);
	tls_random(dcid.data, CID_LEN);
	ngtcp2_settings_default(&settings);
	settings.initial_ts = stage_monotonic();
	settings.handshake_timeout = 10000 * NS_PER_MS;
	ngtcp2_transport_params_default(&params);
	params.initial_max_data = 1 << 20;
	params.initial_max_stream_data_bidi_local = 1 << 18;
	params.initial_max_stream_data_bidi_remote = 1 << 18;
	params.initial_max_stream_data_uni = 1 << 18;
	params.initial_max_streams_bidi = 100;
	params.initial_max_streams_uni = 100;
	params.max_idle_timeout = idle_ms * NS_PER_MS;
	params.max_datagram_frame_size = 65535;
	r->tls = tls_client_new(NULL, hash, getenv("SSLKEYLOGFILE"));
	r->tc.ref.get_conn = conn_of;
	r->tc.ref.user_data = r;
	if (r->tls == NULL || tls_conn_open(r->tls, &r->tc, "localhost") == -1)
		fatalx(EX_SOFTWARE, "TLS");
	if (ngtcp2_conn_client_new(&r->qc, &dcid, &scid, &path,
		NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL,
		r) != 0)
		fatalx(EX_SOFTWARE, "QUIC");
	ngtcp2_conn_set_tls_native_handle(r->qc, r->tc.session);
}

static void
raw_say_close(struct raw *r)
{
	uint8_t p[PACKET_MAX];
	ngtcp2_ccerr e;
	ngtcp2_ssize n;

	ngtcp2_ccerr_default(&e);
	ngtcp2_ccerr_set_application_error(&e, H3_NO_ERROR, NULL, 0);
	n = ngtcp2_conn_write_connection_close(r->qc, NULL, NULL, p, sizeof(p),
	    &e, stage_monotonic());
	if (n > 0 && send(r->fd, p, (size_t)n, 0) == -1)
		log_warn("send");
}

void
raw_close(struct raw *r, int say)
{
	if (say && !r->over)
		raw_say_close(r);
	for (size_t i = 0; i < r->nstreams; i++) {
		chunks_free(&r->streams[i]->tx);
		buf_free(&r->streams[i]->rx);
		free(r->streams[i]);
	}
	free(r->streams);
	ngtcp2_conn_del(r->qc);
	tls_conn_close(&r->tc);
	tls_free(r->tls);
	close(r->fd);
}

/* The connection has ended: what did the peer say? */
static void
raw_over(struct raw *r, int rc)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(r->qc);

	r->over = 1;
	if (rc == NGTCP2_ERR_DRAINING) {
		r->error = e->error_code;
		r->app_error = e->type == NGTCP2_CCERR_TYPE_APPLICATION;
	}
	snprintf(r->why, sizeof(r->why), "%s", ngtcp2_strerror(rc));
}

static void
raw_read(struct raw *r)
{
	uint8_t p[65536];
	const ngtcp2_path *path = ngtcp2_conn_get_path(r->qc);
	ngtcp2_pkt_info pi = { 0 };
	ssize_t n;
	int rc;

	while (!r->over &&
	    (n = recv(r->fd, p, sizeof(p), MSG_DONTWAIT)) >= 0) {
		rc = ngtcp2_conn_read_pkt(r->qc, path, &pi, p, (size_t)n,
		    stage_monotonic());
		note_stops(r);
		if (rc != 0)
			raw_over(r, rc);
	}
}

/* One packet with bytes of st, or of no stream. Returns what ngtcp2 did. */
static ngtcp2_ssize
raw_packet(struct raw *r, struct raw_stream *st)
{
	uint8_t p[PACKET_MAX];
	ngtcp2_vec vec[8];
	ngtcp2_ssize taken = -1, n;
	size_t count = 0, len = 0;
	struct iovec iov[8];
	uint32_t flags = 0;

	if (st != NULL) {
		count = chunks_peek(&st->tx, iov, 8);
		for (size_t i = 0; i < count; i++) {
			vec[i].base = iov[i].iov_base;
			vec[i].len = iov[i].iov_len;
			len += iov[i].iov_len;
		}
		if (st->fin && len == st->tx.unsent)
			flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
	}
	n = ngtcp2_conn_writev_stream(r->qc, NULL, NULL, p, sizeof(p), &taken,
	    flags, st != NULL ? st->id : -1, vec, count, stage_monotonic());
	if (taken >= 0 && st != NULL) {
		chunks_sent(&st->tx, (size_t)taken);
		if ((flags & NGTCP2_WRITE_STREAM_FLAG_FIN) &&
		    (size_t)taken == len)
			st->fin_sent = 1;
	}
	if (n > 0 && send(r->fd, p, (size_t)n, 0) == -1 &&
	    errno == ECONNREFUSED)
		raw_over(r, NGTCP2_ERR_CLOSING);
	return n;
}

static void
raw_write(struct raw *r)
{
	ngtcp2_ssize n;

	for (size_t k = 0; k < r->nstreams && !r->over; k++) {
		size_t i = (r->sending + k) % r->nstreams;
		struct raw_stream *st = r->streams[i];

		while (!st->closed &&
		    (st->tx.unsent > 0 || (st->fin && !st->fin_sent))) {
			n = raw_packet(r, st);
			if (n == 0) { /* congestion window: go on here later */
				r->sending = i;
				return;
			}
			if (n < 0)
				break; /* blocked, or the peer wants no more */
		}
	}
	while (!r->over && raw_packet(r, NULL) > 0)
		;
}

void
raw_turn(struct raw *r, int ms)
{
	struct pollfd pfd = { .fd = r->fd, .events = POLLIN };
	uint64_t now = stage_monotonic(), at = ngtcp2_conn_get_expiry(r->qc);
	int rc, wait = ms;

	if (at != UINT64_MAX && stage_poll_ms(at > now ? at - now : 0) < wait)
		wait = stage_poll_ms(at > now ? at - now : 0);
	if (poll(&pfd, 1, wait) > 0)
		raw_read(r);
	if (r->over)
		return;
	now = stage_monotonic();
	if (ngtcp2_conn_get_expiry(r->qc) <= now) {
		rc = ngtcp2_conn_handle_expiry(r->qc, now);
		if (rc != 0) {
			raw_over(r, rc);
			return;
		}
	}
	raw_write(r);
}

struct raw_stream *
raw_stream(struct raw *r, int uni)
{
	int64_t id;
	int rc;

	rc = uni ? ngtcp2_conn_open_uni_stream(r->qc, &id, NULL) :
		   ngtcp2_conn_open_bidi_stream(r->qc, &id, NULL);
	if (rc != 0)
		return NULL;
	ngtcp2_conn_set_stream_user_data(r->qc, id, stream_add(r, id));
	return r->streams[r->nstreams - 1];
}

void
raw_send(struct raw *r, struct raw_stream *st, const void *p, size_t n, int fin)
{
	(void)r;
	chunks_append(&st->tx, p, n);
	st->fin |= fin;
}

void
raw_datagram(struct raw *r, const void *data, size_t n)
{
	ngtcp2_vec vec = { (uint8_t *)(uintptr_t)data, n };
	uint8_t p[PACKET_MAX];
	ngtcp2_ssize k;
	int accepted = 0;

	k = ngtcp2_conn_writev_datagram(r->qc, NULL, NULL, p, sizeof(p),
	    &accepted, 0, 0, &vec, 1, stage_monotonic());
	if (k > 0 && send(r->fd, p, (size_t)k, 0) == -1)
		log_warn("send");
	if (!accepted)
		log_warnx("datagram of %zu bytes was not taken", n);
}
