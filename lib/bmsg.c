#include "bmsg.h"

#include <inttypes.h>
#include <stdio.h>

#include "be.h"
#include "props.h"

/* The keys of all commands: where the value goes, and who has it. */
enum field_type { FIELD_UINT, FIELD_STR, FIELD_CODE, FIELD_LIST };

#define BIT(cmd) (1u << BMSG_##cmd)

struct field {
	const char *key;
	enum field_type type;
	size_t offset;	/* in struct bmsg */
	uint64_t max;	/* FIELD_STR: bytes; FIELD_UINT: value */
	uint64_t min;	/* FIELD_UINT */
	unsigned must;	/* bits of the commands that need it */
	unsigned may;	/* bits of those that know it as well */
};

#define AT(member) offsetof(struct bmsg, member)

static const struct field fields[] = {
	{ "batch", FIELD_UINT, AT(batch), UINT64_MAX, 0,
	    BIT(SEND) | BIT(RECEIPT), BIT(ERROR) },
	{ "reader", FIELD_UINT, AT(reader), UINT64_MAX, 0,
	    BIT(READ) | BIT(FLOW) | BIT(CLOSE) | BIT(READING) | BIT(MESSAGES),
	    BIT(ERROR) },
	{ "topic", FIELD_STR, AT(topic), TNAME_MAX, 0,
	    BIT(SEND) | BIT(READ) | BIT(MESSAGES), 0 },
	{ "count", FIELD_UINT, AT(count), BMSG_COUNT_MAX, 1,
	    BIT(SEND) | BIT(RECEIPT) | BIT(MESSAGES), 0 },
	{ "epoch", FIELD_UINT, AT(epoch), UINT64_MAX, 0, 0, BIT(SEND) },
	{ "conn", FIELD_STR, AT(conn), BMSG_CONN_MAX, 0, BIT(PONG),
	    BIT(SEND) | BIT(READ) },
	{ "bus", FIELD_STR, AT(bus), BMSG_INSTANCE_MAX, 0, BIT(PONG), 0 },
	{ "from", FIELD_STR, AT(from), BMSG_FROM_MAX, 0, BIT(READ), 0 },
	{ "permits", FIELD_UINT, AT(permits), BMSG_PERMITS_MAX, 0,
	    BIT(READ) | BIT(FLOW), 0 },
	{ "ledger", FIELD_UINT, AT(ledger), UINT64_MAX, 0,
	    BIT(RECEIPT) | BIT(READING) | BIT(MESSAGES), 0 },
	{ "entry", FIELD_UINT, AT(entry), UINT64_MAX, 0,
	    BIT(RECEIPT) | BIT(READING), 0 },
	{ "code", FIELD_CODE, AT(code), 0, 0, BIT(ERROR), 0 },
	{ "text", FIELD_STR, AT(text), BMSG_TEXT_MAX, 0, BIT(ERROR), 0 },
	{ "topics", FIELD_LIST, 0, 0, 0, 0, BIT(TOPICS) },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct {
	const char *name;
	enum bmsg_cmd cmd;
} commands[] = {
	{ "ping", BMSG_PING },
	{ "send", BMSG_SEND },
	{ "read", BMSG_READ },
	{ "flow", BMSG_FLOW },
	{ "close", BMSG_CLOSE },
	{ "topics", BMSG_TOPICS },
	{ "pong", BMSG_PONG },
	{ "receipt", BMSG_RECEIPT },
	{ "reading", BMSG_READING },
	{ "messages", BMSG_MESSAGES },
	{ "error", BMSG_ERROR },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *const code_names[] = {
	[BMSG_OK] = "ok",
	[BMSG_E_TOPIC_NAME] = "topic-name",
	[BMSG_E_ENTRY] = "entry",
	[BMSG_E_TOO_LARGE] = "too-large",
	[BMSG_E_STORAGE] = "storage",
	[BMSG_E_NO_TOPIC] = "no-topic",
	[BMSG_E_POSITION] = "position",
	[BMSG_E_LIMIT] = "limit",
	[BMSG_E_PROTOCOL] = "protocol",
	[BMSG_E_OTHER] = "other",
};

const char *
bmsg_code_name(enum bmsg_code code)
{
	return code_names[code];
}

static const char *
bmsg_cmd_name(enum bmsg_cmd cmd)
{
	size_t i = 0;

	if (cmd == BMSG_TOPIC_LIST)
		cmd = BMSG_TOPICS;
	while (i < COMMANDS - 1 && commands[i].cmd != cmd)
		i++;
	return commands[i].name;
}

/* The whole frame is one map with string keys, one of them cmd. */
static int
bmsg_command(struct mp in, enum bmsg_cmd *cmd, const char **why)
{
	struct mp_str key, name;
	uint32_t count;
	int seen = 0;

	*why = "not a map with string keys";
	if (mp_map(&in, &count) == -1)
		return -1;
	for (; count > 0; count--) {
		if (mp_str(&in, BMSG_HEAD_MAX, &key) == -1)
			return -1;
		if (!mp_str_is(key, "cmd")) {
			if (mp_skip(&in) == -1)
				return -1;
			continue;
		}
		if (seen++ || mp_str(&in, BMSG_HEAD_MAX, &name) == -1) {
			*why = "bad cmd";
			return -1;
		}
		for (size_t i = 0; i < COMMANDS; i++)
			if (mp_str_is(name, commands[i].name))
				*cmd = commands[i].cmd;
	}
	*why = seen ? "bytes after the map" : "no cmd";
	return seen && in.n == 0 ? 0 : -1;
}

static int
bmsg_code_get(struct mp *in, enum bmsg_code *code)
{
	struct mp_str s;

	if (mp_str(in, BMSG_TEXT_MAX, &s) == -1)
		return -1;
	*code = BMSG_E_OTHER;
	for (int i = BMSG_OK + 1; i < BMSG_E_OTHER; i++)
		if (mp_str_is(s, code_names[i]))
			*code = (enum bmsg_code)i;
	return 0;
}

static int
bmsg_list_get(struct mp *in, struct bmsg *m)
{
	struct mp_value v;

	if (mp_next(in, &v) == -1 || v.type != MP_ARRAY)
		return -1;
	m->list = *in;
	m->list_count = v.count;
	m->cmd = BMSG_TOPIC_LIST;
	for (; v.count > 0; v.count--)
		if (mp_skip(in) == -1)
			return -1;
	return 0;
}

static int
bmsg_field_get(struct mp *in, const struct field *f, struct bmsg *m)
{
	char *dst = (char *)m + f->offset;
	struct mp_str s;
	uint64_t u;

	switch (f->type) {
	case FIELD_UINT:
		if (mp_uint(in, &u) == -1 || u > f->max || u < f->min)
			return -1;
		memcpy(dst, &u, sizeof(u));
		return 0;
	case FIELD_STR:
		if (mp_str(in, (uint32_t)f->max, &s) == -1)
			return -1;
		memcpy(dst, &s, sizeof(s));
		return 0;
	case FIELD_CODE:
		return bmsg_code_get(in, &m->code);
	case FIELD_LIST:
		return bmsg_list_get(in, m);
	}
	return -1;
}

/* The field of that name the command knows, or NULL. */
static const struct field *
bmsg_field(struct mp_str key, unsigned cmd)
{
	for (const struct field *f = fields; f < fields + FIELDS; f++)
		if (((f->must | f->may) & cmd) != 0 && mp_str_is(key, f->key))
			return f;
	return NULL;
}

/* Each key once, none missing. Goes on after a bad value, so that batch or
 * reader may still be found. */
static int
bmsg_fields_get(struct mp in, struct bmsg *m, const char **why)
{
	unsigned cmd = 1u << m->cmd, seen = 0;
	const struct field *f;
	struct mp_str key;
	struct mp value;
	uint32_t count;
	int bad = 0;

	mp_map(&in, &count);
	for (; count > 0; count--) {
		mp_str(&in, BMSG_HEAD_MAX, &key);
		value = in;
		mp_skip(&in);
		f = bmsg_field(key, cmd);
		if (f == NULL)
			continue;
		if ((seen & 1u << (f - fields)) != 0 ||
		    bmsg_field_get(&value, f, m) == -1) {
			*why = f->key;
			bad = 1;
			continue;
		}
		seen |= 1u << (f - fields);
		m->has_batch |= f->offset == AT(batch);
		m->has_reader |= f->offset == AT(reader);
	}
	for (f = fields; f < fields + FIELDS && !bad; f++)
		if ((f->must & cmd) != 0 && (seen & 1u << (f - fields)) == 0) {
			*why = "missing key";
			bad = 1;
		}
	return bad ? -1 : 0;
}

int
bmsg_get(const uint8_t *p, size_t n, struct bmsg *m, const char **why)
{
	struct mp in = { p, n };
	const char *ignored;

	if (why == NULL)
		why = &ignored;
	*m = (struct bmsg){ .cmd = BMSG_UNKNOWN };
	if (bmsg_command(in, &m->cmd, why) == -1)
		return -1;
	if (m->cmd == BMSG_UNKNOWN)
		return 0;
	return bmsg_fields_get(in, m, why);
}

static void
bmsg_put_mp_str(msgpack_packer *pk, const char *key, struct mp_str s)
{
	mp_put_str(pk, key);
	msgpack_pack_str(pk, s.n);
	msgpack_pack_str_body(pk, s.p, s.n);
}

/* Whether m has the field, apart from those every such command has. */
static int
bmsg_has(const struct bmsg *m, const struct field *f)
{
	if (((f->must | f->may) & 1u << m->cmd) == 0)
		return 0;
	if ((f->must & 1u << m->cmd) != 0)
		return 1;
	if (f->offset == AT(batch))
		return m->has_batch;
	if (f->offset == AT(reader))
		return m->has_reader;
	if (f->offset == AT(conn))
		return m->conn.n > 0;
	return f->offset == AT(epoch) && m->epoch > 0;
}

void
bmsg_put(struct buf *b, const struct bmsg *m)
{
	const struct field *f;
	msgpack_packer pk;
	size_t n = 1;

	for (f = fields; f < fields + FIELDS; f++)
		n += (size_t)bmsg_has(m, f);
	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, n);
	mp_put_pair_str(&pk, "cmd", bmsg_cmd_name(m->cmd));
	for (f = fields; f < fields + FIELDS; f++) {
		const void *src = (const char *)m + f->offset;
		struct mp_str s;
		uint64_t u;

		if (!bmsg_has(m, f))
			continue;
		if (f->type == FIELD_UINT) {
			memcpy(&u, src, sizeof(u));
			mp_put_pair_uint(&pk, f->key, u);
		} else if (f->type == FIELD_CODE) {
			mp_put_pair_str(&pk, f->key, code_names[m->code]);
		} else {
			memcpy(&s, src, sizeof(s));
			bmsg_put_mp_str(&pk, f->key, s);
		}
	}
}

void
bmsg_put_list(struct buf *b, uint32_t n)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 2);
	mp_put_pair_str(&pk, "cmd", "topics");
	mp_put_str(&pk, "topics");
	msgpack_pack_array(&pk, n);
}

void
bmsg_put_list_topic(struct buf *b, const char *name)
{
	msgpack_packer pk;

	mp_packer_init(&pk, b);
	mp_put_str(&pk, name);
}

int
bmsg_list_next(struct bmsg *m, struct tname *t)
{
	struct mp_str s;

	if (m->list_count == 0 || mp_str(&m->list, TNAME_MAX, &s) == -1 ||
	    tname_parse(s.p, s.n, t) == -1)
		return 0;
	m->list_count--;
	return 1;
}

/* Digits only, no sign, no overflow. Steps over them. */
static int
bmsg_decimal(struct mp_str *s, uint64_t *v)
{
	uint32_t n = 0;

	for (*v = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
		unsigned digit = (unsigned)(s->p[n] - '0');

		if (*v > (UINT64_MAX - digit) / 10)
			return -1;
		*v = *v * 10 + digit;
	}
	s->p += n;
	s->n -= n;
	return n == 0 ? -1 : 0;
}

/* "LEDGER:ENTRY". */
static int
bmsg_id_get(struct mp_str s, uint64_t *ledger, uint64_t *entry)
{
	if (bmsg_decimal(&s, ledger) == -1 || s.n == 0 || s.p[0] != ':')
		return -1;
	s.p++;
	s.n--;
	return bmsg_decimal(&s, entry) == 0 && s.n == 0 ? 0 : -1;
}

int
bmsg_position_get(struct mp_str s, struct bmsg_position *p)
{
	*p = (struct bmsg_position){ .from = BMSG_EARLIEST };
	if (mp_str_is(s, "earliest"))
		return 0;
	if (mp_str_is(s, "latest")) {
		p->from = BMSG_LATEST;
		return 0;
	}
	if (s.n > 0 && s.p[0] == '@') {
		s.p++;
		s.n--;
		p->from = BMSG_TIME;
		return bmsg_decimal(&s, &p->time) == 0 && s.n == 0 ? 0 : -1;
	}
	p->from = BMSG_ID;
	return bmsg_id_get(s, &p->ledger, &p->entry);
}

void
bmsg_position_put(char *s, const struct bmsg_position *p)
{
	size_t n = BMSG_FROM_MAX + 1;

	switch (p->from) {
	case BMSG_EARLIEST:
		snprintf(s, n, "earliest");
		break;
	case BMSG_LATEST:
		snprintf(s, n, "latest");
		break;
	case BMSG_ID:
		snprintf(s, n, "%" PRIu64 ":%" PRIu64, p->ledger, p->entry);
		break;
	case BMSG_TIME:
		snprintf(s, n, "@%" PRIu64, p->time);
		break;
	}
}

void
bmsg_put_feed(struct buf *b, const struct bmsg_feed *f)
{
	char id[BMSG_FROM_MAX + 1];
	msgpack_packer pk;

	snprintf(id, sizeof(id), "%" PRIu64 ":%" PRIu64, f->ledger, f->e.id);
	mp_packer_init(&pk, b);
	msgpack_pack_map(&pk, 7);
	mp_put_pair_str(&pk, "id", id);
	bmsg_put_mp_str(&pk, "producer",
	    (struct mp_str){ f->e.producer, f->e.producer_len });
	mp_put_pair_uint(&pk, "seq", f->e.seq);
	bmsg_put_mp_str(&pk, "key",
	    (struct mp_str){ f->e.key, f->e.key_len });
	mp_put_pair_uint(&pk, "publish", f->e.publish);
	mp_put_pair_uint(&pk, "event", f->e.event);
	mp_put_str(&pk, "props");
	/* Checked when it came in: one map, put here as it is. */
	buf_append(b, f->e.props, f->e.props_len);
}

static int
bmsg_feed_value(struct mp *in, struct mp_str key, struct bmsg_feed *f)
{
	struct mp at = *in;
	struct mp_str s;

	if (mp_str_is(key, "id"))
		return mp_str(in, BMSG_FROM_MAX, &s) == -1 ?
		    -1 :
		    bmsg_id_get(s, &f->ledger, &f->e.id);
	if (mp_str_is(key, "producer")) {
		if (mp_str(in, ENTRY_PRODUCER_MAX, &s) == -1)
			return -1;
		f->e.producer = s.p;
		f->e.producer_len = s.n;
		return 0;
	}
	if (mp_str_is(key, "key")) {
		if (mp_str(in, ENTRY_KEY_MAX, &s) == -1)
			return -1;
		f->e.key = s.p;
		f->e.key_len = s.n;
		return 0;
	}
	if (mp_str_is(key, "seq"))
		return mp_uint(in, &f->e.seq);
	if (mp_str_is(key, "publish"))
		return mp_uint(in, &f->e.publish);
	if (mp_str_is(key, "event"))
		return mp_uint(in, &f->e.event);
	if (mp_skip(in) == -1)
		return -1;
	if (!mp_str_is(key, "props"))
		return 0;
	f->e.props = at.p;
	f->e.props_len = (uint32_t)(at.n - in->n);
	return props_check(f->e.props, f->e.props_len);
}

int
bmsg_get_feed(const uint8_t *p, size_t n, struct bmsg_feed *f,
    const char **why)
{
	static const uint8_t no_props[] = { 0x80 };
	struct mp in = { p, n };
	struct mp_str key;
	uint32_t count;

	if (why != NULL)
		*why = "not the map of a message";
	*f = (struct bmsg_feed){ .e = { .producer = "", .key = "",
		.props = no_props, .props_len = sizeof(no_props) } };
	if (mp_map(&in, &count) == -1)
		return -1;
	for (; count > 0; count--)
		if (mp_str(&in, BMSG_HEAD_MAX, &key) == -1 ||
		    bmsg_feed_value(&in, key, f) == -1)
			return -1;
	return in.n == 0 ? 0 : -1;
}
