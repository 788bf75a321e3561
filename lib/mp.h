/*
 * msgpack. Reading is a cursor over bytes that allocates nothing and hands
 * out pointers into them: what a stranger claims about sizes costs nothing,
 * a count is never larger than the bytes left. Writing is msgpack-c's packer
 * into a struct buf.
 */
#ifndef SLUICE_MP_H
#define SLUICE_MP_H

#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

#include "buf.h"

struct mp {
	const uint8_t *p; /* next byte */
	size_t n;	  /* bytes left */
};

enum mp_type {
	MP_NIL,
	MP_BOOL,
	MP_UINT, /* 0 and up, however it was written */
	MP_INT,	 /* below 0 */
	MP_FLOAT,
	MP_STR,
	MP_BIN,
	MP_EXT,
	MP_ARRAY, /* followed by count values */
	MP_MAP	  /* followed by count keys, each with its value */
};

/* Text in somebody else's memory, without a NUL. */
struct mp_str {
	const char *p;
	uint32_t n; /* bytes */
};

struct mp_value {
	enum mp_type type;
	union {
		int b;
		uint64_t u;
		int64_t i;
		double d;
		struct mp_str s; /* MP_STR, MP_BIN, MP_EXT */
		uint32_t count;
	};
};

/* One token. -1 when the bytes end inside it or it is not msgpack. */
int mp_next(struct mp *m, struct mp_value *v);

/* One whole value with all that is in it. -1 as above. */
int mp_skip(struct mp *m);

/* One token of the given type, or -1. A str is well-formed UTF-8 without a
 * NUL, at most max bytes. */
int mp_map(struct mp *m, uint32_t *count);
int mp_uint(struct mp *m, uint64_t *u);
int mp_str(struct mp *m, uint32_t max, struct mp_str *s);

/* 1 if s is the NUL-terminated t. */
int mp_str_is(struct mp_str s, const char *t);

/* dst[size] = s and a NUL; -1 when it does not fit. */
int mp_str_copy(struct mp_str s, char *dst, size_t size);

/* A packer that appends to b. */
void mp_packer_init(msgpack_packer *pk, struct buf *b);
void mp_put_str(msgpack_packer *pk, const char *s);
/* A key and its value, for a map. */
void mp_put_pair_str(msgpack_packer *pk, const char *key, const char *value);
void mp_put_pair_uint(msgpack_packer *pk, const char *key, uint64_t value);

#endif
