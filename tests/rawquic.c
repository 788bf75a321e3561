#include "rawquic.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "h3frame.h"
#include "log.h"
#include "quicstop.h"
#include "stage.h"

#define RAW_PACKET_MAX 1452
#define RAW_CID_LEN 12
#define RAW_VECS 8 /* pieces of a stream's queue looked at for a packet */
#define NS_PER_MS UINT64_C(1000000)

/* ---------------------------------------------------------- callbacks */

static ngtcp2_conn *
on_get_conn(ngtcp2_crypto_conn_ref *ref)
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
	cid->datalen = n;
	tls_random(cid->data, n);
	tls_random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static int
on_handshake(ngtcp2_conn *qc, void *user)
{
	(void)qc;
	((struct raw *)user)->done = 1;
	return 0;
}

static struct raw_stream *
raw_add(struct raw *r, int64_t id)
{
	struct raw_stream *st = calloc(1, sizeof(*st));

	if (st == NULL || r->nstreams == RAW_STREAMS_MAX)
		fatalx(EX_SOFTWARE, "too many streams");
	st->id = id;
	st->reset = st->stop = -1;
	r->streams[r->nstreams++] = st;
	ngtcp2_conn_set_stream_user_data(r->qc, id, st);
	return st;
}

static int
on_stream_open(ngtcp2_conn *qc, int64_t id, void *user)
{
	(void)qc;
	raw_add(user, id);
	return 0;
}

/* The stream's struct is NULL where a test opened one without raw_stream(). */

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
	if (buf_len(&st->in) + n <= RAW_IN_KEEP)
		buf_append(&st->in, data, n);
	if (flags & NGTCP2_STREAM_DATA_FLAG_FIN)
		st->in_fin = 1;
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
on_stream_reset(ngtcp2_conn *qc, int64_t id, uint64_t size, uint64_t code,
    void *user, void *stream)
{
	(void)qc, (void)id, (void)size, (void)user;
	if (stream != NULL)
		((struct raw_stream *)stream)->reset = (int64_t)code;
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

/* ngtcp2 tells nothing of STOP_SENDING, and this callback has no context;
 * there is one packet at a time. */
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
	.stream_reset = on_stream_reset,
	.stream_close = on_stream_close,
	.recv_datagram = on_datagram,
};

/* ------------------------------------------------------ open and close */

static void
raw_conn_new(struct raw *r, uint64_t idle_ms)
{
	ngtcp2_path path = { .local = { &r->udp.local.u.sa, r->udp.local.len },
		.remote = { &r->remote.u.sa, r->remote.len } };
	ngtcp2_cid scid = { RAW_CID_LEN, { 0 } }, dcid = { RAW_CID_LEN, { 0 } };
	ngtcp2_transport_params params;
	ngtcp2_settings settings;

	tls_random(scid.data, RAW_CID_LEN);
	tls_random(dcid.data, RAW_CID_LEN);
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
	if (ngtcp2_conn_client_new(&r->qc, &dcid, &scid, &path,
		NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL,
		r) != 0)
		fatalx(EX_SOFTWARE, "QUIC");
}

void
raw_open(struct raw *r, const struct sockaddr *sa, socklen_t salen,
    const uint8_t *hash, uint64_t idle_ms)
{
	memset(r, 0, sizeof(*r));
	r->close_code = UINT64_MAX;
	r->streams = calloc(RAW_STREAMS_MAX, sizeof(struct raw_stream *));
	if (r->streams == NULL)
		fatal(EX_OSERR, "calloc");
	if (udp_addr_set(&r->remote, sa, salen) == -1 ||
	    udp_open(&r->udp, NULL, 0, sa, salen) == -1)
		fatal(EX_UNAVAILABLE, "UDP socket");
	r->tls = tls_client_new(NULL, hash, getenv("SSLKEYLOGFILE"));
	r->tc.ref.get_conn = on_get_conn;
	r->tc.ref.user_data = r;
	if (r->tls == NULL || tls_conn_open(r->tls, &r->tc, "localhost") == -1)
		fatalx(EX_SOFTWARE, "TLS");
	raw_conn_new(r, idle_ms);
	ngtcp2_conn_set_tls_native_handle(r->qc, r->tc.session);
}

/* The connection has ended: what did the server say? */
static void
raw_over(struct raw *r, int rc)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(r->qc);

	r->closed = 1;
	r->end = rc;
	if (rc == NGTCP2_ERR_DRAINING) {
		r->close_code = e->error_code;
		r->close_is_app = e->type == NGTCP2_CCERR_TYPE_APPLICATION;
	}
}

/* Sends the n bytes of a packet; n <= 0: there is none. While the socket is
 * full they are lost, and ngtcp2 sends them again. */
static void
raw_send(struct raw *r, uint8_t *p, ngtcp2_ssize n)
{
	struct udp_batch b = { .data = p, .len = (size_t)n,
		.segment = (size_t)n, .local = r->udp.local,
		.remote = r->remote };

	if (n > 0 && udp_unstick(&r->udp) != 1 && udp_send(&r->udp, &b) == -1)
		raw_over(r, NGTCP2_ERR_CLOSING);
}

void
raw_close(struct raw *r, int say)
{
	uint8_t p[RAW_PACKET_MAX];
	ngtcp2_ccerr e;

	if (say && !r->closed) {
		ngtcp2_ccerr_default(&e);
		ngtcp2_ccerr_set_application_error(&e, H3_NO_ERROR, NULL, 0);
		raw_send(r, p, ngtcp2_conn_write_connection_close(r->qc, NULL,
		    NULL, p, sizeof(p), &e, stage_monotonic()));
	}
	for (size_t i = 0; i < r->nstreams; i++) {
		chunks_free(&r->streams[i]->tx);
		buf_free(&r->streams[i]->in);
		free(r->streams[i]);
	}
	free(r->streams);
	tls_conn_close(&r->tc);
	ngtcp2_conn_del(r->qc);
	tls_free(r->tls);
	udp_close(&r->udp);
}

/* ------------------------------------------------------------ the turn */

static void
raw_note_stops(struct raw *r)
{
	struct raw_stream *st;

	for (size_t i = 0; i < nstops; i++)
		if ((st = raw_find(r, stops[i].id)) != NULL)
			st->stop = (int64_t)stops[i].code;
	nstops = 0;
}

static void
raw_read(struct raw *r)
{
	static uint8_t mem[UDP_RX_SIZE];
	struct udp_batch b = { .data = mem };
	const ngtcp2_path *path = ngtcp2_conn_get_path(r->qc);
	ngtcp2_pkt_info pi = { 0 };

	while (!r->closed && udp_recv(&r->udp, &b) == 1)
		for (size_t off = 0; off < b.len && !r->closed;
		     off += b.segment) {
			size_t n = b.len - off < b.segment ? b.len - off :
							     b.segment;
			int rc = ngtcp2_conn_read_pkt(r->qc, path, &pi,
			    b.data + off, n, stage_monotonic());

			raw_note_stops(r);
			if (rc != 0)
				raw_over(r, rc);
		}
}

/* One packet with bytes of st, or of no stream. 0: nothing goes now;
 * -1: nothing of this stream. */
static int
raw_packet(struct raw *r, struct raw_stream *st)
{
	uint8_t p[RAW_PACKET_MAX];
	struct iovec iov[RAW_VECS];
	size_t niov = 0, len = 0;
	ngtcp2_ssize taken = -1, n;
	int fin = 0;

	if (st != NULL) {
		niov = chunks_peek(&st->tx, iov, RAW_VECS);
		for (size_t i = 0; i < niov; i++)
			len += iov[i].iov_len;
		fin = st->fin && len == st->tx.unsent;
	}
	n = ngtcp2_conn_writev_stream(r->qc, NULL, NULL, p, sizeof(p), &taken,
	    fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0, st != NULL ? st->id : -1,
	    (const ngtcp2_vec *)(const void *)iov, niov, stage_monotonic());
	if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED ||
	    n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)
		return -1;
	if (n < 0)
		fatalx(EX_SOFTWARE, "writing: %s", ngtcp2_strerror((int)n));
	if (taken >= 0 && st != NULL) {
		chunks_sent(&st->tx, (size_t)taken);
		st->fin_sent |= fin && (size_t)taken == len;
	}
	raw_send(r, p, n);
	return n > 0;
}

static void
raw_flush(struct raw *r)
{
	int rc;

	for (size_t k = 0; k < r->nstreams && !r->closed; k++) {
		size_t i = (r->sending + k) % r->nstreams;
		struct raw_stream *st = r->streams[i];

		while (!r->closed && !st->closed &&
		    (st->tx.unsent > 0 || (st->fin && !st->fin_sent))) {
			rc = raw_packet(r, st);
			if (rc == 0) { /* congestion window: go on here later */
				r->sending = i;
				return;
			}
			if (rc == -1)
				break;
		}
	}
	while (!r->closed && raw_packet(r, NULL) > 0)
		;
}

void
raw_turn(struct raw *r, int ms)
{
	struct pollfd pfd = { .fd = r->udp.fd, .events = POLLIN };
	uint64_t now = stage_monotonic(), at = ngtcp2_conn_get_expiry(r->qc);
	int rc, wait = ms;

	if (at != UINT64_MAX && stage_poll_ms(at > now ? at - now : 0) < wait)
		wait = stage_poll_ms(at > now ? at - now : 0);
	if (poll(&pfd, 1, wait) > 0)
		raw_read(r);
	if (r->closed)
		return;
	now = stage_monotonic();
	if (ngtcp2_conn_get_expiry(r->qc) <= now) {
		rc = ngtcp2_conn_handle_expiry(r->qc, now);
		if (rc != 0) {
			raw_over(r, rc);
			return;
		}
	}
	raw_flush(r);
}

/* ------------------------------------------------------------- sending */

struct raw_stream *
raw_find(struct raw *r, int64_t id)
{
	for (size_t i = 0; i < r->nstreams; i++)
		if (r->streams[i]->id == id)
			return r->streams[i];
	return NULL;
}

struct raw_stream *
raw_stream(struct raw *r, int uni, const void *p, size_t n, int fin)
{
	struct raw_stream *st;
	int64_t id;

	if ((uni ? ngtcp2_conn_open_uni_stream(r->qc, &id, NULL) :
		   ngtcp2_conn_open_bidi_stream(r->qc, &id, NULL)) != 0)
		return NULL;
	st = raw_add(r, id);
	raw_write(st, p, n, fin);
	return st;
}

void
raw_write(struct raw_stream *st, const void *p, size_t n, int fin)
{
	chunks_append(&st->tx, p, n);
	st->fin |= fin;
}

int
raw_datagram(struct raw *r, const void *p, size_t n)
{
	ngtcp2_vec vec = { (uint8_t *)(uintptr_t)p, n };
	uint8_t pkt[RAW_PACKET_MAX];
	int accepted = 0;

	raw_send(r, pkt, ngtcp2_conn_writev_datagram(r->qc, NULL, NULL, pkt,
	    sizeof(pkt), &accepted, 0, 0, &vec, n > 0, stage_monotonic()));
	return accepted;
}
