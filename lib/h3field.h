/*
 * HTTP/3 field sections: QPACK without a dynamic table (RFC 9204, done by
 * nghttp3), the rules of RFC 9114 section 4.2-4.4, RFC 8441 and RFC 9220 about
 * what may be in them, and the requests and responses of WebTransport. Pure,
 * but for the memory a decoded section lives in, which is bounded by the limit
 * given.
 */
#ifndef SLUICE_H3FIELD_H
#define SLUICE_H3FIELD_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define H3_FIELD_OVERHEAD 32 /* bytes counted per field, RFC 9114 4.2.2 */

enum h3_field_result {
	H3_FIELD_OK,
	H3_FIELD_TOO_LARGE, /* over the limit: status 431, or reset */
	H3_FIELD_MALFORMED, /* H3_MESSAGE_ERROR on the stream */
	H3_FIELD_QPACK,	    /* QPACK_DECOMPRESSION_FAILED on the connection */
};

enum h3_request_kind {
	H3_REQUEST_WEBTRANSPORT, /* :protocol webtransport, webtransport-h3 */
	H3_REQUEST_CONNECT,	 /* another CONNECT, plain or extended */
	H3_REQUEST_OTHER	 /* GET and the like */
};

/*
 * A decoded section. Strings end in NUL and hold none; a pseudo-field that was
 * not there is NULL. They live until h3_fields_free().
 */
struct h3_fields {
	const char *method, *scheme, *authority, *path, *protocol;
	int status;		   /* of a response: 100 to 999 */
	enum h3_request_kind kind; /* of a request */
	const char **fields;	   /* the other fields: name, value in turn */
	size_t nfields;		   /* strings in it: twice the fields */
	size_t size;		   /* bytes, as RFC 9114 4.2.2 counts them */
	char *mem;		   /* private */
};

/*
 * Decode the payload of a HEADERS frame. limit: bytes as RFC 9114 4.2.2 counts
 * them. Whatever is returned, f is set and h3_fields_free(f) is due. Malformed
 * is: pseudo-fields that are unknown, twice, after others or in the wrong kind
 * of message; a name that is no lower-case token; a value with a control
 * character or with space around it; connection-specific fields; what CONNECT,
 * extended CONNECT and other requests need and must not have; on MALFORMED
 * *why, if not NULL, is one phrase.
 */
enum h3_field_result h3_request_get(const uint8_t *p, size_t n, size_t limit,
    struct h3_fields *f, const char **why);
enum h3_field_result h3_response_get(const uint8_t *p, size_t n, size_t limit,
    struct h3_fields *f, const char **why);
void h3_fields_free(struct h3_fields *f);

/* The value of the first field of that (lower-case) name, or NULL. */
const char *h3_fields_find(const struct h3_fields *f, const char *name);

/*
 * Append a whole HEADERS frame to b. fields: name, value in turn; nfields
 * strings (may be 0). h3_request_put is the extended CONNECT of a WebTransport
 * session, h3_response_put an answer; both add the field older drafts want to
 * see (sec-webtransport-http3-draft02, -draft). -1: out of memory or too many
 * fields; b is unchanged.
 */
#define H3_FIELDS_PUT_MAX 64 /* fields beside the pseudo-fields */
int h3_request_put(struct buf *b, const char *authority, const char *path,
    const char *const *fields, size_t nfields);
int h3_response_put(struct buf *b, int status, const char *const *fields,
    size_t nfields);

#endif
