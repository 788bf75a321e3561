#include "request.h"

#include <string.h>

#include "mp.h"
#include "sflist.h"
#include "track.h"

#define DEFAULT_PATH "/wt"

/* 1 if the first n bytes of s are one of the list. */
static int
list_has(const struct opt_list *l, const char *s, size_t n)
{
	for (int i = 0; i < l->n; i++)
		if (strlen(l->v[i]) == n && memcmp(l->v[i], s, n) == 0)
			return 1;
	return 0;
}

static int
path_allowed(const struct request_rules *rules, const char *path)
{
	size_t n = strcspn(path, "?");

	if (rules->paths.n == 0)
		return n == strlen(DEFAULT_PATH) &&
		    memcmp(path, DEFAULT_PATH, n) == 0;
	return list_has(&rules->paths, path, n);
}

static int
origin_allowed(const struct request_rules *rules, const char *origin)
{
	if (rules->origins.n == 0)
		return 1;
	if (origin[0] == '\0')
		origin = REQUEST_NO_ORIGIN;
	else if (strcmp(origin, REQUEST_NO_ORIGIN) == 0)
		return 0;
	return list_has(&rules->origins, origin, strlen(origin));
}

int
request_decide(const struct request_rules *rules, const struct wt_request *req,
    const char **protocol)
{
	const char *chosen;

	if (!path_allowed(rules, req->path))
		return 404;
	if (!origin_allowed(rules, req->origin))
		return 403;
	chosen = sf_list_choose(req->protocols, rules->protocols.v,
	    rules->protocols.n);
	if (chosen != NULL)
		*protocol = chosen;
	return 200;
}

/* Makes what is behind the first `from` bytes of b UTF-8. */
static void
clean(struct buf *b, size_t from)
{
	uint8_t *p = buf_data(b) + from;
	size_t n = buf_len(b) - from;

	if (n == 0 || utf8_valid(p, n))
		return;
	for (size_t i = 0; i < n; i++)
		if (p[i] >= 0x80)
			p[i] = '?';
}

static void
put_bytes(msgpack_packer *pk, const struct buf *b)
{
	msgpack_pack_str(pk, buf_len(b));
	if (buf_len(b) > 0)
		msgpack_pack_str_body(pk, buf_data(b), buf_len(b));
}

static void
put_text(msgpack_packer *pk, const char *key, const char *value)
{
	struct buf text = { 0 };

	buf_append(&text, value, strlen(value));
	clean(&text, 0);
	mp_put_str(pk, key);
	put_bytes(pk, &text);
	buf_free(&text);
}

/* 1 if a field of this name stands before the i-th string, or has a key of
 * its own in the record. */
static int
is_done(const struct wt_request *req, size_t i)
{
	if (strcmp(req->fields[i], "origin") == 0)
		return 1;
	for (size_t k = 0; k < i; k += 2)
		if (strcmp(req->fields[k], req->fields[i]) == 0)
			return 1;
	return 0;
}

static void
put_field(msgpack_packer *pk, const struct wt_request *req, size_t i)
{
	const char *name = req->fields[i];
	struct buf value = { 0 };
	int first = 1;

	for (; i + 1 < req->nfields; i += 2) {
		if (strcmp(req->fields[i], name) != 0)
			continue;
		if (!first)
			buf_append(&value,
			    strcmp(name, "cookie") == 0 ? "; " : ", ", 2);
		buf_append(&value, req->fields[i + 1],
		    strlen(req->fields[i + 1]));
		first = 0;
	}
	clean(&value, 0);
	mp_put_str(pk, name);
	put_bytes(pk, &value);
	buf_free(&value);
}

void
request_pack(struct buf *b, const struct wt_request *req, const char *protocol)
{
	msgpack_packer pk;
	uint32_t count = 0;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 6);
	put_text(&pk, "peer", req->peer);
	put_text(&pk, "authority", req->authority);
	put_text(&pk, "path", req->path);
	put_text(&pk, "origin", req->origin);
	put_text(&pk, "protocol", protocol);
	for (size_t i = 0; i + 1 < req->nfields; i += 2)
		count += !is_done(req, i);
	mp_put_str(&pk, "headers");
	msgpack_pack_map(&pk, count);
	for (size_t i = 0; i + 1 < req->nfields; i += 2)
		if (!is_done(req, i))
			put_field(&pk, req, i);
}
