#include "clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define BUCKETS 1024

void
clients_init(struct clients *cs, uint64_t max, size_t window, int wake_fd,
    const char *instance)
{
	*cs = (struct clients){ .size = BUCKETS, .max = max,
		.window = window, .wake_fd = wake_fd, .instance = instance };
	cs->buckets = calloc(cs->size, sizeof(*cs->buckets));
	if (cs->buckets == NULL)
		fatal(EX_OSERR, "calloc");
	cs->all.next = cs->all.prev = &cs->all;
}

void
clients_free(struct clients *cs)
{
	while (cs->all.next != &cs->all)
		clients_remove(cs, cs->all.next);
	free(cs->buckets);
}

/* FNV-1a; ids are ZeroMQ's counters, or what local programs chose. */
static struct client **
clients_bucket(struct clients *cs, const uint8_t *id, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ id[i]) * 16777619u;
	return &cs->buckets[(h ^ h >> 16) & (cs->size - 1)];
}

/* instance.routing-id-in-hex.resets; a long id is cut, it is unlikely that
 * two that begin alike come and go. */
static void
client_name(struct client *c, const char *instance)
{
	int n = snprintf(c->conn, sizeof(c->conn), "%s.", instance);

	for (int i = 0; i < c->id_len && i < 32; i++)
		n += snprintf(c->conn + n, sizeof(c->conn) - (size_t)n, "%02x",
		    c->id[i]);
	snprintf(c->conn + n, sizeof(c->conn) - (size_t)n, ".%" PRIu64,
	    c->resets);
}

static void
clients_link(struct clients *cs, struct client *c)
{
	c->prev = cs->all.prev;
	c->next = &cs->all;
	c->prev->next = c;
	cs->all.prev = c;
}

void
clients_heard(struct clients *cs, struct client *c, uint64_t now)
{
	c->heard = now;
	c->prev->next = c->next;
	c->next->prev = c->prev;
	clients_link(cs, c);
}

struct client *
clients_get(struct clients *cs, const uint8_t *id, size_t n, uint64_t now)
{
	struct client **bucket = clients_bucket(cs, id, n), *c;

	for (c = *bucket; c != NULL; c = c->hash_next)
		if (c->id_len == n && memcmp(c->id, id, n) == 0) {
			clients_heard(cs, c, now);
			return c;
		}
	if (cs->count >= cs->max || n > CLIENT_ID_MAX)
		return NULL;
	c = calloc(1, sizeof(*c) + n);
	if (c == NULL)
		fatal(EX_OSERR, "calloc");
	c->refs = 1;
	c->heard = now;
	c->id_len = (uint8_t)n;
	memcpy(c->id, id, n);
	client_name(c, cs->instance);
	c->window = window_new(cs->window, cs->wake_fd);
	c->hash_next = *bucket;
	*bucket = c;
	clients_link(cs, c);
	cs->count++;
	return c;
}

void
clients_remove(struct clients *cs, struct client *c)
{
	struct client **at = clients_bucket(cs, c->id, c->id_len);

	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	c->prev->next = c->next;
	c->next->prev = c->prev;
	cs->count--;
	c->gone = 1;
	client_unref(c);
}

void
client_unref(struct client *c)
{
	if (--c->refs > 0)
		return;
	window_unref(c->window);
	free(c->refusals);
	free(c);
}

struct client *
clients_silent(struct clients *cs)
{
	return cs->all.next != &cs->all ? cs->all.next : NULL;
}

void
clients_reset(struct clients *cs, struct client *c)
{
	c->resets++;
	c->nrefusals = 0;
	client_name(c, cs->instance);
}

static struct refusal *
client_refusal(struct client *c, const struct topic *t)
{
	for (size_t i = 0; i < c->nrefusals; i++)
		if (c->refusals[i].topic == t)
			return &c->refusals[i];
	return NULL;
}

int
client_refuses(struct client *c, const struct topic *t, uint64_t epoch)
{
	struct refusal *r = client_refusal(c, t);

	if (r == NULL || epoch == 0)
		return 0;
	if (epoch <= r->epoch)
		return 1;
	*r = c->refusals[--c->nrefusals];
	return 0;
}

void
client_refuse(struct client *c, struct topic *t, uint64_t epoch)
{
	struct refusal *r = client_refusal(c, t);

	if (epoch == 0)
		return;
	if (r == NULL) {
		c->refusals = reallocarray(c->refusals, c->nrefusals + 1,
		    sizeof(*r));
		if (c->refusals == NULL)
			fatal(EX_OSERR, "reallocarray");
		r = &c->refusals[c->nrefusals++];
		r->topic = t;
	}
	r->epoch = epoch;
}
