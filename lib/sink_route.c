#include "sink_route.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "stage.h"

#define NS_PER_MS UINT64_C(1000000)
#define TICK_NS (1000 * NS_PER_MS)

/* A cookie: slot, generation of the slot, delivery number. */
#define COOKIE_SLOT_SHIFT 58
#define COOKIE_GEN_SHIFT 48
#define COOKIE_GEN_MASK 0x3ffu
#define COOKIE_NUMBER_MASK ((UINT64_C(1) << COOKIE_GEN_SHIFT) - 1)

#define HEADER_PREFIX "header."

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatal(EX_OSERR, "calloc of %zu bytes", n * size);
	return p;
}

void
sink_routes_init(struct sink_routes *rs, uint32_t max,
    uint32_t window_packets, uint64_t window_bytes)
{
	memset(rs, 0, sizeof(*rs));
	rs->max = max;
	rs->window_packets = window_packets;
	rs->window_bytes = window_bytes;
	rs->routes = alloc(max, sizeof(*rs->routes));
}

/* Late receipts find another generation in the slot. */
static void
route_forget(struct sink_routes *rs, struct sink_route *r)
{
	uint32_t gen = r->gen + 1;

	free(r->ring);
	free(r->header_text);
	props_free(&r->headers);
	memset(r, 0, sizeof(*r));
	r->gen = gen;
	rs->stats.active--;
}

void
sink_routes_free(struct sink_routes *rs)
{
	for (uint32_t i = 0; i < rs->max; i++)
		if (rs->routes[i].in_use)
			route_forget(rs, &rs->routes[i]);
	free(rs->routes);
	rs->routes = NULL;
	rs->max = 0;
}

static struct sink_route *
route_find(struct sink_routes *rs, const char *name)
{
	for (uint32_t i = 0; i < rs->max; i++)
		if (rs->routes[i].in_use &&
		    strcmp(rs->routes[i].route, name) == 0)
			return &rs->routes[i];
	return NULL;
}

static struct sink_route *
route_new(struct sink_routes *rs, const char *name)
{
	for (uint32_t i = 0; i < rs->max; i++) {
		struct sink_route *r = &rs->routes[i];

		if (r->in_use)
			continue;
		r->in_use = 1;
		strcpy(r->route, name);
		r->ring = alloc(rs->window_packets, sizeof(*r->ring));
		stage_instance(r->sink, sizeof(r->sink));
		rs->stats.active++;
		return r;
	}
	return NULL;
}

static void
headers_set(struct sink_route *r, const struct dmsg_hello *h)
{
	char key[sizeof(HEADER_PREFIX) + DMSG_HEADER_NAME_MAX];
	size_t n = 0;
	char *p;

	for (uint32_t i = 0; i < h->nheaders; i++)
		n += h->headers[i].name.n + h->headers[i].value.n + 2;
	free(r->header_text);
	p = r->header_text = alloc(n + 1, 1);
	r->nheaders = h->nheaders;
	props_reset(&r->headers);
	for (uint32_t i = 0; i < h->nheaders; i++) {
		const struct mp_str *name = &h->headers[i].name;
		const struct mp_str *value = &h->headers[i].value;

		memcpy(p, name->p, name->n);
		strcpy(key, HEADER_PREFIX);
		strcat(key, p);
		p += name->n + 1;
		memcpy(p, value->p, value->n);
		props_add_strn(&r->headers, key, value->p, value->n);
		p += value->n + 1;
	}
}

const char *
sink_route_header(const struct sink_route *r, const char *name)
{
	const char *p = r->header_text;

	for (uint32_t i = 0; i < r->nheaders; i++) {
		const char *value = p + strlen(p) + 1;

		if (strcmp(p, name) == 0)
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}

struct sink_route *
sink_route_hello(struct sink_routes *rs, const struct dmsg_hello *h,
    const uint8_t *id, size_t id_len, uint64_t now)
{
	struct sink_route *r = route_find(rs, h->route);

	if (r == NULL && h->version == DMSG_VERSION)
		r = route_new(rs, h->route);
	if (r == NULL || h->version != DMSG_VERSION || id_len > SINK_ID_MAX) {
		if (rs->stats.refused++ == 0)
			log_warnx("route %s refused: %s", h->route,
			    h->version != DMSG_VERSION ? "another version" :
			    "too many routes");
		return NULL;
	}
	strcpy(r->service, h->service);
	memcpy(r->id, id, id_len);
	r->id_len = id_len;
	headers_set(r, h);
	r->heard = now;
	r->tell = 1;
	return r;
}

void
sink_route_restart(struct sink_route *r)
{
	stage_instance(r->sink, sizeof(r->sink));
	r->begun = 0;
	r->tell = 1;
}

/*
 * The first message under an instance of ours says where route begins. If
 * that is above what was taken, nothing below is awaited any more.
 */
static void
route_begin(struct sink_route *r, uint64_t first)
{
	r->begun = 1;
	if (first <= r->taken)
		return;
	r->gen++;
	r->taken = r->acked = r->told_acked = first;
	r->bytes = r->done_bytes = 0;
}

struct sink_route *
sink_route_packets(struct sink_routes *rs, const struct dmsg_packets *p,
    uint64_t *skip, uint64_t now)
{
	struct sink_route *r = route_find(rs, p->route);

	if (r == NULL) {
		rs->stats.unknown++;
		return NULL;
	}
	r->heard = now;
	if (strcmp(r->sink, p->sink) != 0) {
		rs->stats.stale++;
		return NULL;
	}
	if (!r->begun)
		route_begin(r, p->first);
	if (p->first > r->taken) {
		rs->stats.gaps++;
		log_warnx("route %s (%s): deliveries %llu to %llu are missing",
		    r->route, r->service, (unsigned long long)r->taken,
		    (unsigned long long)p->first);
		sink_route_restart(r);
		return NULL;
	}
	*skip = r->taken - p->first < p->count ? r->taken - p->first :
						 p->count;
	rs->stats.duplicates += *skip;
	return r;
}

int
sink_route_take(struct sink_routes *rs, struct sink_route *r, uint32_t size,
    uint64_t now, uint64_t *cookie)
{
	uint64_t slot = (uint64_t)(r - rs->routes);

	/* A record larger than the window may come alone. */
	if (r->taken - r->acked >= rs->window_packets ||
	    (r->bytes > 0 && r->bytes + size > rs->window_bytes)) {
		if (rs->stats.over++ == 0)
			log_warnx("route %s (%s): sends more than was granted",
			    r->route, r->service);
		sink_route_restart(r);
		return -1;
	}
	r->ring[r->taken % rs->window_packets] =
	    (struct sink_delivery){ .size = size, .at = now };
	*cookie = slot << COOKIE_SLOT_SHIFT |
	    (uint64_t)(r->gen & COOKIE_GEN_MASK) << COOKIE_GEN_SHIFT |
	    (r->taken & COOKIE_NUMBER_MASK);
	r->bytes += size;
	r->taken++;
	return 0;
}

void
sink_route_done(struct sink_routes *rs, uint64_t cookie, uint64_t now)
{
	uint64_t slot = cookie >> COOKIE_SLOT_SHIFT;
	uint64_t number = cookie & COOKIE_NUMBER_MASK;
	struct sink_delivery *d;
	struct sink_route *r;

	r = slot < rs->max ? &rs->routes[slot] : NULL;
	if (r == NULL || !r->in_use || (r->gen & COOKIE_GEN_MASK) !=
	    (cookie >> COOKIE_GEN_SHIFT & COOKIE_GEN_MASK) ||
	    number < r->acked || number >= r->taken) {
		rs->stats.late++;
		return;
	}
	d = &r->ring[number % rs->window_packets];
	d->done = 1;
	rs->wait_ms += (double)(now - d->at) / (double)NS_PER_MS;
	rs->waits++;
	/* Upstream hears of it in order only. */
	while (r->acked < r->taken) {
		d = &r->ring[r->acked % rs->window_packets];
		if (!d->done)
			break;
		r->bytes -= d->size;
		r->done_bytes += d->size;
		r->acked++;
	}
}

/* When r is to be told, ns; UINT64_MAX: there is nothing new. */
static uint64_t
grant_due(const struct sink_routes *rs, const struct sink_route *r)
{
	if (r->tell)
		return 0;
	if (r->acked == r->told_acked)
		return UINT64_MAX;
	if (r->acked - r->told_acked >= rs->window_packets / 4 ||
	    r->done_bytes >= rs->window_bytes / 4)
		return 0;
	/* With nothing left to wait for, it is the last for a while. */
	return r->told + NS_PER_MS *
	    (r->acked == r->taken ? SINK_GRANT_MS : SINK_GRANT_LAZY_MS);
}

int
sink_route_grant(struct sink_routes *rs, struct sink_route *r,
    struct dmsg_grant *g, uint64_t now)
{
	if (!r->in_use || grant_due(rs, r) > now)
		return 0;
	strcpy(g->sink, r->sink);
	strcpy(g->route, r->route);
	g->acked = r->acked;
	g->packets = rs->shut ? 0 : rs->window_packets;
	g->bytes = rs->shut ? 0 : rs->window_bytes;
	r->tell = 0;
	r->told = now;
	r->told_acked = r->acked;
	r->done_bytes = 0;
	rs->stats.grants++;
	return 1;
}

void
sink_routes_shut(struct sink_routes *rs, int on)
{
	if (rs->shut == on)
		return;
	rs->shut = on;
	for (uint32_t i = 0; i < rs->max; i++)
		rs->routes[i].tell = 1;
}

uint64_t
sink_routes_tick(struct sink_routes *rs, uint64_t now)
{
	uint64_t due = now + TICK_NS, at;

	for (uint32_t i = 0; i < rs->max; i++) {
		struct sink_route *r = &rs->routes[i];

		if (!r->in_use)
			continue;
		if (now - r->heard >= SINK_SILENCE_MS * NS_PER_MS) {
			log_info("route %s (%s) is silent: forgotten",
			    r->route, r->service);
			rs->stats.forgotten++;
			route_forget(rs, r);
			continue;
		}
		at = grant_due(rs, r);
		if (at < due)
			due = at;
	}
	return due > now ? due - now : 0;
}
