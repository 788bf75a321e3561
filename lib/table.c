#include "table.h"

#include <stdlib.h>
#include <sysexits.h>

#include "log.h"

#define TABLE_MIN 64

/* Steele, Lea and Flood's splitmix64 finaliser: stream ids count by four. */
static size_t
table_hash(uint64_t k1, uint64_t k2)
{
	uint64_t h = k1 * UINT64_C(0x9e3779b97f4a7c15) + k2;

	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(h ^ h >> 31);
}

static struct table_node **
table_bucket(const struct table *t, uint64_t k1, uint64_t k2)
{
	return &t->buckets[table_hash(k1, k2) & (t->size - 1)];
}

void
table_free(struct table *t)
{
	free(t->buckets);
	*t = (struct table){ 0 };
}

struct table_node *
table_find(const struct table *t, uint64_t k1, uint64_t k2)
{
	struct table_node *n;

	if (t->count == 0)
		return NULL;
	n = *table_bucket(t, k1, k2);
	while (n != NULL && (n->k1 != k1 || n->k2 != k2))
		n = n->next;
	return n;
}

static void
table_grow(struct table *t)
{
	struct table old = *t;

	t->size = old.size == 0 ? TABLE_MIN : old.size * 2;
	t->count = 0;
	t->buckets = calloc(t->size, sizeof(struct table_node *));
	if (t->buckets == NULL)
		fatal(EX_OSERR, "table of %zu buckets", t->size);
	for (size_t i = 0; i < old.size; i++) {
		struct table_node *n = old.buckets[i], *next;

		for (; n != NULL; n = next) {
			next = n->next;
			table_add(t, n);
		}
	}
	free(old.buckets);
}

void
table_add(struct table *t, struct table_node *n)
{
	struct table_node **bucket;

	if (t->count == t->size)
		table_grow(t);
	bucket = table_bucket(t, n->k1, n->k2);
	n->next = *bucket;
	*bucket = n;
	t->count++;
}

void
table_remove(struct table *t, struct table_node *n)
{
	struct table_node **at = table_bucket(t, n->k1, n->k2);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	t->count--;
}

struct table_node *
table_take(struct table *t, size_t *at)
{
	struct table_node *n;

	for (; *at < t->size; ++*at) {
		n = t->buckets[*at];
		if (n == NULL)
			continue;
		t->buckets[*at] = n->next;
		t->count--;
		return n;
	}
	return NULL;
}
