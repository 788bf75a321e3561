#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static unsigned char tls_alpn[] = { 'h', '3' };

static const char tls_priority[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"
    "+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
    "+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";

struct tls {
	int server;
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t priority;
	int has_sha256;
	uint8_t sha256[TLS_SHA256_LEN];
	uint8_t secret[TLS_SHA256_LEN]; /* server: hash of the private key */
	int keylog_fd;			/* -1: none */
	int keylog_failed;		/* and it was said */
};

/* GnuTLS's hook has no context but the session, whose pointer leads here. */
static struct tls_conn *
tls_conn_of(gnutls_session_t session)
{
	return gnutls_session_get_ptr(session);
}

/* One line of the NSS key log, with one write(2): several processes may share
 * the file. */
static int
tls_keylog(gnutls_session_t session, const char *label,
    const gnutls_datum_t *secret)
{
	struct tls *tls = tls_conn_of(session)->tls;
	gnutls_datum_t client, server;
	char line[512];
	size_t len;

	gnutls_session_get_random(session, &client, &server);
	len = (size_t)snprintf(line, sizeof(line), "%s ", label);
	if (len + 2 * ((size_t)client.size + secret->size) + 3 > sizeof(line))
		return 0;
	for (unsigned i = 0; i < client.size; i++)
		len += (size_t)sprintf(line + len, "%02x", client.data[i]);
	line[len++] = ' ';
	for (unsigned i = 0; i < secret->size; i++)
		len += (size_t)sprintf(line + len, "%02x", secret->data[i]);
	line[len++] = '\n';
	if (write(tls->keylog_fd, line, len) == (ssize_t)len)
		return 0;
	/* Every handshake brings a few of them. */
	if (!tls->keylog_failed)
		log_warn("key log");
	tls->keylog_failed = 1;
	return 0;
}

/* A pinned certificate: its hash, and that it is of today. */
static int
tls_verify_hash(struct tls_conn *c, const uint8_t *want)
{
	const gnutls_datum_t *certs;
	gnutls_x509_crt_t crt;
	uint8_t have[TLS_SHA256_LEN];
	unsigned ncerts = 0;
	time_t now = time(NULL), from, until;

	certs = gnutls_certificate_get_peers(c->session, &ncerts);
	if (certs == NULL || ncerts == 0 ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, certs[0].data, certs[0].size,
		have) != 0) {
		snprintf(c->why, sizeof(c->why), "no certificate");
		return -1;
	}
	if (memcmp(have, want, sizeof(have)) != 0) {
		snprintf(c->why, sizeof(c->why),
		    "certificate does not have the hash asked for");
		return -1;
	}
	if (gnutls_x509_crt_init(&crt) != 0)
		return -1;
	if (gnutls_x509_crt_import(crt, &certs[0], GNUTLS_X509_FMT_DER) != 0) {
		gnutls_x509_crt_deinit(crt);
		snprintf(c->why, sizeof(c->why), "certificate is malformed");
		return -1;
	}
	from = gnutls_x509_crt_get_activation_time(crt);
	until = gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	if (now >= from && now < until)
		return 0;
	snprintf(c->why, sizeof(c->why), "certificate is %s",
	    now < from ? "not valid yet" : "expired");
	return -1;
}

static int
tls_verify(gnutls_session_t session)
{
	struct tls_conn *c = tls_conn_of(session);
	gnutls_datum_t text;
	unsigned status = 0;
	int rc;

	if (c->tls->has_sha256)
		return tls_verify_hash(c, c->tls->sha256) == 0 ?
		    0 : GNUTLS_E_CERTIFICATE_ERROR;
	rc = gnutls_certificate_verify_peers3(session, c->host, &status);
	if (rc == 0 && status == 0)
		return 0;
	if (rc != 0) {
		snprintf(c->why, sizeof(c->why), "%s", gnutls_strerror(rc));
	} else if (gnutls_certificate_verification_status_print(status,
		       GNUTLS_CRT_X509, &text, 0) == 0) {
		snprintf(c->why, sizeof(c->why), "%s", (char *)text.data);
		gnutls_free(text.data);
	}
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static struct tls *
tls_new(int server, const char *keylog_file)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int rc;

	if (tls == NULL)
		fatal(EX_OSERR, "calloc");
	tls->server = server;
	tls->keylog_fd = -1;
	rc = gnutls_certificate_allocate_credentials(&tls->cred);
	if (rc == 0)
		rc = gnutls_priority_init(&tls->priority, tls_priority, NULL);
	if (rc != 0) {
		log_warnx("GnuTLS: %s", gnutls_strerror(rc));
		tls_free(tls);
		return NULL;
	}
	if (keylog_file == NULL)
		return tls;
	tls->keylog_fd = open(keylog_file,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (tls->keylog_fd == -1) {
		log_warn("%s", keylog_file);
		tls_free(tls);
		return NULL;
	}
	return tls;
}

struct tls *
tls_server_new(const char *cert_file, const char *key_file,
    const char *keylog_file)
{
	struct tls *tls = tls_new(1, keylog_file);
	gnutls_datum_t key;
	int rc;

	if (tls == NULL)
		return NULL;
	rc = gnutls_certificate_set_x509_key_file(tls->cred, cert_file,
	    key_file, GNUTLS_X509_FMT_PEM);
	if (rc < 0) {
		log_warnx("%s, %s: %s", cert_file, key_file,
		    gnutls_strerror(rc));
		goto fail;
	}
	rc = gnutls_load_file(key_file, &key);
	if (rc != 0) {
		log_warnx("%s: %s", key_file, gnutls_strerror(rc));
		goto fail;
	}
	gnutls_hash_fast(GNUTLS_DIG_SHA256, key.data, key.size, tls->secret);
	gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
	return tls;

fail:
	tls_free(tls);
	return NULL;
}

struct tls *
tls_client_new(const char *ca_file, const uint8_t *sha256,
    const char *keylog_file)
{
	struct tls *tls = tls_new(0, keylog_file);
	int rc = 0;

	if (tls == NULL)
		return NULL;
	if (sha256 != NULL) {
		tls->has_sha256 = 1;
		memcpy(tls->sha256, sha256, sizeof(tls->sha256));
	} else if (ca_file != NULL) {
		rc = gnutls_certificate_set_x509_trust_file(tls->cred, ca_file,
		    GNUTLS_X509_FMT_PEM);
		if (rc == 0)
			rc = GNUTLS_E_NO_CERTIFICATE_FOUND;
	} else {
		rc = gnutls_certificate_set_x509_system_trust(tls->cred);
	}
	if (rc < 0) {
		log_warnx("%s: %s", ca_file != NULL ? ca_file : "system's CAs",
		    gnutls_strerror(rc));
		tls_free(tls);
		return NULL;
	}
	gnutls_certificate_set_verify_function(tls->cred, tls_verify);
	return tls;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	if (tls->cred != NULL)
		gnutls_certificate_free_credentials(tls->cred);
	if (tls->priority != NULL)
		gnutls_priority_deinit(tls->priority);
	if (tls->keylog_fd != -1)
		close(tls->keylog_fd);
	gnutls_memset(tls->secret, 0, sizeof(tls->secret));
	free(tls);
}

static int
tls_is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 ||
	    inet_pton(AF_INET6, host, &a) == 1;
}

static int
tls_conn_setup(const struct tls *tls, struct tls_conn *c)
{
	gnutls_datum_t alpn = { .data = tls_alpn, .size = sizeof(tls_alpn) };
	int rc;

	rc = gnutls_priority_set(c->session, tls->priority);
	if (rc == 0)
		rc = gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE,
		    tls->cred);
	if (rc == 0)
		rc = gnutls_alpn_set_protocols(c->session, &alpn, 1,
		    GNUTLS_ALPN_MANDATORY);
	/* An address is no server name (RFC 6066 section 3). */
	if (rc == 0 && c->host != NULL && !tls_is_address(c->host))
		rc = gnutls_server_name_set(c->session, GNUTLS_NAME_DNS,
		    c->host, strlen(c->host));
	return rc;
}

int
tls_conn_open(struct tls *tls, struct tls_conn *c, const char *host)
{
	unsigned flags = tls->server ?
	    GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET :
	    GNUTLS_CLIENT;
	int rc;

	c->tls = tls;
	rc = gnutls_init(&c->session, flags | GNUTLS_NO_END_OF_EARLY_DATA);
	if (rc != 0) {
		log_warnx("GnuTLS: %s", gnutls_strerror(rc));
		c->session = NULL;
		return -1;
	}
	if (host != NULL) {
		c->host = strdup(host);
		if (c->host == NULL)
			fatal(EX_OSERR, "strdup");
	}
	rc = tls_conn_setup(tls, c);
	if (rc != 0) {
		log_warnx("GnuTLS: %s", gnutls_strerror(rc));
		tls_conn_close(c);
		return -1;
	}
	if ((tls->server ?
		    ngtcp2_crypto_gnutls_configure_server_session(c->session) :
		    ngtcp2_crypto_gnutls_configure_client_session(
			c->session)) != 0) {
		log_warnx("GnuTLS: session cannot be set up for QUIC");
		tls_conn_close(c);
		return -1;
	}
	gnutls_session_set_ptr(c->session, &c->ref);
	if (tls->keylog_fd != -1)
		gnutls_session_set_keylog_function(c->session, tls_keylog);
	return 0;
}

void
tls_conn_close(struct tls_conn *c)
{
	if (c->session != NULL)
		gnutls_deinit(c->session);
	c->session = NULL;
	free(c->host);
	c->host = NULL;
}

int
tls_conn_check(const struct tls_conn *c)
{
	gnutls_datum_t alpn;

	if (gnutls_alpn_get_selected_protocol(c->session, &alpn) != 0 ||
	    alpn.size != sizeof(tls_alpn) ||
	    memcmp(alpn.data, tls_alpn, alpn.size) != 0)
		return -1;
	return 0;
}

void
tls_derive(const struct tls *tls, const char *label, uint8_t *out)
{
	gnutls_hmac_fast(GNUTLS_MAC_SHA256, tls->secret, sizeof(tls->secret),
	    label, strlen(label), out);
}

void
tls_random(void *p, size_t n)
{
	if (gnutls_rnd(GNUTLS_RND_RANDOM, p, n) != 0)
		fatalx(EX_OSERR, "no random numbers");
}
