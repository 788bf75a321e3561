#include "timerq.h"

#include <stdlib.h>
#include <sysexits.h>

#include "log.h"

void
timerq_free(struct timerq *q)
{
	free(q->heap);
	*q = (struct timerq){ 0 };
}

static void
timerq_place(struct timerq *q, struct timer *t, size_t place)
{
	q->heap[place - 1] = t;
	t->place = place;
}

/* Moves t, which stands in place, up or down to where it belongs. */
static void
timerq_sift(struct timerq *q, struct timer *t, size_t place)
{
	while (place > 1 && q->heap[place / 2 - 1]->at > t->at) {
		timerq_place(q, q->heap[place / 2 - 1], place);
		place /= 2;
	}
	while (place * 2 <= q->count) {
		size_t kid = place * 2;

		if (kid < q->count && q->heap[kid]->at < q->heap[kid - 1]->at)
			kid++;
		if (q->heap[kid - 1]->at >= t->at)
			break;
		timerq_place(q, q->heap[kid - 1], place);
		place = kid;
	}
	timerq_place(q, t, place);
}

static void
timerq_remove(struct timerq *q, struct timer *t)
{
	struct timer *last = q->heap[--q->count];
	size_t place = t->place;

	t->place = 0;
	if (last != t)
		timerq_sift(q, last, place);
}

void
timerq_set(struct timerq *q, struct timer *t, uint64_t at)
{
	if (at == TIMERQ_NEVER) {
		if (t->place != 0)
			timerq_remove(q, t);
		t->at = at;
		return;
	}
	if (t->place != 0 && t->at == at)
		return;
	t->at = at;
	if (t->place == 0) {
		if (q->count == q->size) {
			size_t size = q->size == 0 ? 64 : q->size * 2;
			struct timer **heap = reallocarray(q->heap, size,
			    sizeof(struct timer *));

			if (heap == NULL)
				fatal(EX_OSERR, "reallocarray");
			q->heap = heap;
			q->size = size;
		}
		t->place = ++q->count;
	}
	timerq_sift(q, t, t->place);
}

uint64_t
timerq_next(const struct timerq *q)
{
	return q->count == 0 ? TIMERQ_NEVER : q->heap[0]->at;
}

struct timer *
timerq_pop(struct timerq *q, uint64_t now)
{
	struct timer *t;

	if (q->count == 0 || q->heap[0]->at > now)
		return NULL;
	t = q->heap[0];
	timerq_remove(q, t);
	return t;
}
