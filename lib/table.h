/*
 * A hash table of nodes that sit inside the caller's own structs, keyed by
 * two numbers: (session, stream). It allocates only its buckets, and doubles
 * them as it fills. Pure.
 *
 *	struct stream {
 *		struct table_node node; // first, so that a cast goes back
 *		...
 *	};
 */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next; /* private */
	uint64_t k1, k2;	 /* do not change while it is in a table */
};

struct table {
	struct table_node **buckets;
	size_t size;  /* buckets, a power of two, or 0 */
	size_t count; /* nodes */
};

/* All zero is an empty table. Frees the buckets; nodes are the caller's. */
void table_free(struct table *t);

/* The node with these keys, or NULL. */
struct table_node *table_find(const struct table *t, uint64_t k1, uint64_t k2);

/* Adds n under its keys, which no node in the table has. Out of memory ends
 * the program (EX_OSERR). */
void table_add(struct table *t, struct table_node *n);

/* Takes out n, which is in the table. */
void table_remove(struct table *t, struct table_node *n);

/* Takes out any node, NULL when there is none: to empty the table. *at is 0
 * at first. */
struct table_node *table_take(struct table *t, size_t *at);

#endif
