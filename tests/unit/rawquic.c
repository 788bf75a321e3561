#include "rawquic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quicstop.h"
#include "stage.h"

static ngtcp2_conn *
get_conn(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct raw *)ref->user_data)->qc;
}

struct raw_stream *
raw_find(struct raw *r, int64_t id)
{
	for (size_t i = 0; i < r->nstreams; i++)
		if (r->streams[i].id == id)
			return &r->streams[i];
	return NULL;
}

static struct raw_stream *
raw_add(struct raw *r, int64_t id)
{
	struct raw_stream *st = raw_find(r, id);

	if (st != NULL)
		return st;
	assert_true(r->nstreams < RAW_STREAMS);
	st = &r->streams[r->nstreams++];
	st->id = id;
	st->reset = st->stop = -1;
	return st;
}

static int
on_data(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t offset,
    const uint8_t *data, size_t len, void *user, void *stream)
{
	struct raw_stream *st = raw_add(user, id);

	(void)offset, (void)stream;
	buf_append(&st->in, data, len);
	ngtcp2_conn_extend_max_offset(qc, len);
	ngtcp2_conn_extend_max_stream_offset(qc, id, len);
	st->in_fin |= (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
	return 0;
}

static int
on_acked(ngtcp2_conn *qc, int64_t id, uint64_t offset, uint64_t len, void *user,
    void *stream)
{
	(void)qc, (void)offset, (void)stream;
	chunks_acked(&raw_add(user, id)->tx, len);
	return 0;
}

static int
on_close(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t code, void *user,
    void *stream)
{
	(void)qc, (void)flags, (void)code, (void)stream;
	if (!((struct raw *)user)->untracked)
		raw_add(user, id)->closed = 1;
	return 0;
}

static int
on_reset(ngtcp2_conn *qc, int64_t id, uint64_t final_size, uint64_t code,
    void *user, void *stream)
{
	(void)qc, (void)final_size, (void)stream;
	raw_add(user, id)->reset = (int64_t)code;
	return 0;
}

/* ngtcp2 does not tell, and its callback has no context. */
static struct raw *raw_reading;

static int
on_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
    const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
    const uint8_t *nonce, size_t noncelen, const uint8_t *aad, size_t aadlen)
{
	struct quicstop stops[QUICSTOP_MAX];
	size_t nstops;

	if (ngtcp2_crypto_decrypt_cb(dest, aead, ctx, p, n, nonce, noncelen,
		aad, aadlen) != 0)
		return -1;
	nstops = quicstop_find(dest, n - aead->max_overhead, stops,
	    QUICSTOP_MAX);
	for (size_t i = 0; i < nstops; i++)
		raw_add(raw_reading, stops[i].id)->stop =
		    (int64_t)stops[i].code;
	return 0;
}

static int
on_handshake(ngtcp2_conn *qc, void *user)
{
	(void)qc;
	((struct raw *)user)->done = 1;
	return 0;
}

static int
on_retry(ngtcp2_conn *qc, const ngtcp2_pkt_hd *hd, void *user)
{
	((struct raw *)user)->retries++;
	return ngtcp2_crypto_recv_retry_cb(qc, hd, user);
}

static void
on_rand(uint8_t *p, size_t n, const ngtcp2_rand_ctx *ctx)
{
	(void)ctx;
	tls_random(p, n);
}

static int
on_cid(ngtcp2_conn *qc, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
	(void)qc, (void)user;
	cid->datalen = len;
	tls_random(cid->data, len);
	tls_random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.encrypt = ngtcp2_crypto_encrypt_cb,
	.decrypt = on_decrypt,
	.hp_mask = ngtcp2_crypto_hp_mask_cb,
	.recv_retry = on_retry,
	.update_key = ngtcp2_crypto_update_key_cb,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	.handshake_completed = on_handshake,
	.recv_stream_data = on_data,
	.acked_stream_data_offset = on_acked,
	.stream_close = on_close,
	.stream_reset = on_reset,
	.rand = on_rand,
	.get_new_connection_id = on_cid,
};

static void
raw_path(struct raw *r, ngtcp2_path *path)
{
	*path = (ngtcp2_path){ { &r->udp.local.u.sa, r->udp.local.len },
		{ &r->remote.u.sa, r->remote.len }, NULL };
}

void
raw_open(struct raw *r, const struct sockaddr *sa, socklen_t salen,
    const uint8_t *hash)
{
	ngtcp2_settings settings;
	ngtcp2_transport_params params;
	ngtcp2_cid scid = { .datalen = 8 }, dcid = { .datalen = 16 };
	ngtcp2_path path;

	memset(r, 0, sizeof(*r));
	assert_int_equal(udp_open(&r->udp, NULL, 0, sa, salen), 0);
	udp_addr_set(&r->remote, sa, salen);
	r->tls = tls_client_new(NULL, hash, NULL);
	assert_non_null(r->tls);
	r->tc.ref.get_conn = get_conn;
	r->tc.ref.user_data = r;
	assert_int_equal(tls_conn_open(r->tls, &r->tc, "localhost"), 0);
	tls_random(scid.data, scid.datalen);
	tls_random(dcid.data, dcid.datalen);
	ngtcp2_settings_default(&settings);
	settings.initial_ts = stage_monotonic();
	ngtcp2_transport_params_default(&params);
	params.initial_max_data = 1 << 20;
	params.initial_max_stream_data_bidi_local = 1 << 18;
	params.initial_max_stream_data_bidi_remote = 1 << 18;
	params.initial_max_stream_data_uni = 1 << 18;
	params.initial_max_streams_bidi = params.initial_max_streams_uni = 20;
	params.max_datagram_frame_size = 65535;
	raw_path(r, &path);
	assert_int_equal(ngtcp2_conn_client_new(&r->qc, &dcid, &scid, &path,
	    NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL, r), 0);
	ngtcp2_conn_set_tls_native_handle(r->qc, r->tc.session);
}

void
raw_free(struct raw *r)
{
	for (size_t i = 0; i < r->nstreams; i++) {
		buf_free(&r->streams[i].in);
		chunks_free(&r->streams[i].tx);
	}
	tls_conn_close(&r->tc);
	ngtcp2_conn_del(r->qc);
	tls_free(r->tls);
	udp_close(&r->udp);
}

static void
raw_read(struct raw *r)
{
	static uint8_t mem[UDP_RX_SIZE];
	struct udp_batch b = { .data = mem };
	ngtcp2_path path;
	ngtcp2_pkt_info pi = { 0 };

	raw_path(r, &path);
	raw_reading = r;
	while (udp_recv(&r->udp, &b) == 1)
		for (size_t off = 0; off < b.len && !r->closed;
		     off += b.segment) {
			size_t n = b.len - off < b.segment ? b.len - off :
							     b.segment;
			int rc = ngtcp2_conn_read_pkt(r->qc, &path, &pi,
			    b.data + off, n, stage_monotonic());

			if (rc == 0)
				continue;
			assert_int_equal(rc, NGTCP2_ERR_DRAINING);
			r->closed = 1;
			r->close_code =
			    ngtcp2_conn_get_ccerr(r->qc)->error_code;
			r->close_is_app = ngtcp2_conn_get_ccerr(r->qc)->type ==
			    NGTCP2_CCERR_TYPE_APPLICATION;
		}
}

static void
raw_send(struct raw *r, uint8_t *p, ngtcp2_ssize n)
{
	struct udp_batch b = { .data = p, .len = (size_t)n,
		.segment = (size_t)n, .local = r->udp.local,
		.remote = r->remote };

	assert_true(n >= 0);
	if (n > 0)
		udp_send(&r->udp, &b);
}

/* One packet with what the stream has; 0: nothing to send. */
static int
raw_send_stream(struct raw *r, struct raw_stream *st)
{
	uint8_t pkt[1452];
	struct iovec iov[4];
	size_t niov = 0, total = 0;
	ngtcp2_ssize n, taken = -1;
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info pi;
	int fin = 0;

	if (st != NULL) {
		niov = chunks_peek(&st->tx, iov, 4);
		for (size_t i = 0; i < niov; i++)
			total += iov[i].iov_len;
		fin = st->fin == 1 && total == st->tx.unsent;
		if (total == 0 && !fin)
			return 0;
	}
	ngtcp2_path_storage_zero(&ps);
	n = ngtcp2_conn_writev_stream(r->qc, &ps.path, &pi, pkt, sizeof(pkt),
	    &taken, fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0,
	    st != NULL ? st->id : -1,
	    (const ngtcp2_vec *)(const void *)iov, niov, stage_monotonic());
	if (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND ||
	    n == NGTCP2_ERR_STREAM_DATA_BLOCKED)
		return 0;
	raw_send(r, pkt, n);
	if (taken >= 0 && st != NULL) {
		chunks_sent(&st->tx, (size_t)taken);
		if (fin && (size_t)taken == total)
			st->fin = 2;
	}
	return n > 0;
}

void
raw_turn(struct raw *r)
{
	uint64_t now;

	raw_read(r);
	if (r->closed)
		return;
	now = stage_monotonic();
	if (ngtcp2_conn_get_expiry(r->qc) <= now)
		assert_int_equal(ngtcp2_conn_handle_expiry(r->qc, now), 0);
	for (size_t i = 0; i < r->nstreams; i++)
		while (raw_send_stream(r, &r->streams[i]))
			;
	while (raw_send_stream(r, NULL))
		;
}

struct raw_stream *
raw_stream(struct raw *r, int uni, const void *p, size_t n, int fin)
{
	struct raw_stream *st;
	int64_t id;

	assert_int_equal(uni ? ngtcp2_conn_open_uni_stream(r->qc, &id, NULL) :
	    ngtcp2_conn_open_bidi_stream(r->qc, &id, NULL), 0);
	st = raw_add(r, id);
	raw_write(st, p, n, fin);
	return st;
}

void
raw_write(struct raw_stream *st, const void *p, size_t n, int fin)
{
	chunks_append(&st->tx, p, n);
	st->fin = fin;
}

void
raw_datagram(struct raw *r, const void *p, size_t n)
{
	uint8_t pkt[1452];
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info pi;
	int accepted = 0;
	ngtcp2_vec vec = { (uint8_t *)(uintptr_t)p, n };

	ngtcp2_path_storage_zero(&ps);
	raw_send(r, pkt, ngtcp2_conn_writev_datagram(r->qc, &ps.path, &pi, pkt,
	    sizeof(pkt), &accepted, 0, 0, &vec, n > 0, stage_monotonic()));
	assert_true(accepted);
}
