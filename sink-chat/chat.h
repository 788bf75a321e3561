/* A chat message: one JSON object (INTERFACES.md section 8). Pure. */
#ifndef SINK_CHAT_CHAT_H
#define SINK_CHAT_CHAT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define CHAT_MAX_DEFAULT (16 * 1024) /* bytes of JSON text */
#define CHAT_ID_MAX 256		     /* bytes of a string message_id */
#define CHAT_USER_MAX 256	     /* bytes */
#define CHAT_TYPE_MAX 64	     /* bytes */
#define CHAT_DEPTH_MAX 32	     /* levels of nesting */

struct chat {
	json_t *root; /* owns what follows; NULL when the text was no object */
	const json_t *message_id; /* integer or string */
	double timestamp;
	const char *user, *message, *type;
	size_t message_len; /* bytes */
};

enum chat_error {
	CHAT_OK,
	CHAT_EMPTY,
	CHAT_TOO_LONG,
	CHAT_BAD_UTF8,
	CHAT_TOO_DEEP,
	CHAT_BAD_JSON,
	CHAT_DUPLICATE_KEY,
	CHAT_NOT_AN_OBJECT,
	CHAT_MISSING_MESSAGE_ID,
	CHAT_MISSING_TIMESTAMP,
	CHAT_MISSING_USER,
	CHAT_MISSING_MESSAGE,
	CHAT_MISSING_TYPE,
	CHAT_BAD_MESSAGE_ID,
	CHAT_BAD_TIMESTAMP,
	CHAT_BAD_USER,
	CHAT_BAD_MESSAGE,
	CHAT_BAD_TYPE
};

/*
 * Takes the text apart. chat_free must follow whatever is returned; the
 * strings in *c live until then.
 */
enum chat_error chat_inspect(const uint8_t *p, size_t n, size_t max,
    struct chat *c);
void chat_free(struct chat *c);

/* The reason of INTERFACES.md section 8. */
const char *chat_error_name(enum chat_error e);

#endif
