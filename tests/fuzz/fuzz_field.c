/*
 * Field sections and subprotocol lists. Byte 0: request or response; then the
 * encoded section, which is read as a list as well. What decodes must survive
 * being encoded and decoded again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "h3field.h"
#include "h3frame.h"
#include "sflist.h"

#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const char *a, const char *b)
{
	if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0))
		abort();
}

static void
check_again(const struct h3_fields *f, int request)
{
	const uint8_t *p;
	uint64_t type, len;
	struct buf b = { 0 };
	struct h3_fields g;
	size_t extra;
	int rc;

	if (f->size > LIMIT || f->nfields % 2 != 0)
		abort();
	if (f->nfields / 2 > H3_FIELDS_PUT_MAX)
		return;
	rc = request ? h3_request_put(&b, f->authority, f->path, f->fields,
			   f->nfields) :
		       h3_response_put(&b, f->status, f->fields, f->nfields);
	if (rc != 0)
		abort();
	buf_consume(&b, varint_get(buf_data(&b), buf_len(&b), &type));
	buf_consume(&b, varint_get(buf_data(&b), buf_len(&b), &len));
	p = buf_data(&b);
	if (len != buf_len(&b))
		abort();
	rc = request ? h3_request_get(p, len, 2 * LIMIT, &g, NULL) :
		       h3_response_get(p, len, 2 * LIMIT, &g, NULL);
	if (rc != H3_FIELD_OK)
		abort();
	same(f->authority, g.authority);
	same(f->path, g.path);
	if (f->status != g.status)
		abort();
	/* The encoder adds one field of its own in front. */
	extra = g.nfields - f->nfields;
	for (size_t i = 0; i < f->nfields; i++)
		same(f->fields[i], g.fields[extra + i]);
	h3_fields_free(&g);
	buf_free(&b);
}

static int
check_member(void *ctx, const char *member)
{
	char quoted[2 * SF_STRING_MAX + 3], back[SF_STRING_MAX];

	(void)ctx;
	if (sf_string_put(quoted, sizeof(quoted), member) != 0 ||
	    sf_string_get(quoted, back, sizeof(back)) != 0)
		abort();
	same(member, back);
	same(sf_list_choose(quoted, (const char *[]){ member }, 1), member);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h3_fields f;
	const char *why = NULL;
	enum h3_field_result rc;
	char *text;
	int request;

	if (size < 1)
		return 0;
	request = data[0] & 1;
	data++;
	size--;
	rc = request ? h3_request_get(data, size, LIMIT, &f, &why) :
		       h3_response_get(data, size, LIMIT, &f, &why);
	if (rc == H3_FIELD_OK &&
	    (!request || f.kind == H3_REQUEST_WEBTRANSPORT))
		check_again(&f, request);
	if (rc == H3_FIELD_MALFORMED && why == NULL)
		abort();
	h3_fields_free(&f);
	text = strndup((const char *)data, size);
	if (text != NULL)
		sf_list_each(text, check_member, NULL);
	free(text);
	return 0;
}
