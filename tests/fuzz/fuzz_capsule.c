/* Capsules: byte 0 seeds the cuts, which must not change what comes out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capsule.h"

#define EVENTS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	struct capsule_in c;
	enum capsule_event events[EVENTS_MAX];
	size_t n;
};

static void
run(struct result *r, const uint8_t *p, size_t n, uint32_t seed)
{
	enum capsule_event ev = CAPSULE_EV_MORE;

	memset(r, 0, sizeof(*r));
	while (n > 0 && ev != CAPSULE_EV_ERROR) {
		size_t k = n, left;
		const uint8_t *q = p;

		if (seed != 0) {
			seed = seed * 1664525 + 1013904223;
			k = 1 + (seed >> 29);
			k = k < n ? k : n;
		}
		left = k;
		while ((ev = capsule_next(&r->c, &q, &left)) !=
		    CAPSULE_EV_MORE) {
			if (r->n < EVENTS_MAX)
				r->events[r->n++] = ev;
			if (ev == CAPSULE_EV_ERROR)
				break;
		}
		if (ev == CAPSULE_EV_MORE && left != 0)
			abort();
		p += k;
		n -= k;
	}
}

static void
check_close(const struct capsule_in *c)
{
	uint8_t raw[CAPSULE_CLOSE_LEN_MAX];
	struct result again;

	run(&again, raw, capsule_close_put(raw, c->code, c->reason,
			     c->reasonlen), 0);
	if (again.n != 1 || again.events[0] != CAPSULE_EV_CLOSE ||
	    again.c.code != c->code || again.c.reasonlen != c->reasonlen ||
	    memcmp(again.c.reason, c->reason, c->reasonlen) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct result whole, cut;

	if (size < 1)
		return 0;
	run(&whole, data + 1, size - 1, 0);
	run(&cut, data + 1, size - 1, 1 + data[0]);
	if (whole.n != cut.n || capsule_end(&whole.c) != capsule_end(&cut.c) ||
	    memcmp(whole.events, cut.events,
		whole.n * sizeof(whole.events[0])) != 0)
		abort();
	for (size_t i = 0; i < whole.n; i++)
		if (whole.events[i] == CAPSULE_EV_CLOSE &&
		    whole.events[whole.n - 1] != CAPSULE_EV_ERROR)
			check_close(&whole.c);
	return 0;
}
