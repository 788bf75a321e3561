#include "consume.h"

#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "props.h"

#define PREVIEW 200 /* bytes of payload in a line for people */

uint64_t
consume_age(const struct entry *e, uint64_t now)
{
	uint64_t since = e->event != 0 ? e->event : e->publish;

	return now > since ? now - since : 0;
}

static void
consume_printf(struct buf *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
consume_printf(struct buf *out, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_append(out, line, (size_t)n < sizeof(line) ?
			(size_t)n : sizeof(line) - 1);
}

static json_t *
consume_value(const struct mp_value *v)
{
	switch (v->type) {
	case MP_STR:
		return json_stringn(v->s.p, v->s.n);
	case MP_BOOL:
		return json_boolean(v->b);
	case MP_FLOAT: {
		/* JSON has no infinities. */
		json_t *real = json_real(v->d);

		return real != NULL ? real : json_null();
	}
	case MP_INT:
		return json_integer(v->i);
	default:
		return v->u <= INT64_MAX ? json_integer((json_int_t)v->u) :
					   json_real((double)v->u);
	}
}

static json_t *
consume_props(const struct entry *e)
{
	json_t *o = json_object();
	struct props_iter it;
	struct mp_value v;
	struct mp_str key;
	char name[1024];

	props_iter_init(&it, e->props, e->props_len);
	while (props_next(&it, &key, &v))
		if (mp_str_copy(key, name, sizeof(name)) == 0)
			json_object_set_new(o, name, consume_value(&v));
	return o;
}

static json_t *
consume_base64(const struct entry *e)
{
	union {
		const uint8_t *in;
		unsigned char *out;
	} payload = { e->payload }; /* the library does not write there */
	gnutls_datum_t in = { payload.out, e->payload_len }, out;
	json_t *s;

	if (e->payload_len == 0)
		return json_string("");
	if (gnutls_base64_encode2(&in, &out) != 0)
		fatalx(EX_OSERR, "gnutls_base64_encode2");
	s = json_stringn_nocheck((const char *)out.data, out.size);
	gnutls_free(out.data);
	return s;
}

static int
consume_dump(const char *p, size_t n, void *ctx)
{
	buf_append(ctx, p, n);
	return 0;
}

static void
consume_json(struct buf *out, const char *topic, uint64_t ledger,
    const struct entry *e)
{
	json_t *o = json_object();
	char id[64];

	snprintf(id, sizeof(id), "%" PRIu64 ":%" PRIu64, ledger, e->id);
	json_object_set_new(o, "topic", json_string(topic));
	json_object_set_new(o, "message_id", json_string(id));
	json_object_set_new(o, "key", json_stringn(e->key, e->key_len));
	json_object_set_new(o, "properties", consume_props(e));
	json_object_set_new(o, "publish_time_ns",
	    json_integer((json_int_t)e->publish));
	json_object_set_new(o, "event_time_ns",
	    json_integer((json_int_t)e->event));
	json_object_set_new(o, "payload", consume_base64(e));
	if (json_dump_callback(o, consume_dump, out, JSON_COMPACT) == -1)
		fatalx(EX_SOFTWARE, "json_dump_callback");
	buf_append(out, "\n", 1);
	json_decref(o);
}

static void
consume_line_value(struct buf *out, const struct mp_value *v)
{
	switch (v->type) {
	case MP_STR:
		consume_printf(out, "%.*s", (int)v->s.n, v->s.p);
		break;
	case MP_BOOL:
		consume_printf(out, "%s", v->b ? "true" : "false");
		break;
	case MP_FLOAT:
		consume_printf(out, "%g", v->d);
		break;
	case MP_INT:
		consume_printf(out, "%" PRId64, v->i);
		break;
	default:
		consume_printf(out, "%" PRIu64, v->u);
		break;
	}
}

/* For people: control characters could play tricks with their terminal. */
static void
consume_line(struct buf *out, const char *topic, uint64_t ledger,
    const struct entry *e)
{
	uint32_t n = e->payload_len < PREVIEW ? e->payload_len : PREVIEW;
	size_t start = buf_len(out);
	struct props_iter it;
	struct mp_value v;
	struct mp_str key;

	consume_printf(out, "%s %" PRIu64 ":%" PRIu64, topic, ledger, e->id);
	if (e->key_len > 0)
		consume_printf(out, " key=%.*s", (int)e->key_len, e->key);
	props_iter_init(&it, e->props, e->props_len);
	while (props_next(&it, &key, &v)) {
		consume_printf(out, " %.*s=", (int)key.n, key.p);
		consume_line_value(out, &v);
	}
	consume_printf(out, " %" PRIu32 " bytes: ", e->payload_len);
	buf_append(out, e->payload, n);
	if (n < e->payload_len)
		buf_append(out, "...", 3);
	for (size_t i = start; i < buf_len(out); i++)
		if (buf_data(out)[i] < 0x20 || buf_data(out)[i] >= 0x7f)
			buf_data(out)[i] = '?';
	buf_append(out, "\n", 1);
}

void
consume_print(struct buf *out, enum consume_format format, const char *topic,
    uint64_t ledger, const struct entry *e, uint64_t now)
{
	switch (format) {
	case CONSUME_LINE:
		consume_line(out, topic, ledger, e);
		break;
	case CONSUME_JSON:
		consume_json(out, topic, ledger, e);
		break;
	case CONSUME_RAW:
		buf_append(out, e->payload, e->payload_len);
		break;
	case CONSUME_LATENCY:
		consume_printf(out,
		    "Received %" PRIu32 " bytes - E2E latency: %.2f ms\n",
		    e->payload_len, (double)consume_age(e, now) / 1e6);
		break;
	case CONSUME_NOTHING:
		break;
	}
}
