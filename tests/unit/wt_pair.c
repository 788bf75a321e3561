#include "wt_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "log.h"

uint64_t
pair_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
pair_fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 31 + (i >> 8) * 7 + seed * 101) & 0xff);
}

/* --------------------------------------------------------- certificate */

static void
pair_write(const char *path, const gnutls_datum_t *d)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(d->data, 1, d->size, f), d->size);
	fclose(f);
}

/* Self-signed, for localhost and 127.0.0.1, valid for a day. */
static void
pair_certificate(struct pair *p)
{
	static const uint8_t serial[] = { 1 }, ip[] = { 127, 0, 0, 1 };
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t d;

	gnutls_x509_privkey_init(&key);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400);
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
	    "localhost", 9);
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
	    "localhost", 9, GNUTLS_FSAN_APPEND);
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip,
	    sizeof(ip), GNUTLS_FSAN_APPEND);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key,
	    GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &d);
	gnutls_hash_fast(GNUTLS_DIG_SHA256, d.data, d.size, p->hash);
	gnutls_free(d.data);
	gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &d);
	pair_write(p->cert, &d);
	gnutls_free(d.data);
	gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
	    GNUTLS_PKCS_PLAIN, &d);
	pair_write(p->key, &d);
	gnutls_free(d.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

/* -------------------------------------------------------------- events */

static struct pair_session *
pair_session_of(struct pair_side *side, struct wt_session *s)
{
	for (size_t i = 0; i < side->nsessions; i++)
		if (side->sessions[i].s == s)
			return &side->sessions[i];
	assert_true(side->nsessions < PAIR_SESSIONS);
	side->sessions[side->nsessions].s = s;
	return &side->sessions[side->nsessions++];
}

static struct pair_stream *
pair_stream_add(struct pair_side *side, struct wt_stream *st)
{
	struct pair_stream *ps;

	if (side->nstreams++ >= PAIR_STREAMS)
		return NULL;
	ps = &side->streams[side->nstreams - 1];
	ps->st = st;
	ps->id = wt_stream_id(st);
	ps->reset = ps->stop = -1;
	wt_stream_set_data(st, ps);
	return ps;
}

static int
on_session_request(void *ctx, struct wt_session *s,
    const struct wt_request *req, const char **protocol)
{
	struct pair_side *side = ctx;

	(void)s;
	snprintf(side->path, sizeof(side->path), "%s", req->path);
	snprintf(side->authority, sizeof(side->authority), "%s",
	    req->authority);
	snprintf(side->origin, sizeof(side->origin), "%s", req->origin);
	snprintf(side->protocols, sizeof(side->protocols), "%s",
	    req->protocols);
	snprintf(side->peer, sizeof(side->peer), "%s", req->peer);
	for (size_t i = 0; i < req->nfields; i += 2)
		if (strcmp(req->fields[i], "x-test") == 0)
			snprintf(side->field, sizeof(side->field), "%s",
			    req->fields[i + 1]);
	*protocol = side->protocol;
	return side->status;
}

static void
on_session_open(void *ctx, struct wt_session *s)
{
	pair_session_of(ctx, s)->open = 1;
}

static void
on_session_refused(void *ctx, struct wt_session *s, int status)
{
	pair_session_of(ctx, s)->status = status;
}

static void
on_session_drain(void *ctx, struct wt_session *s)
{
	pair_session_of(ctx, s)->drained++;
}

static void
on_session_closed(void *ctx, struct wt_session *s, uint32_t code,
    const char *reason, size_t reasonlen)
{
	struct pair_session *ps = pair_session_of(ctx, s);

	ps->closed++;
	ps->code = code;
	snprintf(ps->reason, sizeof(ps->reason), "%.*s", (int)reasonlen,
	    reason);
	ps->s = NULL;
}

static void
on_stream_open(void *ctx, struct wt_stream *st)
{
	struct pair_stream *ps = pair_stream_add(ctx, st);

	if (ps != NULL)
		ps->opened = 1;
}

static void
on_stream_data(void *ctx, struct wt_stream *st, const uint8_t *data, size_t len,
    int fin)
{
	struct pair_side *side = ctx;
	struct pair_stream *ps = wt_stream_data(st);

	side->bytes += len;
	if (!side->hold)
		wt_stream_consumed(st, len);
	if (ps == NULL)
		return;
	assert_false(ps->fin);
	buf_append(&ps->in, data, len);
	ps->fin = fin;
	if (side->hold)
		ps->waiting += len;
}

static void
on_stream_reset(void *ctx, struct wt_stream *st, uint32_t code)
{
	struct pair_stream *ps = wt_stream_data(st);

	(void)ctx;
	if (ps != NULL)
		ps->reset = code;
}

static void
on_stream_stop(void *ctx, struct wt_stream *st, uint32_t code)
{
	struct pair_stream *ps = wt_stream_data(st);

	(void)ctx;
	if (ps != NULL)
		ps->stop = code;
}

static void
on_stream_acked(void *ctx, struct wt_stream *st)
{
	struct pair_stream *ps = wt_stream_data(st);

	(void)ctx;
	if (ps != NULL)
		ps->acks++;
}

static void
on_stream_closed(void *ctx, struct wt_stream *st)
{
	struct pair_side *side = ctx;
	struct pair_stream *ps = wt_stream_data(st);

	side->nclosed++;
	if (ps == NULL)
		return;
	ps->closed++;
	ps->st = NULL;
}

static void
on_datagram(void *ctx, struct wt_session *s, const uint8_t *data, size_t len)
{
	struct pair_session *ps = pair_session_of(ctx, s);

	ps->ndatagrams++;
	buf_append(&ps->datagrams, data, len);
}

static void
on_conn_closed(void *ctx, struct wt_conn *c, const char *why)
{
	struct pair_side *side = ctx;

	snprintf(side->why, sizeof(side->why), "%s", why);
	side->conn_closed++;
	if (side->pair->conn == c)
		side->pair->conn = NULL;
}

static const struct wt_events events = {
	.session_request = on_session_request,
	.session_open = on_session_open,
	.session_refused = on_session_refused,
	.session_drain = on_session_drain,
	.session_closed = on_session_closed,
	.stream_open = on_stream_open,
	.stream_data = on_stream_data,
	.stream_reset = on_stream_reset,
	.stream_stop = on_stream_stop,
	.stream_acked = on_stream_acked,
	.stream_closed = on_stream_closed,
	.datagram = on_datagram,
	.conn_closed = on_conn_closed,
};

/* ---------------------------------------------------------------- pair */

void
pair_init(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	log_set_verbose(getenv("VERBOSE") != NULL);
	strcpy(p->dir, "/tmp/wt_pair.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->cert, sizeof(p->cert), "%s/cert.pem", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/key.pem", p->dir);
	pair_certificate(p);
	p->server.pair = p->client.pair = p;
	p->server.status = 200;
	wt_config_init(&p->server_cfg);
	p->server_cfg.events = &events;
	p->server_cfg.ctx = &p->server;
	p->server_cfg.cert_file = p->cert;
	p->server_cfg.key_file = p->key;
	wt_config_init(&p->client_cfg);
	p->client_cfg.events = &events;
	p->client_cfg.ctx = &p->client;
	p->client_cfg.cert_sha256 = p->hash;
}

void
pair_start(struct pair *p, const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	p->server.wt = wt_server_new(&p->server_cfg);
	p->client.wt = wt_client_new(&p->client_cfg);
	assert_non_null(p->server.wt);
	assert_non_null(p->client.wt);
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		assert_int_equal(wt_listen(p->server.wt,
		    (struct sockaddr *)&in, sizeof(in)), 0);
	else if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1)
		assert_int_equal(wt_listen(p->server.wt,
		    (struct sockaddr *)&in6, sizeof(in6)), 0);
	assert_int_equal(wt_listen_addr(p->server.wt, 0, &p->addr,
	    &p->addrlen), 0);
}

void
pair_connect(struct pair *p)
{
	p->conn = wt_connect(p->client.wt, (struct sockaddr *)&p->addr,
	    p->addrlen, NULL, 0, "localhost");
	assert_non_null(p->conn);
}

struct pair_session *
pair_request(struct pair *p, const char *path)
{
	struct wt_session *s = wt_session_request(p->conn, "localhost", path,
	    NULL, 0);

	assert_non_null(s);
	return pair_session_of(&p->client, s);
}

void
pair_open(struct pair *p)
{
	pair_start(p, "127.0.0.1");
	pair_connect(p);
	pair_request(p, "/wt");
	PAIR_UNTIL(p, p->client.sessions[0].open && p->server.nsessions == 1);
}

static void
pair_side_free(struct pair_side *side)
{
	wt_free(side->wt);
	for (size_t i = 0; i < PAIR_STREAMS; i++)
		buf_free(&side->streams[i].in);
	for (size_t i = 0; i < PAIR_SESSIONS; i++)
		buf_free(&side->sessions[i].datagrams);
}

void
pair_free(struct pair *p)
{
	pair_side_free(&p->client);
	pair_side_free(&p->server);
	unlink(p->cert);
	unlink(p->key);
	rmdir(p->dir);
}

void
pair_turn(struct pair *p)
{
	struct pollfd fds[2];
	int a = wt_timeout_ms(p->server.wt), b = wt_timeout_ms(p->client.wt);

	wt_pollfds(p->server.wt, &fds[0], 1);
	wt_pollfds(p->client.wt, &fds[1], 1);
	if (a == -1 || (b != -1 && b < a))
		a = b;
	if (a == -1 || a > 20)
		a = 20;
	poll(fds, 2, a);
	wt_read(p->server.wt);
	wt_read(p->client.wt);
	wt_flush(p->server.wt);
	wt_flush(p->client.wt);
}

struct pair_stream *
pair_stream_open(struct pair_side *side, struct wt_session *s, int uni)
{
	struct wt_stream *st = wt_stream_open(s, uni);

	return st == NULL ? NULL : pair_stream_add(side, st);
}

struct pair_stream *
pair_stream_find(struct pair_side *side, int64_t id)
{
	for (size_t i = 0; i < side->nstreams && i < PAIR_STREAMS; i++)
		if (side->streams[i].id == id)
			return &side->streams[i];
	return NULL;
}
