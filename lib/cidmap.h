/*
 * Connection ids to connections, and other short keys to what they stand for:
 * a hash table, keyed by SipHash with a random key since strangers choose some
 * of the ids (RFC 9000 section 7.2).
 */
#ifndef SLUICE_CIDMAP_H
#define SLUICE_CIDMAP_H

#include <stddef.h>
#include <stdint.h>

#define CIDMAP_CID_MAX 20 /* bytes */

struct cidmap_entry;

struct cidmap {
	struct cidmap_entry **slots;
	size_t nslots; /* a power of two, or 0 */
	size_t count;
	uint64_t key[2];
};

/* Sets up an empty map with a random key. */
void cidmap_init(struct cidmap *m);
void cidmap_free(struct cidmap *m);

/* The value, or NULL. */
void *cidmap_get(const struct cidmap *m, const uint8_t *cid, size_t len);
/* -1: the id is there already, or is longer than CIDMAP_CID_MAX. */
int cidmap_put(struct cidmap *m, const uint8_t *cid, size_t len, void *value);
/* Removes the id if its value is this one. */
void cidmap_del(struct cidmap *m, const uint8_t *cid, size_t len,
    const void *value);

/* SipHash-2-4 of n bytes. */
uint64_t cidmap_siphash(const uint64_t key[2], const uint8_t *p, size_t n);

#endif
