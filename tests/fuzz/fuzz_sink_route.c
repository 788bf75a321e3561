/*
 * Delivery to a sink: any order of hellos, messages, receipts and time. What
 * is acknowledged was done, the window holds, and the bytes add up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sink_route.h"

#define WINDOW 8
#define WINDOW_BYTES 256
#define ROUTES 3
#define COOKIES 64
#define NS_PER_MS UINT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
	uint64_t cookie;
	const struct sink_route *r;
	uint64_t number;
	uint32_t gen;
};

static struct sink_routes rs;
static struct taken taken[COOKIES];
static unsigned ntaken;

/* None of what still awaits its receipt may be acknowledged. */
static void
check(void)
{
	for (uint32_t i = 0; i < rs.max; i++) {
		const struct sink_route *r = &rs.routes[i];
		uint64_t bytes = 0;

		if (!r->in_use)
			continue;
		if (r->acked > r->taken || r->taken - r->acked > WINDOW)
			abort();
		for (uint64_t n = r->acked; n < r->taken; n++)
			bytes += r->ring[n % WINDOW].size;
		if (bytes != r->bytes)
			abort();
		if (r->taken > r->acked && r->ring[r->acked % WINDOW].done)
			abort();
	}
	for (unsigned i = 0; i < ntaken; i++) {
		const struct taken *t = &taken[i];

		if (t->r->in_use && t->r->gen == t->gen &&
		    t->number < t->r->acked)
			abort();
	}
}

static void
deliver(const char *name, uint64_t first, uint64_t count, uint32_t bytes,
    int stale, uint64_t now)
{
	struct dmsg_packets p = { .first = first, .count = count };
	struct sink_route *r = NULL;
	uint64_t skip;

	for (uint32_t i = 0; i < rs.max; i++)
		if (rs.routes[i].in_use &&
		    strcmp(rs.routes[i].route, name) == 0)
			r = &rs.routes[i];
	strcpy(p.route, name);
	strcpy(p.sink, r == NULL || stale ? "x" : r->sink);
	r = sink_route_packets(&rs, &p, &skip, now);
	if (r == NULL)
		return;
	if (stale || skip > count)
		abort();
	for (; skip < count && ntaken < COOKIES; skip++) {
		struct taken *t = &taken[ntaken];

		t->number = r->taken;
		if (sink_route_take(&rs, r, bytes, now, &t->cookie) == -1)
			return;
		t->r = r;
		t->gen = r->gen;
		ntaken++;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	uint64_t now = 1;

	ntaken = 0;
	sink_routes_init(&rs, ROUTES, WINDOW, WINDOW_BYTES);
	for (; size >= 3; data += 3, size -= 3) {
		const char *name = names[data[0] >> 3 & 3];
		struct dmsg_hello h = { .version = DMSG_VERSION +
			(data[1] == 255) };
		struct dmsg_grant g;
		unsigned i;

		switch (data[0] & 7) {
		case 0:
			strcpy(h.route, name);
			sink_route_hello(&rs, &h, data, 3, now);
			break;
		case 1:
		case 2:
			deliver(name, data[1], 1 + (data[2] & 15),
			    32 + data[2], data[0] >> 7, now);
			break;
		case 3:
		case 4:
			if (ntaken == 0)
				break;
			i = data[1] % ntaken;
			sink_route_done(&rs, taken[i].cookie, now);
			taken[i] = taken[--ntaken];
			break;
		case 5:
			now += (uint64_t)data[1] * data[2] * NS_PER_MS;
			sink_routes_tick(&rs, now);
			break;
		case 6:
			sink_routes_shut(&rs, data[1] & 1);
			break;
		default:
			for (i = 0; i < rs.max; i++)
				if (sink_route_grant(&rs, &rs.routes[i], &g,
				    now) && g.acked != rs.routes[i].acked)
					abort();
			break;
		}
		check();
	}
	sink_routes_free(&rs);
	return 0;
}
