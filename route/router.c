#include "router.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n * size);
	return p;
}

/* A type is 12 bytes: two numbers, of 8 and of 4. */
static void
type_key(const struct router *r, const uint8_t *type, uint64_t *k1,
    uint64_t *k2)
{
	uint32_t tail;

	memcpy(k1, type, sizeof(*k1));
	memcpy(&tail, type + sizeof(*k1), sizeof(tail));
	*k1 ^= r->salt;
	*k2 = tail;
}

static void
router_add(struct router *r, struct router_node *n, const uint8_t *type,
    int32_t service)
{
	type_key(r, type, &n->node.k1, &n->node.k2);
	n->service = service;
	table_add(&r->table, &n->node);
}

void
router_init(struct router *r, const struct config *c, uint64_t salt)
{
	uint8_t type[TRACK_TYPE_LEN];
	uint32_t ntypes = 0, nexact = 0;

	memset(r, 0, sizeof(*r));
	r->salt = salt;
	for (uint32_t i = 0; i < c->nservices; i++)
		ntypes += c->services[i].ntypes;
	r->exact = alloc(ntypes, sizeof(*r->exact));
	r->patterns = alloc(ntypes, sizeof(*r->patterns));
	r->remembered = alloc(ROUTER_REMEMBERED, sizeof(*r->remembered));
	for (uint32_t i = 0; i < c->nservices; i++) {
		const struct config_service *s = &c->services[i];

		for (uint32_t k = 0; k < s->ntypes; k++) {
			const char *t = s->types[k];

			if (strchr(t, '*') != NULL) {
				r->patterns[r->npatterns++] =
				    (struct router_pattern){ t, (int32_t)i };
				continue;
			}
			memset(type, 0, sizeof(type));
			memcpy(type, t, strlen(t));
			router_add(r, &r->exact[nexact++], type, (int32_t)i);
		}
	}
	r->unknown = c->unknown_to_default ? config_find(c, CONFIG_DEFAULT) :
					     ROUTER_UNKNOWN;
}

void
router_free(struct router *r)
{
	table_free(&r->table);
	free(r->exact);
	free(r->patterns);
	free(r->remembered);
}

int
router_match(const char *pattern, const uint8_t *text, size_t n)
{
	const char *star = NULL;
	size_t i = 0, retry = 0;

	/* The last star is the only one that may have to give up bytes. */
	while (i < n) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = i;
		} else if (*pattern != '\0' && (uint8_t)*pattern == text[i]) {
			pattern++;
			i++;
		} else if (star != NULL) {
			pattern = star;
			i = ++retry;
		} else {
			return 0;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static int32_t
router_search(const struct router *r, const uint8_t *type)
{
	size_t n = strnlen((const char *)type, TRACK_TYPE_LEN);

	for (uint32_t i = 0; i < r->npatterns; i++)
		if (router_match(r->patterns[i].text, type, n))
			return r->patterns[i].service;
	return r->unknown;
}

/* Strangers choose types: when there are too many, all are forgotten. */
static void
router_remember(struct router *r, const uint8_t *type, int32_t service)
{
	if (r->nremembered == ROUTER_REMEMBERED) {
		for (uint32_t i = 0; i < ROUTER_REMEMBERED; i++)
			table_remove(&r->table, &r->remembered[i].node);
		r->nremembered = 0;
	}
	router_add(r, &r->remembered[r->nremembered++], type, service);
}

int32_t
router_lookup(struct router *r, const uint8_t *type)
{
	struct table_node *n;
	uint64_t k1, k2;
	int32_t service;

	type_key(r, type, &k1, &k2);
	n = table_find(&r->table, k1, k2);
	if (n != NULL)
		return ((struct router_node *)n)->service;
	service = router_search(r, type);
	router_remember(r, type, service);
	return service;
}

uint32_t
router_pick(uint64_t session, const uint8_t *id, uint32_t n)
{
	uint64_t a, b, h;

	if (n == 1)
		return 0;
	memcpy(&a, id, sizeof(a));
	memcpy(&b, id + sizeof(a), sizeof(b));
	/* splitmix64's finaliser over what is to be spread. */
	h = session * UINT64_C(0x9e3779b97f4a7c15) ^ a;
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9) ^ b;
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	h ^= h >> 31;
	return (uint32_t)((h >> 32) * n >> 32);
}
