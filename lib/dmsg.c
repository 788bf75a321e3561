#include "dmsg.h"

#include <string.h>

#include "be.h"

/* One key of a command's map: where its value goes. */
enum field_type { FIELD_UINT, FIELD_STR, FIELD_HEADERS };

struct field {
	const char *key;
	enum field_type type;
	size_t offset; /* in struct dmsg */
	uint32_t max;  /* FIELD_STR: bytes */
};

#define FIELDS_MAX 8

static const struct field hello_fields[] = {
	{ "version", FIELD_UINT, offsetof(struct dmsg, hello.version), 0 },
	{ "route", FIELD_STR, offsetof(struct dmsg, hello.route),
	    DMSG_INSTANCE_MAX },
	{ "service", FIELD_STR, offsetof(struct dmsg, hello.service),
	    DMSG_SERVICE_MAX },
	{ "headers", FIELD_HEADERS, 0, 0 },
	{ NULL, 0, 0, 0 }
};

static const struct field packets_fields[] = {
	{ "route", FIELD_STR, offsetof(struct dmsg, packets.route),
	    DMSG_INSTANCE_MAX },
	{ "first", FIELD_UINT, offsetof(struct dmsg, packets.first), 0 },
	{ "count", FIELD_UINT, offsetof(struct dmsg, packets.count), 0 },
	{ "sink", FIELD_STR, offsetof(struct dmsg, packets.sink),
	    DMSG_INSTANCE_MAX },
	{ NULL, 0, 0, 0 }
};

static const struct field grant_fields[] = {
	{ "sink", FIELD_STR, offsetof(struct dmsg, grant.sink),
	    DMSG_INSTANCE_MAX },
	{ "route", FIELD_STR, offsetof(struct dmsg, grant.route),
	    DMSG_INSTANCE_MAX },
	{ "acked", FIELD_UINT, offsetof(struct dmsg, grant.acked), 0 },
	{ "packets", FIELD_UINT, offsetof(struct dmsg, grant.packets), 0 },
	{ "bytes", FIELD_UINT, offsetof(struct dmsg, grant.bytes), 0 },
	{ NULL, 0, 0, 0 }
};

static const struct command {
	const char *name;
	enum dmsg_cmd cmd;
	const struct field *fields;
} commands[] = {
	{ "hello", DMSG_HELLO, hello_fields },
	{ "packets", DMSG_PACKETS, packets_fields },
	{ "grant", DMSG_GRANT, grant_fields },
	{ NULL, DMSG_UNKNOWN, NULL }
};

/* The whole frame is one map with string keys, one of them cmd. */
static const struct command *
dmsg_command(struct mp in, const char **why)
{
	const struct command *c = NULL;
	struct mp_str key, name;
	uint32_t count;

	*why = "not a map with string keys";
	if (mp_map(&in, &count) == -1)
		return NULL;
	for (; count > 0; count--) {
		if (mp_str(&in, DMSG_MAP_MAX, &key) == -1)
			return NULL;
		if (!mp_str_is(key, "cmd")) {
			if (mp_skip(&in) == -1)
				return NULL;
			continue;
		}
		*why = "bad cmd";
		if (c != NULL || mp_str(&in, DMSG_MAP_MAX, &name) == -1)
			return NULL;
		for (c = commands; c->name != NULL; c++)
			if (mp_str_is(name, c->name))
				break;
		*why = "not a map with string keys";
	}
	if (in.n != 0) {
		*why = "bytes after the map";
		return NULL;
	}
	if (c == NULL)
		*why = "no cmd";
	return c;
}

static int
dmsg_headers_get(struct mp *in, struct dmsg_hello *h)
{
	uint32_t count;

	if (mp_map(in, &count) == -1 || count > DMSG_HEADERS_MAX)
		return -1;
	for (h->nheaders = 0; h->nheaders < count; h->nheaders++) {
		struct dmsg_header *hd = &h->headers[h->nheaders];

		if (mp_str(in, DMSG_HEADER_NAME_MAX, &hd->name) == -1 ||
		    mp_str(in, DMSG_HEADER_VALUE_MAX, &hd->value) == -1)
			return -1;
	}
	return 0;
}

static int
dmsg_field_get(struct mp *in, const struct field *f, struct dmsg *m)
{
	char *dst = (char *)m + f->offset;
	struct mp_str s;
	uint64_t u;

	switch (f->type) {
	case FIELD_UINT:
		if (mp_uint(in, &u) == -1)
			return -1;
		memcpy(dst, &u, sizeof(u));
		return 0;
	case FIELD_STR:
		if (mp_str(in, f->max, &s) == -1 || s.n == 0)
			return -1;
		return mp_str_copy(s, dst, f->max + 1);
	case FIELD_HEADERS:
		return dmsg_headers_get(in, &m->hello);
	}
	return -1;
}

/* The map of a known command into m, each key once, none missing. */
static int
dmsg_fields_get(struct mp in, const struct field *fields, struct dmsg *m,
    const char **why)
{
	unsigned seen = 0, all = 0, i;
	struct mp_str key;
	uint32_t count;

	for (i = 0; fields[i].key != NULL; i++)
		all |= 1u << i;
	if (mp_map(&in, &count) == -1)
		return -1;
	for (; count > 0; count--) {
		if (mp_str(&in, DMSG_MAP_MAX, &key) == -1)
			return -1;
		for (i = 0; fields[i].key != NULL; i++)
			if (mp_str_is(key, fields[i].key))
				break;
		if (fields[i].key == NULL) {
			if (mp_skip(&in) == -1)
				return -1;
			continue;
		}
		*why = fields[i].key;
		if ((seen & 1u << i) != 0 ||
		    dmsg_field_get(&in, &fields[i], m) == -1)
			return -1;
		seen |= 1u << i;
	}
	*why = "missing key";
	return seen == all ? 0 : -1;
}

int
dmsg_get(const uint8_t *p, size_t n, struct dmsg *m, const char **why)
{
	struct mp in = { p, n };
	const struct command *c;
	const char *ignored;

	if (why == NULL)
		why = &ignored;
	*why = "map is too long";
	if (n > DMSG_MAP_MAX)
		return -1;
	c = dmsg_command(in, why);
	if (c == NULL)
		return -1;
	m->cmd = c->cmd;
	if (c->cmd == DMSG_UNKNOWN)
		return 0;
	if (dmsg_fields_get(in, c->fields, m, why) == -1)
		return -1;
	if (c->cmd == DMSG_PACKETS && (m->packets.count == 0 ||
	    m->packets.count > DMSG_COUNT_MAX ||
	    m->packets.first > UINT64_MAX - m->packets.count)) {
		*why = "count";
		return -1;
	}
	return 0;
}

static void
dmsg_put_mp_str(msgpack_packer *pk, struct mp_str s)
{
	msgpack_pack_str(pk, s.n);
	msgpack_pack_str_body(pk, s.p, s.n);
}

void
dmsg_put_hello(struct buf *b, const struct dmsg_hello *h)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 5);
	mp_put_pair_str(&pk, "cmd", "hello");
	mp_put_pair_uint(&pk, "version", h->version);
	mp_put_pair_str(&pk, "route", h->route);
	mp_put_pair_str(&pk, "service", h->service);
	mp_put_str(&pk, "headers");
	msgpack_pack_map(&pk, h->nheaders);
	for (uint32_t i = 0; i < h->nheaders; i++) {
		dmsg_put_mp_str(&pk, h->headers[i].name);
		dmsg_put_mp_str(&pk, h->headers[i].value);
	}
}

void
dmsg_put_packets(struct buf *b, const struct dmsg_packets *p)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 5);
	mp_put_pair_str(&pk, "cmd", "packets");
	mp_put_pair_str(&pk, "route", p->route);
	mp_put_pair_uint(&pk, "first", p->first);
	mp_put_pair_uint(&pk, "count", p->count);
	mp_put_pair_str(&pk, "sink", p->sink);
}

void
dmsg_put_grant(struct buf *b, const struct dmsg_grant *g)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 6);
	mp_put_pair_str(&pk, "cmd", "grant");
	mp_put_pair_str(&pk, "sink", g->sink);
	mp_put_pair_str(&pk, "route", g->route);
	mp_put_pair_uint(&pk, "acked", g->acked);
	mp_put_pair_uint(&pk, "packets", g->packets);
	mp_put_pair_uint(&pk, "bytes", g->bytes);
}

int
dmsg_iter_init(struct dmsg_iter *it, const struct dmsg_packets *p,
    const uint8_t *f1, size_t n1, const uint8_t *f2, size_t n2,
    const char **why)
{
	const char *ignored;
	size_t off = 0;
	struct rec r;
	int64_t len;

	if (why == NULL)
		why = &ignored;
	*why = "packet numbers disagree with count";
	if (n1 % 8 != 0 || n1 / 8 != p->count)
		return -1;
	for (uint64_t i = 0; i < p->count; i++) {
		len = rec_get(f2 + off, n2 - off, &r, why);
		if (len == 0)
			*why = "records disagree with count";
		if (len <= 0)
			return -1;
		if ((r.type == REC_PACKET) ==
		    (be64_get(f1 + 8 * i) == DMSG_NO_NUMBER)) {
			*why = "packet number disagrees with record type";
			return -1;
		}
		off += (size_t)len;
	}
	*why = "records disagree with count";
	if (off != n2)
		return -1;
	*it = (struct dmsg_iter){ f1, f2, n1, n2 };
	return 0;
}

size_t
dmsg_iter_next(struct dmsg_iter *it, uint64_t *number, struct rec *r)
{
	int64_t len;

	if (it->numbers_len == 0)
		return 0;
	*number = be64_get(it->numbers);
	it->numbers += 8;
	it->numbers_len -= 8;
	len = rec_get(it->records, it->records_len, r, NULL);
	it->records += len;
	it->records_len -= (size_t)len;
	return (size_t)len;
}
