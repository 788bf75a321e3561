/*
 * TLS 1.3 for QUIC by GnuTLS: certificates, what is offered, how a server's
 * certificate is judged, the key log.
 */
#ifndef SLUICE_TLS_H
#define SLUICE_TLS_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_SHA256_LEN 32

struct tls; /* what all connections share */

/* One connection's side of it: part of the connection's struct. */
struct tls_conn {
	ngtcp2_crypto_conn_ref ref; /* set by the caller; first, as GnuTLS
				     * gives only this pointer back */
	struct tls *tls;
	gnutls_session_t session; /* NULL: none, or not any more */
	char *host;		  /* client: the name asked for */
	char why[128];		  /* why the peer's certificate is refused;
				   * "" when it is not */
};

/* PEM files. keylog_file: appended to, NULL: none. NULL with a line logged. */
struct tls *tls_server_new(const char *cert_file, const char *key_file,
    const char *keylog_file);
/* sha256: 32 bytes, copied, or NULL; then the chain must end in ca_file (NULL:
 * the system's) and be for the host. */
struct tls *tls_client_new(const char *ca_file, const uint8_t *sha256,
    const char *keylog_file);
void tls_free(struct tls *tls);

/* Sets up c->session; c->ref is set already. host: NULL for a server. -1 with
 * a line logged. */
int tls_conn_open(struct tls *tls, struct tls_conn *c, const char *host);
void tls_conn_close(struct tls_conn *c);

/* The handshake is through: 0 when ALPN gave h3, else -1. */
int tls_conn_check(const struct tls_conn *c);

/* 32 bytes that depend on the server's private key and the label alone, so
 * that they are the same after a restart. */
void tls_derive(const struct tls *tls, const char *label, uint8_t *out);

/* n random bytes, for ids and keys. Failure ends the program. */
void tls_random(void *p, size_t n);

#endif
