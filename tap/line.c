#include "line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "be.h"
#include "log.h"
#include "mp.h"
#include "track.h"

#define DEPTH_MAX 4 /* maps in maps of SESSION_OPEN */

size_t
line_want(const struct rec *r, size_t preview)
{
	switch (r->type) {
	case REC_SESSION_OPEN:
	case REC_SESSION_CLOSE:
	case REC_STREAM_RESET:
	case REC_STOP_SENDING:
	case REC_STREAM_OPEN:
	case REC_STREAM_OPENED:
	case REC_REFUSED:
		return r->len;
	case REC_PACKET:
		return TRACK_HEADER_LEN + preview;
	case REC_STREAM_DATA:
	case REC_DATAGRAM:
		return preview;
	default:
		return 0;
	}
}

/* Out of memory is no reason to show a wrong line. */
static json_t *
json_or_die(json_t *j)
{
	if (j == NULL)
		fatalx(EX_OSERR, "memory");
	return j;
}

/* 1 for UTF-8 without NUL, at which many readers of JSON stumble, and DEL,
 * which is the one character that ASCII JSON does not escape. */
static int
is_text(const uint8_t *p, size_t n)
{
	return utf8_valid(p, n) && (n == 0 ||
	    (memchr(p, 0, n) == NULL && memchr(p, 0x7f, n) == NULL));
}

/* Text that may be anything: what is no text becomes question marks. */
static json_t *
json_text(const void *text, size_t n)
{
	const uint8_t *p = text;
	struct buf b = { 0 };
	json_t *j;

	if (is_text(p, n))
		return json_or_die(json_stringn(text, n));
	for (size_t i = 0; i < n;) {
		size_t len = 1;

		while (len < 4 && i + len < n && !utf8_valid(p + i, len))
			len++;
		if (is_text(p + i, len)) {
			buf_append(&b, p + i, len);
			i += len;
		} else {
			buf_append(&b, "?", 1);
			i++;
		}
	}
	j = json_or_die(json_stringn((const char *)buf_data(&b),
	    buf_len(&b)));
	buf_free(&b);
	return j;
}

/* 64 bits do not fit the numbers of every JSON reader: a string. */
static json_t *
json_u64(uint64_t v)
{
	char s[32];

	snprintf(s, sizeof(s), "%" PRIu64, v);
	return json_or_die(json_string(s));
}

static void
set(json_t *map, const char *key, json_t *value)
{
	if (json_object_set_new(map, key, json_or_die(value)) == -1)
		fatalx(EX_OSERR, "memory");
}

static json_t *json_of_msgpack(struct mp *m, int depth);

static json_t *
json_of_map(struct mp *m, uint32_t count, int depth)
{
	json_t *map = json_or_die(json_object()), *key, *value;

	for (; count > 0; count--) {
		key = json_of_msgpack(m, depth + 1);
		value = key != NULL ? json_of_msgpack(m, depth + 1) : NULL;
		if (value != NULL && json_is_string(key))
			json_object_set(map, json_string_value(key), value);
		json_decref(key);
		if (value == NULL) {
			json_decref(map);
			return NULL;
		}
		json_decref(value);
	}
	return map;
}

/* One value; NULL when it is no msgpack, or a kind SESSION_OPEN has not. */
static json_t *
json_of_msgpack(struct mp *m, int depth)
{
	struct mp_value v;

	if (depth > DEPTH_MAX || mp_next(m, &v) == -1)
		return NULL;
	switch (v.type) {
	case MP_NIL:
		return json_null();
	case MP_BOOL:
		return json_boolean(v.b);
	case MP_UINT:
		return json_u64(v.u);
	case MP_INT:
		return json_or_die(json_integer(v.i));
	case MP_STR:
		return json_text(v.s.p, v.s.n);
	case MP_MAP:
		return json_of_map(m, v.count, depth);
	default:
		return NULL;
	}
}

static json_t *
json_flags(uint8_t flags)
{
	static const char *const names[] = { "FIN", "UNI", "SERVER",
		"REQUEST" };
	json_t *list = json_or_die(json_array());

	for (int i = 0; i < 4; i++)
		if (flags & 1 << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* The front of a payload, when it is text. whole: bytes of all of it. */
static void
set_preview(json_t *line, const uint8_t *p, size_t n, size_t whole,
    size_t preview)
{
	if (n > preview)
		n = preview;
	/* The last character may be cut. */
	for (int i = 0; i < 3 && n > 0 && n < whole && !utf8_valid(p, n); i++)
		n--;
	if (n == 0 || !utf8_valid(p, n))
		return;
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' &&
			p[i] != '\r') || p[i] == 0x7f)
			return;
	set(line, "preview", json_stringn((const char *)p, n));
}

static void
set_packet(json_t *line, const struct rec *r, size_t have, size_t preview)
{
	const uint8_t *p = r->payload;
	struct track_header h;
	enum track_error e;

	if (have < TRACK_HEADER_LEN)
		return;
	e = track_header_get(p, TRACK_PACKET_MAX, &h);
	if (e != TRACK_OK) {
		set(line, "error", json_string(track_error_name(e)));
		return;
	}
	set(line, "track_id", json_text(h.id, strlen(h.id)));
	set(line, "track_type", json_text(h.type, strlen(h.type)));
	set(line, "payload_len", json_integer(h.payload_len));
	set_preview(line, p + TRACK_HEADER_LEN, have - TRACK_HEADER_LEN,
	    r->len - TRACK_HEADER_LEN, preview);
}

static void
set_code(json_t *line, const struct rec *r, size_t have)
{
	const char *name;

	if (have < 4)
		return;
	set(line, "code", json_integer(be32_get(r->payload)));
	name = track_error_name((enum track_error)be32_get(r->payload));
	if (r->type == REC_STOP_SENDING && r->flags & REC_REQUEST)
		set(line, "code_name", json_string(name));
	if (r->type == REC_SESSION_CLOSE)
		set(line, "reason", json_text(r->payload + 4, have - 4));
}

static void
set_open(json_t *line, const struct rec *r, size_t have)
{
	struct mp m = { r->payload, have };
	json_t *open = json_of_msgpack(&m, 0);

	if (open == NULL)
		set(line, "error", json_string("not the map it should be"));
	else
		set(line, "open", open);
}

static void
set_payload(json_t *line, const struct rec *r, size_t have, size_t preview)
{
	switch (r->type) {
	case REC_SESSION_OPEN:
		set_open(line, r, have);
		break;
	case REC_SESSION_CLOSE:
	case REC_STREAM_RESET:
	case REC_STOP_SENDING:
		set_code(line, r, have);
		break;
	case REC_STREAM_OPEN:
	case REC_STREAM_OPENED:
		if (have >= 8)
			set(line, "token", json_u64(be64_get(r->payload)));
		break;
	case REC_REFUSED:
		if (have >= 9)
			set(line, "reason", json_text(r->payload + 9,
			    have - 9));
		break;
	case REC_PACKET:
		set_packet(line, r, have, preview);
		break;
	case REC_STREAM_DATA:
	case REC_DATAGRAM:
		set_preview(line, r->payload, have, r->len, preview);
		break;
	default:
		break;
	}
}

void
line_append(struct buf *out, const struct rec *r, size_t have, size_t preview,
    uint64_t now)
{
	json_t *line = json_or_die(json_object());
	const char *name = rec_type_name(r->type);
	char *text, number[8];

	if (name == NULL) {
		snprintf(number, sizeof(number), "%u", r->type);
		name = number;
	}
	set(line, "type", json_string(name));
	set(line, "flags", json_flags(r->flags));
	set(line, "session", json_u64(r->session));
	set(line, "stream", r->stream == REC_NO_STREAM ? json_null() :
							 json_u64(r->stream));
	set(line, "time", json_u64(r->time));
	set(line, "age_us", json_integer(
	    ((int64_t)now - (int64_t)r->time) / 1000));
	set(line, "len", json_integer(r->len));
	set_payload(line, r, have, preview);
	text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(line);
	if (text == NULL)
		fatalx(EX_OSERR, "memory");
	buf_append(out, text, strlen(text));
	buf_append(out, "\n", 1);
	free(text);
}
