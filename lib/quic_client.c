#include <errno.h>
#include <string.h>

#include "log.h"
#include "wt_int.h"

#define CLIENT_DCID_LEN 16 /* bytes of the first id, chosen at random */

static struct wt_sock *
client_sock(struct wt_conn *c, const struct sockaddr *local, socklen_t locallen,
    const struct sockaddr *remote, socklen_t remotelen)
{
	struct wt_sock *so = wt_sock_new(c->wt, local, locallen, remote,
	    remotelen);

	if (so == NULL)
		return NULL;
	so->c = c;
	SLIST_INSERT_HEAD(&c->socks, so, next);
	return so;
}

static int
client_conn_init(struct wt_conn *c, struct wt_sock *so, struct udp_addr *remote,
    const char *host)
{
	ngtcp2_settings settings;
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_cid scid, dcid;
	ngtcp2_path path;

	quic_cid_new(&scid);
	dcid.datalen = CLIENT_DCID_LEN;
	tls_random(dcid.data, dcid.datalen);
	quic_conn_init(c, &settings, &params);
	quic_callbacks(&callbacks, 0);
	quic_path(&path, so, &so->as, remote);
	if (tls_conn_open(c->wt->tls, &c->tls, host) == -1)
		return -1;
	if (ngtcp2_conn_client_new(&c->qc, &dcid, &scid, &path,
		NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL,
		c) != 0) {
		log_warnx("%s: no QUIC connection", host);
		return -1;
	}
	ngtcp2_conn_set_tls_native_handle(c->qc, c->tls.session);
	if (c->wt->cfg.keep_alive_ms != 0)
		ngtcp2_conn_set_keep_alive_timeout(c->qc,
		    c->wt->cfg.keep_alive_ms * WT_NS_PER_MS);
	return 0;
}

struct wt_conn *
wt_connect(struct wt *wt, const struct sockaddr *sa, socklen_t salen,
    const struct sockaddr *local, socklen_t locallen, const char *host)
{
	struct wt_conn *c;
	struct wt_sock *so;
	struct udp_addr remote;
	char name[64];

	wt_tick(wt);
	if (udp_addr_set(&remote, sa, salen) == -1) {
		log_warn("%s", host);
		return NULL;
	}
	c = quic_conn_new(wt);
	so = client_sock(c, local, locallen, sa, salen);
	if (so == NULL) {
		log_warn("%s", udp_name(sa, name, sizeof(name)));
		goto fail;
	}
	if (client_conn_init(c, so, &remote, host) == -1)
		goto fail;
	c->known = 1;
	quic_conn_dirty(c);
	return c;

fail:
	wt->stats.connections_active--;
	wt->handshaking--;
	c->handshaking = 0;
	quic_conn_forget(c);
	return NULL;
}

/* As a NAT that forgot its mapping: packets leave from and come to another
 * port, and neither QUIC stack is told. */
static int
client_rebind(struct wt_conn *c, struct wt_sock *old, struct wt_sock *so)
{
	so->as = old->as;
	old->via = so;
	if (old->udp.stuck.data != NULL)
		c->wt->nstuck--;
	udp_close(&old->udp);
	quic_conn_dirty(c);
	return 0;
}

int
wt_conn_migrate(struct wt_conn *c, int rebind)
{
	const ngtcp2_path *cur = ngtcp2_conn_get_path(c->qc);
	struct wt_sock *old = cur->user_data, *so;
	struct udp_addr local, remote;
	ngtcp2_path path;

	if (c->state != CONN_OPEN || c->wt->server)
		return -1;
	wt_tick(c->wt);
	while (old->via != NULL)
		old = old->via;
	local = old->udp.local;
	if (local.u.sa.sa_family == AF_INET6)
		local.u.in6.sin6_port = 0;
	else
		local.u.in.sin_port = 0;
	if (udp_addr_set(&remote, cur->remote.addr, cur->remote.addrlen) == -1)
		return -1;
	so = client_sock(c, &local.u.sa, local.len, &remote.u.sa, remote.len);
	if (so == NULL) {
		log_warn("another local port");
		return -1;
	}
	if (rebind)
		return client_rebind(c, old, so);
	quic_path(&path, so, &so->as, &remote);
	if (ngtcp2_conn_initiate_migration(c->qc, &path, c->wt->now) != 0)
		return -1;
	quic_conn_dirty(c);
	return 0;
}
