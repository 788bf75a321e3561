#include "h3field.h"

#include <nghttp3/nghttp3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "h3frame.h"
#include "log.h"

/* The decoded fields on their way: name, NUL, value, NUL, and again. */
struct section {
	struct buf text;
	size_t count;
	size_t size;
	int pseudo_done; /* a field that is no pseudo-field was there */
	const char *why;
};

/* token of RFC 9110 section 5.6.2 without upper case. */
static int
name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int
name_valid(const uint8_t *p, size_t n)
{
	if (n > 0 && p[0] == ':')
		p++, n--;
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!name_char(p[i]))
			return 0;
	return 1;
}

/* field-value of RFC 9110 section 5.5. */
static int
value_valid(const uint8_t *p, size_t n)
{
	if (n > 0 && (p[0] == ' ' || p[0] == '\t' || p[n - 1] == ' ' ||
		p[n - 1] == '\t'))
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			return 0;
	return 1;
}

static int
connection_specific(const char *name, const char *value)
{
	static const char *const names[] = { "connection", "keep-alive",
		"proxy-connection", "transfer-encoding", "upgrade" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return strcmp(name, "te") == 0 && strcmp(value, "trailers") != 0;
}

static enum h3_field_result
section_bad(struct section *s, const char *why)
{
	s->why = why;
	return H3_FIELD_MALFORMED;
}

static enum h3_field_result
section_add(struct section *s, nghttp3_vec name, nghttp3_vec value,
    size_t limit)
{
	uint8_t *p;

	s->size += name.len + value.len + H3_FIELD_OVERHEAD;
	if (s->size > limit)
		return H3_FIELD_TOO_LARGE;
	if (!name_valid(name.base, name.len))
		return section_bad(s, "field name");
	if (!value_valid(value.base, value.len))
		return section_bad(s, "field value");
	if (name.base[0] == ':' && s->pseudo_done)
		return section_bad(s, "pseudo-field after other fields");
	s->pseudo_done |= name.base[0] != ':';
	p = buf_reserve(&s->text, name.len + value.len + 2);
	memcpy(p, name.base, name.len);
	p[name.len] = '\0';
	if (value.len > 0)
		memcpy(p + name.len + 1, value.base, value.len);
	p[name.len + 1 + value.len] = '\0';
	if (connection_specific((char *)p, (char *)p + name.len + 1))
		return section_bad(s, "connection-specific field");
	buf_commit(&s->text, name.len + value.len + 2);
	s->count++;
	return H3_FIELD_OK;
}

static enum h3_field_result
section_decode(nghttp3_qpack_decoder *dec, nghttp3_qpack_stream_context *sctx,
    const uint8_t *p, size_t n, size_t limit, struct section *s)
{
	enum h3_field_result rc;

	for (;;) {
		nghttp3_qpack_nv nv;
		uint8_t flags = 0;
		nghttp3_ssize k;

		k = nghttp3_qpack_decoder_read_request(dec, sctx, &nv, &flags,
		    p, n, 1);
		if (k == NGHTTP3_ERR_QPACK_HEADER_TOO_LARGE)
			return H3_FIELD_TOO_LARGE;
		if (k < 0 || (flags & NGHTTP3_QPACK_DECODE_FLAG_BLOCKED))
			return H3_FIELD_QPACK;
		p += k;
		n -= (size_t)k;
		if (flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) {
			rc = section_add(s, nghttp3_rcbuf_get_buf(nv.name),
			    nghttp3_rcbuf_get_buf(nv.value), limit);
			nghttp3_rcbuf_decref(nv.name);
			nghttp3_rcbuf_decref(nv.value);
			if (rc != H3_FIELD_OK)
				return rc;
		} else if (flags & NGHTTP3_QPACK_DECODE_FLAG_FINAL) {
			return H3_FIELD_OK;
		} else if (k == 0) {
			return H3_FIELD_QPACK;
		}
	}
}

static int
pseudo_set(struct h3_fields *f, int request, const char *name,
    const char *value)
{
	const struct {
		const char *name;
		const char **dst;
	} rows[] = { { ":method", &f->method }, { ":scheme", &f->scheme },
		{ ":authority", &f->authority }, { ":path", &f->path },
		{ ":protocol", &f->protocol } };

	if (!request) {
		if (strcmp(name, ":status") != 0 || f->status != 0 ||
		    strlen(value) != 3 || strspn(value, "0123456789") != 3 ||
		    value[0] == '0')
			return -1;
		f->status = atoi(value);
		return 0;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(name, rows[i].name) != 0)
			continue;
		if (*rows[i].dst != NULL || value[0] == '\0')
			return -1;
		*rows[i].dst = value;
		return 0;
	}
	return -1;
}

/* Points f at the text, which is f's from now on. */
static int
section_give(struct section *s, int request, struct h3_fields *f)
{
	const char *p = (char *)buf_data(&s->text);

	f->mem = (char *)s->text.mem;
	s->text = (struct buf){ 0 };
	f->size = s->size;
	f->fields = calloc(2 * s->count + 1, sizeof(*f->fields));
	if (f->fields == NULL)
		fatal(EX_OSERR, "calloc of %zu fields", s->count);
	for (size_t i = 0; i < s->count; i++) {
		const char *name = p, *value = name + strlen(name) + 1;

		p = value + strlen(value) + 1;
		if (name[0] == ':') {
			if (pseudo_set(f, request, name, value) == -1)
				return -1;
			continue;
		}
		f->fields[f->nfields++] = name;
		f->fields[f->nfields++] = value;
	}
	return 0;
}

static enum h3_field_result
section_get(const uint8_t *p, size_t n, size_t limit, int request,
    struct h3_fields *f, const char **why)
{
	const nghttp3_mem *mem = nghttp3_mem_default();
	nghttp3_qpack_stream_context *sctx = NULL;
	nghttp3_qpack_decoder *dec = NULL;
	struct section s = { .why = "" };
	enum h3_field_result rc;

	memset(f, 0, sizeof(*f));
	/* Without a dynamic table a decoder has nothing to remember. */
	if (nghttp3_qpack_decoder_new(&dec, 0, 0, mem) != 0 ||
	    nghttp3_qpack_stream_context_new(&sctx, 0, mem) != 0)
		fatalx(EX_OSERR, "QPACK decoder: out of memory");
	rc = section_decode(dec, sctx, p, n, limit, &s);
	nghttp3_qpack_stream_context_del(sctx);
	nghttp3_qpack_decoder_del(dec);
	if (rc == H3_FIELD_OK && s.count == 0)
		rc = section_bad(&s, "no fields");
	if (rc == H3_FIELD_OK && section_give(&s, request, f) == -1)
		rc = section_bad(&s, "pseudo-fields");
	buf_free(&s.text);
	if (rc == H3_FIELD_MALFORMED && why != NULL)
		*why = s.why;
	return rc;
}

void
h3_fields_free(struct h3_fields *f)
{
	free(f->mem);
	free(f->fields);
	memset(f, 0, sizeof(*f));
}

const char *
h3_fields_find(const struct h3_fields *f, const char *name)
{
	for (size_t i = 0; i + 1 < f->nfields; i += 2)
		if (strcmp(f->fields[i], name) == 0)
			return f->fields[i + 1];
	return NULL;
}

/* RFC 9114 sections 4.3.1 and 4.4, RFC 8441 section 4. NULL: as it should. */
static const char *
request_check(struct h3_fields *f)
{
	const char *host = h3_fields_find(f, "host");

	if (f->method == NULL)
		return "no :method";
	if (f->authority != NULL && host != NULL &&
	    strcmp(f->authority, host) != 0)
		return "host is not :authority";
	if (strcmp(f->method, "CONNECT") == 0 && f->protocol == NULL) {
		f->kind = H3_REQUEST_CONNECT;
		if (f->authority == NULL || f->scheme != NULL ||
		    f->path != NULL)
			return "CONNECT with :scheme or :path, or no :authority";
		return NULL;
	}
	if (f->scheme == NULL || f->path == NULL)
		return "no :scheme or :path";
	if (f->authority == NULL && host == NULL)
		return "no :authority";
	if (f->path[0] != '/' &&
	    (strcmp(f->method, "OPTIONS") != 0 || strcmp(f->path, "*") != 0))
		return "path";
	f->kind = H3_REQUEST_OTHER;
	if (f->protocol == NULL)
		return NULL;
	if (strcmp(f->method, "CONNECT") != 0)
		return ":protocol without CONNECT";
	if (f->authority == NULL)
		return "no :authority";
	f->kind = H3_REQUEST_CONNECT;
	if (strcmp(f->protocol, "webtransport") != 0 &&
	    strcmp(f->protocol, "webtransport-h3") != 0)
		return NULL;
	f->kind = H3_REQUEST_WEBTRANSPORT;
	return strcmp(f->scheme, "https") == 0 ? NULL : "scheme is not https";
}

enum h3_field_result
h3_request_get(const uint8_t *p, size_t n, size_t limit, struct h3_fields *f,
    const char **why)
{
	enum h3_field_result rc = section_get(p, n, limit, 1, f, why);
	const char *bad;

	if (rc != H3_FIELD_OK)
		return rc;
	bad = request_check(f);
	if (bad == NULL)
		return H3_FIELD_OK;
	if (why != NULL)
		*why = bad;
	return H3_FIELD_MALFORMED;
}

enum h3_field_result
h3_response_get(const uint8_t *p, size_t n, size_t limit, struct h3_fields *f,
    const char **why)
{
	enum h3_field_result rc = section_get(p, n, limit, 0, f, why);

	if (rc != H3_FIELD_OK || f->status != 0)
		return rc;
	if (why != NULL)
		*why = "no :status";
	return H3_FIELD_MALFORMED;
}

static nghttp3_nv
nv(const char *name, const char *value)
{
	/* nghttp3 does not write to what it encodes. */
	return (nghttp3_nv){ .name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value) };
}

static void
put_qpack(struct buf *b, const nghttp3_buf *q)
{
	buf_append(b, q->pos, nghttp3_buf_len(q));
}

static int
section_put(struct buf *b, const nghttp3_nv *nva, size_t n)
{
	const nghttp3_mem *mem = nghttp3_mem_default();
	nghttp3_qpack_encoder *enc;
	nghttp3_buf prefix, fields, stream;
	uint8_t head[2 * VARINT_LEN_MAX];
	int rc;

	if (nghttp3_qpack_encoder_new(&enc, 0, mem) != 0)
		return -1;
	nghttp3_buf_init(&prefix);
	nghttp3_buf_init(&fields);
	nghttp3_buf_init(&stream);
	rc = nghttp3_qpack_encoder_encode(enc, &prefix, &fields, &stream, 0,
	    nva, n);
	if (rc == 0) {
		buf_append(b, head,
		    h3_frame_put(head, H3_FRAME_HEADERS,
			nghttp3_buf_len(&prefix) + nghttp3_buf_len(&fields)));
		put_qpack(b, &prefix);
		put_qpack(b, &fields);
	}
	nghttp3_buf_free(&prefix, mem);
	nghttp3_buf_free(&fields, mem);
	nghttp3_buf_free(&stream, mem);
	nghttp3_qpack_encoder_del(enc);
	return rc == 0 ? 0 : -1;
}

#define PSEUDO_MAX 8

static int
message_put(struct buf *b, nghttp3_nv *nva, size_t n,
    const char *const *fields, size_t nfields)
{
	if (nfields % 2 != 0 || nfields / 2 > H3_FIELDS_PUT_MAX)
		return -1;
	for (size_t i = 0; i < nfields; i += 2)
		nva[n++] = nv(fields[i], fields[i + 1]);
	return section_put(b, nva, n);
}

int
h3_request_put(struct buf *b, const char *authority, const char *path,
    const char *const *fields, size_t nfields)
{
	nghttp3_nv nva[PSEUDO_MAX + H3_FIELDS_PUT_MAX] = {
		nv(":method", "CONNECT"),
		nv(":protocol", "webtransport"),
		nv(":scheme", "https"),
		nv(":authority", authority),
		nv(":path", path),
		nv("sec-webtransport-http3-draft02", "1"),
	};

	return message_put(b, nva, 6, fields, nfields);
}

int
h3_response_put(struct buf *b, int status, const char *const *fields,
    size_t nfields)
{
	char text[16];
	nghttp3_nv nva[PSEUDO_MAX + H3_FIELDS_PUT_MAX];
	size_t n = 0;

	snprintf(text, sizeof(text), "%03d", status);
	nva[n++] = nv(":status", text);
	if (status == 200)
		nva[n++] = nv("sec-webtransport-http3-draft", "draft02");
	return message_put(b, nva, n, fields, nfields);
}
