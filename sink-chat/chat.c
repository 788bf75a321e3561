#include "chat.h"

#include <string.h>

#include "track.h"

/*
 * The parser recurses per level and has a bound of its own, but a far
 * deeper one. Brackets in strings do not count; whether the rest is JSON is
 * the parser's business.
 */
static int
depth_over(const uint8_t *p, size_t n)
{
	int depth = 0, in_string = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = 0;
		} else if (p[i] == '"') {
			in_string = 1;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > CHAT_DEPTH_MAX)
				return 1;
		} else if (p[i] == '}' || p[i] == ']') {
			depth--;
		}
	}
	return 0;
}

static enum chat_error
text_parse(const uint8_t *p, size_t n, struct chat *c)
{
	json_error_t err;

	c->root = json_loadb((const char *)p, n,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &err);
	if (c->root == NULL)
		return json_error_code(&err) == json_error_duplicate_key ?
		    CHAT_DUPLICATE_KEY :
		    CHAT_BAD_JSON;
	return json_is_object(c->root) ? CHAT_OK : CHAT_NOT_AN_OBJECT;
}

/* NULL unless v is a string of min to max bytes. */
static const char *
string_get(const json_t *v, size_t min, size_t max)
{
	size_t n;

	if (!json_is_string(v))
		return NULL;
	n = json_string_length(v);
	return n >= min && n <= max ? json_string_value(v) : NULL;
}

static enum chat_error
keys_get(struct chat *c, size_t max)
{
	const json_t *timestamp = json_object_get(c->root, "timestamp");
	const json_t *user = json_object_get(c->root, "user");
	const json_t *message = json_object_get(c->root, "message");
	const json_t *type = json_object_get(c->root, "type");

	c->message_id = json_object_get(c->root, "message_id");
	if (c->message_id == NULL)
		return CHAT_MISSING_MESSAGE_ID;
	if (timestamp == NULL)
		return CHAT_MISSING_TIMESTAMP;
	if (user == NULL)
		return CHAT_MISSING_USER;
	if (message == NULL)
		return CHAT_MISSING_MESSAGE;
	if (type == NULL)
		return CHAT_MISSING_TYPE;

	if (!json_is_integer(c->message_id) &&
	    string_get(c->message_id, 1, CHAT_ID_MAX) == NULL)
		return CHAT_BAD_MESSAGE_ID;
	if (!json_is_number(timestamp))
		return CHAT_BAD_TIMESTAMP;
	c->timestamp = json_number_value(timestamp);
	c->user = string_get(user, 1, CHAT_USER_MAX);
	if (c->user == NULL)
		return CHAT_BAD_USER;
	c->message = string_get(message, 0, max);
	if (c->message == NULL)
		return CHAT_BAD_MESSAGE;
	c->message_len = json_string_length(message);
	c->type = string_get(type, 1, CHAT_TYPE_MAX);
	return c->type == NULL ? CHAT_BAD_TYPE : CHAT_OK;
}

enum chat_error
chat_inspect(const uint8_t *p, size_t n, size_t max, struct chat *c)
{
	enum chat_error e;

	memset(c, 0, sizeof(*c));
	if (n == 0)
		return CHAT_EMPTY;
	if (n > max)
		return CHAT_TOO_LONG;
	if (!utf8_valid(p, n))
		return CHAT_BAD_UTF8;
	if (depth_over(p, n))
		return CHAT_TOO_DEEP;
	e = text_parse(p, n, c);
	return e != CHAT_OK ? e : keys_get(c, max);
}

void
chat_free(struct chat *c)
{
	json_decref(c->root);
	memset(c, 0, sizeof(*c));
}

const char *
chat_error_name(enum chat_error e)
{
	static const char *const names[] = {
		[CHAT_OK] = "ok",
		[CHAT_EMPTY] = "empty",
		[CHAT_TOO_LONG] = "too-long",
		[CHAT_BAD_UTF8] = "bad-utf8",
		[CHAT_TOO_DEEP] = "too-deep",
		[CHAT_BAD_JSON] = "bad-json",
		[CHAT_DUPLICATE_KEY] = "duplicate-key",
		[CHAT_NOT_AN_OBJECT] = "not-an-object",
		[CHAT_MISSING_MESSAGE_ID] = "missing-message_id",
		[CHAT_MISSING_TIMESTAMP] = "missing-timestamp",
		[CHAT_MISSING_USER] = "missing-user",
		[CHAT_MISSING_MESSAGE] = "missing-message",
		[CHAT_MISSING_TYPE] = "missing-type",
		[CHAT_BAD_MESSAGE_ID] = "bad-message_id",
		[CHAT_BAD_TIMESTAMP] = "bad-timestamp",
		[CHAT_BAD_USER] = "bad-user",
		[CHAT_BAD_MESSAGE] = "bad-message",
		[CHAT_BAD_TYPE] = "bad-type",
	};

	return (size_t)e < sizeof(names) / sizeof(names[0]) ? names[e] : "?";
}
