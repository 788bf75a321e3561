#include "hold.h"

#include <stdlib.h>
#include <sysexits.h>

#include "log.h"

#define HOLD_MIN 2048

static int
hold_class(uint32_t cap)
{
	return cap == 0 ? 0 : 32 - __builtin_clz(cap);
}

static void
hold_unlink(struct hold *h)
{
	*h->at = h->next;
	if (h->next != NULL)
		h->next->at = h->at;
}

static void
hold_link(struct holds *hs, struct hold *h)
{
	h->at = &hs->lists[hold_class(h->cap)];
	h->next = *h->at;
	if (h->next != NULL)
		h->next->at = &h->next;
	*h->at = h;
}

/* The one to free when h wants to be of the given size. */
static struct hold *
hold_largest(struct holds *hs, struct hold *h, uint32_t cap)
{
	for (int i = HOLD_CLASSES - 1; i > hold_class(cap); i--)
		if (hs->lists[i] != NULL)
			return hs->lists[i];
	return h;
}

struct hold *
hold_grow(struct holds *hs, struct hold *h, uint32_t n, uint32_t whole)
{
	uint32_t cap = 2 * (h->len + n);
	uint8_t *mem;

	if (h->cap - h->len >= n)
		return NULL;
	if (cap < HOLD_MIN)
		cap = HOLD_MIN;
	if (cap > whole)
		cap = whole;
	if (hs->bytes - h->cap + cap > hs->max)
		return hold_largest(hs, h, cap);
	mem = realloc(h->mem, cap);
	if (mem == NULL)
		fatal(EX_OSERR, "%u bytes", cap);
	if (h->cap > 0)
		hold_unlink(h);
	hs->bytes += cap - h->cap;
	if (hs->bytes > hs->bytes_max)
		hs->bytes_max = hs->bytes;
	h->mem = mem;
	h->cap = cap;
	hold_link(hs, h);
	return NULL;
}

void
hold_free(struct holds *hs, struct hold *h)
{
	if (h->cap > 0)
		hold_unlink(h);
	hs->bytes -= h->cap;
	free(h->mem);
	*h = (struct hold){ 0 };
}
