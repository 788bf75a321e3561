#include "cidmap.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "log.h"

#define CIDMAP_SLOTS_MIN 64

struct cidmap_entry {
	struct cidmap_entry *next;
	void *value;
	uint8_t len;
	uint8_t cid[CIDMAP_CID_MAX];
};

static inline uint64_t
rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sipround(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static inline void
sipword(uint64_t v[4], uint64_t w)
{
	v[3] ^= w;
	sipround(v);
	sipround(v);
	v[0] ^= w;
}

uint64_t
cidmap_siphash(const uint64_t key[2], const uint8_t *p, size_t n)
{
	uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573) };
	uint64_t w, last = (uint64_t)n << 56;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		sipword(v, le64toh(w));
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << (8 * i);
	sipword(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sipround(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
cidmap_init(struct cidmap *m)
{
	*m = (struct cidmap){ 0 };
	if (getrandom(m->key, sizeof(m->key), 0) != sizeof(m->key))
		fatal(EX_OSERR, "getrandom");
}

void
cidmap_free(struct cidmap *m)
{
	for (size_t i = 0; i < m->nslots; i++)
		for (struct cidmap_entry *e = m->slots[i], *next; e != NULL;
		     e = next) {
			next = e->next;
			free(e);
		}
	free(m->slots);
	m->slots = NULL;
	m->nslots = m->count = 0;
}

static size_t
cidmap_slot(const struct cidmap *m, const uint8_t *cid, size_t len)
{
	return (size_t)cidmap_siphash(m->key, cid, len) & (m->nslots - 1);
}

static struct cidmap_entry **
cidmap_find(const struct cidmap *m, const uint8_t *cid, size_t len)
{
	struct cidmap_entry **p = &m->slots[cidmap_slot(m, cid, len)];

	while (*p != NULL &&
	    ((*p)->len != len || memcmp((*p)->cid, cid, len) != 0))
		p = &(*p)->next;
	return p;
}

static void
cidmap_grow(struct cidmap *m)
{
	struct cidmap_entry **old = m->slots;
	size_t nold = m->nslots;

	m->nslots = nold == 0 ? CIDMAP_SLOTS_MIN : nold * 2;
	m->slots = calloc(m->nslots, sizeof(*m->slots));
	if (m->slots == NULL)
		fatal(EX_OSERR, "calloc");
	for (size_t i = 0; i < nold; i++)
		for (struct cidmap_entry *e = old[i], *next; e != NULL;
		     e = next) {
			size_t slot = cidmap_slot(m, e->cid, e->len);

			next = e->next;
			e->next = m->slots[slot];
			m->slots[slot] = e;
		}
	free(old);
}

void *
cidmap_get(const struct cidmap *m, const uint8_t *cid, size_t len)
{
	struct cidmap_entry *e;

	if (m->nslots == 0)
		return NULL;
	e = *cidmap_find(m, cid, len);
	return e == NULL ? NULL : e->value;
}

int
cidmap_put(struct cidmap *m, const uint8_t *cid, size_t len, void *value)
{
	struct cidmap_entry *e, **p;

	if (len > CIDMAP_CID_MAX)
		return -1;
	if (m->count >= m->nslots)
		cidmap_grow(m);
	p = cidmap_find(m, cid, len);
	if (*p != NULL)
		return -1;
	e = malloc(sizeof(*e));
	if (e == NULL)
		fatal(EX_OSERR, "malloc");
	e->next = NULL;
	e->value = value;
	e->len = (uint8_t)len;
	memcpy(e->cid, cid, len);
	*p = e;
	m->count++;
	return 0;
}

void
cidmap_del(struct cidmap *m, const uint8_t *cid, size_t len, const void *value)
{
	struct cidmap_entry *e, **p;

	if (m->nslots == 0)
		return;
	p = cidmap_find(m, cid, len);
	e = *p;
	if (e == NULL || e->value != value)
		return;
	*p = e->next;
	free(e);
	m->count--;
}
