/*
 * Properties of an entry: one msgpack map, string keys, values string,
 * integer, float or bool. Pure.
 *
 *	props_reset(&p);
 *	props_add_str(&p, "track_id", id);
 *	props_add_uint(&p, "width", 640);
 *	e.props = props_data(&p);
 *	e.props_len = props_len(&p);
 */
#ifndef SLUICE_PROPS_H
#define SLUICE_PROPS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mp.h"

#define PROPS_COUNT_MAX 1024 /* pairs in one map */

/* Being built; all zero is empty. props_free gives the memory back. */
struct props {
	struct buf b;
	uint32_t count;
};

void props_reset(struct props *p);
void props_free(struct props *p);

/* Keys and strings are UTF-8. What would pass PROPS_COUNT_MAX or
 * ENTRY_PROPS_MAX is not added: -1, else 0. */
int props_add_str(struct props *p, const char *key, const char *value);
int props_add_strn(struct props *p, const char *key, const char *value,
    size_t n);
int props_add_uint(struct props *p, const char *key, uint64_t value);
int props_add_int(struct props *p, const char *key, int64_t value);
int props_add_float(struct props *p, const char *key, double value);
int props_add_bool(struct props *p, const char *key, int value);

/* All pairs of another map. */
int props_append(struct props *p, const struct props *from);

/* The map; valid until the next call for p. */
const uint8_t *props_data(struct props *p);
uint32_t props_len(struct props *p);

/* Walks a map. The value is MP_STR, MP_UINT, MP_INT, MP_FLOAT or MP_BOOL. */
struct props_iter {
	struct mp m;
	uint32_t left;
};

/* 0, or -1 when the n bytes are not exactly such a map. */
int props_check(const uint8_t *p, size_t n);

/* For what props_check likes. props_next: 1, or 0 at the end. */
void props_iter_init(struct props_iter *it, const uint8_t *p, size_t n);
int props_next(struct props_iter *it, struct mp_str *key, struct mp_value *v);

#endif
