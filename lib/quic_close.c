#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "track.h"
#include "wt_int.h"

void
quic_conn_set_why(struct wt_conn *c, const char *why)
{
	if (!c->known || c->why != NULL)
		return;
	c->why = strdup(why);
	if (c->why == NULL)
		fatal(EX_OSERR, "strdup");
}

/* How long a connection without more to say is kept: RFC 9000 section 10.2
 * asks for three times the probe timeout, which the peer can stretch at will
 * (max_ack_delay, late acknowledgements). */
uint64_t
quic_conn_patience(struct wt_conn *c)
{
	uint64_t ns = 3 * ngtcp2_conn_get_pto(c->qc);

	return ns < WT_PATIENCE_MAX_NS ? ns : WT_PATIENCE_MAX_NS;
}

/* Leaves CONN_OPEN for state: the program hears of it, nothing more is sent. */
static void
quic_conn_end(struct wt_conn *c, enum wt_conn_state state, const char *why)
{
	struct wt *wt = c->wt;

	if (c->state != CONN_OPEN)
		return;
	quic_conn_set_why(c, why);
	c->state = state;
	c->close_at = wt->now + quic_conn_patience(c);
	wt->stats.connections_active--;
	if (!c->established)
		wt->stats.handshakes_failed++;
	if (c->handshaking)
		wt->handshaking--;
	c->handshaking = 0;
	h3_conn_gone(c);
	tls_conn_close(&c->tls);
	if (state == CONN_DEAD) {
		c->state = CONN_CLOSING;
		quic_conn_forget(c);
	} else {
		quic_conn_set_timer(c);
	}
}

/* CONNECTION_CLOSE with what is in e, kept for late packets. */
static void
quic_conn_say_close(struct wt_conn *c, const ngtcp2_ccerr *e, const char *why)
{
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info pi = { 0 };
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	ngtcp2_ssize n;

	ngtcp2_path_storage_zero(&ps);
	n = ngtcp2_conn_write_connection_close(c->qc, &ps.path, &pi, buf,
	    sizeof(buf), e, c->wt->now);
	if (n <= 0) {
		quic_conn_end(c, CONN_DEAD, why);
		return;
	}
	quic_send(c->wt, &ps.path, buf, (size_t)n, pi.ecn);
	if ((size_t)n <= WT_CLOSE_MAX) {
		c->close_packet = malloc((size_t)n);
		if (c->close_packet == NULL)
			fatal(EX_OSERR, "malloc");
		memcpy(c->close_packet, buf, (size_t)n);
		c->close_len = (size_t)n;
	}
	quic_conn_end(c, CONN_CLOSING, why);
}

void
quic_conn_close(struct wt_conn *c, uint64_t h3_error, const char *why)
{
	ngtcp2_ccerr e;

	if (c->state != CONN_OPEN)
		return;
	if (h3_error != H3_NO_ERROR)
		log_debug("connection closed: %s: %s", h3_error_name(h3_error),
		    why);
	ngtcp2_ccerr_default(&e);
	ngtcp2_ccerr_set_application_error(&e, h3_error, NULL, 0);
	quic_conn_say_close(c, &e, why);
}

void
quic_conn_drop(struct wt_conn *c, const char *why)
{
	quic_conn_end(c, CONN_DEAD, why);
}

/* The peer's CONNECTION_CLOSE, or its stateless reset, in words. */
static void
quic_peer_why(struct wt_conn *c, char *buf, size_t n)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(c->qc);
	const char *reason = "";
	int len = 0;

	if (e->reasonlen > 0 && utf8_valid(e->reason, e->reasonlen)) {
		reason = (const char *)e->reason;
		len = e->reasonlen > 100 ? 100 : (int)e->reasonlen;
	}
	if (e->type == NGTCP2_CCERR_TYPE_APPLICATION)
		snprintf(buf, n, "closed by the peer: HTTP/3 %s (0x%llx) %.*s",
		    h3_error_name(e->error_code),
		    (unsigned long long)e->error_code, len, reason);
	else if (e->error_code >= NGTCP2_CRYPTO_ERROR &&
	    e->error_code < NGTCP2_CRYPTO_ERROR + 256)
		snprintf(buf, n, "closed by the peer: TLS alert %s %.*s",
		    gnutls_alert_get_name((gnutls_alert_description_t)(
			e->error_code - NGTCP2_CRYPTO_ERROR)), len, reason);
	else if (e->error_code == NGTCP2_CONNECTION_REFUSED)
		snprintf(buf, n, "refused by the peer: %.*s", len, reason);
	else
		snprintf(buf, n, "closed by the peer: QUIC error 0x%llx %.*s",
		    (unsigned long long)e->error_code, len, reason);
}

/* A TLS failure of ours. */
static void
quic_tls_failed(struct wt_conn *c)
{
	uint8_t alert = ngtcp2_conn_get_tls_alert(c->qc);
	char why[256];
	ngtcp2_ccerr e;

	if (c->tls.why[0] != '\0')
		snprintf(why, sizeof(why), "%s", c->tls.why);
	else
		snprintf(why, sizeof(why), "TLS: %s",
		    gnutls_alert_get_name((gnutls_alert_description_t)alert));
	ngtcp2_ccerr_default(&e);
	ngtcp2_ccerr_set_tls_alert(&e, alert, NULL, 0);
	quic_conn_say_close(c, &e, why);
}

void
quic_conn_failed(struct wt_conn *c, int liberr)
{
	ngtcp2_ccerr e;
	char why[256];

	if (c->state != CONN_OPEN)
		return;
	switch (liberr) {
	case NGTCP2_ERR_DRAINING:
		quic_peer_why(c, why, sizeof(why));
		quic_conn_end(c, CONN_DRAINING, why);
		return;
	case NGTCP2_ERR_IDLE_CLOSE:
		quic_conn_drop(c, "idle timeout");
		return;
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		quic_conn_drop(c, "handshake timeout");
		return;
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		quic_conn_drop(c, "the peer does not speak QUIC version 1");
		return;
	case NGTCP2_ERR_DROP_CONN:
	case NGTCP2_ERR_RETRY:
		quic_conn_drop(c, "no connection");
		return;
	case NGTCP2_ERR_CALLBACK_FAILURE:
		if (c->h3_error != 0) {
			quic_conn_close(c, c->h3_error, c->h3_why);
			return;
		}
		break;
	case NGTCP2_ERR_CRYPTO:
		quic_tls_failed(c);
		return;
	}
	ngtcp2_ccerr_default(&e);
	ngtcp2_ccerr_set_liberr(&e, liberr, NULL, 0);
	quic_conn_say_close(c, &e, ngtcp2_strerror(liberr));
}

void
quic_conn_forget(struct wt_conn *c)
{
	struct wt *wt = c->wt;

	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	timerq_set(&wt->timers, &c->timer, TIMERQ_NEVER);
	if (c->is_dirty)
		TAILQ_REMOVE(&wt->dirty, c, dirty_link);
	c->is_dirty = 0;
	wt->last_conn = NULL;
	TAILQ_REMOVE(&wt->conns, c, link);
	TAILQ_INSERT_TAIL(&wt->dead, c, link);
}

static void
quic_cids_remove(struct wt_conn *c)
{
	size_t n = ngtcp2_conn_get_scid(c->qc, NULL);
	ngtcp2_cid *cids = calloc(n + 1, sizeof(*cids));

	if (cids == NULL)
		fatal(EX_OSERR, "calloc");
	ngtcp2_conn_get_scid(c->qc, cids);
	for (size_t i = 0; i < n; i++)
		cidmap_del(&c->wt->cids, cids[i].data, cids[i].datalen, c);
	/* ngtcp2 knows this one only if it could read the first packet. */
	cidmap_del(&c->wt->cids, c->first.data, c->first.datalen, c);
	free(cids);
}

void
quic_reap(struct wt *wt)
{
	struct wt_conn *c;
	struct wt_sock *so;

	while ((c = TAILQ_FIRST(&wt->dead)) != NULL) {
		TAILQ_REMOVE(&wt->dead, c, link);
		wt->nconns--;
		tls_conn_close(&c->tls);
		if (c->qc != NULL) {
			if (wt->server)
				quic_cids_remove(c);
			wt->last_conn = NULL;
			ngtcp2_conn_del(c->qc);
		}
		while ((so = SLIST_FIRST(&c->socks)) != NULL) {
			SLIST_REMOVE_HEAD(&c->socks, next);
			wt_sock_free(wt, so);
		}
		free(c->close_packet);
		free(c->why);
		free(c);
	}
}
