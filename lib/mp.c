#include "mp.h"

#include <string.h>

#include "be.h"
#include "track.h"

/* A big-endian integer of 1, 2, 4 or 8 bytes. */
static int
mp_be(struct mp *m, size_t size, uint64_t *v)
{
	if (m->n < size)
		return -1;
	switch (size) {
	case 1:
		*v = m->p[0];
		break;
	case 2:
		*v = be16_get(m->p);
		break;
	case 4:
		*v = be32_get(m->p);
		break;
	default:
		*v = be64_get(m->p);
		break;
	}
	m->p += size;
	m->n -= size;
	return 0;
}

/* len bytes of content. */
static int
mp_body(struct mp *m, uint64_t len, enum mp_type type, struct mp_value *v)
{
	if (m->n < len)
		return -1;
	v->type = type;
	v->s.p = (const char *)m->p;
	v->s.n = (uint32_t)len;
	m->p += len;
	m->n -= len;
	return 0;
}

/* A length of size bytes, then the content; an ext has one byte more. */
static int
mp_sized_body(struct mp *m, size_t size, enum mp_type type,
    struct mp_value *v)
{
	uint64_t len;

	if (mp_be(m, size, &len) == -1)
		return -1;
	return mp_body(m, len + (type == MP_EXT), type, v);
}

static int
mp_container(const struct mp *m, uint64_t count, enum mp_type type,
    struct mp_value *v)
{
	/* Every element takes a byte at least. */
	if (count > (type == MP_MAP ? m->n / 2 : m->n))
		return -1;
	v->type = type;
	v->count = (uint32_t)count;
	return 0;
}

static int
mp_sized_container(struct mp *m, size_t size, enum mp_type type,
    struct mp_value *v)
{
	uint64_t count;

	if (mp_be(m, size, &count) == -1)
		return -1;
	return mp_container(m, count, type, v);
}

static int
mp_unsigned(struct mp *m, size_t size, struct mp_value *v)
{
	v->type = MP_UINT;
	return mp_be(m, size, &v->u);
}

static int
mp_signed(struct mp *m, size_t size, struct mp_value *v)
{
	unsigned shift = 64 - 8 * (unsigned)size;
	uint64_t u;

	if (mp_be(m, size, &u) == -1)
		return -1;
	v->i = (int64_t)(u << shift) >> shift;
	v->type = v->i < 0 ? MP_INT : MP_UINT;
	return 0;
}

static int
mp_floating(struct mp *m, size_t size, struct mp_value *v)
{
	uint64_t u;
	uint32_t u32;
	float f;

	if (mp_be(m, size, &u) == -1)
		return -1;
	v->type = MP_FLOAT;
	if (size == sizeof(u)) {
		memcpy(&v->d, &u, sizeof(u));
		return 0;
	}
	u32 = (uint32_t)u;
	memcpy(&f, &u32, sizeof(f));
	v->d = (double)f;
	return 0;
}

/* The tokens that are one byte alone, or begin with a count in it. */
static int
mp_fix(struct mp *m, uint8_t c, struct mp_value *v)
{
	if (c < 0x80) {
		v->type = MP_UINT;
		v->u = c;
		return 0;
	}
	if (c < 0x90)
		return mp_container(m, c & 0x0f, MP_MAP, v);
	if (c < 0xa0)
		return mp_container(m, c & 0x0f, MP_ARRAY, v);
	if (c < 0xc0)
		return mp_body(m, c & 0x1f, MP_STR, v);
	if (c >= 0xe0) {
		v->type = MP_INT;
		v->i = (int8_t)c;
		return 0;
	}
	if (c == 0xc1)
		return -1;
	v->type = c == 0xc0 ? MP_NIL : MP_BOOL;
	v->b = c == 0xc3;
	return 0;
}

int
mp_next(struct mp *m, struct mp_value *v)
{
	uint8_t c;

	if (m->n == 0)
		return -1;
	c = *m->p++;
	m->n--;
	if (c < 0xc4 || c >= 0xe0)
		return mp_fix(m, c, v);
	switch (c) {
	case 0xc4: case 0xc5: case 0xc6:
		return mp_sized_body(m, (size_t)1 << (c - 0xc4), MP_BIN, v);
	case 0xc7: case 0xc8: case 0xc9:
		return mp_sized_body(m, (size_t)1 << (c - 0xc7), MP_EXT, v);
	case 0xca: case 0xcb:
		return mp_floating(m, c == 0xca ? 4 : 8, v);
	case 0xcc: case 0xcd: case 0xce: case 0xcf:
		return mp_unsigned(m, (size_t)1 << (c - 0xcc), v);
	case 0xd0: case 0xd1: case 0xd2: case 0xd3:
		return mp_signed(m, (size_t)1 << (c - 0xd0), v);
	case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
		return mp_body(m, 1 + (UINT64_C(1) << (c - 0xd4)), MP_EXT, v);
	case 0xd9: case 0xda: case 0xdb:
		return mp_sized_body(m, (size_t)1 << (c - 0xd9), MP_STR, v);
	case 0xdc: case 0xdd:
		return mp_sized_container(m, c == 0xdc ? 2 : 4, MP_ARRAY, v);
	default: /* 0xde, 0xdf */
		return mp_sized_container(m, c == 0xde ? 2 : 4, MP_MAP, v);
	}
}

int
mp_skip(struct mp *m)
{
	struct mp_value v;
	uint64_t left = 1;

	/* Every turn takes a byte at least, however deep the nesting is. */
	while (left > 0) {
		if (mp_next(m, &v) == -1)
			return -1;
		left--;
		if (v.type == MP_ARRAY)
			left += v.count;
		else if (v.type == MP_MAP)
			left += 2 * (uint64_t)v.count;
	}
	return 0;
}

int
mp_map(struct mp *m, uint32_t *count)
{
	struct mp_value v;

	if (mp_next(m, &v) == -1 || v.type != MP_MAP)
		return -1;
	*count = v.count;
	return 0;
}

int
mp_uint(struct mp *m, uint64_t *u)
{
	struct mp_value v;

	if (mp_next(m, &v) == -1 || v.type != MP_UINT)
		return -1;
	*u = v.u;
	return 0;
}

int
mp_str(struct mp *m, uint32_t max, struct mp_str *s)
{
	struct mp_value v;

	if (mp_next(m, &v) == -1 || v.type != MP_STR || v.s.n > max ||
	    memchr(v.s.p, '\0', v.s.n) != NULL ||
	    !utf8_valid((const uint8_t *)v.s.p, v.s.n))
		return -1;
	*s = v.s;
	return 0;
}

int
mp_str_is(struct mp_str s, const char *t)
{
	size_t n = strlen(t);

	return s.n == n && memcmp(s.p, t, n) == 0;
}

int
mp_str_copy(struct mp_str s, char *dst, size_t size)
{
	if (s.n >= size)
		return -1;
	memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return 0;
}

static int
mp_write(void *ctx, const char *data, size_t n)
{
	buf_append(ctx, data, n);
	return 0;
}

void
mp_packer_init(msgpack_packer *pk, struct buf *b)
{
	msgpack_packer_init(pk, b, mp_write);
}

void
mp_put_str(msgpack_packer *pk, const char *s)
{
	size_t n = strlen(s);

	msgpack_pack_str(pk, n);
	msgpack_pack_str_body(pk, s, n);
}

void
mp_put_pair_str(msgpack_packer *pk, const char *key, const char *value)
{
	mp_put_str(pk, key);
	mp_put_str(pk, value);
}

void
mp_put_pair_uint(msgpack_packer *pk, const char *key, uint64_t value)
{
	mp_put_str(pk, key);
	msgpack_pack_uint64(pk, value);
}
