#include <stdlib.h>
#include <sysexits.h>

#include "log.h"
#include "wt_int.h"

#define QUIC_UDP_PAYLOAD 1452 /* bytes; 1500 less IPv6 and UDP headers */
#define QUIC_CID_LIMIT 4      /* ids we ask the peer to have ready */

void
quic_cid_new(ngtcp2_cid *cid)
{
	uint8_t b[WT_CID_LEN];

	tls_random(b, sizeof(b));
	ngtcp2_cid_init(cid, b, sizeof(b));
}

static ngtcp2_conn *
quic_conn_of(ngtcp2_crypto_conn_ref *ref)
{
	struct wt_conn *c = ref->user_data;

	return c->qc;
}

struct wt_conn *
quic_conn_new(struct wt *wt)
{
	struct wt_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal(EX_OSERR, "calloc");
	c->wt = wt;
	c->request_max = -1;
	c->linger_at = c->wait_until = TIMERQ_NEVER;
	c->tls.ref.get_conn = quic_conn_of;
	c->tls.ref.user_data = c;
	SLIST_INIT(&c->socks);
	TAILQ_INIT(&c->streams);
	TAILQ_INIT(&c->sendq);
	TAILQ_INIT(&c->sessions);
	STAILQ_INIT(&c->held);
	STAILQ_INIT(&c->sending);
	for (size_t i = 0; i < WT_GONE_IDS; i++)
		c->gone[i] = -1;
	TAILQ_INSERT_TAIL(&wt->conns, c, link);
	wt->nconns++;
	wt->handshaking++;
	c->handshaking = 1;
	wt->stats.connections_total++;
	wt->stats.connections_active++;
	return c;
}

void
quic_conn_init(struct wt_conn *c, ngtcp2_settings *settings,
    ngtcp2_transport_params *params)
{
	const struct wt_config *cfg = &c->wt->cfg;

	ngtcp2_settings_default(settings);
	settings->initial_ts = c->wt->now;
	settings->max_tx_udp_payload_size = QUIC_UDP_PAYLOAD;
	settings->max_window = cfg->max_window;
	settings->max_stream_window = cfg->max_stream_window;
	settings->handshake_timeout = cfg->handshake_timeout_ms * WT_NS_PER_MS;

	ngtcp2_transport_params_default(params);
	params->initial_max_data = cfg->max_data;
	params->initial_max_stream_data_bidi_local = cfg->max_stream_data;
	params->initial_max_stream_data_bidi_remote = cfg->max_stream_data;
	params->initial_max_stream_data_uni = cfg->max_stream_data;
	params->initial_max_streams_bidi = cfg->max_streams_bidi;
	params->initial_max_streams_uni = cfg->max_streams_uni;
	params->max_idle_timeout = cfg->idle_timeout_ms * WT_NS_PER_MS;
	params->max_datagram_frame_size = cfg->max_datagram_size;
	params->active_connection_id_limit = QUIC_CID_LIMIT;
}

/* ------------------------------------------------------------ callbacks */

static int
on_rc(int rc)
{
	return rc == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int
on_crypto_data(ngtcp2_conn *qc, ngtcp2_encryption_level level, uint64_t offset,
    const uint8_t *data, size_t len, void *user)
{
	struct wt_conn *c = user;

	/* After the handshake only session tickets come, of no use here. */
	if (c->tls.session == NULL)
		return 0;
	return ngtcp2_crypto_recv_crypto_data_cb(qc, level, offset, data, len,
	    user);
}

static int
on_handshake_completed(ngtcp2_conn *qc, void *user)
{
	struct wt_conn *c = user;

	if (tls_conn_check(&c->tls) == -1)
		return on_rc(h3_fail(c, H3_VERSION_FALLBACK, "ALPN is not h3"));
	if (c->wt->cfg.keep_alive_ms != 0)
		ngtcp2_conn_set_keep_alive_timeout(qc,
		    c->wt->cfg.keep_alive_ms * WT_NS_PER_MS);
	c->established = 1;
	c->handshaking = 0;
	c->wt->handshaking--;
	if (c->wt->server) {
		c->tls_done = 1;
		c->linger_at = c->wt->now +
		    c->wt->cfg.handshake_timeout_ms * WT_NS_PER_MS;
	}
	return 0;
}

static int
on_handshake_confirmed(ngtcp2_conn *qc, void *user)
{
	struct wt_conn *c = user;

	(void)qc;
	c->tls_done = 1;
	return 0;
}

static int
on_tx_key(ngtcp2_conn *qc, ngtcp2_encryption_level level, void *user)
{
	(void)qc;
	if (level != NGTCP2_ENCRYPTION_LEVEL_1RTT)
		return 0;
	return on_rc(h3_conn_start(user));
}

static int
on_stream_open(ngtcp2_conn *qc, int64_t id, void *user)
{
	(void)qc;
	return on_rc(h3_stream_open(user, id));
}

static int
on_stream_data(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t offset,
    const uint8_t *data, size_t len, void *user, void *stream)
{
	(void)qc, (void)id, (void)offset, (void)user;
	if (stream == NULL)
		return 0;
	return on_rc(h3_stream_data(stream, data, len,
	    (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0));
}

static int
on_stream_acked(ngtcp2_conn *qc, int64_t id, uint64_t offset, uint64_t len,
    void *user, void *stream)
{
	(void)qc, (void)id, (void)offset, (void)user;
	if (stream != NULL)
		wt_stream_acked(stream, len);
	return 0;
}

static int
on_stream_close(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t code,
    void *user, void *stream)
{
	struct wt_stream *st = stream;

	(void)flags, (void)code, (void)user;
	if (!ngtcp2_conn_is_local_stream(qc, id) && (st == NULL || !st->over)) {
		if (ngtcp2_is_bidi_stream(id))
			ngtcp2_conn_extend_max_streams_bidi(qc, 1);
		else
			ngtcp2_conn_extend_max_streams_uni(qc, 1);
	}
	return st == NULL ? 0 : on_rc(h3_stream_close(st));
}

static int
on_stream_reset(ngtcp2_conn *qc, int64_t id, uint64_t final_size, uint64_t code,
    void *user, void *stream)
{
	(void)qc, (void)id, (void)final_size, (void)user;
	return stream == NULL ? 0 : on_rc(h3_stream_reset(stream, code));
}

static int
on_max_stream_data(ngtcp2_conn *qc, int64_t id, uint64_t max, void *user,
    void *stream)
{
	(void)qc, (void)id, (void)max, (void)user;
	if (stream != NULL)
		wt_stream_unblock(stream);
	return 0;
}

static int
on_max_local_bidi(ngtcp2_conn *qc, uint64_t max, void *user)
{
	struct wt_conn *c = user;
	struct wt_session *s;

	(void)qc, (void)max;
	TAILQ_FOREACH(s, &c->sessions, link)
		wt_session_connect(s);
	return 0;
}

static int
on_datagram(ngtcp2_conn *qc, uint32_t flags, const uint8_t *data, size_t len,
    void *user)
{
	(void)qc, (void)flags;
	return on_rc(h3_datagram(user, data, len));
}

static int
on_cid_new(ngtcp2_conn *qc, ngtcp2_cid *cid, uint8_t *token, size_t len,
    void *user)
{
	struct wt_conn *c = user;

	(void)qc, (void)len;
	do
		quic_cid_new(cid);
	while (cidmap_get(&c->wt->cids, cid->data, cid->datalen) != NULL);
	if (ngtcp2_crypto_generate_stateless_reset_token(token,
		c->wt->reset_secret, sizeof(c->wt->reset_secret), cid) != 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	/* A client's socket knows its connection. */
	if (c->wt->server)
		cidmap_put(&c->wt->cids, cid->data, cid->datalen, c);
	return 0;
}

static int
on_cid_old(ngtcp2_conn *qc, const ngtcp2_cid *cid, void *user)
{
	struct wt_conn *c = user;

	(void)qc;
	cidmap_del(&c->wt->cids, cid->data, cid->datalen, c);
	c->wt->last_conn = NULL;
	return 0;
}

static int
on_reset(ngtcp2_conn *qc, const ngtcp2_pkt_stateless_reset *sr, void *user)
{
	(void)qc, (void)sr;
	quic_conn_set_why(user,
	    "the peer lost the connection (stateless reset)");
	return 0;
}

static int
on_path(ngtcp2_conn *qc, uint32_t flags, const ngtcp2_path *path,
    const ngtcp2_path *old, ngtcp2_path_validation_result res, void *user)
{
	struct wt_conn *c = user;

	(void)flags, (void)old;
	/* The old path is probed as well (RFC 9000 section 9.3.3). */
	if (res == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS &&
	    ngtcp2_path_eq(path, ngtcp2_conn_get_path(qc)))
		c->wt->stats.path_changes++;
	return 0;
}

static void
on_rand(uint8_t *p, size_t n, const ngtcp2_rand_ctx *ctx)
{
	(void)ctx;
	tls_random(p, n);
}

void
quic_callbacks(ngtcp2_callbacks *cb, int server)
{
	*cb = (ngtcp2_callbacks){
		.recv_crypto_data = on_crypto_data,
		.encrypt = ngtcp2_crypto_encrypt_cb,
		.decrypt = quic_decrypt,
		.hp_mask = ngtcp2_crypto_hp_mask_cb,
		.update_key = ngtcp2_crypto_update_key_cb,
		.delete_crypto_aead_ctx =
		    ngtcp2_crypto_delete_crypto_aead_ctx_cb,
		.delete_crypto_cipher_ctx =
		    ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
		.get_path_challenge_data =
		    ngtcp2_crypto_get_path_challenge_data_cb,
		.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
		.handshake_completed = on_handshake_completed,
		.recv_tx_key = on_tx_key,
		.stream_open = on_stream_open,
		.recv_stream_data = on_stream_data,
		.acked_stream_data_offset = on_stream_acked,
		.stream_close = on_stream_close,
		.stream_reset = on_stream_reset,
		.extend_max_stream_data = on_max_stream_data,
		.recv_datagram = on_datagram,
		.rand = on_rand,
		.get_new_connection_id = on_cid_new,
		.remove_connection_id = on_cid_old,
		.path_validation = on_path,
		.recv_stateless_reset = on_reset,
	};
	if (server) {
		cb->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
	} else {
		cb->client_initial = ngtcp2_crypto_client_initial_cb;
		cb->recv_retry = ngtcp2_crypto_recv_retry_cb;
		cb->handshake_confirmed = on_handshake_confirmed;
		cb->extend_max_local_streams_bidi = on_max_local_bidi;
	}
}

/* --------------------------------------------------------------- timers */

void
quic_conn_dirty(struct wt_conn *c)
{
	if (c->is_dirty || c->state == CONN_DEAD)
		return;
	c->is_dirty = 1;
	TAILQ_INSERT_TAIL(&c->wt->dirty, c, dirty_link);
}

void
quic_conn_set_timer(struct wt_conn *c)
{
	uint64_t at = c->close_at;

	if (c->state == CONN_DEAD)
		return;
	if (c->state == CONN_OPEN) {
		at = ngtcp2_conn_get_expiry(c->qc);
		if (c->linger_at < at)
			at = c->linger_at;
		if (c->wait_until < at)
			at = c->wait_until;
		/* A full socket would make what is due due at once again. */
		if (c->wt->nstuck > 0 && at < c->wt->now + WT_STUCK_NS)
			at = c->wt->now + WT_STUCK_NS;
	}
	timerq_set(&c->wt->timers, &c->timer, at);
}

void
quic_conn_timeout(struct wt_conn *c)
{
	uint64_t now = c->wt->now;
	int rc;

	quic_conn_dirty(c);
	if (c->state != CONN_OPEN) {
		quic_conn_forget(c);
		return;
	}
	if (c->linger_at <= now) {
		quic_conn_close(c, H3_NO_ERROR, "no session");
		return;
	}
	if (c->wait_until <= now) {
		c->wait_until = TIMERQ_NEVER;
		wt_waiting_reject(c, -1, H3_WT_BUFFERED_STREAM_REJECTED);
	}
	if (ngtcp2_conn_get_expiry(c->qc) > now)
		return;
	rc = ngtcp2_conn_handle_expiry(c->qc, now);
	if (rc != 0)
		quic_conn_failed(c, rc);
}
