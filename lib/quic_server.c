#include <errno.h>
#include <string.h>

#include "log.h"
#include "wt_int.h"

#define SERVER_INITIAL_MIN 1200 /* bytes of a UDP datagram, RFC 9000 14.1 */
#define SERVER_TOKEN_NS (10 * WT_NS_PER_S) /* a Retry token lives this long */
#define SERVER_INFLIGHT 100 /* handshakes under way before Retry (auto) */
#define SERVER_RESET_MIN 43 /* RFC 9000 10.3.3: never answer with more */

/* What is known of a client before it has a connection. */
struct server_first {
	ngtcp2_pkt_hd hd;
	int validated;	   /* it came back with our Retry token */
	ngtcp2_cid odcid;  /* the id it used first */
};

static void
server_send_version_negotiation(struct wt *wt, ngtcp2_path *path,
    const ngtcp2_version_cid *vc, size_t n)
{
	const uint32_t versions[] = { NGTCP2_PROTO_VER_V1 };
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE], random;
	ngtcp2_ssize len;

	/* Smaller ones cannot be first packets and may be forged for
	 * amplification (RFC 9000 section 6.1). */
	if (n < SERVER_INITIAL_MIN || !wt_rate_take(&wt->stateless, wt->now))
		return;
	tls_random(&random, 1);
	len = ngtcp2_pkt_write_version_negotiation(buf, sizeof(buf), random,
	    vc->scid, vc->scidlen, vc->dcid, vc->dcidlen, versions, 1);
	if (len <= 0)
		return;
	wt->stats.version_negotiations_sent++;
	quic_send(wt, path, buf, (size_t)len, 0);
}

static void
server_send_reset(struct wt *wt, ngtcp2_path *path,
    const ngtcp2_version_cid *vc, size_t n)
{
	uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
	uint8_t buf[SERVER_RESET_MIN], random[SERVER_RESET_MIN];
	ngtcp2_cid cid;
	ngtcp2_ssize len;

	/* Smaller than what it answers, so that two endpoints without state
	 * do not go on for ever. */
	if (n <= SERVER_RESET_MIN || !wt_rate_take(&wt->stateless, wt->now))
		return;
	ngtcp2_cid_init(&cid, vc->dcid, vc->dcidlen);
	if (ngtcp2_crypto_generate_stateless_reset_token(token,
		wt->reset_secret, sizeof(wt->reset_secret), &cid) != 0)
		return;
	tls_random(random, sizeof(random));
	len = ngtcp2_pkt_write_stateless_reset(buf, sizeof(buf), token, random,
	    sizeof(buf) - sizeof(token));
	if (len <= 0)
		return;
	wt->stats.stateless_resets_sent++;
	quic_send(wt, path, buf, (size_t)len, 0);
}

static void
server_send_close(struct wt *wt, ngtcp2_path *path, const ngtcp2_pkt_hd *hd,
    uint64_t error)
{
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	ngtcp2_ssize len;

	if (!wt_rate_take(&wt->stateless, wt->now))
		return;
	len = ngtcp2_crypto_write_connection_close(buf, sizeof(buf),
	    hd->version, &hd->scid, &hd->dcid, error, NULL, 0);
	if (len > 0)
		quic_send(wt, path, buf, (size_t)len, 0);
}

void
quic_send_retry(struct wt *wt, ngtcp2_path *path, const ngtcp2_pkt_hd *hd)
{
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
	ngtcp2_ssize len;
	ngtcp2_cid scid;

	quic_cid_new(&scid);
	len = ngtcp2_crypto_generate_retry_token2(token, wt->token_secret,
	    sizeof(wt->token_secret), hd->version, path->remote.addr,
	    path->remote.addrlen, &scid, &hd->dcid, wt->now);
	if (len < 0)
		return;
	len = ngtcp2_crypto_write_retry(buf, sizeof(buf), hd->version,
	    &hd->scid, &scid, &hd->dcid, token, (size_t)len);
	if (len <= 0)
		return;
	wt->stats.retries_sent++;
	quic_send(wt, path, buf, (size_t)len, 0);
}

/* Looks at the token. -1: it claims to be ours and is not good. */
static int
server_check_token(struct wt *wt, const ngtcp2_path *path,
    struct server_first *f)
{
	const ngtcp2_pkt_hd *hd = &f->hd;
	int rc;

	/* Other tokens are not ours (RFC 9000 section 8.1.3): ignored. */
	if (hd->tokenlen == 0 ||
	    hd->token[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2)
		return 0;
	rc = ngtcp2_crypto_verify_retry_token2(&f->odcid, hd->token,
	    hd->tokenlen, wt->token_secret, sizeof(wt->token_secret),
	    hd->version, path->remote.addr, path->remote.addrlen, &hd->dcid,
	    SERVER_TOKEN_NS, wt->now);
	if (rc == NGTCP2_CRYPTO_ERR_UNREADABLE_TOKEN)
		return 0;
	f->validated = rc == 0;
	return rc == 0 ? 0 : -1;
}

static int
server_wants_retry(struct wt *wt, int validated)
{
	if (validated || wt->cfg.retry == WT_RETRY_NEVER)
		return 0;
	if (wt->cfg.retry == WT_RETRY_ALWAYS)
		return 1;
	return wt->handshaking >= SERVER_INFLIGHT ||
	    wt_rate_left(&wt->handshakes, wt->now) == 0;
}

static struct wt_conn *
server_conn_new(struct wt *wt, ngtcp2_path *path, const struct server_first *f)
{
	struct wt_conn *c = quic_conn_new(wt);
	ngtcp2_settings settings;
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_cid scid;

	quic_cid_new(&scid);
	quic_conn_init(c, &settings, &params);
	quic_callbacks(&callbacks, 1);
	if (f->validated) {
		settings.token = f->hd.token;
		settings.tokenlen = f->hd.tokenlen;
		settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
		params.retry_scid = f->hd.dcid;
		params.retry_scid_present = 1;
	}
	params.original_dcid = f->odcid;
	params.original_dcid_present = 1;
	params.stateless_reset_token_present = 1;
	if (ngtcp2_crypto_generate_stateless_reset_token(
		params.stateless_reset_token, wt->reset_secret,
		sizeof(wt->reset_secret), &scid) != 0 ||
	    tls_conn_open(wt->tls, &c->tls, NULL) == -1 ||
	    ngtcp2_conn_server_new(&c->qc, &f->hd.scid, &scid, path,
		f->hd.version, &callbacks, &settings, &params, NULL, c) != 0) {
		wt->stats.connections_active--;
		wt->handshaking--;
		quic_conn_forget(c);
		return NULL;
	}
	ngtcp2_conn_set_tls_native_handle(c->qc, c->tls.session);
	/* The client's first id too: its first flight may take two packets. */
	c->first = f->hd.dcid;
	cidmap_put(&wt->cids, c->first.data, c->first.datalen, c);
	cidmap_put(&wt->cids, scid.data, scid.datalen, c);
	return c;
}

/* May this client have a connection now? Answers it when not. */
static int
server_admit(struct wt *wt, ngtcp2_path *path, struct server_first *f)
{
	const ngtcp2_pkt_hd *hd = &f->hd;

	f->odcid = hd->dcid;
	if (server_check_token(wt, path, f) == -1) {
		server_send_close(wt, path, hd, NGTCP2_INVALID_TOKEN);
		return 0;
	}
	if (wt->draining || wt->nconns >= wt->cfg.max_connections) {
		wt->stats.connections_refused++;
		server_send_close(wt, path, hd, NGTCP2_CONNECTION_REFUSED);
		return 0;
	}
	if (server_wants_retry(wt, f->validated)) {
		quic_send_retry(wt, path, hd);
		return 0;
	}
	/* The client tries again by itself after its probe timeout. */
	if (!wt_rate_take(&wt->handshakes, wt->now)) {
		wt->stats.connections_refused++;
		return 0;
	}
	return 1;
}

static void
server_first_packet(struct wt *wt, ngtcp2_path *path, const ngtcp2_pkt_info *pi,
    const uint8_t *p, size_t n)
{
	struct server_first f = { 0 };
	struct wt_conn *c;
	int rc;

	if (ngtcp2_accept(&f.hd, p, n) != 0 ||
	    f.hd.type != NGTCP2_PKT_INITIAL) {
		wt->stats.packets_invalid++;
		return;
	}
	if (!server_admit(wt, path, &f))
		return;
	c = server_conn_new(wt, path, &f);
	if (c == NULL)
		return;
	rc = ngtcp2_conn_read_pkt(c->qc, path, pi, p, n, wt->now);
	quic_conn_dirty(c);
	if (rc == NGTCP2_ERR_RETRY && wt->cfg.retry != WT_RETRY_NEVER)
		quic_send_retry(wt, path, &f.hd);
	if (rc != 0)
		quic_conn_failed(c, rc);
}

void
quic_accept(struct wt *wt, ngtcp2_path *path, const ngtcp2_pkt_info *pi,
    const uint8_t *p, size_t n)
{
	ngtcp2_version_cid vc;
	int rc = ngtcp2_pkt_decode_version_cid(&vc, p, n, WT_CID_LEN);

	if (rc == NGTCP2_ERR_VERSION_NEGOTIATION)
		server_send_version_negotiation(wt, path, &vc, n);
	else if (rc != 0 || (vc.version == 0 && vc.scid != NULL))
		/* Version Negotiation is for clients, its ids of any length. */
		wt->stats.packets_invalid++;
	else if (vc.version == 0)
		server_send_reset(wt, path, &vc, n);
	else
		server_first_packet(wt, path, pi, p, n);
}
