#include "props.h"

#include "entry.h"

/* A map of up to 65535 pairs: a type byte and the count. */
#define PROPS_HEAD 3
#define PROPS_MAP16 0xde

void
props_reset(struct props *p)
{
	buf_consume(&p->b, buf_len(&p->b));
	p->count = 0;
}

void
props_free(struct props *p)
{
	buf_free(&p->b);
	p->count = 0;
}

/* Room for one more pair with its key; the value may take value_max bytes. */
static int
props_add_key(struct props *p, msgpack_packer *pk, const char *key,
    size_t value_max)
{
	if (buf_len(&p->b) == 0) {
		memset(buf_reserve(&p->b, PROPS_HEAD), 0, PROPS_HEAD);
		buf_commit(&p->b, PROPS_HEAD);
	}
	/* 5: the longest head of a string. */
	if (p->count == PROPS_COUNT_MAX ||
	    buf_len(&p->b) + 5 + strlen(key) + value_max > ENTRY_PROPS_MAX)
		return -1;
	p->count++;
	mp_packer_init(pk, &p->b);
	mp_put_str(pk, key);
	return 0;
}

int
props_add_strn(struct props *p, const char *key, const char *value, size_t n)
{
	msgpack_packer pk;

	if (n > ENTRY_PROPS_MAX || props_add_key(p, &pk, key, 5 + n) == -1)
		return -1;
	msgpack_pack_str(&pk, n);
	msgpack_pack_str_body(&pk, value, n);
	return 0;
}

int
props_add_str(struct props *p, const char *key, const char *value)
{
	return props_add_strn(p, key, value, strlen(value));
}

int
props_add_uint(struct props *p, const char *key, uint64_t value)
{
	msgpack_packer pk;

	if (props_add_key(p, &pk, key, 9) == -1)
		return -1;
	msgpack_pack_uint64(&pk, value);
	return 0;
}

int
props_add_int(struct props *p, const char *key, int64_t value)
{
	msgpack_packer pk;

	if (props_add_key(p, &pk, key, 9) == -1)
		return -1;
	msgpack_pack_int64(&pk, value);
	return 0;
}

int
props_add_float(struct props *p, const char *key, double value)
{
	msgpack_packer pk;

	if (props_add_key(p, &pk, key, 9) == -1)
		return -1;
	msgpack_pack_double(&pk, value);
	return 0;
}

int
props_add_bool(struct props *p, const char *key, int value)
{
	msgpack_packer pk;

	if (props_add_key(p, &pk, key, 1) == -1)
		return -1;
	if (value)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
	return 0;
}

int
props_append(struct props *p, const struct props *from)
{
	size_t n = buf_len(&from->b);

	if (from->count == 0)
		return 0;
	if (p->count == 0) {
		buf_append(&p->b, buf_data(&from->b), PROPS_HEAD);
	} else if (p->count + from->count > PROPS_COUNT_MAX ||
	    buf_len(&p->b) + n - PROPS_HEAD > ENTRY_PROPS_MAX) {
		return -1;
	}
	buf_append(&p->b, buf_data(&from->b) + PROPS_HEAD, n - PROPS_HEAD);
	p->count += from->count;
	return 0;
}

const uint8_t *
props_data(struct props *p)
{
	static const uint8_t none[] = { 0x80 };
	uint8_t *d;

	if (p->count == 0)
		return none;
	d = buf_data(&p->b);
	d[0] = PROPS_MAP16;
	d[1] = (uint8_t)(p->count >> 8);
	d[2] = (uint8_t)p->count;
	return d;
}

uint32_t
props_len(struct props *p)
{
	return p->count == 0 ? 1 : (uint32_t)buf_len(&p->b);
}

static int
props_value(struct mp *m, struct mp_value *v)
{
	struct mp at = *m;

	if (mp_next(m, v) == -1)
		return -1;
	if (v->type == MP_STR)
		return mp_str(&at, ENTRY_PROPS_MAX, &v->s);
	return v->type == MP_UINT || v->type == MP_INT ||
		v->type == MP_FLOAT || v->type == MP_BOOL ?
	    0 :
	    -1;
}

int
props_check(const uint8_t *p, size_t n)
{
	struct mp m = { p, n };
	struct mp_value v;
	struct mp_str key;
	uint32_t count;

	if (mp_map(&m, &count) == -1 || count > PROPS_COUNT_MAX)
		return -1;
	for (; count > 0; count--)
		if (mp_str(&m, ENTRY_PROPS_MAX, &key) == -1 ||
		    props_value(&m, &v) == -1)
			return -1;
	return m.n == 0 ? 0 : -1;
}

void
props_iter_init(struct props_iter *it, const uint8_t *p, size_t n)
{
	it->m = (struct mp){ p, n };
	if (mp_map(&it->m, &it->left) == -1)
		it->left = 0;
}

int
props_next(struct props_iter *it, struct mp_str *key, struct mp_value *v)
{
	if (it->left == 0 ||
	    mp_str(&it->m, ENTRY_PROPS_MAX, key) == -1 ||
	    props_value(&it->m, v) == -1)
		return 0;
	it->left--;
	return 1;
}
